import pytest

from lit_iterative.inspect.verify import verify
from lit_iterative.rounds.command import command_line, describe, note_command, read_commands
from lit_iterative.rounds.store import Store
from tests.inspect.stores import two_rounds


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["py", "/x/lit-iterative", "fit", "--config", "a.yaml"], "lit-iterative fit --config a.yaml"),
        (["/py", "-m", "my.train", "--lr=1"], "python -m my.train --lr=1"),
        (["py", "t.py", "--token", "abc", "--judge.api-key=x y"], "python t.py --token ... --judge.api-key=..."),
        (["py", "t.py", "--tokens", "12", "--keyboard=1"], "python t.py --tokens 12 --keyboard=1"),
    ],
)
def test_a_command_is_as_it_is_typed_without_secrets(argv, line):
    assert command_line(argv) == line


def test_the_yaml_files_that_are_named_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text("a: 1\n")
    start = describe(["python", "/bin/lit-iterative", "fit", "--config", "run.yaml", "--x", "absent.yaml"])
    assert start["files"] == {"run.yaml": "a: 1\n"}
    assert {"torch", "lightning", "pyarrow"} <= set(start["versions"])


def test_only_another_start_is_noted_again(tmp_path, monkeypatch):
    store = two_rounds(tmp_path)
    for argv in (["py", "a.py"], ["py", "a.py"], ["py", "b.py"]):
        monkeypatch.setattr("sys.orig_argv", argv)
        note_command(store)
    assert [start["line"] for start in read_commands(store)] == ["python a.py", "python b.py"]
    assert verify(store).sound
    assert read_commands(Store(tmp_path / "none")) == []
