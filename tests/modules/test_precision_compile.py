"""torch.compile: of the network's body, in training and scoring, and refused for the whole policy."""

import pytest
import torch

from lit_iterative.errors import SetupError
from lit_iterative.losses.log_probs import score
from lit_iterative.sequences import pad
from tests.projects.precisions import FULL, fit, made, rounds, trained_of
from tests.projects.saved import WIDE, save
from tests.projects.words import SAMPLING

PROMPTS, COMPLETIONS = [[1, 5, 6], [1, 7]], [[8, 2], [9, 10, 2]]


def graphs():
    from torch._dynamo.utils import counters

    return counters["stats"]["unique_graphs"]


@pytest.fixture
def fresh():
    torch._dynamo.reset()
    before = graphs()
    yield lambda: graphs() - before
    torch._dynamo.reset()


def gradients(module):
    batch = pad(PROMPTS, COMPLETIONS, 0)
    score(module.network, batch).sums.sum().backward()
    return {name: weight.grad for name, weight in module.named_parameters() if weight.requires_grad}


def test_scores_and_gradients_are_the_same_and_sampling_compiles_nothing(tmp_path, fresh):
    small = save(tmp_path, {**WIDE, "num_hidden_layers": 1})
    plain, module = made(small, FULL), made(small, FULL, compiler="eager")
    assert module.state_dict().keys() == plain.state_dict().keys()
    drawn = [part.generate(PROMPTS, [3, 4], SAMPLING) for part in (plain, module)]
    assert drawn[0] == drawn[1]
    assert fresh() == 0
    torch.testing.assert_close(gradients(module), gradients(plain))
    made_for = fresh()
    assert made_for > 0
    for rows in (1, 2):  # other numbers of rows and tokens
        score(module.network, pad(PROMPTS[:rows] * 3, [[8, 9, 10, 2]] * 3 * rows, 0))
    assert fresh() == made_for


@pytest.mark.slow
@pytest.mark.parametrize(("base", "checkpointing"), [("LoRA", False), ("NF4, LoRA", True)])
def test_two_rounds(base, checkpointing, tmp_path, saved, fresh):
    options = {"gradient_checkpointing": checkpointing}
    plain, module = made(saved, base, **options), made(saved, base, compiler="aot_eager", **options)
    fit(tmp_path / "plain", plain, rounds())
    assert fresh() == 0
    fit(tmp_path / "compiled", module, rounds())
    assert 0 < fresh() <= 8
    torch.testing.assert_close(trained_of(module), trained_of(plain))


def test_a_policy_is_not_compiled_as_a_whole(tmp_path, saved):
    module = made(saved)
    with pytest.raises(SetupError, match=r"torch.compile\(LanguagePolicy.*compiler='inductor'"):
        fit(tmp_path, torch.compile(module, backend="eager"), rounds())
    assert not (tmp_path / "rounds" / "round-00000").exists()


def test_backends_and_versions(saved, monkeypatch):
    with pytest.raises(SetupError, match=r"compiler='indoctor'\) is no backend.*inductor"):
        made(saved, compiler="indoctor")
    monkeypatch.delattr(torch.compiler, "set_stance")
    with pytest.raises(SetupError, match="needs torch 2.6 or newer.*Leave compiler out"):
        made(saved, compiler="eager")
