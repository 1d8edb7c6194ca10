"""``lit-iterative recipes``: list the recipes, show one, run one."""

import sys
from collections.abc import Callable, Sequence

from lit_iterative.recipes.recipe import Recipe, find_recipe, recipes

USAGE = """usage: lit-iterative recipes list
       lit-iterative recipes show NAME
       lit-iterative recipes run NAME [options of fit]

Recipes that follow published systems. 'show' prints the files of one: copy them to begin your own. 'run' trains by
them; options such as --data.batch_size=32 or --config more.yaml change them, as they change 'lit-iterative fit'.
NAME may be a file of your own, too: where it begins with '# base: sums', it is laid over that base."""


def main(args: Sequence[str], train: Callable[[Sequence[str]], None]) -> None:
    """Run one of the commands.

    Args:
        args: What stands behind ``lit-iterative recipes``.
        train: Runs ``lit-iterative`` with arguments of ``fit``.

    Raises:
        SetupError: If there is no such recipe.
        SystemExit: With code 2 if there is no such command.
    """
    command, rest = (args[0], args[1:]) if args else ("", [])
    if command in ("-h", "--help"):
        print(USAGE)
    elif command == "list" and not rest:
        print(render_list(recipes()))
    elif command == "show" and len(rest) == 1:
        print(render(find_recipe(rest[0])))
    elif command == "run" and rest:
        train([*find_recipe(rest[0]).arguments, *rest[1:]])
    else:
        print(USAGE, file=sys.stderr)
        raise SystemExit(2)


def render_list(found: Sequence[Recipe]) -> str:
    """Return a line for each recipe: family and name, the system's number, title and source."""
    rows = [
        (
            f"{recipe.family}/{recipe.name}",
            recipe.header.system or "",
            f"{recipe.header.title} ({recipe.header.source})",
        )
        for recipe in found
    ]
    wide, narrow = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{name:{wide}}  {system:{narrow}}  {title}" for name, system, title in rows)


def render(recipe: Recipe) -> str:
    """Return how to run a recipe, and its files; what is no YAML stands in comments."""
    files = "\n".join(f"# ---- {path}\n{path.read_text(encoding='utf-8')}" for path in reversed(recipe.configs))
    return f"# lit-iterative {' '.join(recipe.arguments)}\n{files}".rstrip()
