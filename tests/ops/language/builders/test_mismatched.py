"""Mismatched completions, and KTO on them from sampling to a training step."""

from collections import Counter
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.columns import write
from lit_iterative.modules.objective import Objective
from lit_iterative.ops import Context
from lit_iterative.ops.language.builders.mismatched import Mismatched
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.language.builders.unpaired import Unpaired
from lit_iterative.ops.language.propose.prompts import Prompts
from lit_iterative.ops.language.propose.sample import Sample
from lit_iterative.ops.language.testing import candidates
from lit_iterative.pool import Pool
from lit_iterative.rounds.plan import Phase, When
from tests.projects.words import SAMPLING, Closeness, data, policy, trainer


@pytest.mark.parametrize("seed", range(6))
def test_every_row_gets_one_of_another_prompt_and_all_are_given_out_evenly(seed):
    draw = np.random.default_rng(seed)
    groups = np.repeat(np.arange(7), draw.integers(1, 6, size=7)).tolist()
    texts = [f"{group}:{place}" for place, group in enumerate(groups)]
    table = candidates(texts, groups)
    made = Mismatched()(table, Context(Pool(range(7), 1), seed=seed))
    own = {tuple(ids): group for ids, group in zip(table["completion_ids"].to_pylist(), groups, strict=True)}
    given = [own[tuple(ids)] for ids in made["mismatched_ids"].to_pylist()]
    assert all(a != b for a, b in zip(given, groups, strict=True))
    behind = dict(zip(groups, given, strict=True))
    assert sorted(behind.values()) == list(range(7))  # each prompt stands behind one other
    for group in range(7):
        times = Counter(
            tuple(ids) for ids, mine in zip(made["mismatched_ids"].to_pylist(), groups, strict=True) if mine == group
        )
        assert max(times.values()) - min(times.values()) <= 1


def test_equal_completions_get_the_same():
    made = Mismatched()(candidates(["a", "b", "a", "c", "d"], [0, 0, 0, 1, 1]), Context(Pool(range(2), 1)))
    given = made["mismatched_ids"].to_pylist()
    assert given[0] == given[2] != given[1]
    assert given[3] != given[4]


def test_a_mask_goes_with_its_completion():
    table = write(candidates(["a", "b", "c"], [0, 0, 1]), completion_mask=pa.array([[1.0, 0], [0.5, 0], [0, 1.0]]))
    made = Mismatched(masked=True)(table, Context(Pool(range(2), 1)))
    completions = map(tuple, table["completion_ids"].to_pylist())
    known = dict(zip(completions, table["completion_mask"].to_pylist(), strict=True))
    given = zip(made["mismatched_ids"].to_pylist(), made["mismatched_mask"].to_pylist(), strict=True)
    assert [known[tuple(ids)] == mask for ids, mask in given] == [True] * 3
    alone = Mismatched(masked=True)(table.slice(0, 2), Context(Pool(range(2), 1)))
    assert alone["mismatched_mask"].to_pylist() == [[], []]


def test_another_round_mismatches_otherwise():
    table = candidates(list("abcdefgh"), list(range(8)))
    made = [Mismatched()(table, Context(Pool(range(8), 1), round=round))["mismatched_ids"] for round in (0, 0, 1)]
    assert made[0].equals(made[1])
    assert not made[0].equals(made[2])


def test_one_prompt_has_no_other():
    context = Context(Pool([0], 1))
    made = Mismatched()(candidates(["a", "b"]), context)
    assert made["mismatched_ids"].to_pylist() == [[], []]
    assert context.tally.values() == {"without_mismatch": 2}


def test_kto_from_sampling_to_training(tmp_path):
    ops = [
        Prompts(["answer"]),
        Sample(4, SAMPLING),
        Closeness(),
        Unpaired("scores.reward", threshold=-2.0, truncated="keep"),
        Mismatched(),
        ReferenceLogProbs(of="judged"),
    ]
    torch.manual_seed(0)  # the order of the examples
    callback = Rounds([Phase(ops)], When(1, 1))
    module = policy(objective=Objective("kto", {"beta": 0.1}), optimizer=partial(torch.optim.AdamW, lr=1e-3))
    run = trainer(tmp_path, [callback], max_epochs=3)
    run.fit(module, data(12))
    first, second = callback.store.versions()
    table = first.table()
    assert set(table["desirable"].to_pylist()) == {True, False}
    assert table.schema.field("mismatched_ref_logp").type == pa.float32()
    assert first.manifest.weights != second.manifest.weights
    metrics = run.callback_metrics
    assert torch.isfinite(metrics["train_loss"])
    assert torch.isfinite(metrics["rewards/desirable"])
