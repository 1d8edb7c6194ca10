"""What follows from guards, and what they see."""

import math

import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.guards import (
    Above,
    Change,
    Finish,
    GoBack,
    Guard,
    History,
    LengthDrift,
    NoGain,
    Record,
    Stop,
    Warn,
    Worse,
    judge,
)
from lit_iterative.rounds.verdict import Event, Verdict, path


def told(*rounds):
    """Return a history of metrics ``m`` and where the run went back."""
    return History([Record(number, {"m": m}, Verdict(back_to=back)) for number, (m, back) in enumerate(rounds)])


def naive_path(returns):
    """Follow the run round by round: what is behind it is a list that is cut when it goes back."""
    behind, trail = [], {0: []}
    for number, back_to in enumerate(returns):
        behind = [*behind, number] if back_to is None else trail[back_to]
        trail[number + 1] = behind
    return behind


@pytest.mark.parametrize(
    "returns", [[], [None], [None, None, 0], [None, None, 1, None, 3], [None, None, None, 2, 1, None, None, 5, 0]]
)
def test_the_path_leaves_out_what_was_gone_back_behind(returns):
    assert path(returns) == naive_path(returns)


def test_conditions_see_the_path_and_costs_see_all():
    history = told((0.5, None), (0.9, None), (0.1, 1), (0.6, None))
    assert [record.round for record in history.path] == [0, 3]
    assert history.series("m") == [0.5, 0.6]
    assert Worse("m")(history) is None
    assert NoGain("m", rounds=2)(history) is not None


def test_an_unknown_metric_decides_nothing_and_is_told_from_the_second_round_on():
    guard = Guard(Above("missing", 0.0), Stop())
    assert judge([guard], History.of([{"m": 1.0}])) == Verdict()
    verdict = judge([guard], History.of([{"m": 1.0}, {"m": 1.0}]))
    assert verdict.events == [Event("Above", None, "cannot judge without missing")]
    assert verdict.sound
    assert judge([guard], History.of([{}, {"missing": math.nan}])).events[0].action is None


def test_a_patient_guard_waits():
    guard = Guard(Above("m", 0.5), Stop(), patience=2)
    assert not judge([guard], History.of([{"m": 0.9}])).stop
    assert not judge([guard], History.of([{"m": 0.9}, {"m": 0.1}, {"m": 0.9}])).stop
    assert judge([guard], History.of([{"m": 0.1}, {"m": 0.9}, {"m": 0.9}])).stop


def test_all_guards_have_their_say():
    above = Above("m", 0.5)
    guards = [Guard(above), Guard(above, Finish()), Guard(above, Change("t", 2.0)), Guard(above, GoBack("m"))]
    verdict = judge(guards, told((0.25, None), (0.75, None)))
    assert [event.action for event in verdict.events] == ["Warn", "Finish", "Change", "GoBack"]
    assert (verdict.last, verdict.factors, verdict.back_to, verdict.stop) == (True, {"t": 2.0}, 0, False)


def test_changes_add_up_and_survive_a_way_back():
    history = History(
        [
            Record(0, {"m": 0.9}, Verdict(factors={"t": 1.5})),
            Record(1, {"m": 0.9}, Verdict(back_to=0, factors={"t": 3.0})),
            Record(2, {"m": 0.9}),
        ]
    )
    assert judge([Guard(Above("m", 0.5), Change("t", 0.5))], history).factors == {"t": 1.5}
    assert judge([Guard(Above("m", 1.0), Change("t", 0.5))], history).factors == {"t": 3.0}


def test_the_way_back_leads_to_the_best_sound_round():
    def back(mode="max", **options):
        return GoBack("m", mode, **options)(
            Verdict(), told((0.5, None), (0.9, None), (0.95, 1), (0.9, None), (0.2, None))
        )

    assert back().back_to == 3  # round 2 was left, and of equal ones the last counts
    assert back("min").back_to == 0
    assert not back(times=3).stop
    assert back(times=2).stop  # one return before, since the best value was first seen


def test_returns_before_a_better_round_do_not_count():
    history = told((0.5, None), (0.4, 0), (0.5, None), (0.9, None), (0.2, None))
    assert not GoBack("m", times=1 + 1)(Verdict(), history).stop
    assert GoBack("m", times=1)(Verdict(), history).stop


def test_without_a_sound_round_there_is_no_way_back():
    verdict = GoBack("m")(Verdict(), told((0.5, None)))
    assert (verdict.back_to, verdict.stop) == (None, True)
    unknown = GoBack("other")(Verdict(), told((0.5, None), (0.4, None)))
    assert (unknown.back_to, unknown.stop) == (None, True)


def test_a_verdict_survives_json():
    verdict = Verdict([Event("A", "Stop", "said"), Event("B", None, "else")], 3, True, False, {"t": 2.0})
    assert Verdict.from_dict(verdict.to_dict()) == verdict


def test_numbers_that_make_no_sense_are_refused():
    for make in (lambda: Guard(LengthDrift(), Warn(), 0), lambda: GoBack("m", times=0), lambda: Change("t", 0.0)):
        with pytest.raises(PipelineError):
            make()
