"""PseudoLabels: rounds of pseudo-labelling with good defaults."""

from typing import Literal

from lit_iterative.callbacks.rounds import Rounds
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.labels import HardLabels
from lit_iterative.ops.predict import Predict
from lit_iterative.ops.schedule import Schedule
from lit_iterative.ops.scores import Confidence
from lit_iterative.ops.select import Threshold
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.rounds.sync import Continue, WeightPolicy


class PseudoLabels(Rounds):
    """Labels the inputs of ``predict_dataloader`` with the model and trains on those it is sure of.

    The pipeline is ``Predict, Confidence, Threshold, HardLabels``; for any other use
    :class:`~lit_iterative.callbacks.Rounds`.

    Args:
        threshold: Least confidence of a label.
        every_n_epochs: Epochs of training on the labels of one round.
        warmup_epochs: Epochs on labelled data before the first round.
        max_rounds: Rounds in all; without limit when left out.
        actor: Who labels.
        output: What the model's step returns: ``logits``, or probabilities (``probs``).
        weights: Where the weights stand when training on new labels begins.
        optimizer: Whether the optimiser keeps its state or starts anew.
        dirpath: Folder or URL of the round store; ``rounds`` below ``default_root_dir`` when left out.
        seed: Seed of all draws; that of ``seed_everything`` (or 0) when left out.
    """

    def __init__(
        self,
        threshold: float | Schedule = 0.95,
        every_n_epochs: int = 1,
        warmup_epochs: int = 1,
        max_rounds: int | None = None,
        actor: Actor = Policy(),  # noqa: B008  # frozen
        output: Literal["logits", "probs"] = "logits",
        weights: WeightPolicy = Continue(),  # noqa: B008  # frozen
        optimizer: Literal["keep", "reset"] = "keep",
        dirpath: str | None = None,
        seed: int | None = None,
    ) -> None:
        ops = [Predict(actor, output), Confidence(), Threshold(threshold), HardLabels()]
        phase = Phase(ops, weights=weights, optimizer=optimizer)
        when = When(every_n_epochs, warmup_epochs, max_rounds)
        super().__init__([phase], when, dirpath, seed)
