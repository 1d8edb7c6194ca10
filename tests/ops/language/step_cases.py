"""Ops on steps, and what they are run on by the conformance suite."""

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.generation.language import Sampling
from lit_iterative.ops import language as ops
from lit_iterative.ops.language.tokens import int_lists
from lit_iterative.testing import OpCase, completions
from tests.ops.language.judging import Whim
from tests.ops.language.tables import abstaining

SHORT = Sampling(max_new_tokens=6)
ONCE = completions(samples=1, prompts=12).select(["id", "prompt", "prompt_ids", "answer"])
VERIFY = [ops.ExtractAnswer(), ops.Verify()]
WHIM = ops.WinRate(Whim(["Verdict: A", "Verdict: B", "Verdict: tie", "?"]))


def steps(*scores: str) -> pa.Table:
    """Return completions as the steps of their states, some of which end a solution, or have no score."""
    table = abstaining(*scores) if scores else completions()
    rows = table.num_rows
    prefixes = [[*map(ord, "so;")] * (row // 4 % 3) for row in range(rows)]
    return write(
        table,
        group=pa.array([f"{name}.0" for name in table["group"].to_pylist()]),
        prefix_ids=int_lists(prefixes),
        prompt_ids=int_lists([1, 20 + row // 4, *prefix] for row, prefix in enumerate(prefixes)),
        step=np.array([row // 4 % 3 for row in range(rows)], dtype=np.int32),
        done=pa.array([row % 3 == 1 for row in range(rows)]),
        visits=np.arange(rows, dtype=np.int32) % 5,
        pass_rate=np.linspace(0.25, 1, rows),
    )


def replaceable() -> pa.Table:
    """Return steps, and one that is given, for all but one state."""
    table = steps("scores.value")
    rows = table.num_rows
    given = {"critical": pa.array([None] + ["g"] * (rows - 1))}
    given["critical_ids"] = pa.array([None] + [[103]] * (rows - 1), pa.list_(pa.int32()))
    return write(table, **given, **{"scores.critical": np.full(rows, 0.3)})


STEPS: list[OpCase] = [
    OpCase(ops.CutSteps(" ")),
    OpCase(ops.CutSteps()),
    OpCase(ops.FirstDrop(), steps("scores.value")),
    OpCase(ops.FirstDrop("scores.value", "pass_rate", 0.2, "bad"), steps("scores.value")),
    OpCase(ops.NextSteps(2, SHORT), ONCE),
    OpCase(ops.OwnOverGiven(), replaceable()),
    OpCase(ops.OwnOverGiven(margin=0.1, at_most=3, truncated="keep"), replaceable()),
    OpCase(ops.StepPairs(), steps("scores.value")),
    OpCase(ops.StepPairs(visits="visits", weigh="gap"), steps("scores.value")),
    OpCase(ops.StepSearch([WHIM], n=3, depth=3, sampling=SHORT), ONCE),
    OpCase(ops.StepSearch([ops.Likelihood()], "scores.likelihood", 2, 2, SHORT), ONCE),
    OpCase(ops.StepValue(VERIFY, 2, SHORT), steps()),
    OpCase(ops.TreeSearch(VERIFY, n=2, simulations=3, depth=2, sampling=SHORT), ONCE),
    OpCase(ops.TreeSearch(VERIFY, [WHIM], evaluation_score="scores.win_rate", simulations=2, sampling=SHORT), ONCE),
]
