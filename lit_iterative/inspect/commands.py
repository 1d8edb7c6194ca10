"""``lit-iterative rounds``: the commands that look into a round store, tidy it, and go back in it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from lit_iterative.inspect.arguments import HELP, PARSERS
from lit_iterative.inspect.difference import compare, render_difference
from lit_iterative.inspect.export import export
from lit_iterative.inspect.find import find_round, find_store
from lit_iterative.inspect.listing import list_rounds, render_list
from lit_iterative.inspect.pick import pick
from lit_iterative.inspect.prune import plan_pruning, prune, render_pruning
from lit_iterative.inspect.rollback import plan_rollback, render_rollback, roll_back
from lit_iterative.inspect.sample import render_sample
from lit_iterative.inspect.show import render_round, show_round
from lit_iterative.inspect.text import to_json
from lit_iterative.inspect.verify import render_verification, verify

PROG = "lit-iterative rounds"
DESCRIPTION = "Look into the rounds of a run: what each one made, kept and dropped, and why."


def main(args: Sequence[str]) -> None:
    """Run one of the commands.

    Args:
        args: What stands behind ``lit-iterative rounds``.

    Raises:
        SystemExit: With code 1 where ``verify`` finds damage.
    """
    config = parser().parse_args(list(args))
    name: str = config.subcommand
    options = config[name]
    value, shown, sound = COMMANDS[name](options)
    print(to_json(value) if options.json else shown())
    if not sound:
        sys.exit(1)


def parser() -> ArgumentParser:
    """Return the parser of all commands."""
    top = ArgumentParser(prog=PROG, description=DESCRIPTION)
    commands = top.add_subcommands(title="commands", metavar=f"{{{','.join(PARSERS)}}}", help="")
    for name, add in PARSERS.items():
        command = ArgumentParser(description=HELP[name])
        command.add_argument("dir", metavar="DIR", type=str, help="the round store, or the folder of a run")
        add(command)
        command.add_argument("--json", action="store_true", help="print JSON instead of text")
        commands.add_subcommand(name, command, help=HELP[name])
    return top


#: What a command has to say: for scripts, for people, and whether all is well.
Answer = tuple[Any, Callable[[], str], bool]


def _list(config: Namespace) -> Answer:
    rows = list_rounds(find_store(config.dir))
    return [asdict(row) for row in rows], lambda: render_list(rows), True


def _show(config: Namespace) -> Answer:
    view = show_round(find_store(config.dir), config.round, config.rows)
    return asdict(view), lambda: render_round(view), True


def _diff(config: Namespace) -> Answer:
    difference = compare(find_store(config.dir), config.a, config.b, config.ids)
    return asdict(difference), lambda: render_difference(difference), True


def _sample(config: Namespace) -> Answer:
    store = find_store(config.dir)
    version = find_round(store, config.round)
    picked = pick(store, version, config.by, config.rows, config.score, config.seed)
    return [asdict(row) for row in picked], lambda: render_sample(picked), True


def _export(config: Namespace) -> Answer:
    rows = export(find_store(config.dir), config.output, config.round, config.format, config.columns)
    return {"output": config.output, "rows": rows}, lambda: f"{rows:,} rows in {config.output}", True


def _verify(config: Namespace) -> Answer:
    found = verify(find_store(config.dir))
    return {**asdict(found), "sound": found.sound}, lambda: render_verification(found), found.sound


def _prune(config: Namespace) -> Answer:
    store = find_store(config.dir)
    plan = plan_pruning(store, config.keep, config.checkpoints, config.superseded, config.monitor)
    if config.yes:
        prune(store, plan)
    return {**asdict(plan), "bytes": plan.bytes, "done": config.yes}, lambda: render_pruning(plan, config.yes), True


def _rollback(config: Namespace) -> Answer:
    store = find_store(config.dir)
    plan = plan_rollback(store, config.to, config.checkpoints)
    if config.yes:
        plan = roll_back(store, plan)
    return {**asdict(plan), "done": config.yes}, lambda: render_rollback(plan, config.yes), True


COMMANDS: dict[str, Callable[[Namespace], Answer]] = {
    "list": _list,
    "show": _show,
    "diff": _diff,
    "sample": _sample,
    "export": _export,
    "verify": _verify,
    "prune": _prune,
    "rollback": _rollback,
}
