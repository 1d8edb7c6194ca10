"""The losses by name, and one of them with its arguments, checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from torch import Tensor

from lit_iterative.errors import DataError, SetupError
from lit_iterative.losses import anchored, divergences, dpo, games, labels, lengths, reference_free, several, transport
from lit_iterative.losses import supervised as imitation
from lit_iterative.losses import unpaired as single
from lit_iterative.losses.batch import Batch, PairLogProbs, RankedLogProbs, SequenceLogProbs, UnpairedLogProbs
from lit_iterative.losses.parameters import check_arguments

Kind = Literal["pairs", "ranked", "unpaired", "supervised"]
Need = Literal["reference", "preference", "win_rate", "anchor", "mismatched", "pass_rate"]

#: The batch that each kind of loss is given.
BATCHES: dict[Kind, type[Batch]] = {
    "pairs": PairLogProbs,
    "ranked": RankedLogProbs,
    "unpaired": UnpairedLogProbs,
    "supervised": SequenceLogProbs,
}


@dataclass(frozen=True)
class Baseline:
    """How a loss comes by its baseline.

    Args:
        statistics: From a batch to sums, which add up over micro-batches, ranks and steps.
        value: From such sums to the baseline, a scalar.
        needs: What the statistics need.
    """

    statistics: Callable[[UnpairedLogProbs], Tensor]
    value: Callable[[Tensor], Tensor]
    needs: tuple[Need, ...]


@dataclass(frozen=True)
class Loss:
    """One line of the table.

    Args:
        kind: What it is a loss of.
        function: From a batch, a baseline where there is one, and parameters to losses of shape ``(rows,)``.
        needs: What it needs besides the policy's log-probabilities.
        unit: What its mean is over: rows, or tokens where the loss of a row is a sum over its tokens.
        baseline: How it comes by its baseline; absent where it has none.
    """

    kind: Kind
    function: Callable[..., Tensor]
    needs: tuple[Need, ...] = ()
    unit: Literal["row", "token"] = "row"
    baseline: Baseline | None = None


KTO_BASELINE = Baseline(single.kto_statistics, single.kto_baseline, ("mismatched",))
BCO_BASELINE = Baseline(single.bco_statistics, single.bco_baseline, ("reference",))

LOSSES: dict[str, Loss] = {
    "dpo": Loss("pairs", dpo.dpo, ("reference",)),
    "hinge": Loss("pairs", dpo.hinge, ("reference",)),
    "ipo": Loss("pairs", dpo.ipo, ("reference",)),
    "dpop": Loss("pairs", dpo.dpop, ("reference",)),
    "discopop": Loss("pairs", dpo.discopop, ("reference",)),
    "soft_dpo": Loss("pairs", labels.soft_dpo, ("reference", "preference")),
    "cdpo": Loss("pairs", labels.cdpo, ("reference",)),
    "robust_dpo": Loss("pairs", labels.robust_dpo, ("reference",)),
    "exo": Loss("pairs", labels.exo, ("reference",)),
    "nca": Loss("pairs", anchored.nca, ("reference",)),
    "apo_zero": Loss("pairs", anchored.apo_zero, ("reference",)),
    "apo_down": Loss("pairs", anchored.apo_down, ("reference",)),
    "aot_paired": Loss("pairs", transport.aot_paired, ("reference",)),
    "aot_unpaired": Loss("pairs", transport.aot_unpaired, ("reference",)),
    "f_reverse_kl": Loss("pairs", divergences.f_reverse_kl, ("reference",)),
    "f_forward_kl": Loss("pairs", divergences.f_forward_kl, ("reference",)),
    "f_js": Loss("pairs", divergences.f_js, ("reference",)),
    "f_alpha": Loss("pairs", divergences.f_alpha, ("reference",)),
    "r_dpo": Loss("pairs", lengths.r_dpo, ("reference",)),
    "normalised_dpo": Loss("pairs", lengths.normalised_dpo, ("reference",)),
    "simpo": Loss("pairs", reference_free.simpo),
    "cpo": Loss("pairs", reference_free.cpo),
    "slic": Loss("pairs", reference_free.slic),
    "orpo": Loss("pairs", reference_free.orpo),
    "spin": Loss("pairs", games.spin, ("reference",)),
    "sppo": Loss("pairs", games.sppo, ("reference", "win_rate")),
    "rspo": Loss("pairs", games.rspo, ("reference", "win_rate", "anchor")),
    "sppo_hard": Loss("pairs", games.sppo_hard, ("reference",)),
    "irepo": Loss("pairs", games.irepo, ("reference", "preference")),
    "softmax_dpo": Loss("ranked", several.softmax_dpo, ("reference",)),
    "plackett_luce": Loss("ranked", several.plackett_luce, ("reference",)),
    "rrhf": Loss("ranked", several.rrhf),
    "kto": Loss("unpaired", single.kto, ("reference",), baseline=KTO_BASELINE),
    "bco": Loss("unpaired", single.bco, ("reference",), baseline=BCO_BASELINE),
    "nft": Loss("unpaired", single.nft, ("reference", "pass_rate")),
    "sft": Loss("supervised", imitation.sft, unit="token"),
    "sequence_sft": Loss("supervised", imitation.sequence_sft),
    "kl_sft": Loss("supervised", imitation.kl_sft, ("reference",), unit="token"),
}


@dataclass(frozen=True)
class BoundLoss:
    """A loss with its arguments; :func:`find_loss` makes it.

    Args:
        name: Its name in the table.
        loss: Its line.
        arguments: Its parameters, as far as they differ from their defaults.
    """

    name: str
    loss: Loss
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """What it is a loss of."""
        return self.loss.kind

    @property
    def needs_reference(self) -> bool:
        """Whether it needs log-probabilities of the reference."""
        return "reference" in self.loss.needs

    @property
    def needs_baseline(self) -> bool:
        """Whether it is called with a baseline."""
        return self.loss.baseline is not None

    def statistics(self, batch: UnpairedLogProbs) -> Tensor:
        """Return what the baseline is taken from: sums that add up over micro-batches, ranks and steps.

        Raises:
            SetupError: If the loss has no baseline.
        """
        return self._baseline().statistics(batch)

    def baseline(self, statistics: Tensor) -> Tensor:
        """Return the baseline that follows from statistics.

        Raises:
            SetupError: If the loss has no baseline.
        """
        return self._baseline().value(statistics)

    def __call__(self, batch: Batch, baseline: Tensor | None = None) -> Tensor:
        """Return the losses of the rows, shape ``(rows,)``.

        Args:
            batch: Log-probabilities, of the loss's kind.
            baseline: The baseline, for a loss that has one.

        Raises:
            DataError: If the batch is of another kind, or lacks what the loss needs.
            SetupError: If a baseline is missing, or there is one that the loss has no use for.
        """
        if not isinstance(batch, BATCHES[self.kind]):
            raise DataError(
                f"The loss {self.name} was given {type(batch).__name__}. Give it {BATCHES[self.kind].__name__}, or "
                f"choose one of {_names_of(type(batch))}."
            )
        if (baseline is not None) != self.needs_baseline:
            remedy = "Give baseline(statistics(batch))" if self.needs_baseline else "Leave it out"
            raise SetupError(f"The loss {self.name} was called with the baseline {baseline}. {remedy}.")
        extra = () if baseline is None else (baseline,)
        return self.loss.function(batch, *extra, **self.arguments)

    def _baseline(self) -> Baseline:
        if self.loss.baseline is None:
            with_one = [name for name, loss in LOSSES.items() if loss.baseline]
            raise SetupError(f"The loss {self.name} has no baseline; {with_one} have one. Ask needs_baseline first.")
        return self.loss.baseline


def find_loss(name: str, arguments: Mapping[str, Any] | None = None) -> BoundLoss:
    """Return a loss by its name, with arguments.

    Args:
        name: A key of ``LOSSES``.
        arguments: Its parameters, by name; defaults are taken for the others.

    Raises:
        SetupError: If there is no such loss, it has no such parameter, or an argument is of another type or out of
            bounds.

    Example:
        >>> from lit_iterative.losses.testing import pairs, show
        >>> show(find_loss("cdpo", {"label_smoothing": 0.1})(pairs(2.0, -1.0)))
        [0.5844]
        >>> find_loss("cpdo")
        Traceback (most recent call last):
        ...
        lit_iterative.errors.SetupError: There is no loss 'cpdo'. Near it are cpo, cdpo. All are: ...
    """
    if name not in LOSSES:
        near = get_close_matches(str(name), LOSSES)
        hint = f" Near it are {', '.join(near)}." if near else ""
        raise SetupError(f"There is no loss {name!r}.{hint} All are: {', '.join(LOSSES)}.")
    check_arguments(name, LOSSES[name].function, arguments or {})
    return BoundLoss(name, LOSSES[name], dict(arguments or {}))


def _names_of(batch: type) -> list[str]:
    """Return the losses that take such a batch."""
    return [name for name, loss in LOSSES.items() if BATCHES[loss.kind] is batch]
