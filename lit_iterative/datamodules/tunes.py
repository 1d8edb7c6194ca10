"""TunesData: tunes of a few notes, a task in which a longer text is easily told from a worse one."""

import numpy as np

from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.prompts import PromptData
from lit_iterative.datamodules.records import Record
from lit_iterative.seeds import generator

NOTES = "abcdefg"


class TunesData(PromptData):
    """Tunes such as ``cbcde``, which begin with the note that a prompt such as ``c:`` names, and go on in steps.

    A step leads to a note next to the one before; next to ``g`` is ``a``. Half of the examples are tunes; the others
    show how a tune is extended: behind ``c:cde>`` stands a longer one, in which some notes have become three, such as
    ``c`` ``cdc``.

    Args:
        prompts: Prompts to work on.
        examples: Examples of both kinds.
        notes: Notes of a tune in the examples, one more or less.
        seed: Seed of the tunes.
        batch_size: Rows in a training step.
        mixing: How examples and the rows of a round make up an epoch.

    Example:
        >>> for record in TunesData(prompts=1, examples=2).records("examples"):
        ...     print(record["prompt"], record["completion"])
        c: cbagfg
        c:cbagfg> cdcbagfgfgfg
    """

    def __init__(
        self,
        prompts: int = 500,
        examples: int = 1000,
        notes: int = 5,
        seed: int = 0,
        batch_size: int = 32,
        mixing: Mixing = Mixing(mode="replace"),  # noqa: B008  # frozen
    ) -> None:
        draw = generator(seed, "tunes")
        tunes = [_tune(draw, notes + int(draw.integers(-1, 2))) for _ in range(examples - examples // 2)]
        written = [{"prompt": f"{tune[0]}:", "completion": tune} for tune in tunes]
        extended = [
            {"prompt": f"{tune[0]}:{tune}>", "completion": _extended(tune, draw)} for tune in tunes[: examples // 2]
        ]
        given: list[Record] = [{"prompt": f"{NOTES[draw.integers(len(NOTES))]}:"} for _ in range(prompts)]
        super().__init__(given, [*written, *extended], batch_size=batch_size, mixing=mixing)


def _tune(draw: np.random.Generator, length: int) -> str:
    """Return a tune of so many notes."""
    places = draw.integers(len(NOTES)) + np.cumsum([0, *draw.choice([-1, 1], size=length - 1)])
    return "".join(NOTES[place] for place in places % len(NOTES))


def _extended(tune: str, draw: np.random.Generator) -> str:
    """Return a tune in which about half of the notes, and at least one, have become three."""
    longer = draw.random(len(tune)) < 0.5
    longer[draw.integers(len(tune))] = True
    steps = draw.choice([-1, 1], size=len(tune)).tolist()
    return "".join(
        f"{note}{NOTES[(NOTES.index(note) + step) % len(NOTES)]}{note}" if more else note
        for note, more, step in zip(tune, longer, steps, strict=True)
    )
