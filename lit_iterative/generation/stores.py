"""Stores of keys and values: room for rows of tokens in every attention layer, which grows without copies per step."""

from torch import Tensor

#: Room for so many tokens at least is added at a time.
GROWTH = 16


class Store:
    """Keys and values of rows in every layer, ``(rows, heads, length, size)`` each.

    Args:
        longest: Tokens of a row at most.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rows = 0
        self._length = 0
        self._layers: list[tuple[Tensor, Tensor]] = []

    def reserve(self, rows: int, length: int) -> None:
        """Make room for so many rows in use; what is there of them stays."""
        if rows <= self._rows and length <= self._length:
            return
        if length > self._length:
            self._length = min(self._longest, max(length, self._length + max(GROWTH, self._length)))
            self._rows = rows  # those that have ended need no more room
        if rows > self._rows:
            self._rows = max(rows, self._rows + self._rows // 2)
        for index, (keys, values) in enumerate(self._layers):  # layer by layer, so that only one is there twice
            self._layers[index] = (self._grown(keys), self._grown(values))

    def layer(self, index: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the whole room of a layer; it is made for the shapes and types of the first keys and values."""
        while len(self._layers) <= index:
            self._layers.append((self._empty(keys), self._empty(values)))
        return self._layers[index]

    def move(self, sources: Tensor, targets: Tensor, length: int) -> None:
        """Copy the first tokens of some rows to others."""
        for both in self._layers:
            for room in both:
                room[targets, :, :length] = room[sources, :, :length]

    def _empty(self, like: Tensor) -> Tensor:
        """Return zeros: what is masked is multiplied by 0, which must not meet a NaN."""
        return like.new_zeros(self._rows, like.shape[1], self._length, like.shape[-1])

    def _grown(self, room: Tensor) -> Tensor:
        grown, kept = self._empty(room), min(self._rows, room.shape[0])
        grown[:kept, :, : room.shape[2]] = room[:kept]
        return grown
