"""Split: a text in two parts."""

from dataclasses import dataclass

import pyarrow as pa

from lit_iterative.columns import write
from lit_iterative.errors import PipelineError
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.tokens import texts_of
from lit_iterative.ops.op import Op


@dataclass(frozen=True)
class Split(Op):
    """Cuts every text in two parts, as equal as its separators allow.

    Self-Lengthen (Quan et al., 2024, arXiv:2410.23933) lets a text be extended part by part: ``Split``, ``Rewrite`` of
    one part and of the other, ``Join``.

    Args:
        separator: Between what parts may be cut, such as a blank or the end of a line; where it is empty, anywhere. It
            belongs to the first part.
        column: The texts.
        first: The column of the first parts.
        second: The column of the second parts; empty texts where the first is all.

    Requires the column; provides both parts.

    Raises:
        PipelineError: If both parts go to one column.

    Example:
        >>> table = pa.table({"id": [0], "text": ["One. Two. And three."]})
        >>> Split(". ")(table, None).select(["first", "second"]).to_pylist()
        [{'first': 'One. Two. ', 'second': 'And three.'}]
    """

    separator: str = " "
    column: str = "text"
    first: str = "first"
    second: str = "second"

    def __post_init__(self) -> None:
        if self.first == self.second:
            raise PipelineError(f"Split puts both parts into {self.first!r}. Name two columns.")

    @property
    def requires(self) -> tuple[str, ...]:
        """The texts."""
        return (self.column,)

    @property
    def provides(self) -> tuple[str, ...]:
        """The parts."""
        return (self.first, self.second)

    def __call__(self, table: pa.Table, context: Context | None) -> pa.Table:
        """Return the table with the parts."""
        pairs = [(text[:cut], text[cut:]) for text in texts_of(table, self.column) for cut in [self._cut(text)]]
        first, second = (pa.array([pair[part] for pair in pairs], pa.string()) for part in (0, 1))
        return write(table, **{self.first: first, self.second: second})

    def _cut(self, text: str) -> int:
        """Return where a text is cut: nearest to its middle, the later of two places."""
        width = len(self.separator)
        places = [place + width for place in range(len(text)) if text.startswith(self.separator, place)]
        inside = [place for place in places if 0 < place < len(text)]
        return min(inside, key=lambda place: (abs(2 * place - len(text)), -place), default=len(text))
