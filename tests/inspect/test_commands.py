import json
import subprocess
import sys

import pytest

from lit_iterative.entry import main
from lit_iterative.rounds.store import Store
from tests.inspect.stores import commit, rows, two_rounds


@pytest.fixture
def run(tmp_path, capsys):
    two_rounds(tmp_path / "rounds")

    def call(command: str, *args: str) -> str:
        main(["rounds", command, str(tmp_path), *args])
        return capsys.readouterr().out

    return call


def test_list(run):
    assert [row["rows"] for row in json.loads(run("list", "--json"))] == [3, 3]
    assert run("list").count("committed") == 2


def test_show(run):
    assert json.loads(run("show", "--json"))["round"] == 1
    view = json.loads(run("show", "--round", "0", "--rows", "1", "--json"))
    assert (view["round"], view["sample"]) == (0, [{"id": 3, "label": 0, "source": "Policy@abc"}])
    assert run("show").startswith("Round 1 (committed)")


def test_diff(run):
    assert json.loads(run("diff", "0", "1", "--json"))["counts"]["added"] == 1
    assert run("diff", "0", "1").startswith("Round 0 -> round 1")


def test_export(run, tmp_path):
    out = tmp_path / "out.jsonl"
    assert run("export", "--round", "0", "--format", "jsonl", "--output", str(out)) == f"3 rows in {out}\n"
    assert json.loads(run("export", "--output", str(out), "--columns", "[id]", "--json"))["rows"] == 3
    assert out.read_text().splitlines()[0] == '{"id": 5}'


def test_sample(run):
    assert len(json.loads(run("sample", "--rows", "2", "--json"))) == 2
    assert "── id" in run("sample")


def test_verify_ends_with_1_where_something_is_damaged(run, tmp_path):
    assert json.loads(run("verify", "--json"))["sound"]
    (tmp_path / "rounds/round-00000/data/00000.parquet").write_bytes(b"")
    with pytest.raises(SystemExit) as stop:
        run("verify")
    assert stop.value.code == 1


def test_prune_removes_only_with_yes(run, tmp_path):
    store = Store(tmp_path / "rounds")
    for labels in ({1: 1}, {1: 2}):
        commit(store, [rows(labels)])  # the metric of the stores made here grows with every round
    shard = tmp_path / "rounds/round-00000/data/00000.parquet"
    assert "add --yes" in run("prune", "--keep", "1")
    assert shard.exists()
    assert json.loads(run("prune", "--keep", "1", "--yes", "--json"))["rounds"] == [0, 1]
    assert not shard.exists()


def test_rollback_needs_a_checkpoint(run, capsys):
    with pytest.raises(SystemExit):
        run("rollback", "--to", "0")
    assert "has no checkpoint" in capsys.readouterr().err


def test_looking_into_a_store_does_not_wait_for_torch():
    code = "import sys, lit_iterative.inspect.commands; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_store_error_is_one_line(run, capsys):
    with pytest.raises(SystemExit) as stop:
        run("show", "--round", "5")
    said = capsys.readouterr().err
    assert stop.value.code == 1
    assert said.startswith("error: ")
    assert said.endswith("Choose one of 0 to 1.\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize("args", [["show", "--round", "-1"], ["diff", "0"], ["export"], ["lst"]])
def test_wrong_arguments_are_refused(run, args, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*args)
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_help_names_all_commands(capsys):
    with pytest.raises(SystemExit):
        main(["rounds", "--help"])
    shown = capsys.readouterr().out
    assert all(
        f"\n    {name} " in shown
        for name in ("list", "show", "diff", "sample", "export", "verify", "prune", "rollback")
    )
    assert "lit-iterative rounds" in shown
