"""The errors that lit-iterative raises; every message names the remedy."""

import torch


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


class OptionalDependencyError(LitIterativeError, ImportError):
    """A package of an optional extra is needed and missing."""


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory is short."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
