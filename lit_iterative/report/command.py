"""``lit-iterative report``: write a page about a run."""

import os
from collections.abc import Sequence

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt

from lit_iterative.inspect.find import find_store
from lit_iterative.inspect.summary import DEFAULT_MONITOR
from lit_iterative.inspect.whole_file import whole_file
from lit_iterative.report.page import page
from lit_iterative.report.run import Run


def main(args: Sequence[str]) -> None:
    """Write the report, and say where.

    Args:
        args: What stands behind ``lit-iterative report``.
    """
    config = parser().parse_args(list(args))
    path = write_report(config.dir, config.output, config.monitor, config.samples)
    print(f"Report: {path}")


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    command = ArgumentParser(
        prog="lit-iterative report",
        description="Write one HTML page about a run: what every round made, kept and dropped, what it cost, what came "
        "of it, rows to read, and how to make it again. It needs no network to be read.",
    )
    command.add_argument("dir", metavar="DIR", type=str, help="the round store, or the folder of a run")
    command.add_argument("--output", metavar="FILE", type=str, default="report.html", help="the file to write")
    command.add_argument(
        "--monitor", type=str, default=DEFAULT_MONITOR, help="the held-out metric to compare rounds by"
    )
    command.add_argument(
        "--samples", metavar="N", type=NonNegativeInt, default=3, help="rows to show of each kind in each round"
    )
    return command


def write_report(folder: str, output: str, monitor: str = DEFAULT_MONITOR, samples: int = 3) -> str:
    """Write the report of a run; the file is whole or absent.

    Args:
        folder: The round store, or the folder of the run.
        output: The file to write.
        monitor: The held-out metric by which rounds are compared.
        samples: Rows to show of each kind in each round.

    Returns:
        The path of the file.

    Raises:
        StoreError: If there is no committed round, rows are damaged, or the file cannot be written.
    """
    content = page(Run.of(find_store(folder), monitor), samples)
    with whole_file(output) as file:
        file.write(content.encode("utf-8", errors="backslashreplace"))
    return os.path.abspath(output)
