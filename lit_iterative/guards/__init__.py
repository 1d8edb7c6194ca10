"""Guards: conditions on the history of a run, and what follows when one is met."""

from lit_iterative.guards.actions import Action, Change, Finish, GoBack, Stop, Warn
from lit_iterative.guards.canaries import CanariesOverconfident, CanariesWrong
from lit_iterative.guards.collapse import AnswerCollapse, ClassCollapse, DistinctCollapse
from lit_iterative.guards.condition import Condition
from lit_iterative.guards.drift import Disagreement, KLBudget, LabelFlips, LengthDrift
from lit_iterative.guards.guard import Guard, judge
from lit_iterative.guards.held_out import Overoptimised, Sharpening, Worse
from lit_iterative.guards.history import History, Record
from lit_iterative.guards.levels import Above, Below
from lit_iterative.guards.stopping import Budget, LittleToGain, NoGain, NoNewData

__all__ = [
    "Above",
    "Action",
    "AnswerCollapse",
    "Below",
    "Budget",
    "CanariesOverconfident",
    "CanariesWrong",
    "Change",
    "ClassCollapse",
    "Condition",
    "Disagreement",
    "DistinctCollapse",
    "Finish",
    "GoBack",
    "Guard",
    "History",
    "KLBudget",
    "LabelFlips",
    "LengthDrift",
    "LittleToGain",
    "NoGain",
    "NoNewData",
    "Overoptimised",
    "Record",
    "Sharpening",
    "Stop",
    "Warn",
    "Worse",
    "judge",
]
