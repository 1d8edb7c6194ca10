"""The command line, on a tiny project."""

import json
import sys
import warnings

import lightning.pytorch as pl
import pytest
import yaml

from lit_iterative.cli import IterativeCLI
from lit_iterative.datamodules import Mixing
from lit_iterative.entry import main
from lit_iterative.rounds.store import Store
from tests.projects.tiny import TinyModule, TinyRefreshable


def settings(folder, **trainer) -> dict:
    callback = {"class_path": "PseudoLabels", "init_args": {"threshold": 0.8, "every_n_epochs": 2, "warmup_epochs": 2}}
    quiet = {"logger": False, "enable_model_summary": False, "enable_checkpointing": False}
    options = {"max_epochs": 6, "accelerator": "cpu", "devices": 1, "default_root_dir": str(folder)}
    return {
        "trainer": {**options, **quiet, "callbacks": [callback], **trainer},
        "model": {"class_path": "tests.projects.tiny.TinyModule"},
        "data": {"class_path": "tests.projects.tiny.TinyRefreshable"},
    }


def written(folder, config: dict) -> str:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.fixture
def run(tmp_path, capsys):
    """Run a subcommand with changed settings and return the exit code, what it printed, and its errors."""

    def call(change=None, *args: str, subcommand: str = "fit"):
        config = settings(tmp_path)
        if change is not None:
            change(config)
        code = 0
        try:
            main([subcommand, "--config", written(tmp_path, config), *args])
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def labels(**init_args):
    return lambda config: config["trainer"]["callbacks"][0]["init_args"].update(init_args)


# ---- fit, and the closing table ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with a control, and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    path = written(folder, settings(folder))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those that libraries raise about themselves
        said = []
        patch.setattr("builtins.print", lambda *parts, **_: said.append(" ".join(map(str, parts))))
        main(["fit", "--config", path, "--control", "no_rounds"])
    return folder, path, "\n".join(said)


def test_the_run_tells_of_every_epoch_and_round(finished):
    folder, _, said = finished
    lines = said.splitlines()
    manifests = [version.manifest for version in Store(folder / "rounds").versions()]
    assert len(manifests) == 2
    for manifest in manifests:
        (line,) = [line for line in lines if line.startswith(f"Round {manifest.round}: ")]
        assert f"{manifest.rows} rows from {100 * manifest.metrics['coverage']:.1f} % of 200 inputs" in line
        assert f"{100 * manifest.metrics['label_accuracy']:.1f} % labels right" in line
        assert "val_accuracy" in line
    assert sum(line.startswith("Epoch ") and " of 6, " in line for line in lines) == 6


def test_the_closing_table_has_rounds_and_both_runs(finished):
    folder, _, said = finished
    store = Store(folder / "rounds")
    table = said[said.index("round  from epoch") :].splitlines()
    assert [line.split()[0] for line in table[2:4]] == ["0", "1"]
    steps = {line.split()[2] for line in table if line.startswith(("with rounds", "without rounds"))}
    assert len(steps) == 1
    (mine,) = [line for line in table if line.startswith("with rounds")]
    assert mine.split()[3] == f"{store.final_metrics()['val_accuracy']:.4g}"
    (other,) = [line for line in table if line.startswith("without rounds")]
    control = json.loads((folder / "rounds/control.json").read_text())["metrics"]
    assert other.split()[3] == f"{control['val_accuracy']:.4g}"


def test_the_run_says_how_to_look_into_what_it_left(finished, run, tmp_path):
    folder, _, said = finished
    assert f"lit-iterative rounds list {folder}/rounds" in said
    assert "tensorboard" not in said

    logger = {"class_path": "TensorBoardLogger", "init_args": {"save_dir": str(tmp_path / "seen")}}
    _, out, _ = run(lambda config: config["trainer"].update(logger=logger))
    assert f"tensorboard --logdir {tmp_path / 'seen'}" in out


def test_the_control_is_the_same_model_without_rounds(finished):
    folder, _, said = finished
    (line,) = [line for line in said.splitlines() if line.startswith("without rounds")]
    steps, epochs = int(line.split()[2]), 6
    pl.seed_everything(0, workers=True, verbose=False)
    module, data = TinyModule(), TinyRefreshable()
    data.mixing = Mixing(rows_per_epoch=-(-steps // epochs) * 16)
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    trainer = pl.Trainer(max_epochs=-1, max_steps=steps, num_sanity_val_steps=0, devices=1, **options)
    trainer.fit(module, data)
    (expected,) = trainer.validate(module, data, verbose=False)
    assert json.loads((folder / "rounds/control.json").read_text())["metrics"] == expected
    assert trainer.global_step == steps


def test_the_same_command_again_prints_the_table_without_training(finished, capsys, monkeypatch):
    _, path, said = finished
    monkeypatch.setattr(IterativeCLI, "_run_control", lambda *_: pytest.fail("the control was trained again"))
    main(["fit", "--config", path, "--control", "no_rounds"])
    table = said[said.index("round  from epoch") :].strip()
    assert capsys.readouterr().out.strip().endswith(table)


def test_another_configuration_needs_another_control(finished, monkeypatch, capsys):
    folder, path, _ = finished
    before = (folder / "rounds/control.json").read_text()
    monkeypatch.setattr(IterativeCLI, "_run_control", lambda *_: {"val_accuracy": 0.125})
    main(["fit", "--config", path, "--control", "no_rounds", "--model.lr", "0.04"])
    assert "0.125" in capsys.readouterr().out
    (folder / "rounds/control.json").write_text(before)


def test_without_a_control_the_table_has_rounds_alone(run, tmp_path):
    code, out, _ = run()
    assert code == 0
    assert "round  from epoch" in out
    assert "without rounds" not in out
    assert not (tmp_path / "rounds/control.json").exists()


def test_a_saved_config_does_not_stop_the_second_run(run, tmp_path):
    logger = {"class_path": "CSVLogger", "init_args": {"save_dir": str(tmp_path), "name": "", "version": "log"}}
    for _ in range(2):
        code, out, _ = run(lambda config: config["trainer"].update(logger=logger))
        assert code == 0
        assert "round  from epoch" in out
    saved = yaml.safe_load((tmp_path / "log/config.yaml").read_text())
    assert saved["trainer"]["callbacks"][0]["init_args"]["threshold"] == 0.8


def test_a_given_config_is_never_written_over(finished):
    folder, path, _ = finished  # without a logger, the configuration would be saved where this one lies
    with open(path) as file:
        assert yaml.safe_load(file) == settings(folder)


def test_validate_takes_the_same_file(run, monkeypatch):
    monkeypatch.setattr("rich._console", None)  # a bar of rich elsewhere keeps the console to itself
    code, out, _ = run(lambda config: config.update(control="no_rounds"), subcommand="validate")
    assert code == 0
    assert "val_accuracy" in out


def test_a_control_of_nothing_is_refused(run):
    code, _, err = run(lambda config: config["trainer"].update(callbacks=None), "--control", "no_rounds")
    assert code == 1
    assert "error: control: no_rounds compares with a run without rounds" in err


# ---- configuration ----------------------------------------------------------------------------------------


def test_a_printed_configuration_prints_itself(run, tmp_path, capsys):
    schedule = {"class_path": "Linear", "init_args": {"start": 0.7, "end": 0.9, "rounds": 2}}
    ops = ["Predict", "Confidence", {"class_path": "Threshold", "init_args": {"value": schedule}}, "HardLabels"]
    phase = {"ops": ops, "weights": "ReinitFromBase", "merge": "Replace"}
    rounds = {"class_path": "Rounds", "init_args": {"phases": [phase], "when": {"every_n_epochs": 3}}}
    code, first, _ = run(lambda config: config["trainer"].update(callbacks=[rounds, "EMATeacher"]), "--print_config")
    assert code == 0
    assert yaml.safe_load(first)["seed_everything"] == 0
    (tmp_path / "printed.yaml").write_text(first)
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(tmp_path / "printed.yaml"), "--print_config"])
    assert capsys.readouterr().out == first
    made = yaml.safe_load(first)["trainer"]["callbacks"][0]["init_args"]["phases"][0]
    assert made["ops"][2]["init_args"]["value"]["init_args"] == {"start": 0.7, "end": 0.9, "rounds": 2}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (labels(treshold=0.5), "'treshold' is not accepted"),
        (labels(threshold="high"), "Expected a <class 'float'>"),
        (labels(weights={"class_path": "Nowhere"}), "Nowhere"),
        (lambda config: config.update(control="none_such"), "no_rounds"),
        (lambda config: config.update(modle=1), "modle"),
    ],
)
def test_wrong_names_and_types_are_errors_of_the_parser(run, change, said):
    code, _, err = run(change)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (labels(every_n_epochs=0), "every_n_epochs is 0; it must be at least 1."),
        (
            labels(threshold={"class_path": "Linear", "init_args": {"start": 0, "end": 1, "rounds": 0}}),
            "A schedule over 0 rounds goes nowhere. Give rounds: 1 or more.",
        ),
        (
            lambda config: config.update(data={"class_path": "tests.projects.tiny.TinyData"}),
            "PseudoLabels needs a DataModule that can swap its data, but TinyData cannot.",
        ),
    ],
)
def test_errors_of_ours_are_one_line(run, change, said):
    code, _, err = run(change)
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith(f"error: {said}")
    assert "Traceback" not in err


def test_an_error_of_ours_in_a_datamodule_is_one_line(tmp_path, monkeypatch, capsys):
    lines = ["from lit_iterative.errors import DataError", "from tests.projects.tiny import TinyRefreshable"]
    lines += ["class Refusing(TinyRefreshable):", "    def __init__(self):", "        raise DataError('No. Do that.')"]
    (tmp_path / "refusing_project.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    config = settings(tmp_path)
    config["data"]["class_path"] = "refusing_project.Refusing"
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--config", written(tmp_path, config)])
    assert stop.value.code == 1
    assert capsys.readouterr().err.endswith("error: No. Do that.\n")


def test_a_traceback_on_request(tmp_path, monkeypatch):
    from lit_iterative.errors import PipelineError

    monkeypatch.setenv("LIT_ITERATIVE_TRACEBACK", "1")
    config = settings(tmp_path)
    labels(every_n_epochs=0)(config)
    with pytest.raises(PipelineError):
        main(["fit", "--config", written(tmp_path, config)])


def test_errors_of_others_keep_their_traceback(tmp_path):
    config = settings(tmp_path)
    config["data"]["init_args"] = {"batch_size": -1}
    with pytest.raises(ValueError, match="batch_size"):
        main(["fit", "--config", written(tmp_path, config)])


def test_help_tells_of_training_and_of_rounds(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    assert all(word in shown for word in ("fit", "validate", "test", "predict", "lit-iterative rounds --help"))


def test_the_project_in_the_current_folder_is_found(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_project_here.py").write_text(
        "from tests.projects.tiny import TinyModule\nclass Mine(TinyModule): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    config = settings(tmp_path)
    config["model"]["class_path"] = "my_project_here.Mine"
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--config", written(tmp_path, config), "--print_config"])
    assert stop.value.code == 0
    assert "my_project_here.Mine" in capsys.readouterr().out
