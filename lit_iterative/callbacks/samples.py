"""Samples of a round's rows as a table that people read, in Markdown; what a model wrote is made harmless first."""

import html

import pyarrow as pa

from lit_iterative.rounds.version import Version
from lit_iterative.seeds import generator

#: What is shown of a row, where it is there: the texts, then the numbers.
TEXTS = ("prompt", "chosen", "rejected", "ranked", "text")
NUMBERS = ("chosen_score", "rejected_score", "desirable", "weight")
ROWS, CHARACTERS = 8, 400


def samples(version: Version) -> str | None:
    """Return a table of some rows of a round, drawn from its number; none where it holds no text.

    Args:
        version: The round.
    """
    columns = [name for name in (*TEXTS, *NUMBERS) if name in version.columns]
    if not version.manifest.shards or not set(columns) & set(TEXTS):
        return None
    part = next(version.parts(columns))
    draw = generator("samples", version.round)
    places = sorted(draw.choice(part.num_rows, min(ROWS, part.num_rows), replace=False).tolist())
    return markdown(part.take(pa.array(places, pa.int64())))


def markdown(table: pa.Table) -> str:
    """Return a table in Markdown.

    Example:
        >>> print(markdown(pa.table({"prompt": ["1+1="], "chosen": ["2 | <b>"], "weight": [0.5]})))
        | prompt | chosen | weight |
        |---|---|---|
        | 1+1= | 2 &#124; &lt;b&gt; | 0.5 |
    """
    names = table.column_names
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(_cell(row[name]) for name in names)} |" for row in table.to_pylist()]
    return "\n".join(lines)


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    if len(text) > CHARACTERS:
        text = f"{text[:CHARACTERS]} … ({len(text)} characters)"
    escaped = html.escape(text, quote=False)
    for character, entity in {"|": "&#124;", "`": "&#96;", "*": "&#42;", "_": "&#95;", "[": "&#91;"}.items():
        escaped = escaped.replace(character, entity)
    return "<br>".join(escaped.splitlines())
