"""Pairs for reward models: records, rows, rounds."""

from functools import partial

import numpy as np
import pytest
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.datamodules import Mixing, PairData, SumPairsData
from lit_iterative.errors import DataError, SetupError
from lit_iterative.judging.classifier import SequenceClassifier
from lit_iterative.modules.reward_model import BradleyTerryReward
from lit_iterative.ops import Blend, Confidence, Constant, GivenLabels, HardLabels, Op, Predict, SoftLabels, Threshold
from lit_iterative.rounds.plan import Phase, When
from tests.judging.classifiers import LLAMA
from tests.projects.words import trainer

CONFIG = {**LLAMA, "max_position_embeddings": 64}
PAIRS = [{"prompt": "1+2=", "first": "1+2=3", "second": "2+1=3", "label": label} for label in (0, 1, None)]
GIVEN = [{"prompt": "3+1=", "chosen": "3+1=4", "rejected": "1+3=4"}, {**PAIRS[1], "prompt": "5+1="}]


def reward_model(**arguments):
    adam = partial(torch.optim.AdamW, lr=0.02)
    return BradleyTerryReward(config=CONFIG, alphabet="0123456789+=", optimizer=adam, **arguments)


def fitted(folder, data, phases, epochs=2, **when):
    rounds, model = Rounds(phases, When(**when)), reward_model()
    run = trainer(folder, [rounds], max_epochs=epochs)
    run.fit(model, data)
    return model, list(rounds.store.versions())


def attached(data, folder):
    """Return the DataModule, with a trainer whose module reads pairs."""
    run = trainer(folder, [])
    run.strategy.connect(reward_model())
    data.trainer = run
    return data


def test_records_have_one_form():
    records = PairData(PAIRS, GIVEN).records
    assert [record["label"] for record in records["pairs"]] == [0, 1, None]
    assert [(record["first"], record["label"]) for record in records["examples"]] == [("3+1=4", 0), ("1+2=3", 1)]
    assert PairData(PAIRS).pool_truth().tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"prompt": "1+2=", "first": "1"}, "Give prompt and, as texts, chosen and rejected"),
        ({"first": "1", "second": "2"}, "Give prompt and"),
        ({**PAIRS[0], "label": 2}, "has the label 2. Give 0 where first is better"),
        ({**PAIRS[0], "label": None}, "has the label None"),
    ],
)
def test_bad_records_are_refused(record, message):
    with pytest.raises(DataError, match=message):
        PairData(PAIRS, [record]).records  # noqa: B018  # read when first asked for


def test_rows_are_what_the_reward_model_reads(tmp_path):
    data = attached(PairData(PAIRS, GIVEN, batch_size=2), tmp_path)
    (batch,) = data.predict_dataloader()
    model = data.model
    reader = SequenceClassifier(model.network, model.tokenizer)
    ids, kept = batch.sequences.input_ids, batch.sequences.attention_mask.bool()
    texts = [(pair["prompt"], pair[side]) for side in ("first", "second") for pair in PAIRS]
    assert [row[mask].tolist() for row, mask in zip(ids, kept, strict=True)] == [reader.encode(*pair) for pair in texts]
    assert "preference" not in batch.columns  # one label is unknown
    labelled = next(iter(data._loader("examples", 2)))
    assert sorted(labelled.columns["preference"].tolist()) == [0.0, 1.0]


def test_another_module_is_told(tmp_path):
    data = PairData(PAIRS)
    data.trainer = trainer(tmp_path, [])
    with pytest.raises(SetupError, match="Pass a BradleyTerryReward"):
        data.predict_dataloader()
    with pytest.raises(SetupError, match="Set Mixing"):
        PairData(PAIRS, mixing=Mixing())


def test_pairs_that_are_too_long_are_told(tmp_path):
    with pytest.raises(DataError, match="has 70 tokens, but the reward model reads 64"):
        reward_model().encode_pair("1+2=", "3", "3" * 66)


def test_a_reward_model_labels_pairs_and_learns_from_them(tmp_path):
    ops: list[Op] = [Predict(), Confidence(), Threshold(0.55), HardLabels()]
    data = SumPairsData(pairs=60, examples=40, held_out=10, batch_size=16)
    _, (version,) = fitted(tmp_path, data, [Phase(ops)], 7, warmup_epochs=6, max_rounds=1)
    table = version.table()
    assert 0 < table.num_rows <= 60
    assert np.all(np.asarray(table["scores.confidence"]) >= 0.55)
    assert version.manifest.metrics["label_accuracy"] > 0.55  # by the hidden labels
    row = data.rows(None, version)[0]
    item = data.pool().dataset[int(table["id"][0].as_py())]
    assert {name: row[name] for name in ("prompt_ids", "chosen_ids", "rejected_ids")} == {
        name: item[name] for name in ("prompt_ids", "chosen_ids", "rejected_ids")
    }
    assert row["label"] == table["label"][0].as_py()


def test_given_labels_are_smoothed_by_predictions(tmp_path):
    soft = SoftLabels(keep_probs=True)
    phases = [
        Phase([GivenLabels(place="label"), soft], rounds=1),
        Phase([Predict(), soft], Blend(0.5), name="smoothed"),
    ]
    mixing = Mixing(mode="replace", label_at="label")
    data = SumPairsData(pairs=20, examples=0, held_out=4, mixing=mixing)
    _, (first, second) = fitted(tmp_path, data, phases, 2)
    given = [record["label"] for record in data.records["pairs"]]
    assert first.table()["label"].to_pylist() == [[1.0 - label, float(label)] for label in given]
    for (before, _), (after, _) in zip(
        first.table()["label"].to_pylist(), second.table()["label"].to_pylist(), strict=True
    ):
        assert before / 2 < after < before / 2 + 0.5  # half of what was given, half of a probability
    batch = next(iter(data.train_dataloader()))
    assert ((batch.columns["preference"] > 0) & (batch.columns["preference"] < 1)).all()


def test_pairs_may_be_judged_by_themselves(tmp_path):
    ops: list[Op] = [Predict(), Constant("pointwise", 1.0), HardLabels()]
    data = SumPairsData(pairs=12, examples=12, held_out=4, batch_size=24)
    fitted(tmp_path, data, [Phase(ops)], 2, warmup_epochs=1)
    batch = next(iter(data.train_dataloader()))
    assert sorted(batch.columns["pointwise"].tolist()) == [0.0] * 12 + [1.0] * 12


@pytest.mark.parametrize("gap", [1, 10])
def test_the_better_way_adds_large_digits_first(gap):
    for record in SumPairsData(pairs=40, examples=1, held_out=1, gap=gap).records["pairs"]:
        orders = []
        for side in ("first", "second"):
            steps = record[side].split("=")
            total = 0
            digits = []
            for step in steps[:-1]:
                left, *more = step.split("+")
                digits += [*([left] if not digits else []), *more]
            orders.append([int(digit) for digit in digits])
            total = sum(orders[-1])
            assert steps[-1] == str(total)
        costs = [sum(place * digit for place, digit in enumerate(order)) for order in orders]
        assert sorted(orders[0]) == sorted(orders[1])
        assert record["label"] == costs.index(min(costs))
        assert abs(costs[0] - costs[1]) >= gap


@pytest.mark.parametrize("gap", [0, 11])
def test_a_gap_that_few_sums_have_is_refused(gap):
    with pytest.raises(DataError, match=f"gap is {gap}; of 4 terms it must be between 1 and 10"):
        SumPairsData(gap=gap)


def test_some_labels_are_the_wrong_way_round():
    clean, noisy = (SumPairsData(noise=noise).records for noise in (0.0, 0.25))
    turned = [a["label"] != b["label"] for a, b in zip(clean["pairs"], noisy["pairs"], strict=True)]
    assert 0.2 < np.mean(turned) < 0.3
    assert clean["held_out"] == noisy["held_out"]
    with pytest.raises(DataError, match="set more terms"):
        SumPairsData(terms=3)
