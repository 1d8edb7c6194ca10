"""The errors that lit-iterative raises; every message names the remedy."""

from collections.abc import Callable


class LitIterativeError(Exception):
    """Base of all errors of this package."""


class PipelineError(LitIterativeError, ValueError):
    """A list of ops cannot work: a column is missing, or an op stands in the wrong place."""


class DataError(LitIterativeError, ValueError):
    """The pool, a prediction or a label is not what the round needs."""


class StoreError(LitIterativeError, RuntimeError):
    """The round store cannot be read, written or continued."""


class SetupError(LitIterativeError, RuntimeError):
    """The trainer, its callbacks and its DataModule do not fit together."""


class OutOfMemory(LitIterativeError, RuntimeError):
    """Memory is short; the message says which settings to lower."""


class OptionalDependencyError(LitIterativeError, ImportError):
    """A package of an optional extra is needed and missing."""


def misfit(attempt: Callable[[], str | None]) -> str | None:
    """Return why something does not work with a model of any kind: what an attempt says, or how it fails.

    Models that were not made for it fail in many ways, none of which is the user's fault. So the error is no end but an
    answer, which the caller tells the user, and goes another way. That memory is short says nothing of the model.

    Args:
        attempt: Returns why it does not work; none if it does.

    Example:
        >>> misfit(lambda: None), misfit(lambda: [][0])
        (None, 'IndexError: list index out of range')
    """
    try:
        return attempt()
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:
        if out_of_memory(error):
            raise
        return f"{type(error).__name__}: {error}"


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory is short."""
    import torch  # here, since those who only look into a store need not wait for it

    return isinstance(error, torch.OutOfMemoryError | MemoryError | OutOfMemory) or "can't allocate memory" in str(
        error
    )
