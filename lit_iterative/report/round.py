"""One round in the report: its funnel with the reason for every drop, its cost, its guards, its rows."""

from typing import Any

from lit_iterative.errors import StoreError
from lit_iterative.inspect import text
from lit_iterative.inspect.pick import By, Picked, pick, score_of
from lit_iterative.inspect.pruned import is_pruned
from lit_iterative.inspect.sample import SIDES, readable
from lit_iterative.report.cost import costs
from lit_iterative.report.markup import Markup, folded, join, table, tag
from lit_iterative.report.run import Run
from lit_iterative.report.stages import Step, steps, totals
from lit_iterative.rounds.manifest import Manifest
from lit_iterative.rounds.version import Version

CHARACTERS = 1500
TITLES: dict[By, str] = {"best": "Best", "worst": "Worst", "changed": "Most changed", "random": "At random"}
UNREAD = ("source", "round", "group")


def round_section(run: Run, version: Version, samples: int, open_: bool) -> Markup:
    """Return all that is told of a round."""
    manifest = version.manifest
    body = [
        tag("p", _line(manifest), class_="note"),
        tag("h4", "Where the rows went"),
        _strip(manifest),
        _funnel(manifest),
        tag("h4", "What it cost"),
        _costs(manifest),
        _guards(run, manifest),
        _samples(run, version, samples),
        folded("Everything measured", table(["metric", "value"], _measured(manifest), numeric=(1,))),
    ]
    title = f"Round {manifest.round}: {text.count(manifest.rows)} rows from a pool of {text.count(manifest.pool_rows)}"
    return tag("section", folded(title, *body, open_=open_), id=f"round-{manifest.round}", class_="round")


def _line(manifest: Manifest) -> str:
    line = (
        f"Phase {manifest.phase}, in front of epoch {manifest.epoch}, after {text.count(manifest.global_step)} "
        f"optimiser steps; {text.seconds(manifest.seconds)}."
    )
    if manifest.serves is None:
        return f"{line} It made no rows, nor did any before: labelled data alone is served."
    return (
        line if manifest.serves == manifest.round else f"{line} It made no rows: those of round {manifest.serves} are."
    )


def _strip(manifest: Manifest) -> Markup:
    """Return the rows at the end of each stage."""
    cells = [tag("li", tag("b", text.count(rows)), tag("span", stage)) for stage, rows in totals(manifest).items()]
    return tag("ol", cells, class_="strip")


def _funnel(manifest: Manifest) -> Markup:
    most = max([1, manifest.pool_rows, *(op.rows_out for op in manifest.ops)])
    pool = Step("pool", "pool", manifest.pool_rows, 0, "", "")
    return tag("div", [_step(step, most) for step in (pool, *steps(manifest))], class_="funnel")


def _step(step: Step, most: int) -> Markup:
    share = f"width:{100 * step.rows / most:.2f}%"
    change = f"{step.change:+,}" if step.change else ""
    said = [tag("span", change, class_="drop" if step.change < 0 else "gain"), " ", step.reason] if change else []
    return tag(
        "div",
        tag("div", tag("b", step.op), tag("small", step.parameters) if step.parameters else None, class_="name"),
        tag("div", tag("i", style=share, class_=step.stage), tag("span", text.count(step.rows)), class_="bar"),
        tag("div", said, class_="why") if said else None,
        class_="step",
    )


def _costs(manifest: Manifest) -> Markup:
    rows: list[list[Any]] = [
        [
            ", ".join(cost.ops),
            text.seconds(cost.seconds),
            text.count(cost.rows),
            text.count(None if cost.rows_per_second is None else round(cost.rows_per_second)),
            text.count(cost.tokens),
        ]
        for cost in costs(manifest)
    ]
    rows.append(["whole round, with merge, measuring and commit", text.seconds(manifest.seconds), "", "", ""])
    return table(["stage", "seconds", "rows", "rows per second", "tokens"], rows, numeric=(1, 2, 3, 4))


def _guards(run: Run, manifest: Manifest) -> Markup | None:
    said = [event for event in run.events if event.round == manifest.round]
    if not said:
        return None
    lines = [
        tag("li", tag("b", f"{event.guard}: {event.action or 'could not judge'}"), " ", event.reason) for event in said
    ]
    return join([tag("h4", "What guards said"), tag("ul", lines)])


def _measured(manifest: Manifest) -> list[list[Any]]:
    return [[name, text.short(value, 80)] for name, value in sorted(manifest.metrics.items())]


# ---- rows -----------------------------------------------------------------------------------------------


def _samples(run: Run, version: Version, rows: int) -> Markup | None:
    """Return rows to read: the best, the worst, those that changed most; at random where nothing is a score."""
    if not rows or not version.manifest.shards:
        return None
    if is_pruned(run.store, version):
        return tag("p", "The rows of this round were pruned.", class_="note")
    score = score_of(version.columns)
    kinds: list[By] = ["random"] if score is None else ["best", "worst", "changed"]
    found = [(kind, _picked(run, version, kind, rows)) for kind in kinds]
    return join([_kind(kind, picked, score) for kind, picked in found if picked])


def _picked(run: Run, version: Version, kind: By, rows: int) -> list[Picked]:
    if kind == "changed" and not run.store.path(version.round):
        return []
    try:
        return pick(run.store, version, kind, rows)
    except StoreError:
        if kind == "changed":
            return []  # the rows of the round before were pruned
        raise


def _kind(kind: By, picked: list[Picked], score: str | None) -> Markup:
    by = f" by {score}" if score else ""
    return join([tag("h4", f"{TITLES[kind]}{by}"), tag("div", [_row(row, kind) for row in picked], class_="rows")])


def _row(picked: Picked, kind: By) -> Markup:
    row = {name: value for name, value in readable(picked.row).items() if name not in UNREAD}
    before = readable(picked.before) if picked.before is not None else {}
    head = [tag("b", f"id {row.pop('id', '')}")]
    if picked.value is not None:
        head.append(tag("span", f"{'changed by ' if kind == 'changed' else ''}{text.number(picked.value)}"))
    sides = [tag("div", tag("h5", side), _text(row.pop(side)), class_=side) for side in SIDES if side in row]
    texts = {name: row.pop(name) for name in list(row) if isinstance(row[name], str | list)}
    numbers = [tag("span", f"{name} {text.short(value)}", _was(name, value, before)) for name, value in row.items()]
    old = {name: before[name] for name in (*SIDES, *texts) if name in before and before[name] != picked.row[name]}
    return tag(
        "article",
        tag("header", head),
        [tag("div", tag("h5", name), _text(value)) for name, value in texts.items()],
        tag("div", sides, class_="pair") if sides else None,
        tag("p", numbers, class_="numbers"),
        folded("in the round before", [tag("div", tag("h5", n), _text(v)) for n, v in old.items()]) if old else None,
    )


def _was(name: str, value: Any, before: dict[str, Any]) -> str:
    return f" (was {text.short(before[name])})" if name in before and before[name] != value else ""


def _text(value: Any) -> Markup:
    shown = str(value)
    cut = shown[:CHARACTERS]
    rest = tag("small", f" … ({len(shown):,} characters)") if len(shown) > CHARACTERS else None
    return tag("pre", cut, rest)
