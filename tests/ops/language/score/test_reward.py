"""RewardModel: texts or tokens, labels, overlong rows, other tokenizers."""

import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from lit_iterative.errors import DataError, PipelineError, SetupError
from lit_iterative.judging.classifier import SequenceClassifier
from lit_iterative.modules.alphabet import character_tokenizer
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score import reward
from lit_iterative.ops.language.score.reward import RewardModel
from lit_iterative.pool import Pool
from lit_iterative.testing import check_op, completions
from tests.judging.classifiers import LLAMA, network, saved

WIDE = {**LLAMA, "vocab_size": 128}
TOKENIZER = character_tokenizer("abcdefghijklmnop")


def table(*texts, prompt="ab", tokenizer=TOKENIZER):
    ids = [tokenizer(text)["input_ids"] + [2] for text in texts]
    return pa.table(
        {
            "id": range(len(texts)),
            "prompt": [prompt] * len(texts),
            "text": texts,
            "prompt_ids": pa.array([[1, *tokenizer(prompt)["input_ids"]]] * len(texts), pa.list_(pa.int32())),
            "completion_ids": pa.array(ids, pa.list_(pa.int32())),
        }
    )


def scored(op, given):
    context = Context(Pool([0], 1))
    return op(given, context).column(op.provides[0]).to_pylist(), context.tally.values()


@pytest.fixture
def folder(tmp_path):
    return saved(tmp_path / "reward", tokenizer=TOKENIZER)


def test_conformance(tmp_path):
    path = saved(tmp_path / "reward", WIDE)
    check_op(RewardModel(path, reading="ids", device="cpu", batch_size=4), completions())


def test_tokens_are_scored_as_they_are(folder):
    given = table("abc", "d", "", "hijk")
    scores, counts = scored(RewardModel(folder, reading="ids", device="cpu", batch_size=2), given)
    rows = [p + c for p, c in zip(given["prompt_ids"].to_pylist(), given["completion_ids"].to_pylist(), strict=True)]
    assert scores == pytest.approx([float(SequenceClassifier(network()).logits([row])[0, 0]) for row in rows], rel=1e-5)
    assert counts == {"reward_too_long": 0, "reward_score": pytest.approx(np.mean(scores))}


def test_texts_go_through_the_models_own_tokenizer(folder):
    scores, counts = scored(RewardModel(folder, device="cpu"), table("abc", "d"))
    rows = [TOKENIZER("ab" + text)["input_ids"] for text in ("abc", "d")]
    assert scores == pytest.approx([float(SequenceClassifier(network()).logits([row])[0, 0]) for row in rows], rel=1e-5)
    assert counts["reward_changed"] == 0


def test_special_tokens_in_texts_are_broken_and_counted(folder):
    scores, counts = scored(RewardModel(folder, device="cpu"), table("a<eos>", "a"))
    assert counts["reward_changed"] == 1
    row = TOKENIZER("aba< eos>")["input_ids"]
    assert 2 not in row
    assert scores[0] == pytest.approx(float(SequenceClassifier(network()).logits([row])[0, 0]), rel=1e-5)


def test_batches_and_neighbours_count_nothing(folder):
    given = table("abc", "d", "", "hijk", "aaaaaaaaaaaa")
    single, _ = scored(RewardModel(folder, reading="ids", device="cpu", batch_size=1), given)
    whole, _ = scored(RewardModel(folder, reading="ids", device="cpu", batch_size=5), given)
    assert single == pytest.approx(whole, rel=1e-5)


def test_overlong_rows_abstain_and_are_counted(folder):
    scores, counts = scored(
        RewardModel(folder, reading="ids", device="cpu"), table("a" * 28, "a" * 29, "a" * 100_000, "b")
    )
    assert [math.isnan(score) for score in scores] == [False, True, True, False]
    assert counts["reward_too_long"] == 2


@pytest.mark.parametrize("label", [0, 1, 2])
def test_one_of_several_labels_is_a_log_odds(tmp_path, label):
    path = saved(tmp_path / "three", labels=3, tokenizer=TOKENIZER)
    (score, _), _ = scored(RewardModel(path, reading="ids", label=label, device="cpu"), table("abc", "d"))
    row = table("abc")["prompt_ids"].to_pylist()[0] + table("abc")["completion_ids"].to_pylist()[0]
    logits = SequenceClassifier(network(labels=3)).logits([row])[0].astype(float)
    p = math.exp(logits[label]) / sum(math.exp(x) for x in logits)
    assert score == pytest.approx(math.log(p / (1 - p)), rel=1e-5, abs=1e-6)


def test_log_odds_of_extreme_logits_are_finite():
    assert reward.log_odds(np.array([[1e4, -1e4, 0.0]], dtype=np.float32), 0) == pytest.approx([1e4])
    assert reward.log_odds(np.array([[1e4, -1e4]], dtype=np.float32), 1) == pytest.approx([-2e4])


def test_several_labels_need_a_choice(tmp_path):
    path = saved(tmp_path / "two", labels=2)
    for label in (None, 2):
        with pytest.raises(
            SetupError, match="has the labels {0: 'LABEL_0', 1: 'LABEL_1'}.*for example label: 1: its log-odds"
        ):
            scored(RewardModel(path, reading="ids", label=label, device="cpu"), table("a"))


def test_the_only_label_may_be_named(folder):
    assert scored(RewardModel(folder, label=0, device="cpu"), table("a"))[0]
    with pytest.raises(SetupError, match="label is 1"):
        scored(RewardModel(folder, label=1, device="cpu"), table("a"))


def test_another_tokenizer_is_refused(folder):
    other = character_tokenizer("ponmlkjihgfedcba")
    with pytest.raises(DataError, match="its tokenizer is not the policy's. Set reading: text"):
        scored(RewardModel(folder, reading="ids", device="cpu"), table("abc", tokenizer=other))


def test_more_tokens_than_the_model_knows_are_refused(tmp_path):
    with pytest.raises(DataError, match="the reward model embeds 20"):
        scored(RewardModel(saved(tmp_path), reading="ids", device="cpu"), completions())


def test_scores_that_are_not_finite_are_refused(tmp_path):
    broken = network()
    broken.score.weight.data[:] = torch.nan
    broken.save_pretrained(str(tmp_path))
    with pytest.raises(DataError, match="gives NaN or infinity.*dtype: float32"):
        scored(RewardModel(str(tmp_path), reading="ids", device="cpu"), table("a"))


def test_it_is_loaded_once_and_again_when_the_folder_changes(tmp_path, monkeypatch):
    loads, load = [], reward.load
    monkeypatch.setattr(reward, "load", lambda *args: loads.append(args) or load(*args))
    path = saved(tmp_path / "reward")
    op = RewardModel(path, reading="ids", device="cpu")
    first = [scored(op, table("a"))[0] for _ in range(2)]
    assert len(loads) == 1
    other = network()
    other.score.weight.data += 1
    other.save_pretrained(path)
    assert scored(op, table("a"))[0] != first[0] == first[1]
    assert len(loads) == 2


def test_bad_parameters_are_refused():
    with pytest.raises(PipelineError, match=r"RewardModel\(batch_size\) is 0"):
        RewardModel("x", batch_size=0)
