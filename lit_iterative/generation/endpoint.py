"""Endpoint: a language model behind an OpenAI-compatible HTTP interface."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lit_iterative.errors import PipelineError, SetupError
from lit_iterative.generation.address import check_url, key_in
from lit_iterative.generation.forward import ForwardPass
from lit_iterative.generation.language import Sampling
from lit_iterative.generation.replies import Replies, request_key
from lit_iterative.generation.respondent import Answer, Respondent, Session
from lit_iterative.generation.transport import Refused, Reply, Transport, Unreachable

#: So many questions in a row without an answer mean that the endpoint, and not the questions, is at fault.
HOPELESS = 20


@dataclass(frozen=True)
class Endpoint(Respondent):
    """Asks a model behind ``POST {url}/chat/completions``, as many servers and services offer it.

    Time-outs, status 408, 429 and 500 on, and responses of another form are tried again, after waits that double and
    that ``Retry-After`` overrules. A question that fails for good is not answered, and counted.

    A budget counts the questions and tokens of a round, replies from the cache among them, so that a round that is
    killed and goes on ends as it would have. Every shard may spend its share by its number of inputs, whatever the
    others leave over: so the same questions are asked on any number of ranks.

    Args:
        url: Address of the interface, such as ``http://localhost:8000/v1``.
        model: Name of the model.
        api_key_env: Name of the environment variable that holds the key; the key itself is never stored. None is sent
            when left out.
        timeout: Seconds for one attempt.
        retries: Attempts after the first.
        backoff: Seconds before the first retry, of which at least half are waited.
        workers: Requests at the same time.
        max_calls: Questions in a round; without limit when left out.
        max_tokens: Tokens in a round, of questions and answers together, as the endpoint counts them; requests under
            way when they are spent still end. Without limit when left out.
        cache: Folder that keeps every reply; without it a round that goes on asks again. Equal requests are answered
            from it in later rounds and runs as well.
        extra: Further fields of the request; a field with no value (``null``) takes out one that is sent otherwise,
            such as ``seed``.

    Counts:
        ``judge_calls`` (questions asked, retries not counted), ``judge_tokens``, ``judge_cached`` (answered from the
        cache), ``judge_cache_damaged``, ``judge_refused``, ``judge_unreachable``, ``judge_over_budget``.

    Raises:
        PipelineError: If a number makes no sense, or the URL is none.
        SetupError: If the first request fails after all retries, the key is missing or refused, or many
            questions in a row fail, when run.

    Example:
        >>> Endpoint("http://localhost:8000/v1", "my-judge", max_calls=1000).target
        'http://localhost:8000/v1/chat/completions'
    """

    url: str
    model: str
    api_key_env: str | None = None
    timeout: float = 60.0
    retries: int = 5
    backoff: float = 1.0
    workers: int = 8
    max_calls: int | None = None
    max_tokens: int | None = None
    cache: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_url("Endpoint(url)", self.url)
        lowest = {"timeout": 1e-3, "retries": 0, "backoff": 0, "workers": 1, "max_calls": 0, "max_tokens": 0}
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise PipelineError(f"Endpoint({name}) is {value}. Give at least {low}.")

    @property
    def target(self) -> str:
        """Where requests go."""
        return f"{self.url.rstrip('/')}/chat/completions"

    @contextmanager
    def session(self, forward: Callable[[], ForwardPass], share: float) -> Iterator["EndpointSession"]:
        """Start to ask."""
        transport = Transport(self.target, key_in(self.api_key_env, self.url), self.timeout, self.retries, self.backoff)
        try:
            yield EndpointSession(self, transport, share)
        finally:
            transport.stop()


class EndpointSession(Session):
    """Asks an endpoint, several questions at a time; answers come in the order of the questions.

    Args:
        endpoint: Whom to ask.
        transport: Sends requests.
        share: The share of the budget that may be spent.
    """

    def __init__(self, endpoint: Endpoint, transport: Transport, share: float) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._transport = transport
        self._replies = None if endpoint.cache is None else Replies(endpoint.cache)
        self._calls_left = _share(endpoint.max_calls, share)
        self._tokens_left = _share(endpoint.max_tokens, share)
        self._failures = 0
        self._reached = False

    def answers(self, questions: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> list[Answer | None]:
        """Return an answer to each question; none where it failed or the budget is spent."""
        bodies = [self._body(*asked, sampling) for asked in zip(questions, seeds, strict=True)]
        keys = [request_key(self._endpoint.target, body) for body in bodies]
        todo = list(dict(zip(keys, bodies, strict=True)).items())  # equal requests once
        size = max(1, len(todo)) if self._tokens_left is None else self._endpoint.workers
        known: dict[str, Reply | None] = {}
        for start in range(0, len(todo), size):
            known |= self._within_budget(dict(todo[start : start + size]))
        self.counts["judge_cache_damaged"] = 0 if self._replies is None else self._replies.damaged
        return [_answer(known[key]) for key in keys]

    def _body(self, question: str, seed: int, sampling: Sampling) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed % 2**31,
            **({"top_k": sampling.top_k} if sampling.top_k else {}),
            **self._endpoint.extra,
        }
        return {name: value for name, value in body.items() if value is not None}

    def _within_budget(self, block: dict[str, dict[str, Any]]) -> dict[str, Reply | None]:
        """Ask as many questions as the budget allows; those beyond have no reply."""
        spent = self._tokens_left is not None and self._tokens_left <= 0
        allowed = 0 if spent else len(block) if self._calls_left is None else min(len(block), self._calls_left)
        replies = self._ask(dict(list(block.items())[:allowed]))
        if self._calls_left is not None:
            self._calls_left -= allowed
        if self._tokens_left is not None:
            self._tokens_left -= sum(reply.tokens for reply in replies.values() if reply is not None)
        self.counts["judge_over_budget"] += len(block) - allowed
        return dict.fromkeys(block) | replies

    def _ask(self, block: dict[str, dict[str, Any]]) -> dict[str, Reply | None]:
        """Return the reply to each request, from the cache where it is there."""
        cached = {} if self._replies is None else {key: self._replies.get(key) for key in block}
        replies: dict[str, Reply | None] = {key: reply for key, reply in cached.items() if reply is not None}
        self.counts["judge_cached"] += len(replies)
        fresh = {key: body for key, body in block.items() if key not in replies}
        if fresh and not self._reached:  # alone, so that a wrong address fails once and at once
            first = next(iter(fresh))
            replies[first] = self._taken(first, self._send(first, fresh.pop(first)))
        with ThreadPoolExecutor(self._endpoint.workers) as pool:
            try:
                for key, outcome in zip(fresh, pool.map(self._send, fresh, fresh.values()), strict=True):
                    replies[key] = self._taken(key, outcome)
            except BaseException:
                self._transport.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return replies

    def _send(self, key: str, body: dict[str, Any]) -> Reply | Refused | Unreachable:
        """Send one request, in any thread, and keep the reply."""
        try:
            reply = self._transport.post(body, seed=key)
        except (Refused, Unreachable) as error:
            return error
        if self._replies is not None:
            self._replies.put(key, reply)
        return reply

    def _taken(self, key: str, outcome: Reply | Refused | Unreachable) -> Reply | None:
        """Count what came of a request, in the order of requests.

        Raises:
            SetupError: If the endpoint was never reached, or fails again and again.
        """
        self.counts["judge_calls"] += 1
        if isinstance(outcome, Reply):
            self.counts["judge_tokens"] += outcome.tokens
            self._failures, self._reached = 0, True
            return outcome
        self._failures += 1
        down = isinstance(outcome, Unreachable) and not self._reached
        if down or self._failures >= HOPELESS:
            kept = "Start it" if self._replies is None else "What was answered is kept. Start it"
            raise SetupError(
                f"The endpoint does not answer: {outcome}. {kept}, or correct url, model and extra, and run the same "
                "command again; the round goes on where it is."
            )
        self._reached = self._reached or isinstance(outcome, Refused)
        self.counts["judge_refused" if isinstance(outcome, Refused) else "judge_unreachable"] += 1
        return None


def _share(limit: int | None, share: float) -> int | None:
    """Return how much of a budget may be spent, rounded down so that the shares never exceed it."""
    return None if limit is None else int(limit * min(1.0, share) + 1e-9)


def _answer(reply: Reply | None) -> Answer | None:
    return None if reply is None else Answer(reply.text, "length" if reply.finish == "length" else "stop")
