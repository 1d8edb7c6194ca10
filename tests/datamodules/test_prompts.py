"""PromptData: which prompts are in the pool, under which ids, and what is wrong with them."""

import json
from itertools import groupby
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from torch.utils.data import DataLoader

from lit_iterative.batches import Collate
from lit_iterative.datamodules import PromptData
from lit_iterative.datamodules.mixing import Mixing, loader_like
from lit_iterative.datamodules.prompts import NothingYet, TextRows
from lit_iterative.datamodules.relabelled import Relabelled, relabel_at
from lit_iterative.errors import DataError, SetupError
from lit_iterative.ops.language.propose.add_prompts import FIRST_ID
from tests.projects.words import policy, sums

PROMPTS = sums(5)


def attached(data, module=None):
    """Give the data a trainer that knows a policy."""
    if module is None:
        module = policy()
        module.configure_model()
    data.trainer = SimpleNamespace(lightning_module=module, world_size=1, global_rank=0)
    return data


def prompts_of(pool):
    return [pool.dataset[place]["prompt"] for place in range(len(pool))]


def after(**columns):
    """Return a round that left this ledger."""
    return SimpleNamespace(ledger=lambda: pa.table(columns) if columns else None)


def test_positions_are_ids():
    pool = PromptData(PROMPTS).pool()
    assert pool.keys.tolist() == list(range(5))
    assert prompts_of(pool) == [record["prompt"] for record in PROMPTS]
    assert pool.dataset[2]["answer"] == PROMPTS[2]["answer"]


def test_a_field_can_be_the_id():
    pool = PromptData([{**record, "name": f"p{place}"} for place, record in enumerate(PROMPTS)], id="name").pool()
    assert pool.keys.tolist() == [f"p{place}" for place in range(5)]


def test_ids_must_be_there_and_differ():
    with pytest.raises(DataError, match="its id is looked for in 'name'"):
        PromptData(PROMPTS, id="name").pool()
    with pytest.raises(DataError, match="ids are not unique: 4 repeated"):
        PromptData([{**record, "name": "same"} for record in PROMPTS], id="name").pool()


def test_fields_have_names_of_their_own(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps({"question": record["prompt"], "answer": "1"}) + "\n" for record in PROMPTS))
    data = PromptData(str(path), prompt="question")
    assert prompts_of(data.pool()) == [record["prompt"] for record in PROMPTS]
    examples = PromptData(PROMPTS, [{"q": "1+1=", "a": 2}], prompt="prompt", completion="a")
    with pytest.raises(
        DataError, match=r"examples has the fields \['a', 'q'\], but its prompt is looked for in 'prompt'"
    ):
        examples.records("examples")


@pytest.mark.parametrize("record", [{"question": "1+1="}, {"prompt": None}])
def test_a_prompt_that_is_missing_is_told(record):
    with pytest.raises(
        DataError, match=r"prompt is looked for in 'prompt', which is missing or empty.*PromptData\(prompt"
    ):
        PromptData([PROMPTS[0], record]).pool()


def test_a_prompt_that_is_no_text_is_told():
    with pytest.raises(DataError, match="has the prompt 7. Give a text"):
        PromptData([{"prompt": 7}]).pool()


def test_no_prompts_are_told():
    with pytest.raises(DataError, match="no unlabelled data"):
        PromptData([]).pool()


def test_long_prompts_are_left_out_and_the_others_keep_their_ids():
    data = attached(PromptData([{"prompt": "1+1="}, {"prompt": "111111+1="}, {"prompt": "2+2="}], max_prompt_tokens=5))
    with pytest.warns(UserWarning, match="1 of 3 prompts have more than 5 tokens and are left out"):
        pool = data.pool()
    assert pool.keys.tolist() == [0, 2]
    assert prompts_of(pool) == ["1+1=", "2+2="]


def test_records_are_read_once(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "1+1="}\n')
    data = PromptData(str(path))
    data.pool()
    path.unlink()
    assert len(data.pool()) == 1


# ---- growth -----------------------------------------------------------------------------------------------


def test_what_the_policy_wrote_comes_behind():
    data = PromptData(PROMPTS)
    written = after(id=[0, FIRST_ID + 1, FIRST_ID], written_prompt=[None, "b", "a"], written_in=[None, 0, 0])
    pool = data.pool_after(written)
    assert pool.keys.tolist() == [*range(5), FIRST_ID, FIRST_ID + 1]
    assert pool.dataset[5] == {"prompt": "a", "completion": None, "answer": None, "written_in": 0}
    assert pool.positions(np.array([FIRST_ID + 1, 3])).tolist() == [6, 3]
    assert pool.fingerprint != data.pool().fingerprint
    assert data.pool_after(written).fingerprint == pool.fingerprint


@pytest.mark.parametrize("previous", [None, after(), after(id=[0], pass_rate=[0.5])])
def test_nothing_was_written(previous):
    assert PromptData(PROMPTS).pool_after(previous).keys.tolist() == list(range(5))


def test_long_ones_that_were_written_are_left_out_too():
    data = attached(PromptData([{"prompt": "1+1="}], max_prompt_tokens=5))
    written = after(id=[FIRST_ID, FIRST_ID + 1], written_prompt=["11111111", "2"], written_in=[0, 0])
    with pytest.warns(UserWarning, match="1 of 3 prompts"):
        assert data.pool_after(written).keys.tolist() == [0, FIRST_ID + 1]


# ---- loaders ----------------------------------------------------------------------------------------------


def test_examples_are_encoded_by_the_policy():
    data = attached(PromptData(PROMPTS, sums(3), batch_size=3))
    (batch,) = data.train_dataloader()
    wanted = [data.policy.encode_example(record["prompt"], record["completion"]) for record in sums(3)]
    rows = zip(batch.sequences.input_ids.tolist(), batch.sequences.attention_mask.sum(dim=1).tolist(), strict=True)
    assert sorted(row[:length] for row, length in rows) == sorted(before + after for before, after in wanted)


WEIGHTED = pa.table(
    {
        "prompt_ids": [[1, 5]] * 5,
        "completion_ids": [[6, 2]] * 5,
        "weight": pa.array([0.5, 2.0, 1.0, 1.0, 1.0], pa.float32()),
    }
)


@pytest.mark.parametrize(("weighting", "weights"), [("ignore", [0.5, 2.0]), ("item", [0.5, 2.0]), ("sample", [1, 1])])
def test_a_weight_counts_once(weighting, weights):
    """In the loss, or in the drawing of rows."""
    rows = TextRows(None, WEIGHTED, Mixing(mode="replace", weighting=weighting))
    assert rows.row_weights.tolist() == [0.5, 2.0, 1.0, 1.0, 1.0]
    assert Collate(pad_id=0)([rows[0], rows[1]]).weight.tolist() == weights


def test_a_last_batch_of_one_row_is_trained_on():
    data = attached(PromptData(PROMPTS, sums(1), batch_size=4))
    rows = TextRows(None, WEIGHTED, data.mixing)
    assert [len(batch) for batch in data.rebuild_train_dataloader(data.train_dataloader(), rows)] == [4, 1]


@pytest.mark.parametrize("examples", [None, sums(3)])
def test_rows_of_a_round_come_in_random_order_with_examples_and_without(examples):
    data = attached(PromptData(PROMPTS, examples, batch_size=4))
    rows = TextRows(None, pa.table({"prompt_ids": [[place] for place in range(20)]}), data.mixing)
    sampler = data.rebuild_train_dataloader(data.train_dataloader(), rows).sampler
    orders = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))
    assert orders[0] != orders[1]


def test_without_examples_there_is_nothing_yet():
    data = attached(PromptData(PROMPTS))
    with pytest.raises(DataError, match="There is nothing to train on"):
        next(iter(data.train_dataloader()))
    assert len(NothingYet()) == 1


def test_held_out_prompts():
    data = PromptData(PROMPTS, held_out=sums(3), eval_batch_size=2)
    assert [len(batch) for batch in data.val_dataloader()] == [2, 1]
    assert PromptData(PROMPTS).val_dataloader() == []


def test_a_policy_must_read_text():
    import lightning.pytorch as pl

    data = attached(PromptData(PROMPTS, sums(1)), pl.LightningModule())
    with pytest.raises(SetupError, match="lets the policy turn text into tokens, but LightningModule cannot"):
        data.train_dataloader()


def test_hyperparameters_of_mixing_are_its_own():
    assert PromptData(PROMPTS).mixing.mode == "replace"
    assert PromptData(PROMPTS, mixing=Mixing(mode="paired")).mixing.mode == "paired"


def test_rows_of_one_prompt_stand_together_in_an_order_that_is_still_random():
    table = pa.table(
        {"prompt_ids": [[1, 5 + row % 3] for row in range(12)], "completion_ids": [[6, row, 2] for row in range(12)]}
    )
    gold = [{"prompt_ids": [1, 6], "completion_ids": [9, 2]}]
    orders = set()
    for together in (False, True):
        rows = TextRows(gold, table, Mixing(together=together))
        loader = loader_like(DataLoader([0], 4, shuffle=True, collate_fn=list), rows, 7, 1, 0)
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            drawn = [row for batch in loader for row in batch]
            orders.add(tuple(row["completion_ids"][1] for row in drawn))
            prompts = [row["prompt_ids"][1] for row in drawn]
            assert len(drawn) == 13
            assert (len(list(groupby(prompts))) == 3) is together
    assert len(orders) == 4


def test_rows_without_prompts_cannot_stand_together():
    rows = Relabelled([(1.0, 0)] * 4, None, *np.zeros((3, 0), dtype=int), Mixing(together=True), relabel_at(1))
    with pytest.raises(SetupError, match="no prompts. Leave it out"):
        list(loader_like(DataLoader([0], 2, shuffle=True), rows, 7, 1, 0))
