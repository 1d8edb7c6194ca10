from dataclasses import dataclass
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.callbacks.symmetry import check_reference, is_own_reference
from lit_iterative.columns import read, write
from lit_iterative.errors import SetupError
from lit_iterative.modules.backbone import LoRA
from lit_iterative.ops import Append
from lit_iterative.ops.actors import Ensemble, Initial, Policy, Previous
from lit_iterative.ops.language.builders.reference import ReferenceLogProbs
from lit_iterative.ops.op import Op
from lit_iterative.rounds.plan import Phase, When
from tests.projects.words import GPT2, data, pairs, policy, trainer


def fit(folder, callbacks, module=None, **options):
    run = trainer(folder, callbacks, **{"max_epochs": 2, **options})
    run.fit(module or policy(), data())
    return run


class Checked(pl.Callback):
    """Counts how often the policy compares itself with its reference, and keeps by how much they differ."""

    def __init__(self):
        self.modes = []

    def setup(self, trainer, pl_module, stage):
        check = pl_module.check_reference

        def counted(batch):
            before = {module: module.training for module in pl_module.modules()}
            check(batch)
            self.modes.append(all(module.training == mode for module, mode in before.items()))

        pl_module.check_reference = counted


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"config": {**GPT2, "resid_pdrop": 0.3, "attn_pdrop": 0.3, "embd_pdrop": 0.3}},
        {"lora": LoRA(4, dropout=0.3)},
    ],
    ids=["plain", "dropout", "lora"],
)
def test_a_policy_agrees_with_itself_in_every_round(tmp_path, options):
    checked = Checked()
    fit(tmp_path, [checked, pairs()], policy(**options), max_epochs=3)
    assert checked.modes == [True, True]  # in two rounds, and dropout is on again afterwards


class Nudge(pl.Callback):
    """Changes a weight in front of an epoch."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            with torch.no_grad():
                next(p for p in pl_module.parameters() if p.requires_grad).add_(0.1)


def test_weights_that_change_between_the_round_and_its_first_step_are_told(tmp_path):
    with pytest.raises(SetupError, match="its own reference.*Does a hook change the weights"):
        fit(tmp_path, [pairs(), Nudge()])


def test_weights_that_change_before_the_round_are_its_own(tmp_path):
    fit(tmp_path, [Nudge(), pairs()])


@dataclass(frozen=True)
class Tamper(Op):
    """Adds to a column."""

    column: str
    by: float

    def __call__(self, table, context):
        return write(table, **{self.column: read(table, self.column) + type(read(table, self.column)[0])(self.by)})


@pytest.mark.parametrize("column", ["chosen_ref_logp", "rejected_ref_logp"])
@pytest.mark.parametrize(("by", "raises"), [(0.01, True), (-0.01, True), (1e-5, False)])
def test_reference_columns_that_were_tampered_with_are_told(tmp_path, column, by, raises):
    ops = [*pairs().plan.phases[0].ops, Tamper(column, by)]
    callback = Rounds([Phase(ops)], When(1, 1), shard_size=64)
    if raises:
        with pytest.raises(SetupError, match=r"differ by up to 0.0(1|09)"):
            fit(tmp_path, [callback])
    else:
        fit(tmp_path, [callback])


def test_a_reference_from_before_training_may_differ(tmp_path):
    checked = Checked()
    fit(tmp_path, [checked, pairs(reference=Initial())], max_epochs=3)
    assert checked.modes == []


@pytest.mark.parametrize(
    ("references", "changed", "own"),
    [
        ([Policy()], False, True),
        ([Initial(), Policy()], False, True),
        ([Policy(), Initial()], False, False),
        ([Policy()], True, False),
        ([Previous()], False, False),
        ([Ensemble([Policy(), Initial()])], False, False),
        ([], False, False),
    ],
)
def test_who_is_its_own_reference(references, changed, own):
    ops = [*pairs(reference=None).plan.phases[0].ops, *map(ReferenceLogProbs, references)]
    assert is_own_reference(Phase(ops), changed) is own
    assert not is_own_reference(Phase(ops, merge=Append()), changed)  # the rows of before have another one


def test_every_part_of_a_paired_batch_is_checked_and_other_modules_are_not():
    seen = []
    module = SimpleNamespace(check_reference=seen.append)
    check_reference(module, {"labelled": 1, "pseudo": 2})
    check_reference(module, 3)
    assert seen == [1, 2, 3]
    check_reference(object(), 3)
