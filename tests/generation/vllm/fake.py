"""A stand-in for vLLM, written from its source (0.16.0 to 0.33.0): what it takes, refuses and answers.

It samples from the weights in the folders that it is given, so that weights which did not arrive show in the tokens
and their log-probabilities. ``FakeEngine`` is the core; ``module`` is the Python package, ``serving`` the HTTP server.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

EOS, VOCABULARY, CONTEXT = 2, 13, 24


def network(seed: int = 0) -> LlamaForCausalLM:
    """Return a small network whose distributions are far from uniform."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=1,
        eos_token_id=EOS,
        pad_token_id=0,
        initializer_range=0.4,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def decode(ids: Any) -> str:
    """Return tokens as text: every one is a letter, special ones are nothing."""
    return "".join(chr(ord("a") + token - 3) for token in ids if token > EOS)


@dataclass
class FakeEngine:
    """What a running vLLM holds.

    Args:
        base: Its model.
        adapters: Folders of adapters by name.
        loaded: Every folder of weights that it took.
        stale: Whether its cache holds what other weights computed.
        extra: Tokens that it may give behind a stop text, as versions before 0.33 could.
    """

    base: Any = None
    adapters: dict[str, str] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    stale: bool = False
    extra: int = 0
    context: int = CONTEXT

    def load(self, folder: str) -> None:
        """Take weights from a folder, as ``reload_weights`` of a worker does."""
        self.base = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.stale = bool(self.loaded)
        self.loaded.append(folder)

    @torch.no_grad()
    def draw(self, prompt: list[int], params: dict[str, Any], adapter: str | None) -> dict[str, Any]:
        """Return ids, reason and log-probabilities; stops as ``check_stop`` and the detokenizer do."""
        assert not self.stale, "the prefix cache was not reset"
        assert not torch.is_autocast_enabled("cpu"), "the trainer's precision would change vLLM's"
        model = self.base if adapter is None else _with_adapter(self.base, adapter)
        generator = torch.Generator().manual_seed(params["seed"])
        ids: list[int] = []
        log_probs: list[float] = []
        finish, after = None, 0
        while finish is None or after < self.extra:
            after += finish is not None
            logits = model(torch.tensor([prompt + ids])).logits[0, -1].double()
            token = _token(logits, params, generator)
            ids.append(token)
            log_probs.append(float(logits.log_softmax(-1)[token]))
            finish = finish or self._finish(prompt, ids, params)
            if finish is not None and not any(text in decode(ids) for text in params.get("stop", [])):
                break
        return {"ids": ids, "finish": finish, "log_probs": log_probs if params.get("logprobs") is not None else None}

    def _finish(self, prompt: list[int], ids: list[int], params: dict[str, Any]) -> str | None:
        if (ids[-1] == EOS and not params.get("ignore_eos")) or ids[-1] in params.get("stop_token_ids", []):
            return "stop"
        if any(text in decode(ids) for text in params.get("stop", [])):
            return "stop"
        return "length" if len(ids) >= params["max_tokens"] or len(prompt + ids) >= self.context else None


def _with_adapter(base: Any, folder: str) -> Any:
    fresh = type(base)(base.config)
    fresh.load_state_dict(base.state_dict())
    return PeftModel.from_pretrained(fresh, folder).eval()


def _token(logits: torch.Tensor, params: dict[str, Any], generator: torch.Generator) -> int:
    if params["temperature"] == 0:
        return int(logits.argmax())
    probs = (logits / params["temperature"]).softmax(-1)
    if params["top_k"]:
        probs = probs.where(probs >= probs.topk(params["top_k"]).values[-1], 0.0)
    probs = probs.where(probs >= params["min_p"] * probs.max(), 0.0)
    return int(torch.multinomial(probs / probs.sum(), 1, generator=generator))


# ---- the Python package -----------------------------------------------------------------------------------


@dataclass
class SamplingParams:
    """Fields of ``vllm.SamplingParams`` that 0.16.0 and 0.33.0 both have, with their checks."""

    n: int = 1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    stop: Any = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    max_tokens: int | None = 16
    min_tokens: int = 0
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True
    include_stop_str_in_output: bool = False
    output_kind: Any = None

    def __post_init__(self) -> None:
        checked(vars(self))
        if self.stop and not self.detokenize:
            raise ValueError("stop strings are only supported when detokenize is True.")


def checked(params: dict[str, Any]) -> None:
    """Refuse what ``SamplingParams._verify_args`` and the request's own types refuse."""
    if not 0 <= params["temperature"] <= 2 or 0 < params["temperature"] < 0.01:
        raise ValueError(f"temperature must be in [0, 2], got {params['temperature']}.")
    if not 0 < params["top_p"] <= 1 or params["top_k"] < -1 or not 0 <= params["min_p"] <= 1:
        raise ValueError("top_p must be in (0, 1], top_k at least -1, min_p in [0, 1].")
    if type(params["seed"]) is not int or not 0 <= params["seed"] < 2**63:
        raise ValueError("seed: Input should be less than or equal to 9223372036854775807")
    if params["max_tokens"] < 1 or not all(type(token) is int for token in params["stop_token_ids"]):
        raise ValueError("max_tokens must be at least 1, stop_token_ids must contain only integers.")


@dataclass(frozen=True)
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str = ""

    def __post_init__(self) -> None:
        assert self.lora_int_id > 0
        assert self.lora_path


@dataclass
class Logprob:
    logprob: float


@dataclass
class CompletionOutput:
    token_ids: tuple[int, ...]
    finish_reason: str
    logprobs: list[dict[int, Logprob]] | None


@dataclass
class RequestOutput:
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput]


#: Arguments of ``EngineArgs`` that tests use.
ENGINE_ARGS = {
    "tokenizer", "skip_tokenizer_init", "dtype", "enable_lora", "max_lora_rank", "quantization", "enforce_eager",
    "gpu_memory_utilization", "distributed_executor_backend", "enable_prefix_caching",
}  # fmt: skip


class LLM:
    """``vllm.LLM``; the instances that there were are in ``made``."""

    made: list["LLM"]
    extra = 0

    def __init__(self, model: str, **options: Any) -> None:
        assert set(options) <= ENGINE_ARGS, set(options) - ENGINE_ARGS
        torch.manual_seed(0)  # as a worker in this process does
        self.model, self.options, self.engine = model, options, FakeEngine(extra=self.extra)
        self.engine.load(model)
        self.requests: list[tuple[SamplingParams, LoRARequest | None]] = []
        self.made.append(self)

    def collective_rpc(
        self, method: str, timeout: float | None = None, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> list[None]:
        assert (method, args, set(kwargs)) == ("reload_weights", (), {"weights_path"})
        self.engine.load(kwargs["weights_path"])
        return [None]

    def reset_prefix_cache(self, reset_running_requests: bool = False, reset_connector: bool = False) -> bool:
        self.engine.stale = False
        return True

    def generate(
        self,
        prompts: list[dict[str, Any]],
        sampling_params: list[SamplingParams],
        *,
        use_tqdm: bool = True,
        lora_request: LoRARequest | None = None,
        priority: Any = None,
        tokenization_kwargs: Any = None,
    ) -> list[RequestOutput]:
        assert len(prompts) == len(sampling_params)
        assert lora_request is None or self.options.get("enable_lora")
        torch.rand(3)  # whatever it draws is its own business
        outputs = []
        for prompt, params in zip(prompts, sampling_params, strict=True):
            assert set(prompt) == {"prompt_token_ids"}
            assert not (params.stop and self.options.get("skip_tokenizer_init"))
            self.requests.append((params, lora_request))
            said = {name: value for name, value in vars(params).items() if value is not None}
            folder = None if lora_request is None else lora_request.lora_path
            drawn = self.engine.draw(prompt["prompt_token_ids"], said, folder)
            chosen = zip(drawn["ids"], drawn["log_probs"] or [], strict=drawn["log_probs"] is not None)
            tops = [{token: Logprob(value), -1: Logprob(0.0)} for token, value in chosen]
            output = CompletionOutput(tuple(drawn["ids"]), drawn["finish"], tops if drawn["log_probs"] else None)
            outputs.append(RequestOutput(prompt["prompt_token_ids"], [output]))
        return outputs


def module(monkeypatch: Any, extra: int = 0) -> type[LLM]:
    """Put the package in place of vLLM, and return its ``LLM``."""
    package, lora, request = ModuleType("vllm"), ModuleType("vllm.lora"), ModuleType("vllm.lora.request")
    fresh = type("LLM", (LLM,), {"made": [], "extra": extra})
    package.LLM, package.SamplingParams, request.LoRARequest = fresh, SamplingParams, LoRARequest  # type: ignore
    for name, part in {"vllm": package, "vllm.lora": lora, "vllm.lora.request": request}.items():
        monkeypatch.setitem(sys.modules, name, part)
    return fresh


# ---- the server ---------------------------------------------------------------------------------------------

#: Fields of a request that 0.16.0 and 0.33.0 both know; the real server ignores others, this one refuses them.
FIELDS = {
    "model", "prompt", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n", "presence_penalty",
    "seed", "stop", "stream", "suffix", "temperature", "top_p", "user", "top_k", "min_p", "repetition_penalty",
    "stop_token_ids", "include_stop_str_in_output", "ignore_eos", "min_tokens", "skip_special_tokens",
    "add_special_tokens", "return_tokens_as_token_ids", "return_token_ids",
}  # fmt: skip
Answer = tuple[int, Any]


@dataclass
class Server:
    """A server and what it was asked.

    Args:
        engine: What it serves.
        development: Whether it was started with ``VLLM_SERVER_DEV_MODE=1``.
        lora: Whether with ``VLLM_ALLOW_RUNTIME_LORA_UPDATING=1`` and ``--enable-lora``.
        token_ids: Whether it knows ``return_token_ids``, as 0.10.2 and newer do.
        asked: Paths and bodies of requests, as they came.
        keys: Their authorisation headers.
        instead: Given path, body and the number of the request, returns another answer or none.
    """

    engine: FakeEngine = field(default_factory=FakeEngine)
    development: bool = True
    lora: bool = True
    token_ids: bool = True
    url: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    instead: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def paths(self) -> list[str]:
        """Return the paths of requests, without those for completions."""
        return [path for path, _ in self.asked if path != "/v1/completions"]

    def completions(self) -> list[dict[str, Any]]:
        return [body for path, body in self.asked if path == "/v1/completions"]

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        known = {"/v1/completions": self._completion}
        if self.development:
            known |= {"/collective_rpc": self._rpc, "/reset_prefix_cache": self._reset}
        if self.lora:
            known |= {"/v1/load_lora_adapter": self._attach, "/v1/unload_lora_adapter": self._detach}
        return known[path](body) if path in known else (404, {"detail": "Not Found"})

    def _rpc(self, body: dict[str, Any]) -> Answer:
        asked, wanted = (body["method"], set(body), set(body["kwargs"])), {"method", "kwargs"}
        if asked != ("reload_weights", wanted, {"weights_path"}):
            return 500, "Internal Server Error"
        self.engine.load(body["kwargs"]["weights_path"])
        return 200, {"results": [None]}

    def _reset(self, body: dict[str, Any]) -> Answer:
        self.engine.stale = False
        return 200, {"success": True}

    def _attach(self, body: dict[str, Any]) -> Answer:
        if set(body) != {"lora_name", "lora_path"}:
            return error(400, "unknown fields")
        name = body["lora_name"]
        if name in self.engine.adapters:
            return error(400, f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in "
                         "place, set 'load_inplace' to True.")  # fmt: skip
        self.engine.adapters[name] = body["lora_path"]
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def _detach(self, body: dict[str, Any]) -> Answer:
        if self.engine.adapters.pop(body["lora_name"], None) is None:
            return error(404, f"The lora adapter '{body['lora_name']}' cannot be found.")
        return 200, f"Success: LoRA adapter '{body['lora_name']}' removed successfully."

    def _completion(self, body: dict[str, Any]) -> Answer:
        unknown = set(body) - FIELDS
        if unknown:
            return error(400, f"unknown fields {unknown}")
        try:
            checked(body)
        except ValueError as problem:
            return error(400, str(problem))
        adapter, prompt = body.get("model"), body["prompt"]
        if adapter is not None and adapter not in self.engine.adapters:
            return error(404, f"The model `{adapter}` does not exist.")
        if len(prompt) + body["max_tokens"] > self.engine.context:
            return error(400, f"This model's maximum context length is {self.engine.context} tokens.")
        with self.lock:
            drawn = self.engine.draw(prompt, body, adapter and self.engine.adapters[adapter])
        choice: dict[str, Any] = {
            "index": 0, "text": decode(drawn["ids"]), "finish_reason": drawn["finish"], "stop_reason": None,
            "logprobs": drawn["log_probs"] and {"token_logprobs": drawn["log_probs"], "tokens": [], "top_logprobs": []},
        }  # fmt: skip
        if body.get("return_token_ids") and self.token_ids:
            choice |= {"token_ids": drawn["ids"], "prompt_token_ids": prompt}
        return 200, {"id": "cmpl-1", "object": "text_completion", "choices": [choice], "usage": {"total_tokens": 1}}


def error(code: int, message: str) -> Answer:
    return code, {"error": {"message": message, "type": "BadRequestError", "param": None, "code": code}}


@contextmanager
def serving(**options: Any) -> Iterator[Server]:
    """Serve."""
    server = Server(**options)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                number = len(server.asked)
                server.asked.append((self.path, body))
                server.keys.append(self.headers.get("Authorization"))
            answer = None if server.instead is None else server.instead(self.path, body, number)
            code, said = server.answer(self.path, body) if answer is None else answer
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            try:
                self.send_response(code)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # the client has hung up

        def log_message(self, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
