"""VLLMServer: a running vLLM server."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lit_iterative.errors import PipelineError, SetupError
from lit_iterative.generation.address import check_url, key_in
from lit_iterative.generation.language import Backend, Engine, Target
from lit_iterative.generation.transport import Failed, Refused, Transport, Unreachable
from lit_iterative.generation.vllm.engine import VLLMEngine
from lit_iterative.generation.vllm.service import Adapter, Drawn, Request
from lit_iterative.generation.vllm.weights import Pushed

T = TypeVar("T")
AGAIN = "Run the same command again then; the round goes on where it is."
SAMPLING = (
    f"Start `vllm serve` (0.16 or newer) with the policy's model, or correct VLLMServer(url, api_key_env). {AGAIN}"
)
LOADING = (
    "The server takes all weights from a folder where it is vLLM 0.16 or newer, was started with "
    f"VLLM_SERVER_DEV_MODE=1, and sees the folder. Or train a lora, of which only the adapter is sent. {AGAIN}"
)
ATTACHING = (
    "The server takes adapters where it was started with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and --enable-lora "
    f"--max-lora-rank (at least the rank of the policy's lora), and sees the folder. {AGAIN}"
)


@dataclass(frozen=True)
class VLLMServer(Backend):
    """Samples with a server that ``vllm serve`` started on the policy's model, on other devices than training.

    Weights go through a folder that both see, whenever they have changed. Of a policy with a LoRA, only the adapter is
    sent, and the server must serve the base that the policy has; several ranks may share a server. All weights are
    reloaded by a server in development mode, which one rank alone may ask for.

    Args:
        url: Address of the interface, such as ``http://localhost:8000/v1``.
        folder: Where weights are written, a path that the server sees as well.
        api_key_env: Name of the environment variable that holds the key; the key itself is never stored. None is sent
            when left out.
        timeout: Seconds for one attempt, of one completion or of the reading of weights.
        retries: Attempts after the first.
        backoff: Seconds before the first retry, of which at least half are waited; every further wait is twice as long.
        workers: Requests at the same time; the server batches them.
        log_probs: Whether completions carry the log-probabilities of their tokens, by which the gap between vLLM and
            the trainer is measured.

    Raises:
        PipelineError: If a number makes no sense, or the URL is none.
        SetupError: If the server fails after all retries, or refuses, when run.

    Example:
        >>> VLLMServer("http://localhost:8000/v1", "/dev/shm/weights").root
        'http://localhost:8000'
    """

    url: str
    folder: str
    api_key_env: str | None = None
    timeout: float = 600.0
    retries: int = 5
    backoff: float = 1.0
    workers: int = 64
    log_probs: bool = True
    _state: dict[str, Pushed] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_url("VLLMServer(url)", self.url)
        for name, low in {"timeout": 1e-3, "retries": 0, "backoff": 0, "workers": 1}.items():
            if getattr(self, name) < low:
                raise PipelineError(f"VLLMServer({name}) is {getattr(self, name)}. Give at least {low}.")

    @property
    def root(self) -> str:
        """What the addresses of the server begin with."""
        return self.url.rstrip("/").removesuffix("/v1")

    def engine(self, target: Target) -> Engine:
        """Return an engine that samples from the target."""
        pushed = self._state.setdefault("pushed", Pushed(self.folder))
        return VLLMEngine(target, ServerService(self), pushed, self.log_probs)


class ServerService:
    """A vLLM server.

    Args:
        server: Where it is.
    """

    def __init__(self, server: VLLMServer) -> None:
        self._server = server

    def begin(self, network: Any, mark: str) -> None:
        """Do nothing: the server serves the base."""

    def load(self, network: Any, folder: str) -> None:
        """Let the server read all weights, and forget what it computed with the ones before.

        Raises:
            SetupError: If it cannot.
        """
        body = {"method": "reload_weights", "kwargs": {"weights_path": folder}}
        self._send("/collective_rpc", body, bytes, LOADING)
        self._send("/reset_prefix_cache", {}, _succeeded, LOADING)

    def attach(self, adapter: Adapter) -> None:
        """Let the server read an adapter, unless another rank has done so.

        Raises:
            SetupError: If it cannot.
        """
        body = {"lora_name": adapter.name, "lora_path": adapter.folder}
        self._send("/v1/load_lora_adapter", body, bytes, ATTACHING, unless="already been loaded")

    def detach(self, adapter: Adapter) -> None:
        """Let the server forget an adapter, unless another rank has done so."""
        self._send("/v1/unload_lora_adapter", {"lora_name": adapter.name}, bytes, ATTACHING, unless="cannot be found")

    def draw(self, requests: Sequence[Request], adapter: Adapter | None) -> list[Drawn]:
        """Return the answer to each request, many at a time.

        Raises:
            SetupError: If one fails.
        """
        named = {} if adapter is None else {"model": adapter.name}
        bodies = [{**named, "prompt": row.prompt, **row.parameters, "return_token_ids": True} for row in requests]
        transport = self._transport("/v1/completions", SAMPLING)

        def ask(body: dict[str, Any]) -> Drawn:
            return transport.send(body, str(body["seed"]), lambda content: _drawn(content, body["prompt"]))

        with ThreadPoolExecutor(self._server.workers) as pool:
            try:
                return list(pool.map(ask, bodies))
            except (Refused, Unreachable) as error:
                raise SetupError(f"vLLM does not sample: {error}. {SAMPLING}") from error
            finally:
                transport.stop()
                pool.shutdown(wait=False, cancel_futures=True)

    def _transport(self, path: str, advice: str) -> Transport:
        server = self._server
        address = f"{server.root}{path}"
        return Transport(
            address, key_in(server.api_key_env, server.url), server.timeout, server.retries, server.backoff, advice
        )

    def _send(self, path: str, body: dict[str, Any], read: Callable[[bytes], T], advice: str, unless: str = "") -> None:
        """Send a request about weights.

        Raises:
            SetupError: If it fails, and the server does not say what would have done as well.
        """
        try:
            self._transport(path, advice).send(body, path, read)
        except (Refused, Unreachable, SetupError) as error:
            if unless and unless in str(error):
                return
            if isinstance(error, SetupError):
                raise
            raise SetupError(f"vLLM does not take the weights: {error}. {advice}") from error


def _succeeded(content: bytes) -> None:
    """Check that the cache was emptied: older servers say nothing, newer ones whether they could.

    Raises:
        Failed: If they could not, as yet.
    """
    if content and b'"success":false' in content.replace(b" ", b""):
        raise Failed("its cache is still in use")


def _drawn(content: bytes, prompt: list[int]) -> Drawn:
    """Take the completion out of a response.

    Raises:
        Failed: If it is not of the documented form, or the server ended it early.
        SetupError: If it has no token ids, or the server has made another prompt of it.
    """
    try:
        choice = json.loads(content.decode("utf-8", "replace"))["choices"][0]
        ids, finish, read = choice.get("token_ids"), choice["finish_reason"], choice.get("prompt_token_ids")
        log_probs = None if choice.get("logprobs") is None else choice["logprobs"]["token_logprobs"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Failed(f"a response of another form ({type(error).__name__}): {content[:200]!r}") from error
    if ids is None:
        raise SetupError(f"The server answers without token ids, as vLLM before 0.10.2 does. {SAMPLING}")
    if not _numbers(ids, int) or not (log_probs is None or _numbers(log_probs, float | int)):
        raise Failed(f"a response of another form: {content[:200]!r}")
    if finish not in ("stop", "length"):
        raise Failed(f"a completion that ended with {finish!r}")
    if read is not None and read != prompt:
        raise SetupError(
            f"The server read a prompt of {len(read)} tokens where {len(prompt)} were sent: it puts tokens of its own "
            "there or cuts it. Start it without options that change prompts, and run the same command again."
        )
    return Drawn(ids, finish, log_probs)


def _numbers(values: Any, kind: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) and not isinstance(value, bool) for value in values)
