"""TwoScriptSumsData: sums in two scripts, one of which the examples teach better: a task in two languages."""

from typing import Any

from lit_iterative.datamodules.records import Record
from lit_iterative.datamodules.sums import SumsData
from lit_iterative.errors import DataError
from lit_iterative.seeds import generator

LETTERS = str.maketrans("0123456789", "abcdefghij")


class TwoScriptSumsData(SumsData):
    """Sums as :class:`SumsData` has them, each in digits and once more in letters, ``d`` for 3.

    Digits are the dominant language: few of the examples are in letters. Others translate: behind ``>`` a worked sum
    stands in the other script. A prompt knows its ``language`` and the same sum in the other one: ``twin``,
    ``twin_language``.

    Args:
        letters: Share of the examples that are in letters.
        translations: Examples that are translated, each in both directions.
        options: Those of :class:`SumsData`; so many prompts and held-out prompts in each script.

    Raises:
        DataError: If there are not so many examples.

    Example:
        >>> data = TwoScriptSumsData(0.0, 1, prompts=1, examples=1, orders=1, held_out=1, terms=2)
        >>> for record in data.records("examples"):
        ...     print(record["prompt"], record["completion"])
        5+8= 5+8=13
        5+8=13> f+i=bd
        f+i=bd> 5+8=13
        >>> [(record["prompt"], record["twin"]) for record in data.records("prompts")]
        [('6+2=', 'g+c='), ('g+c=', '6+2=')]
    """

    def __init__(self, letters: float = 0.05, translations: int = 2000, **options: Any) -> None:
        super().__init__(**options)
        worked = self.records("examples")
        if not 0 <= letters <= 1 or translations > len(worked):
            raise DataError(
                f"A share of {letters} in letters and {translations} translations are asked for, but there are "
                f"{len(worked)} examples. Give a share from 0 to 1, and no more translations than examples."
            )
        chosen = generator(options.get("seed", 0), "translations").permutation(len(worked))[:translations].tolist()
        few = [_in_letters(record) for record in worked[: round(letters * len(worked))]]
        translated = [record for place in chosen for record in _both_ways(worked[place]["completion"])]
        self._records["examples"] = [*worked[len(few) :], *few, *translated]
        for name in ("prompts", "held_out"):
            self._records[name] = [twin for record in self.records(name) for twin in _twins(record)]


def _in_letters(record: Record) -> Record:
    """Return a record with all its texts in letters."""
    return {name: text.translate(LETTERS) if isinstance(text, str) else text for name, text in record.items()}


def _both_ways(worked: str) -> list[Record]:
    """Return the translations of a worked sum."""
    other = worked.translate(LETTERS)
    return [{"prompt": f"{worked}>", "completion": other}, {"prompt": f"{other}>", "completion": worked}]


def _twins(record: Record) -> list[Record]:
    """Return a prompt in both scripts, each with what it is called in the other."""
    other = _in_letters(record)
    in_digits = {"twin": other["prompt"], "language": "digits", "twin_language": "letters"}
    in_letters = {"twin": record["prompt"], "language": "letters", "twin_language": "digits"}
    return [{**record, **in_digits}, {**other, **in_letters}]
