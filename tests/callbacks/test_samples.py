"""Tables of samples."""

import pyarrow as pa

from lit_iterative.callbacks.samples import CHARACTERS, markdown, samples
from lit_iterative.rounds.store import Store
from tests.datamodules.test_refreshable import commit


def test_hostile_text_stays_in_its_cell():
    hostile = "a | b\n| x | y |\n<script>alert(1)</script> ![i](http://x) `c` **b**"
    table = markdown(pa.table({"prompt": ["p"], "chosen": [hostile]}))
    assert len(table.splitlines()) == 3
    assert table.splitlines()[2].count("|") == 3
    assert "<script>" not in table
    assert "![" not in table


def test_long_text_is_cut_and_says_so():
    table = markdown(pa.table({"text": ["x" * 100_000]}))
    assert len(table) < 2 * CHARACTERS
    assert "(100000 characters)" in table


def test_a_round_without_text_has_no_table(tmp_path):
    assert samples(commit(Store(tmp_path), 0, [1, 2])) is None
