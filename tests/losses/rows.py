"""Batches that losses are tried on, as plain numbers, and as tensors."""

import random
from types import SimpleNamespace
from typing import Any

import torch
from mpmath import mpf

from lit_iterative.losses.batch import PairLogProbs, RankedLogProbs, SequenceLogProbs, UnpairedLogProbs

TOKENS = ("chosen_tokens", "rejected_tokens", "tokens")


def pair(chosen, rejected, sums=(-20.0, -25.0), tokens=(7, 4), preference=0.8, win_rates=(0.9, 0.3)):
    """Return a row with these log-ratios to a reference that gives these sums."""
    return {
        "chosen": sums[0] + chosen,
        "rejected": sums[1] + rejected,
        "chosen_tokens": tokens[0],
        "rejected_tokens": tokens[1],
        "reference_chosen": sums[0],
        "reference_rejected": sums[1],
        "preference": preference,
        "chosen_win_rate": win_rates[0],
        "rejected_win_rate": win_rates[1],
        "anchor_chosen": sums[0] - 1.5,
        "anchor_rejected": sums[1] + 0.5,
    }


def single(ratio, desirable, total=-20.0, tokens=7, pass_rate=0.4):
    """Return a labelled row with this log-ratio."""
    row = {"completion": total + ratio, "tokens": tokens, "reference": total}
    return row | {"desirable": desirable, "pass_rate": pass_rate}


def ranking(*ratios, total=-20.0):
    """Return a prompt whose completions have these log-ratios."""
    return {
        "completions": [total - k + ratio for k, ratio in enumerate(ratios)],
        "tokens": [5 + k for k in range(len(ratios))],
        "reference": [total - k for k in range(len(ratios))],
    }


def ordinary_pairs():
    draw = random.Random(3)
    return [
        pair(
            draw.gauss(0, 3),
            draw.gauss(0, 3),
            sums=(draw.uniform(-90, -5), draw.uniform(-90, -5)),
            tokens=(draw.randint(1, 40), draw.randint(1, 40)),
            preference=draw.random(),
            win_rates=(draw.random(), draw.random()),
        )
        for _ in range(8)
    ]


def ordinary_singles():
    draw = random.Random(4)
    return [
        single(draw.gauss(0, 1.5), draw.random() < 0.5, draw.uniform(-90, -5), draw.randint(1, 40), draw.random())
        for _ in range(12)
    ]


FAR = (-10_000.0, -9_000.0)
PAIRS = {
    "ordinary": ordinary_pairs(),
    "tied": [pair(-0.75, -0.75), pair(2.5, 2.5, preference=0.5)],
    "certain labels": [pair(1.5, -0.5, preference=1.0, win_rates=(1.0, 0.0)), pair(0.5, -1.5, preference=0.0)],
    "far and right": [pair(1000.0, -1000.0, FAR, (300, 200)), pair(950.5, 0.5, FAR, (300, 200))],
    "far and wrong": [pair(-1000.0, 1000.0, FAR, (300, 200)), pair(-0.5, 975.0, FAR, (300, 200))],
    "both up": [pair(1000.0, 1000.0, FAR, (300, 200)), pair(900.0, 901.0, FAR, (300, 200))],
    "both down": [pair(-1000.0, -1000.0, FAR, (300, 200)), pair(-900.0, -901.0, FAR, (300, 200))],
    "certain": [pair(0.25, -3.0, (-0.2500001, -9.0)), pair(-3.0, 0.25, (-9.0, -0.251))],
    "no tokens": [pair(0.0, 0.75, (0.0, -9.0), (0, 3)), pair(-0.5, 0.0, (-9.0, 0.0), (5, 0))],
    "neither has tokens": [pair(0.0, 0.0, (0.0, 0.0), (0, 0))],
}
SINGLES = {
    "ordinary": ordinary_singles(),
    "far": [single(ratio, good, -10_000.0, 300) for ratio in (1000.0, -1000.0) for good in (True, False)],
    "pass rates at the ends": [single(0.5, good, pass_rate=rate) for rate in (0.0, 1.0) for good in (True, False)],
    "no tokens": [single(0.0, True, 0.0, 0), single(0.0, False, 0.0, 0)],
}
RANKINGS = {
    "ordinary": [ranking(1.5, -0.5, 2.0, 0.25), ranking(-3.0, 4.0, 0.5, 0.0)],
    "tied": [ranking(0.5, 0.5, 0.5)],
    "far": [ranking(1000.0, -1000.0, 0.5, total=-10_000.0), ranking(-1000.0, 0.5, 1000.0, total=-10_000.0)],
    "of unequal numbers": [ranking(1.5, -0.5, 2.0, 0.25), ranking(-3.0, 4.0), ranking(7.0)],
    "far, of unequal numbers": [ranking(-1000.0, 1000.0, total=-10_000.0), ranking(0.5, 1.0, -2.0, total=-10_000.0)],
}
CASES: dict[str, dict[str, list[dict[str, Any]]]] = {
    "pairs": PAIRS,
    "ranked": RANKINGS,
    "unpaired": SINGLES,
    "supervised": SINGLES,
}


def exact(row: dict[str, Any], dtype: torch.dtype) -> SimpleNamespace:
    """Return a row's numbers, as the dtype has them, with all their digits."""
    return SimpleNamespace(**{name: _exact(value, dtype) for name, value in row.items()})


def _exact(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, list):
        return [_exact(item, dtype) for item in value]
    return mpf(torch.tensor(value, dtype=dtype).item()) if isinstance(value, float) else value


def tensors(rows: list[dict[str, Any]], dtype: torch.dtype, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Return columns of rows; token counts and labels as they are."""
    plain = (*TOKENS, "desirable")
    return {
        name: torch.tensor([row[name] for row in rows], dtype=None if name in plain else dtype)
        for name in names
        if all(name in row for row in rows)
    }


def pair_batch(rows, dtype):
    return PairLogProbs(**tensors(rows, dtype, tuple(rows[0])))


def unpaired_batch(rows, dtype):
    return UnpairedLogProbs(**tensors(rows, dtype, tuple(rows[0])))


def sequence_batch(rows, dtype):
    return SequenceLogProbs(**tensors(rows, dtype, ("completion", "tokens", "reference")))


def ranked_batch(rows, dtype):
    """Fill short rows up with log-probabilities that must not count."""
    width = max(len(row["completions"]) for row in rows)
    filler = {"completions": 123.0, "tokens": 9, "reference": -4.0}
    full = [{name: row[name] + [filler[name]] * (width - len(row[name])) for name in filler} for row in rows]
    mask = torch.tensor([[k < len(row["completions"]) for k in range(width)] for row in rows])
    return RankedLogProbs(**tensors(full, dtype, tuple(filler)), mask=mask)


BUILDERS = {"pairs": pair_batch, "ranked": ranked_batch, "unpaired": unpaired_batch, "supervised": sequence_batch}
