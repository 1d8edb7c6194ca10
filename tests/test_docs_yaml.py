"""The YAML in the README is configurations that run."""

import re
from pathlib import Path

import yaml

from lit_iterative.entry import main
from lit_iterative.recipes import find_recipe
from lit_iterative.rounds import Store
from tests.recipes.small import run

README = Path(__file__).parent.parent / "README.md"


def blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_readmes_yaml_makes_rounds(tmp_path, monkeypatch):
    config = yaml.safe_load(blocks()[0])
    rounds = config["trainer"]["callbacks"][0]["init_args"]
    rounds["when"] = {"warmup_epochs": 1}
    rounds["phases"][0]["ops"][2]["init_args"]["value"]["init_args"] |= {"start": 0.1, "end": 0.1}
    config["trainer"] |= {"max_epochs": 3, "logger": False, "enable_checkpointing": False, "accelerator": "cpu"}
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(yaml.safe_dump(config))
    main(["fit", "--config", "config.yaml"])
    assert len(Store("runs/threshold/rounds").rounds()) == 2


def test_the_readmes_recipe_makes_rounds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(blocks()[1].replace("threshold: 0.5", "threshold: 0.2"))  # for what is hardly trained
    _, versions = run(find_recipe("mine.yaml"), tmp_path, {})
    assert [version.manifest.round for version in versions] == [0, 1]
    assert all(row["scores.vote"] >= 0.2 for row in versions[1].table().to_pylist())
