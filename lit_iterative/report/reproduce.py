"""How to make the run again: the exact command, the settings, the versions, the hashes."""

import json
from typing import Any

from lit_iterative.report.markup import Markup, folded, join, table, tag
from lit_iterative.report.run import Run


def reproduce(run: Run) -> Markup:
    """Return what is needed to make the run again."""
    last = run.manifests[-1]
    parts: list[Any] = []
    if run.starts:
        start = run.starts[-1]
        parts += [tag("pre", start["line"], class_="command"), _earlier(run.starts[:-1])]
        parts += [folded(name, tag("pre", content)) for name, content in start["files"].items()]
        versions = {"python": start["python"], "machine": start["machine"], **start["versions"]}
    else:
        parts.append(tag("p", "The store does not say how the run was started.", class_="note"))
        versions = dict(last.versions)
    hashes = {"seed": last.seed, "plan": last.plan, "pool": last.pool, "weights": last.weights}
    rows: list[list[Any]] = [[name, value] for name, value in {**versions, **hashes}.items()]
    parts.append(table(["made with", "version or hash"], rows))
    parts.append(
        folded("The plan of the rounds, in full", tag("pre", json.dumps(last.recipe, indent=1, sort_keys=True)))
    )
    return join(parts)


def _earlier(starts: list[dict[str, Any]]) -> Markup | None:
    if not starts:
        return None
    lines = [tag("pre", start["line"], class_="command") for start in starts]
    return folded(f"It was started in other ways before: {len(starts)}", *lines)
