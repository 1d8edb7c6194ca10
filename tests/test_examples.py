"""The examples run, make rounds, and ask for as few changes as they say."""

import difflib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from lit_iterative.rounds.store import Store

EXAMPLES = Path(__file__).parent.parent / "examples"
EXISTING = EXAMPLES / "existing_project"

pytest.importorskip("sklearn")


def load(path: Path, **replaced: str) -> ModuleType:
    """Import an example by its path, with some numbers in it replaced so that it ends soon."""
    source = path.read_text()
    for name, value in replaced.items():
        source, found = re.subn(rf"\b{name}=[\w.]+", f"{name}={value}", source)
        assert found, name
    spec = importlib.util.spec_from_loader(path.stem, loader=None)
    module = importlib.util.module_from_spec(spec)
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def changed_lines(before: Path, after: Path) -> int:
    """Count the lines that a person has to touch; a replaced line counts once."""
    old, new = before.read_text().splitlines(), after.read_text().splitlines()
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return sum(max(b - a, d - c) for kind, a, b, c, d in blocks if kind != "equal")


def test_rounds_cost_an_existing_project_at_most_five_lines():
    assert 0 < changed_lines(EXISTING / "project.py", EXISTING / "with_rounds.py") <= 5


def test_the_existing_project_knows_nothing_of_rounds(tmp_path):
    assert "lit_iterative" not in (EXISTING / "project.py").read_text()
    trainer = load(EXISTING / "project.py").main(["--epochs", "2", "--dir", str(tmp_path)])
    assert trainer.current_epoch == 2
    assert not (tmp_path / "rounds").exists()


def test_the_existing_project_with_rounds_makes_rounds(tmp_path):
    example = load(EXISTING / "with_rounds.py", threshold="0.5", warmup_epochs="10", every_n_epochs="1")
    trainer = example.main(["--epochs", "12", "--dir", str(tmp_path)])
    check(tmp_path, rounds=2)
    assert "test_accuracy" in trainer.callback_metrics


def test_plain_loaders_make_rounds(tmp_path):
    example = load(EXAMPLES / "plain_loaders.py", threshold="0.5", warmup_epochs="20", every_n_epochs="1")
    trainer = example.main(["--epochs", "22", "--dir", str(tmp_path)])
    check(tmp_path, rounds=2)
    assert trainer.callback_metrics["val_accuracy"] > 0.5


def check(root: Path, rounds: int) -> None:
    """Check that the store has that many rounds with data."""
    store = Store(root / "rounds")
    assert store.rounds() == list(range(rounds))
    for version in store.versions():
        assert version.manifest.metrics["coverage"] > 0
        assert version.table().num_rows == version.manifest.rows > 0


def test_changed_lines_counts_what_a_person_touches(tmp_path):
    before, after = tmp_path / "a", tmp_path / "b"
    before.write_text("one\ntwo\nthree\nfour\n")
    after.write_text("zero\none\n2\nthree\n")  # one line added, one replaced, one deleted
    assert changed_lines(before, after) == 3
