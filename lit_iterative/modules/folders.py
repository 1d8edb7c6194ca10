"""Folders that are whole or absent: written under another name, and renamed at the end."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from lit_iterative.errors import SetupError

#: Files by which a folder that may be replaced is known.
MARKS = ("config.json", "adapter_config.json")


@contextmanager
def whole_folder(folder: str) -> Iterator[str]:
    """Lend an empty folder to write a model into; when all went well, it becomes ``folder``, in place of an older one.

    Args:
        folder: A local path.

    Raises:
        SetupError: If there is something else than a model in that place.
    """
    folder = os.path.abspath(folder)
    parent, name = os.path.split(folder)
    known = not os.path.exists(folder) or any(os.path.exists(os.path.join(folder, mark)) for mark in MARKS)
    if not known and not (os.path.isdir(folder) and not os.listdir(folder)):
        raise SetupError(
            f"{folder} is there already and is no model that was exported, so that it is not replaced. Choose another "
            "folder."
        )
    new, old = (os.path.join(parent, f".{name}.{kind}") for kind in ("new", "old"))
    shutil.rmtree(new, ignore_errors=True)  # of a run that was killed here
    os.makedirs(new)
    try:
        yield new
        shutil.rmtree(old, ignore_errors=True)
        if os.path.exists(folder):
            os.rename(folder, old)
        os.rename(new, folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)
