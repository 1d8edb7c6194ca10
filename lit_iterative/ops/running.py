"""Running means that go on from round to round, kept in the memory of an op."""

from typing import Any

import numpy as np

from lit_iterative.columns import Array
from lit_iterative.errors import DataError


def running_mean(memory: dict[str, Any], name: str, value: Any, momentum: float, start: Any = None) -> Array:
    """Update an exponential moving average, ``m <- momentum * m + (1 - momentum) * value``, and return it.

    Args:
        memory: Where it is kept, as a number or a list of numbers.
        name: Its key.
        value: What this round says, a number or shape ``(classes,)``.
        momentum: Weight of the past, in [0, 1].
        start: The average before the first round; where none is given, the first value is the first average.

    Returns:
        The new average, of the shape of ``value``.

    Raises:
        DataError: If the average in memory has another shape.

    Example:
        >>> memory = {}
        >>> float(running_mean(memory, "mean", 0.5, momentum=0.9))
        0.5
        >>> float(running_mean(memory, "mean", 1.0, momentum=0.9)), memory
        (0.55, {'mean': 0.55})
    """
    new = np.asarray(value, dtype=np.float64)
    past = memory.get(name, start)
    if past is not None:
        old = np.asarray(past, dtype=np.float64)
        if old.shape != new.shape:
            raise DataError(
                f"The running {name} of earlier rounds has shape {old.shape}, but this round gives {new.shape}. "
                "The number of classes changed; start a new round store."
            )
        new = momentum * old + (1.0 - momentum) * new
    memory[name] = new.tolist()
    return new
