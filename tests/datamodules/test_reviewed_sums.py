"""Examples that teach to criticise and to revise."""

import pytest

from lit_iterative.datamodules.reviewed_sums import ReviewedSumsData
from lit_iterative.datamodules.sums import SumsData
from lit_iterative.errors import DataError


def wrong_steps(draft):
    """Return the places of the steps of a draft that do not add up, and all steps as they should be."""
    first, *steps = draft.split("+")
    total, wrong, right = int(first), [], []
    for place, step in enumerate(steps):
        digit, said = map(int, step.split("="))
        right.append(f"{total}+{digit}={total + digit}")
        if total + digit != said:
            wrong.append(place)
        total = said
    return wrong, right


@pytest.mark.parametrize("terms", [2, 5])
def test_reviews_tell_what_is_wrong_and_put_it_right(terms):
    options = {"prompts": 4, "examples": 10, "held_out": 4, "orders": 2, "terms": terms}
    examples = ReviewedSumsData(reviews=15, **options).records("examples")
    worked = SumsData(**options).records("examples")
    assert examples[:20] == worked
    assert len(examples) == 20 + 4 * 15
    for critique, revision in zip(examples[20::2], examples[21::2], strict=True):
        prompt, draft = critique["prompt"].removesuffix("?").split("=", 1)
        assert revision["prompt"] == f"{critique['prompt']}{critique['completion']}!"
        assert {"prompt": f"{prompt}=", "completion": revision["completion"]} in [
            {name: record[name] for name in ("prompt", "completion")} for record in worked
        ]
        wrong, right = wrong_steps(draft)
        if critique["completion"] == "1":
            assert not wrong
            assert draft == revision["completion"]
        else:
            assert len(wrong) == 1  # later steps go on from it
            assert critique["completion"] == f"0:{right[wrong[0]]}"
    verdicts = [record["completion"][0] for record in examples[20::2]]
    assert verdicts == ["1", "0"] * 15


def test_more_reviews_than_examples_are_refused():
    with pytest.raises(DataError, match="only 2"):
        ReviewedSumsData(reviews=3, examples=1, orders=2)
