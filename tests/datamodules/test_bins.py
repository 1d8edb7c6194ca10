"""Bins hold no more tokens than they may, and the step that they make up is the one without them."""

import lightning.pytorch as pl
import numpy as np
import pyarrow as pa
import pytest
import torch
from lightning.pytorch.callbacks import Callback, GradientAccumulationScheduler
from torch.utils.data import DataLoader

from lit_iterative.batches import Collate
from lit_iterative.datamodules.bins import binned_loader, micro_batches, shared_out
from lit_iterative.datamodules.mixing import Mixing, loader_like
from lit_iterative.datamodules.prompts import TextRows
from lit_iterative.datamodules.refreshable import Refreshable
from lit_iterative.errors import DataError, SetupError
from tests.datamodules.test_mixing import rows as labelled_rows
from tests.projects.words import data, pairs, policy, trainer

SKEWED = np.random.default_rng(0).lognormal(3, 1, 60).astype(int) + 1


def texts(count=48, seed=0):
    """Pairs of very different lengths."""
    draw = np.random.default_rng(seed)

    def tokens(longest):
        return draw.integers(3, 12, draw.integers(1, longest)).tolist()

    made = [
        {"prompt_ids": tokens(10), "chosen_ids": [*tokens(15), 2], "rejected_ids": [*tokens(5), 2]}
        for _ in range(count)
    ]
    known = {"weight": 0.5, "chosen_ref_logp": -3.0, "rejected_ref_logp": -2.0}
    return pa.Table.from_pylist([{**row, **known} for row in made])


def loader(mixing, table, size=8, accumulate=2, replicas=1, rank=0):
    plain, rows = DataLoader([0], size, shuffle=True, collate_fn=Collate(0)), TextRows(None, table, mixing)
    if mixing.max_tokens is None:
        return loader_like(plain, rows, 5, replicas, rank), accumulate
    return binned_loader(plain, rows, 5, replicas, rank, accumulate)


def drawn(made, epoch=0):
    """Return the rows of every micro-batch of an epoch."""
    made.sampler.set_epoch(epoch)
    return [list(batch) for batch in made.batch_sampler] if made.batch_size else [bin.rows for bin in made.sampler]


@pytest.mark.parametrize("bins", [1, 2, 3, 7])
def test_every_row_is_in_one_bin_and_none_is_larger_than_it_may_be(bins):
    places = shared_out(SKEWED, bins)
    assert sorted(place for bin in places for place in bin) == list(range(len(SKEWED)))
    largest = max(sum(int(SKEWED[place]) for place in bin) for bin in places)
    assert largest <= SKEWED.sum() / bins + SKEWED.max() * (1 - 1 / bins)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("most", [SKEWED.max(), 300, 700])
def test_no_order_of_rows_makes_a_bin_that_is_too_large(most, replicas):
    step, draw = 12, np.random.default_rng(1)
    parts = micro_batches(SKEWED, step, replicas, int(most))
    assert parts <= step // replicas
    for _ in range(200):
        rows = draw.choice(SKEWED, step, replace=False)
        assert max(sum(rows[place] for place in bin) for bin in shared_out(rows, parts * replicas)) <= most


def test_a_step_has_no_more_micro_batches_than_it_needs():
    assert micro_batches(np.full(100, 10), 8, 1, 80) == 1
    assert micro_batches(np.full(100, 10), 8, 1, 79) == 2
    assert micro_batches(np.full(100, 10), 8, 1, 10) == 8


def test_a_row_that_is_too_long_is_refused():
    with pytest.raises(DataError, match="A row has 90 tokens, and a micro-batch may have 50"):
        micro_batches(np.array([20, 90]), 2, 1, 50)


@pytest.mark.parametrize("epoch", [0, 3])
def test_a_step_takes_the_rows_that_it_takes_without_bins(epoch):
    table = texts(50)
    (plain, accumulate), (binned, parts) = (loader(Mixing(max_tokens=most), table) for most in (None, 60))
    assert parts > accumulate
    without, within = drawn(plain, epoch), drawn(binned, epoch)
    assert len(within) == len(binned)
    sizes = TextRows(None, table, Mixing()).tokens
    assert max(sizes[bin].sum() for bin in within) <= 60
    for step in range(3):  # and two rows are left over
        expected = [row for batch in without[step * accumulate : (step + 1) * accumulate] for row in batch]
        assert sorted(row for bin in within[step * parts : (step + 1) * parts] for row in bin) == sorted(expected)
    assert sorted(row for bin in within for row in bin) == list(range(50))


def test_two_ranks_take_what_one_takes():
    table = texts()
    (alone, parts), *both = (
        loader(Mixing(max_tokens=60), table, 8, 2),
        *(loader(Mixing(max_tokens=60), table, 4, 2, 2, rank) for rank in (0, 1)),
    )
    first, second = (drawn(made) for made, _ in both)
    assert len(first) == len(second) == len(both[0][0])
    share = both[0][1]
    for step in range(3):
        together = [row for made in (first, second) for bin in made[step * share : (step + 1) * share] for row in bin]
        assert sorted(together) == sorted(row for bin in drawn(alone)[step * parts : (step + 1) * parts] for row in bin)
        assert all(first[step * share : (step + 1) * share])


def trained(folder, table, most):
    made, accumulate = loader(Mixing(max_tokens=most), table)
    module = policy(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0))
    options = {
        "precision": "64-true",
        "accumulate_grad_batches": accumulate,
        "max_epochs": 2,
        "log_every_n_steps": 1000,
    }
    run = trainer(folder, [], **options)
    run.fit(module, made)
    return run.global_step, module.state_dict()


@pytest.mark.parametrize("count", [48, 40, 37])  # whole steps; one micro-batch is left over; five rows are
def test_training_is_the_same_with_bins_and_without(tmp_path, count):
    (steps, plain), (same, binned) = (trained(tmp_path, texts(count), most) for most in (None, 60))
    assert steps == same == 6
    for name, value in plain.items():
        torch.testing.assert_close(binned[name], value, rtol=0, atol=1e-9, msg=name)


class Noted(Callback):
    """Notes what is accumulated in each epoch, and the tokens of batches."""

    def __init__(self):
        self.accumulated, self.tokens = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if pl_module.trainer.datamodule._version is not None:
            self.tokens.append(int(batch.sequences.attention_mask.sum()))

    def on_train_epoch_end(self, trainer, pl_module):
        self.accumulated.append((trainer.accumulate_grad_batches, trainer.global_step))


def test_rounds_share_their_rows_out_and_give_the_trainer_back_what_it_said(tmp_path):
    made, outcomes = [], []
    for most in (None, 24):
        pl.seed_everything(3, verbose=False)
        noted, module = Noted(), policy(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
        run = trainer(tmp_path / str(most), [pairs(), noted], accumulate_grad_batches=1, precision="64-true")
        run.fit(module, data(mixing=Mixing(mode="replace", max_tokens=most)))
        made.append(noted)
        outcomes.append(module.state_dict())
        assert run.accumulate_grad_batches == 1
    plain, binned = made
    assert [steps for _, steps in plain.accumulated] == [steps for _, steps in binned.accumulated]
    assert binned.accumulated[-1][0] > 1
    assert max(binned.tokens) < max(plain.tokens)
    for name, value in outcomes[0].items():
        torch.testing.assert_close(outcomes[1][name], value, rtol=0, atol=1e-9, msg=name)


def test_two_ways_to_say_what_is_accumulated_are_refused(tmp_path):
    run = trainer(tmp_path, [pairs(), GradientAccumulationScheduler({0: 2})])
    with pytest.raises(SetupError, match="both say how many batches make a step"):
        run.fit(policy(), data(mixing=Mixing(mode="replace", max_tokens=100)))


@pytest.mark.parametrize(
    "options", [{"max_tokens": 0}, {"max_tokens": 9, "together": True}, {"max_tokens": 9, "mode": "paired"}]
)
def test_what_bins_cannot_do_is_refused(options):
    with pytest.raises(DataError, match="max_tokens is"):
        Mixing(**options)


def test_rows_without_tokens_are_refused():
    plain = DataLoader([0], 4)
    with pytest.raises(SetupError, match="these rows have none"):
        binned_loader(plain, labelled_rows(Mixing(max_tokens=9)), 0, 1, 0, 1)


def test_without_a_trainer_batches_are_those_of_one_step():
    assert Refreshable()._accumulated() == 1
