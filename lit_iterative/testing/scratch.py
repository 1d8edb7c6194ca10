"""Where checks keep their stores: in memory, because they make hundreds, and a disk would wait for each write."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from lit_iterative.rounds.files import Files


@contextmanager
def scratch() -> Iterator[str]:
    """Give the URL of an empty folder, and remove it afterwards.

    Example:
        >>> with scratch() as url:
        ...     Files(url).list()
        []
    """
    url = f"memory://lit-iterative-{uuid4().hex}"
    try:
        yield url
    finally:
        Files(url).remove("")
