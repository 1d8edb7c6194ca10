"""``lit-iterative recipes``."""

import subprocess
import sys
from pathlib import Path

import pytest

from lit_iterative.entry import main
from lit_iterative.errors import DataError, SetupError
from lit_iterative.recipes import Recipe, find_recipe, read_header, recipes
from lit_iterative.recipes import command as recipe_command


def test_list_names_every_recipe_with_its_system(capsys: pytest.CaptureFixture[str]) -> None:
    main(["recipes", "list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [f"{recipe.family}/{recipe.name}" for recipe in recipes()]
    (irpo,) = [line for line in lines if line.startswith("preference/irpo ")]
    assert irpo.split()[1] == "S029"


def test_show_prints_recipe_and_base(capsys: pytest.CaptureFixture[str]) -> None:
    main(["recipes", "show", "irpo"])
    shown = capsys.readouterr().out
    assert all(path.read_text() in shown for path in find_recipe("irpo").configs)


def test_list_and_show_do_not_import_torch() -> None:
    code = (
        "import sys; from lit_iterative.entry import main; "
        "main(['recipes', 'list']); main(['recipes', 'show', 'irpo']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'lightning', 'transformers')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_run_hands_over_to_fit() -> None:
    given: list[str] = []
    recipe_command.main(["run", "irpo", "--trainer.max_epochs=1"], given.extend)
    base, own = find_recipe("irpo").configs
    assert given == ["fit", "--config", str(base), "--config", str(own), "--trainer.max_epochs=1"]
    assert base.parent.name == "base"


def test_a_name_may_have_its_family() -> None:
    assert find_recipe("preference/irpo") == find_recipe("irpo") == find_recipe("irpo.yaml")
    with pytest.raises(SetupError, match="no recipe 'imitation/irpo'"):
        find_recipe("imitation/irpo")


@pytest.mark.parametrize("args", [[], ["show"], ["lost"], ["list", "more"]])
def test_other_commands_are_refused(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["recipes", *args])
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_a_header_without_a_field_is_refused() -> None:
    with pytest.raises(DataError, match=r"lacks \['our choice'\].*unknown fields \['colour'\]"):
        read_header("# title: T\n# source: S\n# follows the source: F\n# colour: red\n", "a.yaml")


def test_a_header_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(DataError, match="no YAML"):
        read_header("# title: a: b\n", "a.yaml")


def test_a_file_of_ones_own_runs_over_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    given: list[str] = []
    path.write_text("# base: sums\nmodel: {}\n")
    recipe_command.main(["run", str(path)], given.extend)
    assert given == ["fit", "--config", str(find_recipe("irpo").configs[0]), "--config", str(path)]


def test_a_base_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("# title: T\n# source: S\n# follows the source: F\n# our choice: C\n# base: lost\n")
    with pytest.raises(SetupError, match="base 'lost'.*Name one of.* sums"):
        _ = Recipe(path).configs
