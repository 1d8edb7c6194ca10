"""The arguments of the commands of ``lit-iterative rounds``."""

from collections.abc import Callable

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt, PositiveInt

from lit_iterative.inspect.export import Format
from lit_iterative.inspect.pick import By
from lit_iterative.inspect.summary import DEFAULT_MONITOR

HELP = {
    "list": "A line for every round: rows, coverage, label accuracy, flips, time, status.",
    "show": "One round: rows in and out of every op, metrics, hashes, shards, first rows.",
    "diff": "Two rounds: inputs added and dropped, labels or texts changed, parameters changed.",
    "sample": "Rows to read: at random, the best, the worst, those that changed most; pairs side by side.",
    "export": "Write the rows that a round serves into a JSONL, Parquet or CSV file, or a folder of datasets.",
    "verify": "Compare every file with the hash that was written beside it; ends with code 1 if one is damaged.",
    "prune": "Free the space of old rounds, never of one that a checkpoint names; shows what would go without --yes.",
    "rollback": "Go back to a round; later ones are set aside, not deleted; shows what would move without --yes.",
}


def _add_none(command: ArgumentParser) -> None:
    """Nothing but the folder."""


def _add_round(command: ArgumentParser) -> None:
    command.add_argument(
        "--round", metavar="K", type=NonNegativeInt | None, help="number of the round (default: the last)"
    )


def _add_show(command: ArgumentParser) -> None:
    _add_round(command)
    command.add_argument("--rows", metavar="N", type=NonNegativeInt, default=5, help="rows of data to print")


def _add_diff(command: ArgumentParser) -> None:
    command.add_argument("a", metavar="A", type=NonNegativeInt, help="number of the first round")
    command.add_argument("b", metavar="B", type=NonNegativeInt, help="number of the second round")
    command.add_argument("--ids", metavar="N", type=NonNegativeInt, default=10, help="ids to print of every kind")


def _add_sample(command: ArgumentParser) -> None:
    _add_round(command)
    command.add_argument("--by", type=By, default="random", help="which rows")
    command.add_argument("--rows", metavar="N", type=PositiveInt, default=5, help="rows to print")
    command.add_argument("--score", type=str | None, help="column that orders them, or margin (default: as found)")
    command.add_argument("--seed", type=NonNegativeInt, default=0, help="another one draws other rows")


def _add_export(command: ArgumentParser) -> None:
    _add_round(command)
    command.add_argument("--output", metavar="FILE", type=str, required=True, help="the file or folder to write")
    command.add_argument("--format", type=Format | None, help="form of the file (default: by its ending)")
    command.add_argument("--columns", type=list[str] | None, help="columns to write, as a list (default: all)")


def _add_care(command: ArgumentParser) -> None:
    command.add_argument(
        "--checkpoints", metavar="DIRS", type=list[str], default=[], help="more folders with checkpoints of this run"
    )
    command.add_argument("--yes", action="store_true", help="do it; otherwise only say what would be done")


def _add_prune(command: ArgumentParser) -> None:
    command.add_argument("--keep", metavar="N", type=PositiveInt, default=2, help="last rounds that keep everything")
    command.add_argument("--superseded", action="store_true", help="remove rounds that were set aside as well")
    command.add_argument("--monitor", type=str, default=DEFAULT_MONITOR, help="metric of the best round, which is kept")
    _add_care(command)


def _add_rollback(command: ArgumentParser) -> None:
    command.add_argument("--to", metavar="K", type=NonNegativeInt, required=True, help="the last round that stays")
    _add_care(command)


PARSERS: dict[str, Callable[[ArgumentParser], None]] = {
    "list": _add_none,
    "show": _add_show,
    "diff": _add_diff,
    "sample": _add_sample,
    "export": _add_export,
    "verify": _add_none,
    "prune": _add_prune,
    "rollback": _add_rollback,
}
