"""Gradients that are accumulated over micro-batches are those of the whole batch."""

import pytest
import torch
from torch.utils.data import DataLoader

from lit_iterative.batches import Collate
from lit_iterative.modules.objective import Objective
from tests.integration.test_ranks import start
from tests.projects.networks import prompts
from tests.projects.words import policy, trainer

PROMPTS = prompts([2, 5, 3, 7, 1, 4, 6, 2], seed=4)
COMPLETIONS = [[*prompt[1:], 2] for prompt in prompts([3, 1, 6, 2, 5, 4, 1, 2], seed=5)]
OTHERS = [[*prompt[1:], 2] for prompt in prompts([1, 4, 2, 5, 3, 1, 6, 2], seed=6)]
WEIGHTS = [1.0, 0.25, 0.5, 2.0, 0.0, 1.5, 0.75, 1.0]
PAIRS = [
    {
        "prompt_ids": prompt,
        "chosen_ids": chosen,
        "rejected_ids": rejected,
        "chosen_ref_logp": -2.0 * len(chosen),
        "rejected_ref_logp": -3.0 * len(rejected),
        "weight": weight,
    }
    for prompt, chosen, rejected, weight in zip(PROMPTS, COMPLETIONS, OTHERS, WEIGHTS, strict=True)
]
EXAMPLES = [
    {"prompt_ids": prompt, "completion_ids": ids, "weight": weight}
    for prompt, ids, weight in zip(PROMPTS, COMPLETIONS, WEIGHTS, strict=True)
]


def after_one_step(folder, rows, objective, size):
    module = policy(objective=objective, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0))
    options = {"max_epochs": 1, "accumulate_grad_batches": len(rows) // size, "precision": "64-true"}
    run = trainer(folder, [], log_every_n_steps=1000, **options)
    run.fit(module, DataLoader(rows, size, collate_fn=Collate(0)))
    assert run.global_step == 1
    return module.state_dict()


@pytest.mark.parametrize(
    ("rows", "objective"),
    [
        (PAIRS, Objective("dpo", {"beta": 0.5})),
        (PAIRS, Objective("dpo", {"beta": 0.5}, nll=1.0)),
        (PAIRS, Objective("ipo")),
        (EXAMPLES, Objective()),
        (EXAMPLES, Objective(supervised="sequence_sft")),
    ],
)
def test_one_large_batch_and_four_small_ones_make_the_same_step(tmp_path, rows, objective):
    large, small = (after_one_step(tmp_path, rows, objective, size) for size in (8, 2))
    module = policy()
    module.configure_model()
    moved = max((large[name] - value).abs().max() for name, value in module.state_dict().items())
    assert moved > 1e-3
    for name, value in large.items():
        torch.testing.assert_close(small[name], value, rtol=0, atol=1e-6, msg=name)


def test_weights_of_rows_matter(tmp_path):
    even = [{**row, "weight": 1.0} for row in PAIRS]
    weighted, plain = (after_one_step(tmp_path, rows, Objective(), 8) for rows in (PAIRS, even))
    assert max((weighted[name] - plain[name]).abs().max() for name in plain) > 1e-4


def test_two_ranks_and_one_that_accumulates_make_the_same_step(tmp_path):
    made = []
    for devices in ("1", "2"):
        folder = tmp_path / devices
        folder.mkdir()
        process = start(folder, devices, project="accumulated")
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-6000:]
        made.append(torch.load(folder / "made.pt", weights_only=True))
    assert [part["steps"] for part in made] == [1, 1]
    untrained = policy()
    untrained.configure_model()
    one, two = (part["weights"] for part in made)
    assert max((one[name] - value).abs().max() for name, value in untrained.state_dict().items()) > 1e-3
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-12 if value.is_floating_point() else 0, msg=name)


def test_a_forward_pass_finds_gradients_of_its_own_accumulation_alone(tmp_path):
    module, seen = policy(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0)), []
    step = module.training_step

    def noted(batch, batch_idx):
        seen.append(any(parameter.grad is not None for parameter in module.parameters()))
        return step(batch, batch_idx)

    module.training_step = noted
    run = trainer(tmp_path, [], log_every_n_steps=1000, max_epochs=1, accumulate_grad_batches=2)
    run.fit(module, DataLoader(EXAMPLES, 2, collate_fn=Collate(0)))
    assert seen == [False, True, False, True]
