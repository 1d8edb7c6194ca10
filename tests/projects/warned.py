"""Expect a warning among others, which libraries give about themselves."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def warned(pattern: str) -> Iterator[None]:
    """Fail unless a warning that matches is given inside."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    said = [str(warning.message) for warning in caught]
    assert any(re.search(pattern, message) for message in said), said
