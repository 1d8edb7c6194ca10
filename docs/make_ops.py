"""Write docs/ops.md from the docstrings of the public parts: ``python docs/make_ops.py``."""

import inspect
from pathlib import Path

from lit_iterative import ops, rounds
from lit_iterative.ops import Actor, Merge, Op, Schedule, language
from lit_iterative.rounds.sync import WeightPolicy

PAGE = Path(__file__).parent / "ops.md"
KINDS = {
    "Ops": (Op, ops, "Steps of a pipeline."),
    "Ops for language policies": (
        Op,
        language,
        "In `lit_iterative.ops.language`; [how they go together](language.md).",
    ),
    "Actors": (Actor, ops, "Who predicts, in `Predict(actor=...)`."),
    "Merges": (Merge, ops, "How new rows join old ones, in `Phase(merge=...)`."),
    "Schedules": (Schedule, ops, "In place of any number typed `float | Schedule`."),
    "Weight policies": (
        WeightPolicy,
        rounds,
        "Where weights stand when a round's training begins, in `Phase(weights=...)`.",
    ),
}


def row(part: type) -> str:
    """Return a line of the table: name, scope of an op, first line of the docstring, parameters."""
    first = (inspect.getdoc(part) or "").split("\n\n")[0].replace("\n", " ")
    scope = f" *({part.scope})*" if issubclass(part, Op) else ""
    signature = ", ".join(
        name if p.default is p.empty else f"{name}={_short(p.default)}"
        for name, p in inspect.signature(part).parameters.items()
    )
    parameters = f"`{signature}` " if signature else ""
    return f"| `{part.__name__}`{scope} | {first} | {parameters}|"


def _short(default: object) -> str:
    text = repr(default)
    return "…" if "factory" in text else text


def page() -> str:
    """Return the page."""
    text = ["# Every part of a plan", "", "Made from the docstrings by `python docs/make_ops.py`."]
    for title, (base, package, about) in KINDS.items():
        parts = [getattr(package, name) for name in package.__all__]
        found = [p for p in parts if inspect.isclass(p) and issubclass(p, base) and not inspect.isabstract(p)]
        text += ["", f"## {title}", "", about, "", "| name | what it does | parameters |", "|---|---|---|"]
        text += [row(part) for part in found]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
