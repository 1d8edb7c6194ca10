"""Seals: hashes by which a file is later known to be what was written."""

import json
import posixpath
import re
from collections.abc import Iterable
from typing import Any

from lit_iterative.rounds.files import Files, digest

NONE = "0" * 64
SEAL = re.compile(rb'"seal": "([0-9a-f]{64})"')


def sealed(values: dict[str, Any]) -> bytes:
    """Return values as JSON that holds the hash of its own text.

    Example:
        >>> text = sealed({"rows": 3})
        >>> is_sound(text), is_sound(text.replace(b"3", b"4", 1)), is_sound(b'{"rows": 3}')
        (True, False, None)
    """
    text = json.dumps({**values, "seal": NONE}, indent=1, sort_keys=True).encode()
    return text.replace(NONE.encode(), digest(text).encode())


def is_sound(text: bytes) -> bool | None:
    """Tell whether a sealed text is what was written; none where it has no seal."""
    seals: list[bytes] = SEAL.findall(text)
    if not seals:
        return None
    return digest(text.replace(seals[-1], NONE.encode())) == seals[-1].decode()


def hashes(files: Files, base: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the size and the hash of those files that are there; names are below a folder."""
    paths = {name: posixpath.normpath(posixpath.join(base, name)) for name in names}
    return {
        name: {"bytes": files.size(path), "sha256": files.digest(path)}
        for name, path in paths.items()
        if files.exists(path)
    }
