"""Prompts that the policy writes: what it reads, what is new, and a pool that grows from round to round."""

from contextlib import contextmanager
from dataclasses import replace

import lightning.pytorch as pl
import numpy as np
import pyarrow as pa
import pytest
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.language import Completion, Sampling
from lit_iterative.modules.backbone import Fresh
from lit_iterative.modules.held_out import HeldOut
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.ops import EMA, Context, Ensemble, Policy
from lit_iterative.ops.language.builders.pairs import BestWorst
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.language.propose.add_prompts import FIRST_ID, AddPrompts, written_prompts
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.propose.self_instruct import SelfInstruct
from lit_iterative.pool import Pool
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.testing.fake_language import FakeLanguage
from lit_iterative.testing.fixtures import FakeForward
from tests.projects.words import ALPHABET, LLAMA, SAMPLING, Closeness, data, trainer

OP = SelfInstruct(6, shots=3, own=1, opening="Tasks:\n", before="- ", sampling=Sampling(max_new_tokens=12))
ITEMS = [{"prompt": f"given {place}"} for place in range(7)]
OWN = [{"prompt": f"own {place}", "written_in": 1} for place in range(2)]


def item(place):
    return {"prompt": f"given {place}", "written_in": 2 if place % 5 == 4 else None}


# ---- what is read and written -----------------------------------------------------------------------------


class Echo(FakeForward):
    """Keeps what it reads, and writes what it is told."""

    def __init__(self, says):
        super().__init__()
        self.read, self.says, self.asked = [], says, []

    @contextmanager
    def language(self, member):
        self.asked.append(member)
        yield self

    def encode(self, prompt):
        return FakeLanguage().encode(prompt)

    def decode(self, ids):
        return FakeLanguage().decode(ids)

    def generate(self, prompts, seeds, sampling):
        self.read += [self.decode(prompt) for prompt in prompts]
        made = [self.says[seed % len(self.says)] for seed in seeds]
        return [Completion([*map(ord, text), *([2] if end == "stop" else [])], end) for text, end in made]


def run(op, says=(("new\n", "length"),), items=ITEMS, round=0, ids=None):
    forward = Echo(says)
    context = Context(Pool(items, 1), round=round, forward=forward)
    made = op(pa.table({"id": range(len(items)) if ids is None else ids}), context)
    return made, context.tally.values(), forward


def test_what_is_read():
    _, _, forward = run(OP, items=[*ITEMS, *OWN])
    assert len(forward.read) == 6
    for text in forward.read:
        opening, *lines, last = text.split("\n")
        assert (opening, last) == ("Tasks:", "- ")
        shots = [line.removeprefix("- ") for line in lines]
        assert len(set(shots)) == 3
        assert sum(shot.startswith("own") for shot in shots) == 1
    assert len(set(forward.read)) == 6


def test_without_prompts_of_its_own_it_reads_given_ones():
    _, _, forward = run(OP)
    assert all(text.count("given") == 3 for text in forward.read)
    _, _, forward = run(replace(OP, shots=99))
    assert all(text.count("given") == len(ITEMS) for text in forward.read)


def test_of_chats_the_users_words_are_read():
    chat = [{"role": "system", "content": "S"}, {"role": "user", "content": "said"}]
    _, _, forward = run(OP, items=[{"prompt": chat}])
    assert set(forward.read) == {"Tasks:\n- said\n- "}


def test_each_row_carries_its_share():
    made, counted, _ = run(replace(OP, number=16))
    assert sorted(map(len, made["written"].to_pylist())) == [2] * 5 + [3] * 2
    assert counted == {"written": 16, "unfinished": 0, "empty": 0}
    assert run(replace(OP, number=0))[0]["written"].to_pylist() == [[]] * 7


def test_what_is_written_ends_at_the_first_end():
    says = [(" a b \nc\n", "length"), ("d", "stop"), ("e", "length"), ("\nf", "stop"), ("  ", "stop")]
    made, counted, forward = run(replace(OP, number=40), says)
    texts = [text for row in made["written"].to_pylist() for text in row]
    assert set(texts) == {"a b", "d"}
    assert counted["unfinished"] > 0
    assert counted["empty"] > 0
    assert counted["written"] == 40 == len(texts) + counted["unfinished"] + counted["empty"]
    assert len(forward.read) == 40


def test_a_prompt_depends_on_its_number_and_the_round_alone():
    op, says = replace(OP, number=20), [(f"{place}\n", "length") for place in range(50)]
    whole = dict(zip(range(7), run(op, says)[0]["written"].to_pylist(), strict=True))
    for ids in ([3, 1], [5], [0, 2, 4, 6]):
        assert run(op, says, ids=ids)[0]["written"].to_pylist() == [whole[id] for id in ids]
    assert run(op, says, round=1)[0]["written"].to_pylist() != list(whole.values())


def test_members_take_turns():
    _, _, forward = run(replace(OP, actor=Ensemble([Policy(), EMA()])))
    assert {member.weights for member in forward.asked} == {None, "ema"}
    assert len(forward.read) == 6


def test_parameters():
    with pytest.raises(PipelineError, match=r"after.* is empty"):
        SelfInstruct(after="")
    with pytest.raises(PipelineError, match="shots.* is 0"):
        SelfInstruct(shots=0)


def test_a_pool_without_prompts_is_told():
    with pytest.raises(DataError, match="An item of the pool has float"):
        run(OP, items=[1.0, 2.0])


# ---- in a fit ---------------------------------------------------------------------------------------------


def growing(folder, similar=1.0):
    ops = [
        SelfInstruct(24, 2, 1, opening="", before="", sampling=Sampling(max_new_tokens=9)),
        AddPrompts(similar),
        Prompts(["answer"]),
        Sample(3, SAMPLING),
        Longer(),
        BestWorst(truncated="keep"),
        ReferenceLogProbs(),
    ]
    callback = Rounds([Phase(ops)], When(1, 1), str(folder), shard_size=5)
    module = LanguagePolicy(Fresh(ALPHABET + "\n", LLAMA), held_out=HeldOut(sampling=SAMPLING))
    return callback, module


class Longer(Closeness):
    """Scores without an answer, which new prompts have not."""

    @property
    def requires(self):
        return ("text",)

    def __call__(self, table, context):
        score = np.array([sum(map(ord, text)) for text in table["text"].to_pylist()], dtype=np.float64)
        return table.append_column("scores.reward", pa.array(score))


def fit(tmp_path, name, epochs, *more):
    torch.manual_seed(0)  # the order of the examples
    callback, module = growing(tmp_path / "rounds" / name)
    trainer(tmp_path / name, [callback, *more], max_epochs=epochs).fit(module, data(6))
    return list(callback.store.versions())


class Dies(pl.Callback):
    """Ends the run in the first step behind the third round, which is committed, but not in any checkpoint."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == 3:
            raise RuntimeError("killed")


def test_the_pool_grows_and_later_rounds_work_on_what_was_written(tmp_path):
    versions = fit(tmp_path, "whole", 4)
    sizes = [version.manifest.pool_rows for version in versions]
    added = [version.manifest.metrics["added_prompts"] for version in versions]
    assert sizes[0] == 6
    assert added[0] > 0
    for round in (1, 2):
        assert sizes[round] == sizes[round - 1] + added[round - 1]
    assert len({version.manifest.pool for version in versions}) == 3
    table = versions[1].table()
    written = {entry.id: entry.prompt for entry in written_prompts(versions[0].ledger())}
    seen = {row["id"]: row["prompt"] for row in table.to_pylist() if row["id"] >= FIRST_ID}
    assert seen
    assert all(written[id] == prompt for id, prompt in seen.items())
    assert all(row["answer"] is None for row in table.to_pylist() if row["id"] >= FIRST_ID)
    older = {entry.id: entry for entry in written_prompts(versions[1].ledger())}
    assert older.keys() > written.keys()


def test_a_fit_that_goes_on_grows_the_same_pool(tmp_path):
    whole = fit(tmp_path, "whole", 4)
    fit(tmp_path, "parts", 2)
    parts = fit(tmp_path, "parts", 4)
    assert [version.manifest.key for version in parts] == [version.manifest.key for version in whole]
    assert parts[-1].table().equals(whole[-1].table())
    assert parts[-1].ledger().equals(whole[-1].ledger())


def test_a_run_that_died_behind_a_round_goes_on_with_the_pool_of_that_round(tmp_path):
    whole = fit(tmp_path, "whole", 4)
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, "killed", 4, Dies())
    made = (tmp_path / "rounds" / "killed").glob("*/data/*.parquet")
    before = {path: path.stat().st_mtime_ns for path in made}
    assert len(before) >= 6
    again = fit(tmp_path, "killed", 4)
    assert {path: path.stat().st_mtime_ns for path in before} == before  # the round is not made again
    assert [version.manifest.key for version in again] == [version.manifest.key for version in whole]
