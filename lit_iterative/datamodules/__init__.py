"""DataModules whose data is swapped between rounds."""

from lit_iterative.datamodules.digits import Digits, DigitsData
from lit_iterative.datamodules.domains import OtherLight
from lit_iterative.datamodules.growing_sums import GrowingSumsData
from lit_iterative.datamodules.jitter import Jitter
from lit_iterative.datamodules.judged_sums import JudgedSumsData
from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.pairs import PairData
from lit_iterative.datamodules.paste import CopyPaste
from lit_iterative.datamodules.prompts import PromptData
from lit_iterative.datamodules.refreshable import Refreshable
from lit_iterative.datamodules.reviewed_sums import ReviewedSumsData
from lit_iterative.datamodules.rooms import RoomsData
from lit_iterative.datamodules.shapes import ShapesData
from lit_iterative.datamodules.spoken import SpokenData
from lit_iterative.datamodules.sum_pairs import SumPairsData
from lit_iterative.datamodules.sums import SumsData
from lit_iterative.datamodules.tunes import TunesData
from lit_iterative.datamodules.two_script_sums import TwoScriptSumsData

__all__ = [
    "CopyPaste",
    "Digits",
    "DigitsData",
    "GrowingSumsData",
    "Jitter",
    "JudgedSumsData",
    "Mixing",
    "OtherLight",
    "PairData",
    "PromptData",
    "Refreshable",
    "ReviewedSumsData",
    "RoomsData",
    "ShapesData",
    "SpokenData",
    "SumPairsData",
    "SumsData",
    "TunesData",
    "TwoScriptSumsData",
]
