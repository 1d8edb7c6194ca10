"""The upper part of the report: the run in a glance, curves, the table of rounds, what guards said."""

from typing import Any

from lit_iterative.inspect import text
from lit_iterative.inspect.listing import list_rounds
from lit_iterative.report import charts
from lit_iterative.report.cost import tokens_of
from lit_iterative.report.markup import Markup, folded, join, table, tag
from lit_iterative.report.run import Run, series

#: Curves that are shown at once, where they were measured; the others are behind a fold.
FIRST = (
    *("rows", "coverage", "label_accuracy", "confidence", "calibration_error", "flip_rate", "mean_weight"),
    *("yield", "vote_share", "chosen_score", "score_gap", "chosen_length", "distinct_2", "drift"),
)


def glance(run: Run) -> Markup:
    """Return the run in a few numbers."""
    manifests = run.manifests
    tiles = [("rounds", text.count(len(manifests)), _state(run))]
    after = run.after
    if run.monitor is not None and after:
        start, end = next(iter(after.values())), list(after.values())[-1]
        tiles.append((run.monitor, text.number(end), f"from {text.number(start)} before the first round"))
        if run.best is not None:
            tiles.append(("best round", str(run.best), f"{run.monitor} {text.number(after[run.best])} after it"))
    last = manifests[-1]
    tiles.append(("rows in the last round", text.count(last.rows), f"of a pool of {text.count(last.pool_rows)}"))
    seconds = sum(manifest.seconds for manifest in manifests)
    tokens = [tokens_of(manifest.ops) for manifest in manifests]
    sampled = sum(count for count in tokens if count is not None)
    tiles.append(("time in rounds", text.seconds(seconds), f"{text.count(sampled)} tokens sampled" if sampled else ""))
    acted = [event for event in run.events if event.action is not None]
    if run.events:
        tiles.append(("guard events", text.count(len(acted)), f"{len(run.events) - len(acted)} could not judge"))
    return tag("div", [_tile(*tile) for tile in tiles], class_="tiles")


def _state(run: Run) -> str:
    empty = sum(not manifest.shards for manifest in run.manifests)
    state = "the fit has ended" if run.final else "the fit has not ended"
    return f"{state}; {empty} without rows" if empty else state


def _tile(name: str, value: str, said: str) -> Markup:
    return tag("div", tag("b", value), tag("span", name), tag("small", said) if said else None, class_="tile")


def curves(run: Run) -> Markup:
    """Return curves over the rounds, the most telling first."""
    if not charts.available():
        return tag("p", 'Curves need matplotlib: pip install "lit-iterative[plots]".', class_="note")
    shown: list[Markup] = []
    if run.monitor is not None and len(run.after) > 1:
        shown.append(charts.curve(run.monitor, run.after, run.best, after=True))
    measured = series(run.manifests)
    shown += [charts.curve(_said(name), measured.pop(name)) for name in FIRST if name in measured]
    moving = {name: points for name, points in sorted(measured.items()) if len(set(points.values())) > 1}
    rest = [charts.curve(_said(name), points) for name, points in moving.items()]
    more = (
        folded(f"{len(rest)} more {'curve' if len(rest) == 1 else 'curves'}", tag("div", rest, class_="charts"))
        if rest
        else None
    )
    if not shown and not rest:
        return tag("p", "There is one round: nothing to draw over rounds yet.", class_="note")
    return join([tag("div", shown, class_="charts"), more])


def _said(name: str) -> str:
    return name.replace("_", " ")


HEAD = ["round", "phase", "epoch", "pool", "rows", "coverage", "label accuracy", "flips", "before", "time", "status"]


def rounds_table(run: Run) -> Markup:
    """Return a line for every round."""
    before = {manifest.round: manifest.metrics_before.get(run.monitor or "") for manifest in run.manifests}
    rows: list[list[Any]] = [
        [
            tag("a", row.round, href=f"#round-{row.round}") if row.round in before else row.round,
            row.phase or "-",
            text.count(row.epoch),
            text.count(row.pool),
            text.count(row.rows),
            text.share(row.coverage),
            text.share(row.label_accuracy),
            text.share(row.flip_rate),
            text.number(before.get(row.round)),
            text.seconds(row.seconds),
            row.status + (", best" if row.round == run.best else ""),
        ]
        for row in list_rounds(run.store)
    ]
    head = [f"{run.monitor} before" if title == "before" and run.monitor else title for title in HEAD]
    return table(head, rows, numeric=(2, 3, 4, 5, 6, 7, 8, 9))


def guard_events(run: Run) -> Markup:
    """Return what guards said."""
    if not run.events:
        return tag("p", "No guard has said anything.", class_="note")
    rows: list[list[Any]] = [
        [event.round, event.guard, event.action or "could not judge", event.reason] for event in run.events
    ]
    return table(["round", "guard", "action", "reason"], rows, numeric=(0,))
