"""The YAML in the README is a configuration that runs."""

import re
from pathlib import Path

import yaml

from lit_iterative.cli import main
from lit_iterative.rounds import Store

README = Path(__file__).parent.parent / "README.md"


def test_the_readmes_yaml_makes_rounds(tmp_path, monkeypatch):
    (block,) = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    config = yaml.safe_load(block)
    rounds = config["trainer"]["callbacks"][0]["init_args"]
    rounds["when"] = {"warmup_epochs": 1}
    rounds["phases"][0]["ops"][2]["init_args"]["value"]["init_args"] |= {"start": 0.1, "end": 0.1}
    config["trainer"] |= {"max_epochs": 3, "logger": False, "enable_checkpointing": False, "accelerator": "cpu"}
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(yaml.safe_dump(config))
    main(["fit", "--config", "config.yaml"])
    assert len(Store("runs/threshold/rounds").rounds()) == 2
