import numpy as np
import pytest

from lit_iterative.errors import PipelineError
from lit_iterative.ops import Constant, Context, FirstEnough, HardLabels, Margin, Predict, Quantile, Steps, Threshold
from lit_iterative.ops.language import PassRate
from lit_iterative.ops.tally import Tally
from tests.ops.tables import POOL, ids, random_table, run

RULES = [[Threshold(0.9), Constant("mark", 0.0)], [Threshold(0.7), Constant("mark", 1.0)]]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_the_first_rule_that_keeps_enough_is_used(share):
    table, tally = random_table(), Tally()
    made = FirstEnough(RULES, share)(table, Context(POOL, tally=tally))
    confidence = np.asarray(table["scores.confidence"])
    kept = [confidence >= 0.9, confidence >= 0.7]
    fit = [place for place, mask in enumerate(kept) if mask.mean() >= share]
    expected = np.asarray(table["id"])[kept[fit[0]]].tolist() if fit else []
    assert ids(made) == expected
    if fit:
        assert set(made["mark"].to_pylist()) == {float(fit[0])}
    assert tally.values() == {"rule": fit[0] if fit else -1, "rule_share": len(expected) / table.num_rows}


def test_all_states_of_the_learning_occur():
    table = random_table()
    used = [len(ids(FirstEnough(RULES, share)(table, Context(POOL)))) for share in (0.1, 0.2, 1.0)]
    assert used[0] < used[1]
    assert used[2] == 0


def test_the_share_may_change_from_round_to_round():
    op, table = FirstEnough(RULES, Steps([0.0, 1.0])), random_table()
    assert len(ids(run(op, table, round=0))) > 0
    assert ids(run(op, table, round=1)) == []


def test_it_needs_what_rules_do_not_make_themselves():
    op = FirstEnough([[Margin(), Threshold(0.5, "scores.margin")]])
    assert (op.requires, op.provides) == (("probs",), ("scores.margin",))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([], "leave different columns"),
        ([[]], "leave different columns"),
        ([[Quantile(0.5)], [Margin()]], "leave different columns.*Constant"),
        ([[HardLabels()], [HardLabels(keep_probs=True)]], "leave different columns"),
        ([[Predict()]], "Predict works on groups or runs the model"),
        ([[PassRate()]], "PassRate works on groups"),
    ],
)
def test_bad_rules_are_refused(rules, message):
    with pytest.raises(PipelineError, match=message):
        FirstEnough(rules)
