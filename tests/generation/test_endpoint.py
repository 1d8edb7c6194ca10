"""Endpoint: hostile, slow and broken servers; the budget; the cache; order."""

import threading
import time
from dataclasses import replace

import pytest

from lit_iterative.errors import PipelineError, SetupError, StoreError
from lit_iterative.generation import endpoint as module
from lit_iterative.generation import transport
from lit_iterative.generation.endpoint import Endpoint
from lit_iterative.generation.language import Sampling
from lit_iterative.ops.op import spec
from tests.generation.servers import said, serving, status

GREEDY = Sampling(max_new_tokens=7, temperature=0.0)


def endpoint(server, **options):
    """Return an endpoint that does not wait."""
    return Endpoint(server.url, "judge", **{"backoff": 0.0, "timeout": 5.0, "retries": 2, "workers": 4, **options})


def ask(asked, questions, share=1.0):
    """Return the texts of the answers, and the counts that are not 0."""
    with asked.session(None, share) as session:
        answers = session.answers(questions, list(range(len(questions))), GREEDY)
    return [answer and answer.text for answer in answers], {k: v for k, v in session.counts.items() if v}


def echo(request, number):
    return said(request["messages"][0]["content"].upper())


def test_request_has_the_documented_form(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "secret")
    with serving(echo) as server:
        asked = endpoint(server, api_key_env="JUDGE_KEY", extra={"seed": None, "repetition_penalty": 1.1})
        with asked.session(None, 1.0) as session:
            (answer,) = session.answers(["hi"], [5], Sampling(9, 0.5, 0.8, top_k=3))
    assert answer.text == "HI"
    assert server.asked == [
        {
            "model": "judge",
            "messages": [{"role": "user", "content": "hi"}],
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.8,
            "top_k": 3,
            "repetition_penalty": 1.1,
        }
    ]
    assert server.keys == ["Bearer secret"]
    assert "secret" not in str(spec(asked))


def test_seeds_are_those_given():
    with serving(echo) as server, endpoint(server).session(None, 1.0) as session:
        session.answers(["a", "b"], [3, 2**40 + 4], GREEDY)
    assert [request["seed"] for request in sorted(server.asked, key=str)] == [3, 4]


def test_answers_come_in_the_order_of_questions():
    def slow_first(request, number):
        question = request["messages"][0]["content"]
        time.sleep(0.05 if question in "bc" else 0)
        return said(question.upper())

    with serving(slow_first) as server:
        assert ask(endpoint(server), list("abcdefgh"))[0] == list("ABCDEFGH")


def test_workers_ask_at_the_same_time():
    barrier = threading.Barrier(3)

    def together(request, number):
        if number:  # the first goes alone
            barrier.wait(timeout=5)
        return said("x")

    with serving(together) as server:
        assert ask(endpoint(server, workers=3), list("abcd"))[0] == ["x"] * 4


def test_equal_requests_are_asked_once():
    with serving(echo) as server, endpoint(server).session(None, 1.0) as session:
        answers = session.answers(["a", "a", "a"], [1, 1, 2], GREEDY)
    assert [answer.text for answer in answers] == ["A", "A", "A"]
    assert sorted(request["seed"] for request in server.asked) == [1, 2]


@pytest.mark.parametrize("bad", [status(500), status(503), status(408), status(429, Retry_After="0")])
def test_failures_that_pass_are_tried_again(bad):
    with serving(lambda request, number: bad if number < 2 else said("ok")) as server:
        assert ask(endpoint(server), ["a"]) == (["ok"], {"judge_calls": 1, "judge_tokens": 10})
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[1]",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"total_tokens": -1}}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"total_tokens": 1e400}}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": 3}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_responses_of_another_form_are_tried_again_and_then_given_up(body):
    with serving(lambda request, number: said("ok") if number in (0, 4) else (200, {}, body)) as server:
        texts, counts = ask(endpoint(server, workers=1), ["a", "b", "c"])
    assert texts == ["ok", None, "ok"]
    assert counts["judge_unreachable"] == 1


def test_retry_after_overrules_the_doubling_waits(monkeypatch):
    waited = []

    def wait(self, seconds):
        waited.append(seconds)
        return False

    monkeypatch.setattr(threading.Event, "wait", wait)
    headers = iter([{}, {"Retry_After": "7"}, {"Retry_After": "soon"}, {"Retry_After": "100000"}, {}])
    sent = transport.Transport("http://localhost/", None, 1.0, 5, backoff=1.0)

    def attempt(body):
        raise transport.Failed("busy", transport._retry_after(next(headers, {}).get("Retry_After")))

    monkeypatch.setattr(sent, "_attempt", attempt)
    with pytest.raises(transport.Unreachable, match="failed 6 times, at last with: busy"):
        sent.post({}, seed="x")
    assert 0.5 <= waited[0] <= 1
    assert waited[1] == 7
    assert 2 <= waited[2] <= 4
    assert waited[3] == transport.MAX_WAIT
    assert 8 <= waited[4] <= 16
    assert len(waited) == 5  # none after the last
    again = waited[0]
    waited.clear()
    headers = iter([])
    with pytest.raises(transport.Unreachable):
        sent.post({}, seed="x")
    assert waited[0] == again  # the jitter is the request's own


def test_retry_after_may_be_a_date():
    assert transport._retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert transport._retry_after("Wed, 21 Oct 2099 07:28:00 GMT") > 1e9
    assert transport._retry_after("-3") is None
    assert transport._retry_after("nan") is None


def test_slow_responses_time_out():
    done = threading.Event()

    def slow(request, number):
        if number in (1, 2, 3):
            done.wait(5)
        return said("ok")

    with serving(slow) as server:
        texts, counts = ask(endpoint(server, timeout=0.1, workers=1), ["a", "b", "c"])
        done.set()
    assert texts == ["ok", None, "ok"]
    assert counts["judge_unreachable"] == 1


def test_a_response_that_drips_times_out():
    class Drip:
        def read1(self, size):
            time.sleep(0.02)
            return b" "

    with pytest.raises(transport.Failed, match="longer than the timeout"):
        transport._bounded(Drip(), time.monotonic() + 0.05)


def test_a_huge_response_is_refused(monkeypatch):
    monkeypatch.setattr(transport, "MAX_BYTES", 1000)
    with serving(lambda request, number: said("x" * (100_000 if number == 1 else 1))) as server:
        texts, counts = ask(endpoint(server, workers=1), list("abc"))
    assert texts == ["x", None, "x"]
    assert counts["judge_refused"] == 1
    assert len(server.asked) == 3  # not asked again


def test_a_key_that_expires_is_told():
    with (
        serving(lambda request, number: status(401) if number else said("ok")) as server,
        pytest.raises(SetupError, match="status 401"),
    ):
        ask(endpoint(server, workers=2), list("abcdefgh"))
    assert len(server.asked) < 8


def test_refused_questions_abstain_and_are_not_asked_again():
    with serving(lambda request, number: status(400) if number == 1 else said("ok")) as server:
        texts, counts = ask(endpoint(server, workers=1), ["a", "b", "c"])
    assert texts == ["ok", None, "ok"]
    assert counts == {"judge_calls": 3, "judge_tokens": 20, "judge_refused": 1}
    assert len(server.asked) == 3


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_wrong_key_or_address_is_told_at_once(code, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "sk-secret")
    with serving(lambda request, number: status(code, "key sk-secret is unknown")) as server:
        sent = endpoint(server, api_key_env="JUDGE_KEY")
        with pytest.raises(SetupError, match=f"status {code}.*key \\*\\*\\* is unknown.*api_key_env") as error:
            ask(sent, ["a", "b"])
    assert len(server.asked) == 1
    assert "sk-secret" not in str(error.value)


def test_redirects_are_not_followed(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "secret")
    with (
        serving(echo) as other,
        serving(lambda request, number: status(302, Location=f"{other.url}/chat/completions")) as server,
        pytest.raises(SetupError, match="status 302"),
    ):
        ask(endpoint(server, api_key_env="JUDGE_KEY"), ["a"])
    assert other.asked == []


def test_nobody_there_is_told_before_any_work():
    with serving(echo) as server:
        pass
    with pytest.raises(SetupError, match="does not answer.*failed 3 times.*run the same command again"):
        ask(endpoint(server), list("abcdefgh"))


def test_after_an_outage_nothing_is_asked_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HOPELESS", 3)
    down, answered = [False], []

    def respond(request, number):
        down[0] = down[0] or number == 4
        if not down[0]:
            answered.append(request["messages"][0]["content"])
        return status(500) if down[0] else echo(request, number)

    with serving(respond) as server:
        sent = endpoint(server, workers=1, retries=0, cache=str(tmp_path))
        with pytest.raises(SetupError, match="does not answer.*What was answered is kept"):
            ask(sent, list("abcdefghijkl"))
        assert len(server.asked) < 12
        monkeypatch.setattr(server, "asked", [None] * 5)
        down[0] = False
        texts, counts = ask(sent, list("abcdefghijkl"))
    assert texts == list("ABCDEFGHIJKL")
    assert sorted(answered) == list("abcdefghijkl")
    assert counts["judge_cached"] == 4


def test_a_missing_key_names_the_variable(monkeypatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(SetupError, match="JUDGE_KEY.*export JUDGE_KEY="):
        ask(Endpoint("http://localhost:1/v1", "judge", api_key_env="JUDGE_KEY"), ["a"])


def test_the_cache_answers_what_was_asked(tmp_path):
    with serving(echo) as server:
        sent = endpoint(server, cache=str(tmp_path / "replies"))
        first = ask(sent, ["a", "b"])
        second = ask(sent, ["a", "b", "c"])
    assert first[0] + ["C"] == second[0]
    assert server.questions.count("a") == server.questions.count("b") == 1
    assert second[1] == {"judge_cached": 2, "judge_calls": 1, "judge_tokens": 10}


def test_other_requests_are_not_answered_from_the_cache(tmp_path):
    with serving(echo) as server:
        sent = endpoint(server, cache=str(tmp_path))
        for asked in (sent, replace(sent, model="other"), replace(sent, extra={"top_k": 4})):
            ask(asked, ["a"])
        with sent.session(None, 1.0) as session:
            session.answers(["a"], [0], replace(GREEDY, temperature=1.0))
            session.answers(["a"], [1], GREEDY)
    assert len(server.asked) == 5


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"key": "other", "text": "x", "finish": "stop", "tokens": 1}'])
def test_damaged_files_of_the_cache_are_counted_and_written_anew(tmp_path, damage):
    with serving(echo) as server:
        sent = endpoint(server, cache=str(tmp_path))
        ask(sent, ["a"])
        (file,) = tmp_path.rglob("*.json")
        whole = file.read_bytes()
        file.write_bytes(damage)
        texts, counts = ask(sent, ["a"])
    assert texts == ["A"]
    assert counts == {"judge_cache_damaged": 1, "judge_calls": 1, "judge_tokens": 10}
    assert file.read_bytes() == whole
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "replies").write_text("a file, not a folder")
    with serving(echo) as server, pytest.raises(StoreError, match="cannot be kept.*name another folder"):
        ask(endpoint(server, cache=str(tmp_path / "replies")), ["a", "b"])


def test_the_key_is_nowhere_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "sk-secret")
    with serving(echo) as server:
        ask(endpoint(server, cache=str(tmp_path), api_key_env="JUDGE_KEY"), ["a"])
    assert all(b"sk-secret" not in file.read_bytes() for file in tmp_path.rglob("*.json"))


def test_the_budget_of_calls_goes_to_the_first_questions(tmp_path):
    with serving(echo) as server:
        sent = endpoint(server, max_calls=6, cache=str(tmp_path))
        first = ask(sent, list("abcde"), share=0.5)
        again = ask(sent, list("abcde"), share=0.5)
    assert first[0] == again[0] == ["A", "B", "C", None, None]  # what the cache gives counts too
    assert first[1]["judge_over_budget"] == again[1]["judge_over_budget"] == 2
    assert len(server.asked) == 3


def test_the_budget_of_tokens_ends_the_asking(tmp_path):
    with serving(echo) as server:
        sent = endpoint(server, max_tokens=35, workers=2, cache=str(tmp_path))
        first = ask(sent, list("abcdefgh"))
        again = ask(sent, list("abcdefgh"))
    assert first[0] == again[0] == ["A", "B", "C", "D", None, None, None, None]
    assert first[1]["judge_over_budget"] == 4
    assert len(server.asked) == 4


def test_no_budget_asks_nothing():
    with serving(echo) as server:
        assert ask(endpoint(server, max_calls=0), ["a"]) == ([None], {"judge_over_budget": 1})
    assert not server.asked


def test_no_questions_ask_nothing():
    with serving(echo) as server:
        assert ask(endpoint(server), []) == ([], {})


def test_how_an_answer_ends():
    ends = iter(["length", "stop", None, "content_filter"])
    with (
        serving(lambda request, number: said(None, 0, next(ends))) as server,
        endpoint(server, workers=1).session(None, 1.0) as session,
    ):
        answers = session.answers(list("abcd"), [0] * 4, GREEDY)
    assert [answer.finish for answer in answers] == ["length", "stop", "stop", "stop"]
    assert {answer.text for answer in answers} == {""}


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "file:///etc/passwd"},
        {"url": "localhost:8000"},
        {"url": "http://me:secret@host/v1"},
        {"timeout": 0},
        {"retries": -1},
        {"workers": 0},
        {"max_calls": -1},
    ],
)
def test_bad_parameters_are_refused(wrong):
    with pytest.raises(PipelineError, match=r"Endpoint\(.*Give") as error:
        Endpoint(**{"url": "http://localhost/v1", "model": "judge", **wrong})
    assert "secret" not in str(error.value)
