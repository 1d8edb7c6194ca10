"""What a condition is: it reads the history of a run and says in a sentence what is wrong, if anything."""

from abc import ABC, abstractmethod

from lit_iterative.guards.history import History


class Condition(ABC):
    """Watches metrics. Subclass it as a frozen dataclass whose fields are its bounds."""

    @property
    @abstractmethod
    def watches(self) -> tuple[str, ...]:
        """Names of the metrics without which the present round cannot be judged."""

    @abstractmethod
    def __call__(self, history: History) -> str | None:
        """Return what is wrong, in a sentence with the numbers, or nothing.

        Args:
            history: All rounds; the last one has the metrics that are watched.
        """

    @property
    def name(self) -> str:
        """Name in logs and manifests."""
        return type(self).__name__
