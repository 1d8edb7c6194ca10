import json

import pytest

from lit_iterative.cli import main
from tests.inspect.stores import two_rounds


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
    assert all(f"\n    {name} " in shown for name in ("list", "show", "diff", "export"))
    assert "lit-iterative rounds" in shown
