"""Every recipe runs, and its store shows what makes the system itself."""

from pathlib import Path

import pytest
import torch
import yaml

from lit_iterative.callbacks.train_only import chosen
from lit_iterative.modules.alphabet import character_tokenizer
from lit_iterative.recipes import FOLDER, find_recipe, recipes
from tests.judging.classifiers import saved
from tests.recipes.expected import EXPECTED, actors_of, changed, name_of, phase_of
from tests.recipes.small import LLAMA, run

#: Ops that propose.
PROPOSERS = (
    "Sample", "Predict", "PredictDense", "Transcribe", "SampleBetween", "StepSearch", "TreeSearch", "Rollout"
)  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The models that recipes leave to be given, made small."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder, tokenizer = tmp_path_factory.mktemp("models"), character_tokenizer("0123456789+=")
    torch.manual_seed(0)
    judge = AutoModelForCausalLM.from_config(AutoConfig.for_model(**LLAMA, vocab_size=len(tokenizer)))
    judge.save_pretrained(str(folder / "judge"))
    tokenizer.save_pretrained(str(folder / "judge"))
    reward = saved(folder / "reward", tokenizer=tokenizer)
    others = ("runs/reviewer", "runs/judge", "runs/teacher")
    return {"runs/reward_model": reward, **dict.fromkeys(others, str(folder / "judge"))}


def test_every_recipe_has_expectations() -> None:
    assert sorted(EXPECTED) == sorted(recipe.name for recipe in recipes())


@pytest.mark.filterwarnings("ignore:Round . is empty")  # of so few inputs
@pytest.mark.parametrize("name", EXPECTED)
def test_recipe_is_the_system_that_it_follows(name: str, tmp_path: Path, models: dict[str, str]) -> None:
    expected = EXPECTED[name]
    model, versions = run(find_recipe(name), tmp_path, models, expected.length)
    first, *_, last = (version.manifest for version in versions)
    phase = phase_of(versions[-1])
    ops = [name_of(op) for op in phase["ops"]]
    counts = {op.name: (op.rows_in, op.rows_out) for op in last.ops}

    assert first.weights != last.weights, "nothing was trained between the rounds"
    assert changed(tmp_path / "rounds", model) <= chosen(model, list(expected.trained)), "others were trained"
    if expected.later:
        later = changed(tmp_path / "rounds", model, (1, 2))
        assert later
        assert later <= chosen(model, list(expected.later)), "others were trained in the second round"
    assert (
        actors_of(
            phase,
            "Sample",
            "Predict",
            "PredictDense",
            "Transcribe",
            "SampleBetween",
            "StepSearch",
            "TreeSearch",
            "Rollout",
        )
        == expected.proposed
    )
    assert expected.built in ops
    assert actors_of(phase, "ReferenceLogProbs", role="reference") == expected.reference
    assert actors_of(phase, "ReferenceLogProbs", role="anchor") == expected.anchor
    assert (name_of(phase["merge"]), name_of(phase["weights"])) == (expected.carried, expected.weights)
    if expected.mixed is not None:
        assert model.trainer.datamodule.mixing.mode == expected.mixed
    if expected.kept is not None:
        assert counts[expected.kept][1] <= counts[expected.kept][0]
        assert last.rows < counts[ops[0]][0] * 100
    if expected.loss is not None:
        objective = model.objective
        assert expected.loss in (objective.loss, objective.supervised)
    assert expected.memory(last.memory)
    rows = versions[-1].table().to_pylist()
    assert rows, "the last round is empty"
    assert all(map(expected.rows, rows))
    assert expected.together(rows)
    assert any(map(expected.some, rows))
    assert expected.rounds([version.table().to_pylist() for version in versions])
    assert expected.manifests([version.manifest for version in versions])


def test_a_recipe_with_a_base_leaves_its_run_in_a_folder_of_its_name() -> None:
    for recipe in recipes():
        trainer = yaml.safe_load(recipe.text)["trainer"]
        assert trainer["default_root_dir"] == trainer["logger"]["init_args"]["save_dir"] == f"runs/{recipe.name}"


def test_recipes_are_package_data() -> None:
    assert (FOLDER / "base" / "sums.yaml").is_file()
    assert FOLDER.parent.name == "lit_iterative"
