"""Frozen models are loaded once, and again when their folder changes."""

import os

import pytest

from lit_iterative.judging.frozen import Loaded, stamp


def test_a_changed_folder_has_another_stamp(tmp_path):
    (tmp_path / "weights").write_bytes(b"1")
    first = stamp(str(tmp_path))
    assert first == stamp(str(tmp_path))
    os.utime(tmp_path / "weights", ns=(1, 1))
    assert stamp(str(tmp_path)) != first
    (tmp_path / "weights").unlink()
    assert stamp(str(tmp_path)) == stamp("an/id") == ()


def test_models_are_loaded_once_for_each_key(tmp_path):
    (tmp_path / "weights").write_bytes(b"1")
    models, loads = Loaded(), []
    for key in ("a", "b", "a", "b"):
        models.get(key, str(tmp_path), lambda key=key: loads.append(key))
    assert loads == ["a", "b"]
    (tmp_path / "weights").write_bytes(b"22")
    models.get("a", str(tmp_path), lambda: loads.append("a again"))
    assert loads == ["a", "b", "a again"]


def test_a_model_that_cannot_be_loaded_is_not_kept():
    models = Loaded()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            models.get("a", "x", lambda: 1 / 0)
    assert models.get("a", "x", lambda: 5) == 5
