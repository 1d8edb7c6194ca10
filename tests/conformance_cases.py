"""At least one instance of every public part, and what it is run on: third parties write such lists for theirs."""

from typing import Any

import lightning.pytorch as pl
import numpy as np
import pyarrow as pa
from torch.nn.functional import normalize

from lit_iterative import ops, rounds
from lit_iterative.callbacks import BestRound, EMATeacher, Guards, PseudoLabels, Rounds, TrainOnly
from lit_iterative.columns import read, write
from lit_iterative.guards import Change, GoBack, Guard, Worse
from lit_iterative.ops import EMA, HardLabels, MCDropout, Op, Policy, Predict, Remember, Steps
from lit_iterative.ops.actors import Actor
from lit_iterative.ops.schedule import Schedule
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.rounds.sync import WeightPolicy
from lit_iterative.testing import CallbackCase, MergeCase, OpCase, candidates

LEDGER = candidates(["scores.agreement"], rows=12, seed=5).select(["id", "scores.confidence", "scores.agreement"])

KINDS = write(candidates(["weight"]), kind=[str(place % 3) for place in range(candidates().num_rows)])
MARKED = ops.Constant("mark", 1.0)
REWARDS = write(candidates(), logits=read(candidates(["logits"]), "logits")[:, :2])


def pixels() -> pa.Table:
    """Return what is predicted for every pixel of some images."""
    table, draw = candidates(), np.random.default_rng(0)
    classes = draw.integers(3, size=(table.num_rows, 6)).astype(np.int16)
    confidence = draw.uniform(0.4, 1.0, size=classes.shape).astype(np.float32)
    return write(table.select(["id"]), classes=classes, confidence=confidence, certain=confidence > 0.7)


def spelled() -> pa.Table:
    """Return texts, some of which are empty."""
    table = candidates()
    return write(table.select(["id"]), text=pa.array(["ab" * (row % 3) for row in range(table.num_rows)]))


OPS: list[OpCase] = [
    OpCase(ops.AdaMatch()),
    OpCase(ops.AdaMatch(fraction=0.8, momentum=0.0)),
    OpCase(ops.Agreement()),
    OpCase(ops.AllInputs()),
    OpCase(ops.Canaries(answers={"2": 2, "30": 0, "55": 1})),
    OpCase(ops.ClassBalance()),
    OpCase(ops.ClassBalance(at_most=2)),
    OpCase(ops.ClassBalance(weigh=True)),
    OpCase(ops.Confidence()),
    OpCase(ops.Constant("weight", 0.25)),
    OpCase(ops.Constant("mark", "reward")),
    OpCase(ops.Curriculum(0.5, 0.9), ledger=LEDGER),
    OpCase(ops.Dash(initial=0.5)),
    OpCase(ops.Dash(initial=0.8, column="scores.loss")),
    OpCase(ops.Dedup(["probs"])),
    OpCase(ops.Dedup(["label"], score="scores.confidence")),
    OpCase(ops.DistributionAlignment()),
    OpCase(ops.DistributionAlignment(prior=[0.5, 0.3, 0.2])),
    OpCase(ops.Energy(temperature=2.0)),
    OpCase(ops.Entropy()),
    OpCase(ops.Entropy(normalised=True)),
    OpCase(ops.Failures(0.7), ledger=LEDGER),
    OpCase(ops.FarthestPoint(6, "features")),
    OpCase(ops.FarthestPoint(6, "probs", score="scores.confidence", cosine=True)),
    OpCase(ops.FirstEnough([[ops.Threshold(0.99)], [ops.Quantile(0.4)]], share=0.3)),
    OpCase(ops.FirstEnough([[ops.Threshold(0.99), MARKED], [ops.Quantile(0.5), MARKED]], share=0.2)),
    OpCase(ops.FlexMatch(threshold=0.7)),
    OpCase(ops.FlexMatch(threshold=0.7, warm_up=False, mapping="concave", momentum=0.5)),
    OpCase(ops.FreeMatch(momentum=0.0)),
    OpCase(ops.GivenLabels(classes=3), item=lambda place: (float(place), None if place % 5 == 0 else place % 3)),
    OpCase(ops.GrowingPool(4, 3)),
    OpCase(ops.HardLabels()),
    OpCase(ops.HardLabels(keep_probs=True)),
    OpCase(ops.InstanceThresholds(), pixels()),
    OpCase(ops.Margin()),
    OpCase(ops.MaskLabels(), pixels()),
    OpCase(ops.MutualInformation()),
    OpCase(ops.PercentileCurriculum()),
    OpCase(ops.Predict()),
    OpCase(ops.Predict(MCDropout(3), keep_logits=True, keep_members=True)),
    OpCase(ops.Predict(output="probs")),
    OpCase(ops.PredictDense()),
    OpCase(ops.Quantile(0.4)),
    OpCase(ops.RandomInputs(size=9)),
    OpCase(ops.RandomInputs(share=0.4)),
    OpCase(ops.Remember(["scores.confidence", "probs"]), ledger=LEDGER),
    OpCase(ops.RoundAgreement()),
    OpCase(ops.SequenceLabels("ab"), spelled()),
    OpCase(ops.Sharpen(0.5)),
    OpCase(ops.Sinkhorn()),
    OpCase(ops.Sinkhorn(epsilon=0.5, prior=[0.5, 0.3, 0.2])),
    OpCase(ops.SmoothLabels(0.1), write(candidates(), label=read(candidates(), "probs"))),
    OpCase(ops.SmoothLabels(0.1, classes=3)),
    OpCase(ops.SoftLabels()),
    OpCase(ops.SoftLabels(keep_probs=True)),
    OpCase(ops.SoftMatch()),
    OpCase(ops.ExponentialWeights("scores.confidence", 0.5, 1.0, 2.0)),
    OpCase(ops.SoftWeights(power=2.0)),
    OpCase(ops.SteadyMean("scores.gap", 0.6)),
    OpCase(ops.SteadyMean("scores.gap", 0.3)),
    OpCase(ops.Shares("kind", {"0": 0.7, "1": 0.2, "2": 0.1}), KINDS),
    OpCase(ops.Stream(5)),
    OpCase(ops.Stream(5, wrap=True)),
    OpCase(ops.SureOfBoth(), REWARDS),
    OpCase(ops.Threshold(0.7)),
    OpCase(ops.Threshold(0.5, "scores.margin", keep_above=False)),
    OpCase(ops.TopK(5)),
    OpCase(ops.TopK(2, per_class=True)),
    OpCase(ops.Where("label", 1)),
    OpCase(ops.Where("kind", "2"), KINDS),
]

MERGES: list[MergeCase] = [
    MergeCase(ops.Accumulate()),
    MergeCase(ops.Append()),
    MergeCase(ops.Append(max_age=1)),
    MergeCase(ops.Blend(0.3)),
    MergeCase(ops.EditInPlace()),
    MergeCase(ops.EditInPlace(add=True)),
    MergeCase(ops.KeepIfBetter()),
    MergeCase(ops.KeepIfBetter("scores.entropy", keep_above=False)),
    MergeCase(ops.Replace()),
]

METRICS = {"val_accuracy": 0.8}

SCHEDULES: list[Schedule] = [
    ops.Cosine(1.0, 0.0, 5),
    ops.EveryK(2),
    ops.FromMetric("val_accuracy", high=0.95),
    ops.Largest({"round/balance_at_0.5": 0.5, "val_accuracy": 0.9}),
    ops.Linear(0.5, 0.9, 4),
    ops.SameRound(ops.FromMetric("val_accuracy")),
    ops.Steered("threshold", ops.Linear(0.5, 0.9, 4), high=0.8),
    ops.Steps([0.1, 0.5]),
]

ACTORS: list[Actor] = [
    ops.AtRound(2),
    ops.Base(),
    ops.BatchStatistics(),
    ops.EMA(),
    ops.Ensemble([Policy(), EMA()]),
    ops.Initial(),
    ops.MCDropout(3),
    ops.Policy(),
    ops.Previous(),
    ops.TestTimeAugmentation([normalize]),
]

POLICIES: list[WeightPolicy] = [
    rounds.Continue(),
    rounds.ReinitFromBase(),
    rounds.ReinitFromScratch(),
    rounds.Rewind(2),
    rounds.RollBack("val_accuracy"),
]


def pseudo_labels() -> list[pl.Callback]:
    """The plain callback, with a threshold that moves."""
    return [PseudoLabels(threshold=Steps([0.5, 0.6]), seed=3)]


def ema_teacher() -> list[pl.Callback]:
    """The teacher, and a callback that asks it."""
    return [EMATeacher(0.9), PseudoLabels(threshold=0.5, actor=EMA(), seed=3)]


def general_rounds() -> list[pl.Callback]:
    """Rounds with state, a ledger, a merge that looks back, and weights drawn anew."""
    pipeline: list[Op] = [
        Predict(MCDropout(2)),
        ops.Confidence(),
        ops.FreeMatch(),
        Remember(["scores.confidence"]),
        HardLabels(),
    ]
    phase = Phase(pipeline, ops.KeepIfBetter(), rounds_weights(), optimizer="reset")
    return [Rounds([phase], When(warmup_epochs=1), seed=3, shard_size=7)]


def rounds_weights() -> WeightPolicy:
    """Weights go back to those from before training."""
    return rounds.ReinitFromBase()


def guards() -> list[pl.Callback]:
    """Guards that go back and change a threshold, and rounds that follow them."""
    worse = Worse("val_accuracy", tolerance=-10.0)  # than itself: in every round
    watch = Guards([Guard(worse, Change("threshold", 1.1)), Guard(worse, GoBack("val_accuracy"), patience=2)])
    return [watch, PseudoLabels(threshold=ops.Steered("threshold", 0.5, high=0.8), seed=3)]


def best_round() -> list[pl.Callback]:
    """The best round, which is not the last."""
    return [BestRound("val_accuracy", "min"), PseudoLabels(threshold=0.5, seed=3)]


def part(kind: str, **init_args: Any) -> dict[str, Any]:
    """Return a part as YAML has it."""
    return {"class_path": kind, "init_args": init_args}


def train_only() -> list[pl.Callback]:
    """Some parameters alone, from the second round on."""
    return [TrainOnly(["normalisation"], from_round=1), PseudoLabels(threshold=0.5, seed=3)]


CALLBACKS: list[CallbackCase] = [
    CallbackCase(train_only, {"parameters": ["normalisation"], "from_round": 1}),
    CallbackCase(pseudo_labels, {"threshold": part("lit_iterative.ops.Linear", start=0.5, end=0.9, rounds=3)}),
    CallbackCase(ema_teacher, {"decay": 0.9}),
    CallbackCase(
        guards,
        {
            "guards": [
                {
                    "condition": part("lit_iterative.guards.Worse", metric="val_accuracy"),
                    "action": part("lit_iterative.guards.GoBack", monitor="val_accuracy"),
                    "patience": 2,
                }
            ]
        },
    ),
    CallbackCase(best_round, {"monitor": "val_accuracy"}),
    CallbackCase(
        general_rounds,
        {
            "phases": [{"ops": [part("lit_iterative.ops.Predict"), part("lit_iterative.ops.HardLabels")]}],
            "when": {"every_n_epochs": 2},
        },
    ),
]


def exported(module: Any, base: type) -> set[type]:
    """Return the public classes of a kind, without the base."""
    found = {getattr(module, name) for name in module.__all__}
    return {kind for kind in found if isinstance(kind, type) and issubclass(kind, base) and kind is not base}
