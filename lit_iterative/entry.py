"""``lit-iterative``: the commands that look into a store start at once; those that train import what they need."""

import os
import sys
import warnings
from collections.abc import Callable, Sequence

from lit_iterative.errors import LitIterativeError


def main(args: Sequence[str] | None = None) -> None:
    """Run ``lit-iterative``.

    Args:
        args: Arguments of the command line; those of the process when left out.

    Raises:
        SystemExit: With code 1 after an error of this package, whose message is printed on one line; with the
            traceback instead where the environment sets ``LIT_ITERATIVE_TRACEBACK=1``.
    """
    given = sys.argv[1:] if args is None else list(args)
    try:
        COMMANDS.get(given[0] if given else "", _train)(given)
    except LitIterativeError as error:
        if os.environ.get("LIT_ITERATIVE_TRACEBACK") == "1":
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None


def _rounds(given: Sequence[str]) -> None:
    from lit_iterative.inspect import commands

    commands.main(given[1:])


def _report(given: Sequence[str]) -> None:
    from lit_iterative.report import command

    command.main(given[1:])


def _recipes(given: Sequence[str]) -> None:
    from lit_iterative.recipes import command

    command.main(given[1:], _train)


def _train(given: Sequence[str]) -> None:
    from lit_iterative.cli import IterativeCLI

    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a console script does not find the project that it is started in
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)")  # Lightning's, once an epoch
    # Classifier checks labels in this hook; Lightning tells of it wherever there is a DataModule as well
    warnings.filterwarnings("ignore", message=r"You have overridden `on_before_batch_transfer` in `LightningModule`")
    IterativeCLI(given)


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {"rounds": _rounds, "report": _report, "recipes": _recipes}
