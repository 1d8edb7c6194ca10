"""The page: all parts in one file of HTML, which runs no script and asks no network for anything."""

import os
import posixpath
from importlib.resources import files

from lit_iterative import __version__
from lit_iterative.errors import StoreError
from lit_iterative.inspect.checkpoints import run_folder
from lit_iterative.report.markup import Markup, join, tag
from lit_iterative.report.overview import curves, glance, guard_events, rounds_table
from lit_iterative.report.reproduce import reproduce
from lit_iterative.report.round import round_section
from lit_iterative.report.run import Run

#: Even if a text got past the escaping, a browser would run and load nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(run: Run, samples: int = 3) -> str:
    """Return the report of a run.

    Args:
        run: The run.
        samples: Rows to show of each kind in each round.

    Raises:
        StoreError: If no round is committed, or rows are damaged.
    """
    if not run.versions:
        raise StoreError(f"{run.store.url} has no committed round yet. Run the same command again to finish round 0.")
    name = posixpath.basename(os.path.abspath(run_folder(run.store))) or run.store.url
    last = run.versions[-1].round
    sections = [round_section(run, version, samples, version.round == last) for version in reversed(run.versions)]
    parts = {
        "In a glance": glance(run),
        "Curves": curves(run),
        "Rounds": rounds_table(run),
        "Guards": guard_events(run),
        "Each round": join(sections),
        "To make it again": reproduce(run),
    }
    body = [
        tag("header", tag("h1", name), tag("p", f"Report of a run · lit-iterative {__version__}"), class_="top"),
        tag("main", [_part(title, inside) for title, inside in parts.items()]),
    ]
    style = files("lit_iterative.report").joinpath("style.css").read_text(encoding="utf-8")
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{name}: report"),
        tag("style", Markup(style)),
    ]
    return f"<!DOCTYPE html>\n{tag('html', tag('head', head), tag('body', body), lang='en')}\n"


def _part(title: str, inside: Markup) -> Markup:
    return tag("section", tag("h2", title), inside)
