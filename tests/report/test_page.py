"""The report's structure, without a browser."""

import re
import sys
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from lit_iterative.errors import StoreError
from lit_iterative.inspect.prune import plan_pruning, prune
from lit_iterative.report.command import main, write_report
from lit_iterative.report.markup import VOID
from lit_iterative.report.page import page
from lit_iterative.report.run import Run
from lit_iterative.rounds.command import note_command
from lit_iterative.rounds.manifest import OpCount
from lit_iterative.rounds.store import Store
from lit_iterative.rounds.verdict import Event, Verdict
from tests.inspect.stores import commit, rows, two_rounds

HOSTILE = "</pre></div><script>alert(1)</script><img src=x onerror=alert(2)>\" ' & <style>*{display:none}</style>"


class Reader(HTMLParser):
    """Reads a page; every element must be closed in order."""

    def __init__(self, content):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data + " "


def hostile_store(path):
    """Pairs whose texts try to leave their place, in a store whose names do so as well."""
    store = Store(path)
    for round in range(2):
        table = pa.table(
            {
                "id": [HOSTILE, "b"],
                "prompt": [HOSTILE, "p"],
                "chosen": [HOSTILE, "yes"],
                "rejected": ["\x00\ud800".encode("utf-8", "replace").decode(), "no"],
                "chosen_score": [1.0, 0.5 + round / 8],
                "rejected_score": [0.25 * round, 0.0],
            }
        )
        ops = [
            OpCount("Sample", 10, 40, 2.0, {"n": 4}, {"candidates": 40, "completion_tokens": 2.5}),
            OpCount(HOSTILE, 40, 30, 1.0, {HOSTILE: HOSTILE}, {HOSTILE: 7, "ties": 3}),
            OpCount("BestWorst", 30, 2, 0.5, {}, {"duplicates": 9, "no_pair": 4, "length": 2.5}),
        ]
        said = Verdict([Event("Collapse", "Warn", HOSTILE), Event("LengthDrift", None, "no lengths")])
        metrics = {"rows": 2, "coverage": 0.2, HOSTILE: 1.0 + round}
        commit(store, [table], ops=ops, verdict=said, phase=HOSTILE, metrics=metrics, recipe={"a": HOSTILE})
    return store


def read(store, **options):
    return Reader(page(Run.of(store), **options))


def test_hostile_texts_stay_texts(tmp_path):
    content = page(Run.of(hostile_store(tmp_path / "rounds")))
    found = Reader(content)
    assert "script" not in found.tags
    assert found.tags.count("style") == 1
    assert not [name for _, given in found.attributes for name in given if name.startswith("on")]
    assert found.text.count("alert(1)") >= 8  # in ids, prompts, samples, ops, events, the recipe
    assert "<script" not in content


def test_the_page_asks_nothing_of_a_network(tmp_path):
    content = page(Run.of(hostile_store(tmp_path / "rounds")))
    links = [
        value for _, given in Reader(content).attributes for name, value in given.items() if name in ("src", "href")
    ]
    assert links
    assert all(link.startswith(("data:image/svg+xml;base64,", "#round-")) for link in links)
    (policy,) = [given["content"] for _, given in Reader(content).attributes if "http-equiv" in given]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "url(" not in content.split("</style>")[0]


def test_the_funnel_says_why_rows_did_not_go_on(tmp_path):
    found = read(hostile_store(tmp_path / "rounds"))
    text = " ".join(found.text.split())
    assert "-28 duplicates 9; no pair 4" in text
    assert "+30" in text
    strip = re.search(r"Where the rows went (.*?) pool 10", text)[1]
    assert strip == "10 pool 40 proposed 40 scored 30 kept 2 built"
    assert "length 2" not in text  # a mean is no reason


def test_costs_have_seconds_rows_and_tokens(tmp_path):
    text = " ".join(read(hostile_store(tmp_path / "rounds")).text.split())
    assert "Sample 2.0 s 40 20 100" in text


def test_guards_are_told_of(tmp_path):
    text = " ".join(read(hostile_store(tmp_path / "rounds")).text.split())
    assert "guard events" in text
    assert "Collapse: Warn" in text
    assert "LengthDrift could not judge no lengths" in text


def test_the_best_round_and_the_command_are_told(tmp_path, monkeypatch):
    store = two_rounds(tmp_path / "rounds")
    monkeypatch.setattr(sys, "orig_argv", ["py", "/bin/lit-iterative", "fit", "--data", "<b>"])
    note_command(store)
    store.finish({"val_accuracy": 0.6}, "plan")
    text = " ".join(read(store).text.split())
    assert "best round val_accuracy 0.75 after it" in text
    assert "lit-iterative fit --data '<b>'" in text
    assert "the fit has ended" in text


def test_samples_are_the_best_the_worst_and_what_changed(tmp_path):
    text = " ".join(read(hostile_store(tmp_path / "rounds")).text.split())
    for title in ("Best by margin", "Worst by margin", "Most changed by margin"):
        assert title in text
    assert "chosen_score 0.625 (was 0.5)" in text
    assert "Best by margin" not in " ".join(read(hostile_store(tmp_path / "b"), samples=0).text.split())


def test_rounds_without_rows_scores_or_files_are_told_of(tmp_path):
    store = two_rounds(tmp_path / "rounds")
    commit(store, [], serves=1)
    commit(store, [rows({1: 2})])
    prune(store, plan_pruning(store, keep=1, monitor="x"))
    text = read(store).text
    assert "It made no rows: those of round 1 are." in text
    assert "The rows of this round were pruned." in text
    assert "At random" in text


def test_one_round_and_no_metric(tmp_path):
    store = Store(tmp_path / "rounds")
    commit(store, [rows({1: 2})], metrics_before={}, metrics={})
    assert "nothing to draw over rounds yet" in read(store).text


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = read(two_rounds(tmp_path / "rounds"))
    assert "lit-iterative[plots]" in found.text
    assert "img" not in found.tags


def test_curves_have_words_for_those_who_cannot_see_them(tmp_path):
    found = read(two_rounds(tmp_path / "rounds"))
    words = [given["alt"] for tag, given in found.attributes if tag == "img"]
    assert "val_accuracy: from 0.5 to 0.75 over 2 points" in words


def test_the_same_store_gives_the_same_page(tmp_path):
    store = hostile_store(tmp_path / "rounds")
    assert page(Run.of(store)) == page(Run.of(store))


def test_the_command_writes_the_file_and_says_where(tmp_path, capsys):
    two_rounds(tmp_path / "rounds")
    out = tmp_path / "page.html"
    main([str(tmp_path), "--output", str(out), "--samples", "1"])
    assert capsys.readouterr().out == f"Report: {out}\n"
    assert out.read_text().startswith("<!DOCTYPE html>")
    assert f"<h1>{tmp_path.name}</h1>" in out.read_text()


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(StoreError, match="There is no folder"):
        write_report(str(tmp_path / "none"), str(tmp_path / "x.html"))
    two_rounds(tmp_path / "rounds")
    with pytest.raises(StoreError, match="its folder does not exist"):
        write_report(str(tmp_path), str(tmp_path / "no/x.html"))
