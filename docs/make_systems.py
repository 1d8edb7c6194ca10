"""Write docs/systems.md from docs/systems.jsonl and the headers of the recipes: ``python docs/make_systems.py``."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from lit_iterative.recipes import Recipe, recipes

PAGE = Path(__file__).parent / "systems.md"
DATA = Path(__file__).parent / "systems.jsonl"
TOP = """# Published systems

Made by `python docs/make_systems.py` from `docs/systems.jsonl` and the headers of the recipes.

A system *has a recipe* where a file in `configs/` names it in its header, which says what follows the source and
what does not; `tests/recipes` runs every one for two rounds and checks in the store who proposed, what was kept and
built, and what carried over. That is a claim about the loop, not about results. *Core* systems are to have one
first; *general* ones are expressed by ops, with a module of their own where the modality asks for one; *stretch*
ones need what the vocabulary does not have. What is missing for a core system was read off its slots; for the
others only what their family needs in general. `lit-iterative recipes list` names all recipes, also those of
systems that are not listed here.
"""


def systems() -> list[dict[str, Any]]:
    """Return the systems, by number."""
    return [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]


def recipes_of() -> dict[str, list[Recipe]]:
    """Return the recipes of each system."""
    found: dict[str, list[Recipe]] = {}
    for recipe in recipes():
        if recipe.header.system is not None:
            found.setdefault(recipe.header.system, []).append(recipe)
    return found


def page() -> str:
    """Return the page."""
    known, rows = recipes_of(), systems()
    have = Counter(system["kind"] for system in rows if system["id"] in known)
    every = Counter(system["kind"] for system in rows)
    counts = ", ".join(f"{have[kind]} of {every[kind]} {kind}" for kind in ("core", "general", "stretch"))
    text = [
        TOP,
        f"With a recipe and its test: {counts} systems.",
        "",
        "| id | system | kind | state |",
        "|---|---|---|---|",
    ]
    text += [_row(system, known.get(system["id"], [])) for system in rows]
    return "\n".join(text) + "\n"


def _row(system: dict[str, Any], found: list[Recipe]) -> str:
    state = ", ".join(f"[{r.family}/{r.name}](../configs/{r.family}/{r.name}.yaml)" for r in found)
    if not found:
        state = f"{'missing' if system['kind'] == 'core' else 'no recipe yet; its family needs'}: {system['missing']}"
    title = system["title"].replace("|", "\\|")
    return f"| {system['id']} | **{system['name']}** {title} | {system['kind']} | {state} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
