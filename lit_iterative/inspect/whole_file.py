"""Files that are written whole or not at all, in a place that the user names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from lit_iterative.errors import StoreError


@contextmanager
def whole_file(output: str) -> Iterator[IO[bytes]]:
    """Write to a temporary name and rename at the end, so that a failure leaves what was there.

    Args:
        output: The path.

    Raises:
        StoreError: If its folder does not exist.
    """
    temporary = f"{output}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            yield file
        os.replace(temporary, output)
    except FileNotFoundError as error:
        raise StoreError(f"{output} cannot be written: its folder does not exist. Make it first.") from error
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
