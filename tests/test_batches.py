import pytest
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.plugins.precision import HalfPrecision

from lit_iterative.batches import Collate, Completions, Judged, Pairs, Ranked
from lit_iterative.errors import DataError

PAIR = {"prompt_ids": [1, 5], "chosen_ids": [6, 2], "rejected_ids": [7, 8, 2]}
ACCEPTED = {"prompt_ids": [1, 5], "completion_ids": [6, 2]}
RANKING = {"prompt_ids": [1, 5], "ranked_ids": [[6, 2], [7, 2], [2]], "ranked_ref_logps": [-1.0, -2.0, -3.0]}


def collate(*rows):
    return Collate(pad_id=0)(rows)


def test_pairs_are_all_chosen_then_all_rejected():
    other = {"prompt_ids": [1], "chosen_ids": [9, 2], "rejected_ids": [2]}
    batch = collate(PAIR, other)
    assert type(batch) is Pairs
    assert len(batch) == 2
    expected = [[1, 5, 6, 2, 0], [1, 9, 2, 0, 0], [1, 5, 7, 8, 2], [1, 2, 0, 0, 0]]
    assert batch.sequences.input_ids.tolist() == expected
    assert batch.weight.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (PAIR, Pairs),
        (RANKING, Ranked),
        (ACCEPTED, Completions),
        ({**ACCEPTED, "desirable": True}, Judged),
        ({**ACCEPTED, "desirable": False, "mismatched_ids": [9, 2]}, Judged),
    ],
)
def test_the_columns_say_what_kind_a_batch_is(row, kind):
    assert type(collate(row)) is kind


def test_mismatched_completions_follow_the_others():
    batch = collate({**ACCEPTED, "desirable": True, "mismatched_ids": [9, 9, 2]})
    assert batch.sequences.input_ids.tolist() == [[1, 5, 6, 2, 0], [1, 5, 9, 9, 2]]
    assert len(batch) == 1


def test_rankings_stand_one_after_another():
    other = {"prompt_ids": [1], "ranked_ids": [[9, 2], [8, 8, 2]], "ranked_ref_logps": [-4.0, -5.0], "weight": 0.5}
    batch = collate(other, RANKING)
    assert len(batch) == 2
    assert batch.sequences.input_ids.tolist() == [
        [1, 9, 2, 0], [1, 8, 8, 2], [1, 5, 6, 2], [1, 5, 7, 2], [1, 5, 2, 0]
    ]  # fmt: skip
    assert {name: value.tolist() for name, value in batch.columns.items()} == {
        "weight": [0.5, 1.0],
        "present": [[True, True, False], [True, True, True]],
        "ranked_ref_logps": [[-4.0, -5.0, 0.0], [-1.0, -2.0, -3.0]],
    }
    scored = [{**other, "ranked_scores": [0.9, 0.1]}, {**RANKING, "ranked_scores": [3.0, 2.0, 2.0]}]
    assert collate(*scored).columns["ranked_scores"].tolist() == [
        [pytest.approx(0.9), pytest.approx(0.1), 0],
        [3, 2, 2],
    ]
    assert set(collate({**RANKING, "ranked_ref_logps": None}).columns) == {"weight", "present"}


def test_numbers_that_all_rows_have_come_along():
    rows = [
        {**PAIR, "weight": 0.25, "chosen_ref_logp": -3.5, "rejected_ref_logp": -4.0, "preference": 0.9},
        {**PAIR, "weight": 2.0, "chosen_ref_logp": -1.0, "rejected_ref_logp": -2.0, "preference": None},
    ]
    columns = collate(*rows).columns
    assert {name: value.tolist() for name, value in columns.items()} == {
        "weight": [0.25, 2.0],
        "chosen_ref_logp": [-3.5, -1.0],
        "rejected_ref_logp": [-4.0, -2.0],
    }
    judged = collate({**ACCEPTED, "desirable": True, "ref_logp": -1.5, "pass_rate": 0.5}).columns
    assert {name: value.tolist() for name, value in judged.items()} == {
        "weight": [1.0],
        "desirable": [1.0],
        "ref_logp": [-1.5],
        "pass_rate": [0.5],
    }


def test_masks_weigh_tokens_of_their_side():
    rows = [{**PAIR, "chosen_mask": [0.5, 1.0], "rejected_mask": [0.0, 0.0, 1.0]}, {**PAIR, "rejected_mask": None}]
    assert collate(*rows).sequences.completion_mask.tolist() == [
        [0, 0, 0.5, 1, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 1, 1, 1],
    ]
    assert collate({**ACCEPTED, "completion_mask": [0.0, 3.0]}).sequences.completion_mask.tolist() == [[0, 0, 0, 3]]


def test_a_row_of_no_kind_names_the_remedy():
    with pytest.raises(DataError, match=r"\['prompt_ids', 'text'\].*BestWorst\(\) or Accept\(\)"):
        collate({"prompt_ids": [1], "text": "5"})


@pytest.mark.parametrize(
    "rows", [(ACCEPTED, PAIR), (PAIR, ACCEPTED), (PAIR, RANKING), (ACCEPTED, {**ACCEPTED, "desirable": True})]
)
def test_rows_of_two_kinds_in_one_batch_name_the_remedy(rows):
    with pytest.raises(DataError, match="two kinds.*replace.*paired"):
        collate(*rows)


def test_the_kind_survives_the_way_to_the_device_and_so_does_precision():
    batch = collate({**PAIR, "weight": 1 / 3, "chosen_ref_logp": -100.3, "rejected_ref_logp": -4.1})
    converted = HalfPrecision("bf16-true").convert_input(batch)
    assert converted.columns["chosen_ref_logp"].item() == torch.tensor(-100.3).item()
    moved = move_data_to_device(batch, torch.device("meta"))
    assert type(moved) is Pairs
    assert {column.device.type for column in moved.columns.values()} == {"meta"}
    assert moved.sequences.input_ids.device.type == "meta"
