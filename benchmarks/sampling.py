"""Tokens a second and peak memory of sampling, against ``generate`` and continuous batching of transformers.

Run ``python benchmarks/sampling.py`` (the settings with a bar, ten minutes on two cores), with ``--quick`` (one of
them, smaller, within a minute) or with ``--table`` (all settings, an hour and more). It needs
``pip install "lit-iterative[language]"`` on Linux.

Networks are Llama-shaped with random weights and a vocabulary of 32,000, so that no text ends by itself: every
completion has a length that is given, the same for all engines, uniform or skewed (log-normal, at most 64). An engine
runs in a process of its own, in turn with the others; the best of its turns counts.

* ours: the sampler of ``LanguagePolicy``.
* generate: ``generate(num_return_sequences=K)``, 128 rows at a time; rows stop where their length is reached.
* continuous batching: ``generate_batch``, every completion a request. Requests of a batch have one length, so that only
  uniform lengths are compared; and as it takes minutes, only the first setting with a bar and the smaller network.
* floor: what no engine can do without that does not know how long completions will be: every linear layer for every
  row of every step, keys and values read once (the prompt's once for all its completions), one exponential of every
  logit and every score, and the causal attention of prompts. Its linear layers multiply as PyTorch chooses, which is
  what ``generate`` does. The floor by oneDNN multiplies as the sampler does on a CPU: it is shown, and no bar.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from common import conclude, show_table
from transformers import LlamaConfig, LlamaForCausalLM, StoppingCriteria, StoppingCriteriaList

from lit_iterative.generation.draws import draw
from lit_iterative.generation.in_process import InProcess
from lit_iterative.generation.language import Sampling, Target
from lit_iterative.generation.products import quick_products

SHAPES = {
    "24M": {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 8, "num_attention_heads": 8},
    "125M": {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 11, "num_attention_heads": 12},
}
VOCABULARY, ROWS, NEW = 32_000, 128, 64
ENGINES = ("ours", "generate", "continuous batching", "floor", "floor by oneDNN")


@dataclass(frozen=True)
class Setting:
    """What is sampled; the bars are ratios of our speed to that of ``generate`` and of continuous batching."""

    prompt: int
    k: int
    prompts: int
    skewed: bool = False
    shape: str = "24M"
    new: int = NEW
    bar: float | None = None
    batching_bar: float | None = None

    @property
    def name(self) -> str:
        return f"{self.shape}, prompt {self.prompt}, K={self.k}, {'skewed' if self.skewed else 'uniform'}"

    def lengths(self) -> np.ndarray:
        """Tokens of every completion."""
        if not self.skewed:
            return np.full(self.prompts * self.k, self.new)
        drawn = np.random.default_rng(0).lognormal(np.log(self.new / 6), 0.9, self.prompts * self.k)
        return np.clip(np.round(drawn), 1, self.new).astype(np.int64)


BARS = [
    Setting(128, 8, 16, bar=6.0, batching_bar=2.0),
    Setting(128, 8, 64, skewed=True, bar=9.0),
    Setting(512, 16, 8, bar=14.0),
    Setting(512, 64, 2, bar=20.0),
    Setting(128, 1, 128, bar=1.8),
]


def table() -> list[Setting]:
    """Many settings, none of which may be slower than generate, nor than continuous batching."""
    sizes = [(prompt, k) for prompt in (32, 512, 2048) for k in (1, 4, 16, 64)]
    small = [
        Setting(
            prompt, k, min(64 // k, 8192 // prompt), skewed, new=32, bar=1.0,
            batching_bar=None if skewed else 1.0,
        )
        for prompt, k in sizes
        for skewed in (False, True)
    ]  # fmt: skip
    large = [
        Setting(prompt, k, max(1, min(16 // k, 4096 // prompt)), shape="125M", new=16, bar=1.0) for prompt, k in sizes
    ]
    return small + large


class Lengths(StoppingCriteria):
    """Stops a row where its length is reached."""

    def __init__(self, prompt: int, lengths: np.ndarray) -> None:
        self._ends = torch.from_numpy(lengths) + prompt

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        return input_ids.shape[1] >= self._ends


def ours(model: Any, ids: torch.Tensor, setting: Setting) -> None:
    engine: Any = InProcess().engine(Target(model, 0, [], 4096, ROWS, str))
    prompts = [row for row in ids.tolist() for _ in range(setting.k)]
    limits = setting.lengths().tolist()
    engine.generate(prompts, list(range(len(prompts))), Sampling(setting.new), limits)


def generate(model: Any, ids: torch.Tensor, setting: Setting) -> None:
    lengths, at_once = setting.lengths().reshape(len(ids), setting.k), max(1, ROWS // setting.k)
    for start in range(0, len(ids), at_once):
        part, wanted = ids[start : start + at_once], lengths[start : start + at_once].reshape(-1)
        model.generate(
            part, attention_mask=torch.ones_like(part), do_sample=True, top_k=0, num_return_sequences=setting.k,
            max_new_tokens=int(wanted.max()), pad_token_id=0, eos_token_id=None,
            stopping_criteria=StoppingCriteriaList([Lengths(ids.shape[1], wanted)]),
        )  # fmt: skip


def batching(model: Any, ids: torch.Tensor, setting: Setting) -> None:
    from transformers import GenerationConfig

    requests = [row for row in ids.tolist() for _ in range(setting.k)]
    # one length for all, as requests of a batch have one configuration: so only uniform lengths are compared
    config = GenerationConfig(do_sample=True, top_k=0, max_new_tokens=setting.new, eos_token_id=-1, pad_token_id=0)
    made = model.generate_batch(requests, generation_config=config, progress_bar=False)
    if sorted(len(one.generated_tokens) for one in made.values()) != sorted(setting.lengths().tolist()):
        raise RuntimeError("Continuous batching made other lengths than it was asked for.")


def floor(model: Any, ids: torch.Tensor, setting: Setting) -> None:
    """Do the products and the exponentials of every step, in the order of the layers, and nothing else."""
    linear = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    layers, heads = model.config.num_hidden_layers, model.config.num_attention_heads
    size = model.config.hidden_size // heads
    at_once = max(1, 4096 // setting.prompt)
    for row in range(0, len(ids), at_once):
        tokens = torch.ones(ids[row : row + at_once].numel(), 1)
        for layer in linear[:-1]:
            layer(tokens.expand(-1, layer.in_features).contiguous())
        query = torch.ones(len(ids[row : row + at_once]), heads, setting.prompt, size)
        for _ in range(layers):
            torch.nn.functional.scaled_dot_product_attention(query, query, query, is_causal=True)
    prefix = torch.randn(max(1, ROWS // setting.k), heads, setting.prompt, size)
    own = torch.randn(ROWS, heads, setting.new, size)
    for rows, seen in steps(setting.lengths()):
        for layer in linear:
            out = layer(torch.ones(rows, layer.in_features))
        out.exp_()
        prompts = min(max(1, rows // setting.k), len(prefix))
        query, alone = torch.ones(prompts, heads, rows // prompts, size), torch.ones(rows, heads, 1, size)
        for _ in range(layers):
            (query @ prefix[:prompts].transpose(-1, -2)).exp_() @ prefix[:prompts]
            (alone @ own[:rows, :, :seen].transpose(-1, -2)).exp_() @ own[:rows, :, :seen]


def floor_by_onednn(model: Any, ids: torch.Tensor, setting: Setting) -> None:
    with quick_products(model):
        floor(model, ids, setting)


def steps(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """Return the rows of every step, and the tokens that they have, where a row that has ended is replaced at once."""
    waiting, ends, drawn = deque(lengths.tolist()), np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    while len(ends) or waiting:
        new = [waiting.popleft() for _ in range(min(len(waiting), ROWS - len(ends)))]
        ends, drawn = np.append(ends, new).astype(int), np.append(drawn, [0] * len(new)).astype(int) + 1
        yield len(ends), round(float(drawn.mean()))
        ends, drawn = ends[drawn < ends], drawn[drawn < ends]


RUNS: dict[str, Callable[[Any, torch.Tensor, Setting], None]] = {
    "ours": ours, "generate": generate, "continuous batching": batching, "floor": floor,
    "floor by oneDNN": floor_by_onednn,
}  # fmt: skip


def work(engine: str, setting: Setting) -> None:
    """Sample twice, the first time a little, and print seconds and the memory added at the peak, in MiB."""
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=4096, **SHAPES[setting.shape])
    model = LlamaForCausalLM(config).eval()
    ids = torch.randint(3, VOCABULARY, (setting.prompts, setting.prompt))
    with torch.no_grad():
        RUNS[engine](model, ids[:1, :8], Setting(8, 1, 1, shape=setting.shape, new=2))
        before = peak()
        start = time.perf_counter()
        RUNS[engine](model, ids, setting)
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "memory": peak() - before}))


def profile(setting: Setting) -> None:
    """Print where the time of a decode step goes, by kernel."""
    from torch.profiler import ProfilerActivity

    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=4096, **SHAPES[setting.shape])
    model = LlamaForCausalLM(config).eval()
    ids = torch.randint(3, VOCABULARY, (setting.prompts, setting.prompt))
    ours(model, ids, setting)
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as measured:
        ours(model, ids, setting)
    kernels = sorted(measured.key_averages(), key=lambda kernel: -kernel.self_cpu_time_total)
    total = sum(kernel.self_cpu_time_total for kernel in kernels)
    rows = [
        [kernel.key, f"{kernel.self_cpu_time_total / setting.new / 1000:.2f}", f"{kernel.count / setting.new:.0f}",
         f"{kernel.self_cpu_time_total / total:.3f}"]
        for kernel in kernels[:14]
    ]  # fmt: skip
    print(f"{setting.name}: milliseconds and calls by kernel for each of {setting.new} steps, prompts included")
    show_table(["kernel", "ms a step", "calls a step", "share"], rows)
    logits, numbers = torch.randn(ROWS, VOCABULARY), np.random.default_rng(0).random(ROWS)
    theirs = timed(lambda: torch.multinomial(logits.softmax(dim=-1), 1))
    mine = timed(lambda: draw(logits, numbers, Sampling()))
    print(f"\na draw for {ROWS} rows: {theirs:.1f} ms by multinomial, {mine:.1f} ms by inversion")


def timed(call: Callable[[], Any], times: int = 20) -> float:
    """Return milliseconds a call, the best of several."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best * 1000


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(engine: str, setting: Setting) -> dict[str, float]:
    """Return what a process of its own measured."""
    command = [sys.executable, __file__, "--worker", engine, json.dumps(asdict(setting))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{setting.name}, {engine}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {"seconds": float("nan"), "memory": float("nan")}
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(settings: list[Setting], turns: int) -> list[dict[str, Any]]:
    """Measure all engines in turn, setting by setting."""
    results = []
    for setting in settings:
        engines = [name for name in ENGINES if name != "continuous batching" or setting.batching_bar is not None]
        runs = {name: [] for name in engines}
        for _ in range(turns):
            for name in engines:
                runs[name].append(measure(name, setting))
        best = {name: min(run["seconds"] for run in runs[name]) for name in engines}
        memory = {name: min(run["memory"] for run in runs[name]) for name in engines}
        results.append({"setting": setting, "seconds": best, "memory": memory})
        show(results[-1:], header=len(results) == 1)
    return results


def show(results: list[dict[str, Any]], header: bool) -> None:
    names = ["setting", "tokens/s", "x generate", "x batching", "of floor", "by oneDNN", "MiB", "MiB, generate"]
    rows = []
    for result in results:
        setting, seconds, memory = result["setting"], result["seconds"], result["memory"]
        tokens = setting.lengths().sum() / seconds["ours"]
        batching_ratio = seconds.get("continuous batching", float("nan")) / seconds["ours"]
        rows.append([
            setting.name.ljust(36), f"{tokens:8.0f}", f"{seconds['generate'] / seconds['ours']:10.2f}",
            f"{batching_ratio:10.2f}", f"{seconds['floor'] / seconds['ours']:8.2f}",
            f"{seconds['floor by oneDNN'] / seconds['ours']:9.2f}", f"{memory['ours']:5.0f}",
            f"{memory['generate']:13.0f}",
        ])  # fmt: skip
    if header:
        show_table(names, rows)
    else:
        print("  ".join(rows[0]), flush=True)


def verdicts(results: list[dict[str, Any]]) -> None:
    """Print what holds: a bar is reached, or 0.7 of the floor where the floor itself is beyond it."""
    for result in results:
        setting, seconds, memory = result["setting"], result["seconds"], result["memory"]
        floor, share = seconds["floor"], seconds["floor"] / seconds["ours"]
        for peer, bar in (("generate", setting.bar), ("continuous batching", setting.batching_bar)):
            if bar is None:
                continue
            ratio, possible = seconds[peer] / seconds["ours"], seconds[peer] / floor
            beyond = possible < bar
            note = f" (the floor allows {possible:.1f}; {share:.2f} of it reached, 0.7 asked for)" if beyond else ""
            holds = ratio >= bar or (beyond and share >= 0.7)
            conclude(f"{setting.name}: speed against {peer}{note}", round(ratio, 2), bar, holds)
        if setting.bar is not None:
            bar = 0.5 if setting.k == 64 else 1.0
            part = memory["ours"] / memory["generate"]
            conclude(f"{setting.name}: peak memory against generate", round(part, 2), bar, part <= bar)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one setting, within a minute")
    parser.add_argument("--table", action="store_true", help="all settings")
    parser.add_argument("--profile", action="store_true", help="where the time goes, by kernel")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker[0], Setting(**json.loads(options.worker[1])))
    elif options.profile:
        profile(BARS[0])
    elif options.quick:
        verdicts(compare([Setting(128, 8, 4, bar=6.0, batching_bar=2.0, new=16)], 1))
    else:
        verdicts(compare(table(), 1) if options.table else compare(BARS, options.turns))


if __name__ == "__main__":
    main()
