import json

from lit_iterative.inspect import text


def test_words_stand_left_and_numbers_right():
    lines = text.table(["name", "value"], [["a", "1"], ["long name", "-"], ["b", "1,000.5"]]).splitlines()
    assert lines == [
        "name         value",
        "---------  -------",
        "a                1",
        "long name        -",
        "b          1,000.5",
    ]


def test_a_table_without_rows_is_its_head():
    assert text.table(["a", "b"], []) == "a  b\n-  -"


def test_json_has_no_numbers_that_readers_refuse():
    made = text.to_json({"a": [float("nan"), float("inf"), 1.5], 3: (float("-inf"), "x")})
    assert json.loads(made) == {"a": [None, None, 1.5], "3": [None, "x"]}
    assert "NaN" not in made


def test_times_at_the_edges():
    assert [text.seconds(value) for value in (0.999, 1.0, 59.94, 60, 3599, 3600, None)] == [
        "999 ms",
        "1.0 s",
        "59.9 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 0 min",
        "-",
    ]
