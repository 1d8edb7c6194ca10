"""Every YAML in configs/ parses, names classes that exist, and trains."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_iterative.cli import IterativeCLI
from lit_iterative.rounds.store import Store

FOLDER = Path(__file__).parents[1] / "configs"
CONFIGS = sorted(FOLDER.rglob("*.yaml"))


def test_there_are_configs() -> None:
    assert "digits" in {config.stem for config in CONFIGS}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_config_leaves_its_run_in_a_folder_of_its_name(config: Path) -> None:
    trainer = yaml.safe_load(config.read_text())["trainer"]
    assert trainer["default_root_dir"] == f"runs/{config.stem}"
    assert trainer["logger"]["init_args"]["save_dir"] == f"runs/{config.stem}"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_config_makes_a_round_and_trains_on_it(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (number,) = [
        number
        for number, callback in enumerate(yaml.safe_load(config.read_text())["trainer"]["callbacks"])
        if "when" in callback.get("init_args", {})
    ]
    # callbacks cannot be overridden one by one, so the file is changed
    content = yaml.safe_load(config.read_text())
    content["trainer"]["callbacks"][number]["init_args"]["when"] = {"every_n_epochs": 1, "warmup_epochs": 1}
    content["control"] = None
    _shrink(content)
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(content))
    short = {"max_epochs": 2, "limit_train_batches": 25, "limit_val_batches": 1, "enable_progress_bar": False}
    options = [f"--trainer.{name}={value}".lower() for name, value in short.items()]
    IterativeCLI(["fit", "--config", str(changed), *options, f"--trainer.default_root_dir={tmp_path}"])
    (version,) = Store(str(tmp_path / "rounds")).versions()
    assert version.manifest.shards, "the round is empty"


def _shrink(content: dict[str, Any]) -> None:
    """Leave few prompts to a language policy, which one epoch has taught nothing, and let every vote count."""
    if content["data"]["class_path"] == "SumsData":
        content["data"]["init_args"].update(prompts=24, held_out=8)
        for callback in content["trainer"]["callbacks"]:
            callback["init_args"]["builder"]["init_args"]["min_score"] = 0.0
