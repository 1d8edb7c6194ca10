"""The command of a run: how it was started, on what, so that it can be repeated exactly."""

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lit_iterative.rounds.seal import sealed
from lit_iterative.rounds.store import Store

COMMAND = "command.json"
PACKAGES = ("lit-iterative", "torch", "lightning", "torchmetrics", "pyarrow", "numpy")
PACKAGES_OF_EXTRAS = ("transformers", "tokenizers", "peft", "datasets", "bitsandbytes", "vllm", "scikit-learn")
SECRET = ("key", "token", "secret", "password")


def note_command(store: Store) -> None:
    """Note in the store how this process was started; a start like the last one is not noted again."""
    starts = read_commands(store)
    start = describe(sys.orig_argv)
    if not starts or starts[-1] != start:
        store.files.write_bytes(COMMAND, sealed({"starts": [*starts, start]}))


def read_commands(store: Store) -> list[dict[str, Any]]:
    """Return how the run was started, and started again, in order."""
    known: list[dict[str, Any]] = store.files.read_json(COMMAND)["starts"] if store.files.exists(COMMAND) else []
    return known


def describe(argv: Sequence[str]) -> dict[str, Any]:
    """Return a command in words: the line, the versions, and the texts of the YAML files that it names."""
    return {
        "line": command_line(argv),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": _versions(),
        "files": {given: _text(given) for given in argv if given.endswith((".yaml", ".yml")) and os.path.isfile(given)},
    }


def command_line(argv: Sequence[str]) -> str:
    """Return a command as it is typed; values of options that look like secrets are left out.

    Example:
        >>> command_line(["/usr/bin/python3", "/opt/bin/lit-iterative", "fit", "--config", "my run.yaml"])
        "lit-iterative fit --config 'my run.yaml'"
        >>> command_line(["python3.12", "train.py", "--api_key=abc"])
        'python train.py --api_key=...'
    """
    _, *given = argv
    if given and os.path.basename(given[0]) == "lit-iterative":
        given = ["lit-iterative", *given[1:]]
    else:
        given = ["python", *given]
    return " ".join(part if part.endswith("=...") else shlex.quote(part) for part in _without_secrets(given))


def _without_secrets(given: Sequence[str]) -> list[str]:
    shown: list[str] = []
    for part in given:
        name, equals, _ = part.partition("=")
        if shown and shown[-1].startswith("-") and "=" not in shown[-1] and _is_secret(shown[-1]):
            shown.append("...")
        else:
            shown.append(f"{name}=..." if equals and name.startswith("-") and _is_secret(name) else part)
    return shown


def _is_secret(name: str) -> bool:
    words = name.lower().lstrip("-").replace("-", "_").replace(".", "_").split("_")
    return any(word in SECRET for word in words)


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (*PACKAGES, *PACKAGES_OF_EXTRAS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # an extra that is not installed
    return found


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
