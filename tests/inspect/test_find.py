import pytest

from lit_iterative.errors import StoreError
from lit_iterative.inspect import find_round, find_store
from lit_iterative.rounds.store import Store
from tests.inspect.stores import two_rounds


def test_the_store_itself_or_the_folder_of_its_run(tmp_path):
    two_rounds(tmp_path / "rounds")
    for path in (tmp_path, tmp_path / "rounds"):
        assert find_store(str(path)).rounds() == [0, 1]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"There is no folder .*nowhere\. Give the round store"):
        find_store(str(tmp_path / "nowhere"))


def test_a_folder_without_rounds_is_refused(tmp_path):
    (tmp_path / "rounds").mkdir()
    with pytest.raises(StoreError, match="holds no rounds, neither itself nor in a folder 'rounds'"):
        find_store(str(tmp_path))


def test_the_last_round_is_the_default(tmp_path):
    assert find_round(two_rounds(tmp_path), None).round == 1


def test_an_unknown_round_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(StoreError, match="no round 7. Choose one of 0 to 1"):
        find_round(two_rounds(tmp_path), 7)


def test_a_round_in_the_making_is_told_from_an_unknown_one(tmp_path):
    store = two_rounds(tmp_path)
    store.draft(2).begin({"epoch": 9})
    with pytest.raises(StoreError, match="Round 2 .* is not finished"):
        find_round(store, 2)


def test_no_committed_round(tmp_path):
    store = Store(tmp_path)
    store.draft(0).begin({"epoch": 1})
    with pytest.raises(StoreError, match="no committed round yet"):
        find_round(store, None)
