"""The way of rows through a round: pool, proposed, scored, kept, built; and why some did not get further."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lit_iterative.inspect import text
from lit_iterative.inspect.show import plain
from lit_iterative.rounds.manifest import Manifest, OpCount

StageName = Literal["pool", "proposed", "scored", "kept", "built"]
STAGES: tuple[StageName, ...] = ("pool", "proposed", "scored", "kept", "built")

#: The stage that an op ends; one that is not here ends ``scored``, or ``kept`` where it drops rows.
ENDS: Mapping[StageName, frozenset[str]] = {
    "pool": frozenset({"AllInputs", "RandomInputs", "Failures", "GrowingPool", "Stream", "Curriculum", "SkipSolved"}),
    "proposed": frozenset(
        {"Predict", "Prompts", "AddPrompts", "Sample", "SelfInstruct", "Hint", "Contexts", "Rationalise", "Encode"}
    ),
    "kept": frozenset({"Threshold", "TopK", "Quantile", "FlexMatch", "FreeMatch", "AdaMatch", "Dash", "Dedup"}),
    "built": frozenset(
        {"HardLabels", "SoftLabels", "SmoothLabels", "BestWorst", "BestRandom", "CorrectIncorrect", "AllPairs"}
        | {"RankedPairs", "AgreedPairs", "PastFuture", "GoldOwn", "Mismatched", "ContrastivePrompts", "JudgePairs"}
        | {"Ranking", "Unpaired", "Accept", "TopCandidates", "ConsistencyPreference", "ReferenceLogProbs"}
        | {"Replace", "Append", "EditInPlace", "KeepIfBetter", "Blend"}
    ),
}


@dataclass(frozen=True)
class Step:
    """One op of a round, as a person reads it.

    Args:
        op: Its name.
        stage: The stage that it belongs to.
        rows: Rows that it left.
        change: Rows that it added, negative where it dropped some.
        reason: What it says of those that did not go on.
        parameters: Its parameters, written out.
    """

    op: str
    stage: StageName
    rows: int
    change: int
    reason: str
    parameters: str


def steps(manifest: Manifest) -> list[Step]:
    """Return the ops of a round in order; no stage comes before one that was reached."""
    found: list[Step] = []
    reached = 0
    for op in manifest.ops:
        reached = max(reached, STAGES.index(_stage(op)))
        parameters = ", ".join(f"{name}={plain(value)}" for name, value in op.parameters.items())
        change = op.rows_out - op.rows_in
        found.append(Step(op.name, STAGES[reached], op.rows_out, change, _reason(op), parameters))
    return found


def _stage(op: OpCount) -> StageName:
    for stage, names in ENDS.items():
        if op.name in names:
            return stage
    return "kept" if op.rows_out < op.rows_in else "proposed" if op.rows_out > op.rows_in else "scored"


def totals(manifest: Manifest) -> dict[StageName, int]:
    """Return the rows at the end of each stage, as they were before it where no op belongs to it.

    Example:
        >>> from lit_iterative.rounds.manifest import OpCount
        >>> from types import SimpleNamespace
        >>> ops = [OpCount("Predict", 9, 9, 0.0), OpCount("Threshold", 9, 4, 0.0), OpCount("HardLabels", 4, 4, 0.0)]
        >>> totals(SimpleNamespace(pool_rows=9, ops=ops))
        {'pool': 9, 'proposed': 9, 'scored': 9, 'kept': 4, 'built': 4}
    """
    rows: dict[StageName, int] = {"pool": manifest.pool_rows}
    for step in steps(manifest):
        rows[step.stage] = step.rows
    last = manifest.pool_rows
    for stage in STAGES:
        last = rows.setdefault(stage, last)
    return {stage: rows[stage] for stage in STAGES}


def _reason(op: OpCount) -> str:
    """Say why rows did not go on: what the op counted, else what it is."""
    if op.rows_out >= op.rows_in:
        return ""
    counted = [
        f"{name.replace('_', ' ')} {text.count(int(value))}"
        for name, value in sorted(op.measured.items(), key=lambda item: -item[1])
        if value and float(value).is_integer() and value <= op.rows_in and int(value) != op.rows_out
    ]
    known = {name: value for name, value in op.parameters.items() if value not in (None, [], {}, False)}
    given = ", ".join(f"{name}={plain(value)}" for name, value in known.items())
    return "; ".join(counted) if counted else f"not let through by {op.name}({given})"
