"""``lit-iterative rounds``: the commands that look into a round store."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt

from lit_iterative.inspect.difference import compare, render_difference
from lit_iterative.inspect.export import Format, export
from lit_iterative.inspect.find import find_store
from lit_iterative.inspect.listing import list_rounds, render_list
from lit_iterative.inspect.show import render_round, show_round
from lit_iterative.inspect.text import to_json

PROG = "lit-iterative rounds"
DESCRIPTION = "Look into the rounds of a run: what each one made, kept and dropped, and why."


def main(args: Sequence[str]) -> None:
    """Run one of the commands.

    Args:
        args: What stands behind ``lit-iterative rounds``.
    """
    config = parser().parse_args(list(args))
    name: str = config.subcommand
    print(COMMANDS[name](config[name]))


def parser() -> ArgumentParser:
    """Return the parser of all commands."""
    top = ArgumentParser(prog=PROG, description=DESCRIPTION)
    commands = top.add_subcommands(title="commands", metavar="{list,show,diff,export}", help="")
    for name, add in PARSERS.items():
        command = ArgumentParser(description=HELP[name])
        command.add_argument("dir", metavar="DIR", type=str, help="the round store, or the folder of a run")
        add(command)
        commands.add_subcommand(name, command, help=HELP[name])
    return top


HELP = {
    "list": "A line for every round: rows, coverage, label accuracy, flips, time, status.",
    "show": "One round: rows in and out of every op, metrics, hashes, shards, first rows.",
    "diff": "Two rounds: inputs added and dropped, labels changed, parameters changed.",
    "export": "Write the rows that a round serves into a JSONL, Parquet or CSV file.",
}


def _add_json(command: ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON instead of text")


def _add_round(command: ArgumentParser) -> None:
    command.add_argument(
        "--round", metavar="K", type=NonNegativeInt | None, help="number of the round (default: the last)"
    )


def _add_show(command: ArgumentParser) -> None:
    _add_round(command)
    command.add_argument("--rows", metavar="N", type=NonNegativeInt, default=5, help="rows of data to print")
    _add_json(command)


def _add_diff(command: ArgumentParser) -> None:
    command.add_argument("a", metavar="A", type=NonNegativeInt, help="number of the first round")
    command.add_argument("b", metavar="B", type=NonNegativeInt, help="number of the second round")
    command.add_argument("--ids", metavar="N", type=NonNegativeInt, default=10, help="ids to print of every kind")
    _add_json(command)


def _add_export(command: ArgumentParser) -> None:
    _add_round(command)
    command.add_argument("--output", metavar="FILE", type=str, required=True, help="the file to write")
    command.add_argument("--format", type=Format | None, help="form of the file (default: by its ending)")
    command.add_argument("--columns", type=list[str] | None, help="columns to write, as a list (default: all)")
    _add_json(command)


PARSERS: dict[str, Callable[[ArgumentParser], None]] = {
    "list": _add_json,
    "show": _add_show,
    "diff": _add_diff,
    "export": _add_export,
}


def _list(config: Namespace) -> str:
    rows = list_rounds(find_store(config.dir))
    return to_json([asdict(row) for row in rows]) if config.json else render_list(rows)


def _show(config: Namespace) -> str:
    view = show_round(find_store(config.dir), config.round, config.rows)
    return to_json(asdict(view)) if config.json else render_round(view)


def _diff(config: Namespace) -> str:
    difference = compare(find_store(config.dir), config.a, config.b, config.ids)
    return to_json(asdict(difference)) if config.json else render_difference(difference)


def _export(config: Namespace) -> str:
    rows = export(find_store(config.dir), config.output, config.round, config.format, config.columns)
    return to_json({"output": config.output, "rows": rows}) if config.json else f"{rows:,} rows in {config.output}"


COMMANDS: dict[str, Callable[[Namespace], str]] = {"list": _list, "show": _show, "diff": _diff, "export": _export}
