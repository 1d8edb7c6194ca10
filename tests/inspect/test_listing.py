from lit_iterative.inspect.listing import list_rounds, render_list
from tests.inspect.stores import commit, two_rounds


def test_every_kind_of_round(tmp_path):
    store = two_rounds(tmp_path)
    commit(store, [], serves=1)
    store.draft(3).begin({"epoch": 11})
    store.draft(5).write_note("stage-00", {})
    rows = list_rounds(store)
    assert [(row.round, row.status) for row in rows] == [
        (0, "committed"),
        (1, "committed"),
        (2, "empty"),
        (3, "in progress"),
        (5, "unreachable"),
    ]
    assert [row.epoch for row in rows] == [2, 3, 4, 11, None]
    assert (rows[0].rows, rows[0].pool, rows[0].coverage, rows[0].label_accuracy) == (3, 10, 0.3, 0.75)
    assert rows[3].rows is None


def test_the_table_has_a_line_for_each(tmp_path):
    lines = render_list(list_rounds(two_rounds(tmp_path))).splitlines()
    assert len(lines) == 4
    assert lines[2].split() == ["0", "2", "10", "3", "30.0", "%", "75.0", "%", "-", "2.0", "s", "main", "committed"]


def test_superseded_rounds_are_no_rounds(tmp_path):
    store = two_rounds(tmp_path)
    store.supersede(1)
    assert [row.round for row in list_rounds(store)] == [0]
