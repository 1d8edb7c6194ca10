"""Actors: who proposes. One or several ways to run the policy."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from lit_iterative.errors import PipelineError
from lit_iterative.generation.forward import Member
from lit_iterative.ops.parameters import whole
from lit_iterative.ops.schedule import Schedule


class Actor(ABC):
    """Proposes with one or several members. Subclass it as a frozen dataclass."""

    @property
    @abstractmethod
    def members(self) -> list[Member]:
        """The ways to run the policy, whose predictions are averaged."""


@dataclass(frozen=True)
class Policy(Actor):
    """The model as it is being trained.

    Example:
        >>> len(Policy().members)
        1
    """

    @property
    def members(self) -> list[Member]:
        """The live weights."""
        return [Member()]


@dataclass(frozen=True)
class EMA(Actor):
    """The moving average of the weights that the callback ``EMATeacher`` keeps.

    Example:
        >>> EMA().members[0].weights
        'ema'
    """

    @property
    def members(self) -> list[Member]:
        """The averaged weights."""
        return [Member(weights="ema")]


@dataclass(frozen=True)
class Previous(Actor):
    """The model as it was at the boundary before; the live one in the first round.

    Example:
        >>> Previous().members[0].weights
        'previous'
    """

    @property
    def members(self) -> list[Member]:
        """The weights of the boundary before."""
        return [Member(weights="previous")]


@dataclass(frozen=True)
class Initial(Actor):
    """The model as it was before training.

    Example:
        >>> Initial().members[0].weights
        'initial'
    """

    @property
    def members(self) -> list[Member]:
        """The weights from before training."""
        return [Member(weights="initial")]


@dataclass(frozen=True)
class AtRound(Actor):
    """The model as it was at the boundary of a round; with a schedule, one that moves.

    ``AtRound(0)`` is the model when rounds began, after a warm-up; ``AtRound(EveryK(3))`` is refreshed every third
    round.

    Args:
        round: The round; none later than the present one.

    Example:
        >>> AtRound(2).members[0].weights
        'round 2'
    """

    round: int | Schedule = 0

    @property
    def members(self) -> list[Member]:
        """The weights of that boundary."""
        return [Member(weights=f"round {whole(self.round)}")]


@dataclass(frozen=True)
class Base(Actor):
    """The model below its adapter, such as LoRA: the base that is not trained.

    Example:
        >>> Base().members[0].adapter
        False
    """

    @property
    def members(self) -> list[Member]:
        """The live weights without the adapter."""
        return [Member(adapter=False)]


@dataclass(frozen=True)
class Ensemble(Actor):
    """Several actors together.

    Args:
        actors: At least two.

    Raises:
        PipelineError: If there are fewer.

    Example:
        >>> len(Ensemble([Policy(), EMA()]).members)
        2
    """

    actors: list[Actor]

    def __post_init__(self) -> None:
        if len(self.actors) < 2:
            raise PipelineError(f"Ensemble has {len(self.actors)} actors. Give at least two, or use the actor itself.")

    @property
    def members(self) -> list[Member]:
        """The members of all actors."""
        return [member for actor in self.actors for member in actor.members]


@dataclass(frozen=True)
class MCDropout(Actor):
    """An actor with its dropout layers active, several times (Gal and Ghahramani, 2016, arXiv:1506.02142).

    Args:
        samples: Forward passes; at least 2.
        actor: Whose weights.

    Raises:
        PipelineError: If there are fewer than two passes.

    Example:
        >>> len(MCDropout(samples=4).members)
        4
    """

    samples: int = 8
    actor: Actor = field(default_factory=Policy)

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise PipelineError(f"MCDropout has {self.samples} samples. Give at least 2, or use Policy().")

    @property
    def members(self) -> list[Member]:
        """The actor's members, with dropout, once for each sample."""
        return [replace(member, dropout=True) for _ in range(self.samples) for member in self.actor.members]


@dataclass(frozen=True)
class BatchStatistics(Actor):
    """An actor whose batch norm takes the statistics of each batch of inputs, in place of those of training.

    Where inputs are of another domain than the training data this alone removes much of the difference (Schneider et
    al., 2020, arXiv:2006.16971). A prediction then depends on the other rows of its batch.

    Args:
        actor: Whose weights.

    Example:
        >>> BatchStatistics().members[0].batch_statistics
        True
    """

    actor: Actor = field(default_factory=Policy)

    @property
    def members(self) -> list[Member]:
        """The actor's members, with other statistics."""
        return [replace(member, batch_statistics=True) for member in self.actor.members]


@dataclass(frozen=True)
class TestTimeAugmentation(Actor):
    """An actor on several views of every input.

    Args:
        views: Functions of a batch of inputs, for example transforms that are ``nn.Module`` s.
        actor: Whose weights.
        keep_original: Whether the unchanged input is a view as well.

    Raises:
        PipelineError: If there are no views.

    Example:
        >>> len(TestTimeAugmentation([lambda x: x.flip(-1)]).members)
        2
    """

    __test__ = False  # not a test, though its name begins like one

    views: list[Callable[[Any], Any]]
    actor: Actor = field(default_factory=Policy)
    keep_original: bool = True

    def __post_init__(self) -> None:
        if not self.views:
            raise PipelineError("TestTimeAugmentation has no views. Give at least one function of a batch of inputs.")

    @property
    def members(self) -> list[Member]:
        """The actor's members, on every view."""
        views: list[Callable[[Any], Any] | None] = [None] if self.keep_original else []
        return [replace(member, view=view) for view in [*views, *self.views] for member in self.actor.members]
