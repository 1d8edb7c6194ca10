"""One request to an OpenAI-compatible endpoint: time limits, retries, and a bound on what comes back."""

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from lit_iterative.errors import LitIterativeError, SetupError

MAX_BYTES = 4 * 2**20
MAX_WAIT = 60.0
RETRIED = (408, 429)
DENIED = (401, 403, 404, 405)
ADVICE = (
    "Check the endpoint's url (it ends before /chat/completions), its model, and the key in the environment variable "
    "that api_key_env names."
)
T = TypeVar("T")


class Refused(LitIterativeError):
    """The endpoint does not answer this request, and would not if asked again."""


class Unreachable(LitIterativeError):
    """The endpoint is down, overloaded or talks nonsense, after all retries."""


class Failed(Exception):
    """An attempt failed, and another may not.

    Args:
        reason: What was wrong.
        wait: Seconds to wait as the endpoint wishes, or none where it has no wish.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Reply:
    """What an endpoint said.

    Args:
        text: The words.
        finish: Why they end, in the endpoint's words; ``length`` where they were cut.
        tokens: Tokens of question and answer together, as the endpoint counts them.
    """

    text: str
    finish: str
    tokens: int


class Transport:
    """Sends requests.

    Args:
        url: Where to.
        key: A secret to send along, or none; it appears in no message.
        timeout: Seconds for one attempt.
        retries: Attempts after the first.
        backoff: Seconds before the first retry; every further wait is twice as long.
        advice: What to do where the endpoint knows neither the key, nor the model, nor the address.
    """

    def __init__(
        self, url: str, key: str | None, timeout: float, retries: int, backoff: float, advice: str = ADVICE
    ) -> None:
        self._url = url
        self._key = key
        self._timeout = timeout
        self._retries = retries
        self._backoff = backoff
        self._advice = advice
        self._stopped = threading.Event()
        self._opener = urllib.request.build_opener(_NoRedirects())

    def stop(self) -> None:
        """Make waiting requests give up."""
        self._stopped.set()

    def post(self, body: Mapping[str, Any], seed: str) -> Reply:
        """Return the reply to a question; see :meth:`send`."""
        return self.send(body, seed, _reply)

    def send(self, body: Mapping[str, Any], seed: str, read: Callable[[bytes], T]) -> T:
        """Return what a request brings.

        Args:
            body: The request.
            seed: Decides the jitter of the waits.
            read: Takes it out of the response; raises ``Failed`` where that has another form.

        Raises:
            SetupError: If the endpoint knows neither the key, nor the model, nor the address.
            Refused: If it refuses this request.
            Unreachable: If every attempt failed.
        """
        jitter = random.Random(seed)
        reason = ""
        for attempt in range(self._retries + 1):
            try:
                return read(self._attempt(body))
            except Failed as failed:
                reason = str(failed)
                own = self._backoff * 2**attempt * jitter.uniform(0.5, 1.0)
                wait = min(own if failed.wait is None else failed.wait, MAX_WAIT)
            if attempt < self._retries and self._stopped.wait(wait):
                break
        raise Unreachable(self._redacted(f"{self._url} failed {self._retries + 1} times, at last with: {reason}"))

    def _attempt(self, body: Mapping[str, Any]) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers, method="POST")
        deadline = time.monotonic() + self._timeout
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return _bounded(response, deadline)
        except urllib.error.HTTPError as error:
            with error:
                raise self._explained(error, deadline) from error
        except (OSError, http.client.HTTPException) as error:  # no connection, a time-out, a broken response
            raise Failed(f"{type(error).__name__}: {error}") from error

    def _explained(self, error: urllib.error.HTTPError, deadline: float) -> Exception:
        """Return what a status means."""
        try:
            said = error.read1(500).decode("utf-8", "replace") if time.monotonic() < deadline else ""
        except (OSError, http.client.HTTPException):
            said = ""
        reason = self._redacted(f"status {error.code} from {self._url}: {said or error.reason}")
        if error.code in RETRIED or error.code >= 500:
            return Failed(reason, _retry_after(error.headers.get("Retry-After")))
        if error.code in DENIED or error.code < 400:
            return SetupError(f"{reason}. {self._advice}")
        return Refused(reason)

    def _redacted(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirects, which would carry the key to another host."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Return no request, so that the status is an error."""


def _bounded(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """Read a response that may be neither too long nor too slow."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(2**16):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise Refused(f"The response has more than {MAX_BYTES} bytes.")
        if time.monotonic() > deadline:
            raise Failed("the response took longer than the timeout")
    return b"".join(parts)


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that the header asks for: a number or a date; none where it says neither."""
    if value is None:
        return None
    try:
        if value.strip().isdigit():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _reply(content: bytes) -> Reply:
    """Take the reply out of a response.

    Raises:
        Failed: If it is not of the documented form.
    """
    try:
        said = json.loads(content.decode("utf-8", "replace"))
        choice = said["choices"][0]
        text = choice["message"]["content"]
        usage = said.get("usage") or {}
        tokens = usage.get("total_tokens", 0)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Failed(f"a response of another form ({type(error).__name__}): {content[:200]!r}") from error
    if not isinstance(text, str | None) or not isinstance(tokens, int) or not 0 <= tokens < 2**53:
        raise Failed(f"a response of another form: {content[:200]!r}")
    return Reply(text or "", str(choice.get("finish_reason")), int(tokens))
