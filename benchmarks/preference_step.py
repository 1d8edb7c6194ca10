"""Time and peak memory of a preference step: completion positions in chunks, against the logits of all positions.

Run ``python benchmarks/preference_step.py`` (the setting with a bar, some minutes on two cores), with ``--quick`` (the
same smaller, within a minute) or with ``--table`` (prompts, completions and vocabularies of many sizes, an hour). It
needs ``pip install "lit-iterative[language]"``.

Networks are Llama-shaped with random weights in float32; the reference's log-probabilities are given, as a round gives
them. A step is the forward pass of all pairs, the loss of DPO, the backward pass, and AdamW. Every way takes the same
steps in a process of its own, in turn with the others; the best of its steps counts, and the memory added at the peak
to what the process took with the network loaded. The losses of the steps must agree.

* ours: ``score`` of ``lit_iterative.losses.log_probs``, which is what ``LanguagePolicy`` trains with.
* full logits: the network's own forward pass, and then the log-probabilities of completions from its logits.

In the setting with a bar the matrix products alone allow 1.44 times the speed: the body takes 125 billion operations,
the last layer 151 with the logits of all positions, and 67 without.

Another library is one more function in ``WAYS``, or, where it needs an environment of its own, one more process that
prints the same line as ``work``.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from common import conclude, show_table
from transformers import LlamaConfig, LlamaForCausalLM

from lit_iterative.losses.batch import PairLogProbs
from lit_iterative.losses.log_probs import Scored, from_logits, score
from lit_iterative.losses.table import find_loss
from lit_iterative.sequences import Sequences, pad

SHAPE = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 8, "num_attention_heads": 8}


@dataclass(frozen=True)
class Setting:
    """What is trained on; ``frozen`` leaves out the last layer, as training an adapter does."""

    prompt: int = 128
    completion: int = 64
    vocabulary: int = 32_000
    pairs: int = 8
    frozen: bool = False

    @property
    def name(self) -> str:
        trained = ", last layer frozen" if self.frozen else ""
        return f"prompt {self.prompt}, completion {self.completion}, vocabulary {self.vocabulary:,}{trained}"


def full_logits(model: Any, batch: Sequences) -> Scored:
    output = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        use_cache=False,
    )
    return from_logits(output.logits, batch)


WAYS: dict[str, Callable[[Any, Sequences], Scored]] = {"ours": score, "full logits": full_logits}


def work(way: str, setting: Setting, steps: int) -> None:
    """Take a step and then some more, and print the seconds of the fastest, the memory added in MiB, and the losses."""
    torch.manual_seed(0)
    lengths = setting.prompt + setting.completion
    config = LlamaConfig(vocab_size=setting.vocabulary, max_position_embeddings=lengths, **SHAPE)
    model = LlamaForCausalLM(config).train()
    model.lm_head.requires_grad_(not setting.frozen)
    optimizer = torch.optim.AdamW((part for part in model.parameters() if part.requires_grad), lr=1e-4)
    prompts = torch.randint(3, setting.vocabulary, (setting.pairs, setting.prompt)).tolist()
    completions = torch.randint(3, setting.vocabulary, (2 * setting.pairs, setting.completion)).tolist()
    batch = pad(prompts * 2, completions, 0)
    reference = torch.linspace(-1, 1, 2 * setting.pairs) - 10 * setting.completion
    before = peak()

    def step() -> float:
        optimizer.zero_grad()
        loss = dpo(WAYS[way](model, batch), reference)
        loss.backward()
        optimizer.step()
        return loss.item()

    losses, seconds = [step()], []
    for _ in range(steps):
        start = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": min(seconds), "memory": peak() - before, "losses": losses}))


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def dpo(scored: Scored, reference: torch.Tensor) -> torch.Tensor:
    (chosen, rejected), tokens = scored.sums.chunk(2), scored.tokens.chunk(2)
    return find_loss("dpo", {"beta": 0.1})(PairLogProbs(chosen, rejected, *tokens, *reference.chunk(2))).mean()


def measure(way: str, setting: Setting, steps: int) -> dict[str, Any]:
    """Return what a process of its own measured."""
    command = [sys.executable, __file__, "--worker", way, json.dumps(asdict(setting)), "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{setting.name}, {way}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return {"seconds": float("nan"), "memory": float("nan"), "losses": []}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(settings: list[Setting], turns: int, steps: int) -> list[dict[str, tuple[float, float]]]:
    """Measure all ways in turn, setting by setting, and return the seconds and the memory of each."""
    results, lines = [], []
    for setting in settings:
        runs: dict[str, list[Any]] = {way: [] for way in WAYS}
        for _ in range(turns):
            for way in WAYS:
                runs[way].append(measure(way, setting, steps))
        check_equal([run["losses"] for way in WAYS for run in runs[way]])
        best = {way: tuple(min(run[key] for run in runs[way]) for key in ("seconds", "memory")) for way in WAYS}
        results.append(best)
        (ours, small), (theirs, large) = best["ours"], best["full logits"]
        cells = [f"{ours:.2f}", f"{theirs:.2f}", f"{theirs / ours:.2f}", f"{small:,.0f}", f"{large:,.0f}"]
        lines.append([setting.name, *cells, f"{small / large:.2f}"])
    show_table(["setting", "s a step", "s, full logits", "times", "MiB", "MiB, full logits", "share"], lines)
    return results


def check_equal(losses: list[list[float]]) -> None:
    """Raise if the ways do not train the same."""
    known = [torch.tensor(values) for values in losses if values]
    for values in known[1:]:
        torch.testing.assert_close(values, known[0], rtol=1e-3, atol=1e-4)


def table() -> list[Setting]:
    """Prompts, completions and vocabularies of many sizes, with as many pairs as make 3,072 tokens at most."""
    return [
        Setting(prompt, completion, vocabulary, max(1, 1536 // (prompt + completion)))
        for vocabulary in (32_000, 152_000)
        for prompt in (32, 512, 2048)
        for completion in (32, 512)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="measure the same thing smaller")
    parser.add_argument("--table", action="store_true", help="many sizes")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker[0], Setting(**json.loads(given.worker[1])), given.steps)
        return
    if given.table:
        compare(table(), 1, given.steps)
        return
    settings = [Setting(pairs=4)] if given.quick else [Setting(), Setting(frozen=True)]
    result, *_ = compare(settings, 1 if given.quick else given.turns, 2 if given.quick else given.steps)
    (ours, small), (theirs, large) = result["ours"], result["full logits"]
    print()
    speed, share = theirs / ours, small / large
    conclude("a step is faster than one with full logits", round(speed, 2), 1.3, speed >= 1.3)
    conclude("a step adds a share of the memory of one with full logits", round(share, 2), 0.8, share <= 0.8)


if __name__ == "__main__":
    main()
