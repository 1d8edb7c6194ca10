"""Time and peak memory of a step of DPO, against a naive step and against TRL's ``DPOTrainer``.

Run ``python benchmarks/preference_step.py --trl PYTHON`` with the interpreter of an environment that has TRL (the
settings with a bar, some minutes on two cores), with ``--quick`` (one of them smaller, within a minute), or with
``--table`` (many sizes, an hour). Without ``--trl``, only the naive step is compared with. It needs
``pip install "lit-iterative[language]"``.

Networks are Llama-shaped with random weights in float32; all ways load the same, and are given the same pairs, whose
references are known before the step. K completions of a prompt make K / 2 pairs, and all pairs are one batch. A way
takes its steps in a process of its own, in turn with the others; the fastest of its steps counts, and the memory added
at the peak to what the process took with the network loaded. The losses of all steps must agree, whoever took them.

* ours: what ``LanguagePolicy`` trains with, under Lightning's Trainer: every prompt once, nothing padded, no logits but
  those of completions, and these never all at a time.
* naive: padded rows and the logits of all positions, under Lightning's Trainer.
* TRL: ``DPOTrainer`` with references computed beforehand, and activations kept; what it says itself about its logits.
* floor, of time: the matrix products that any step takes, forward and twice backward, of every linear layer for every
  token that differs, the last one for completions; the attention of these tokens to what they see, by PyTorch's fused
  kernel; one softmax of the logits; and AdamW's pass through its states. All between is left out.
* floor, of memory: what a step takes at the peak that has the network's body alone, for the tokens that differ in rows
  of equal length, and AdamW.

All use PyTorch's fused AdamW, which is TRL's default. Where the floor shows that a bar is beyond the machine, 0.7 of
the floor is asked for.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from common import conclude, show_table
from torch.utils.data import DataLoader
from transformers import LlamaConfig, LlamaForCausalLM

from lit_iterative.batches import Collate, Pairs
from lit_iterative.losses.log_probs import Scored, from_logits, score
from lit_iterative.modules.objective import Objective
from lit_iterative.sequences import Sequences

SHAPE = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 8, "num_attention_heads": 8}
RATE, EPSILON = 1e-5, 1e-8


@dataclass(frozen=True)
class Setting:
    """What is trained on; the bars are of speed and of memory, against TRL."""

    prompt: int = 128
    completion: int = 64
    vocabulary: int = 32_000
    prompts: int = 8
    k: int = 2
    bar: float | None = None
    memory_bar: float | None = None

    @property
    def name(self) -> str:
        return f"prompt {self.prompt}, completion {self.completion}, K={self.k}, vocabulary {self.vocabulary:,}"

    @property
    def tokens(self) -> int:
        """Tokens that differ, of which a step has to be taken: each completion begins with the last of its prompt."""
        return self.prompts * (self.prompt - 1 + self.k * self.completion)


BARS = [Setting(bar=10.0, memory_bar=0.23), Setting(512, prompts=2, k=8, bar=15.0)]


def table() -> list[Setting]:
    """Many sizes, whose padded rows have some 5,000 tokens at most."""
    sizes = [(32, 32, 2, 8), (32, 32, 16, 2), (32, 512, 2, 2), (512, 32, 2, 2), (512, 32, 8, 1), (512, 512, 4, 1),
             (2048, 32, 2, 1), (2048, 512, 2, 1)]  # fmt: skip
    return [
        Setting(prompt, completion, vocabulary, prompts, k)
        for vocabulary in (32_000, 152_000)
        for prompt, completion, k, prompts in sizes
    ]


# ---- ways ---------------------------------------------------------------------------------------------


def naive(model: Any, batch: Sequences) -> Scored:
    output = model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, position_ids=batch.position_ids, use_cache=False
    )
    return from_logits(output.logits, batch)


WAYS: dict[str, Callable[[Any, Sequences], Scored]] = {"ours": score, "naive": naive}


def adamw(module: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.parameters(), lr=RATE, eps=EPSILON, weight_decay=0.0, fused=True)


class Policy(pl.LightningModule):
    """Trains a network by DPO."""

    def __init__(self, network: Any, way: str) -> None:
        super().__init__()
        self.network, self.way, self.objective = network, WAYS[way], Objective("dpo", {"beta": 0.1})
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self._start = time.perf_counter()

    def training_step(self, batch: Pairs, _: int) -> torch.Tensor:
        loss = self.objective.losses(batch, self.way(self.network, batch.sequences), lambda total: total).mean()
        self.losses.append(float(loss.detach()))
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        self.seconds.append(time.perf_counter() - self._start)

    def configure_optimizers(self) -> Any:
        return adamw(self)

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        optimizer.zero_grad()  # as ``LanguagePolicy`` does


def work(way: str, folder: Path) -> dict[str, Any]:
    """Take the steps, and return the seconds of the fastest, the memory added in MiB, and the losses."""
    setting, pairs = (json.loads((folder / name).read_text()) for name in ("setting.json", "rows.json"))
    network = LlamaForCausalLM.from_pretrained(folder / "model", dtype=torch.float32).train()
    batch = [
        {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected} for prompt, chosen, rejected in pairs
    ]
    before = peak()
    with torch.no_grad():  # the reference is the policy that training starts from, as in a round
        made = Collate(pad_id=1)(batch)
        known = WAYS[way](network, made.sequences).sums.chunk(2)
    made.columns |= {"chosen_ref_logp": known[0], "rejected_ref_logp": known[1]}
    trainer = pl.Trainer(
        max_epochs=setting["steps"], accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    policy = Policy(network, way)
    trainer.fit(policy, DataLoader([made], batch_size=None))
    return {"seconds": min(policy.seconds[1:]), "memory": peak() - before, "losses": policy.losses}


# ---- floors -------------------------------------------------------------------------------------------


def floor(folder: Path) -> dict[str, Any]:
    """Return the seconds of what no step can do without, and the memory of a step of the network's body alone."""
    known = json.loads((folder / "setting.json").read_text())
    steps, setting = known["steps"], Setting(**{name: known[name] for name in Setting.__dataclass_fields__})
    network = LlamaForCausalLM.from_pretrained(folder / "model", dtype=torch.float32).train()
    optimizer, before = adamw(network), peak()
    rows = torch.ones(setting.prompts, setting.tokens // setting.prompts, dtype=torch.long)
    for _ in range(steps):
        optimizer.zero_grad()
        network.model(input_ids=rows, use_cache=False).last_hidden_state.square().mean().backward()
        network.lm_head.weight.grad = torch.zeros_like(network.lm_head.weight)
        optimizer.step()
    memory, seconds = peak() - before, []
    for _ in range(steps + 1):
        start = time.perf_counter()
        products(network, setting)
        for _ in range(network.config.num_hidden_layers):
            attention(setting)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "memory": memory, "losses": []}


@torch.no_grad()
def products(network: Any, setting: Setting) -> None:
    """Multiply as the linear layers do, forward and twice backward, with a softmax of the logits."""
    scored = setting.prompts * setting.k * setting.completion
    for layer in (layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)):
        last = layer is network.lm_head
        inputs = torch.ones(scored if last else setting.tokens, layer.in_features)
        outputs = layer(inputs)
        if last:
            torch.softmax(outputs, dim=-1, out=outputs)
        outputs @ layer.weight
        outputs.T @ inputs


def attention(setting: Setting) -> None:
    """Attend in prompts, in completions, and from these to prompts, forward and backward."""
    heads, branches = SHAPE["num_attention_heads"], setting.k * setting.completion
    shapes = [  # rows, queries, keys, and whether keys behind a query are hidden
        (setting.prompts, setting.prompt - 1, setting.prompt - 1, True),
        (setting.prompts * setting.k, setting.completion, setting.completion, True),
        (setting.prompts, branches, setting.prompt - 1, False),
    ]
    for rows, queries, keys, causal in shapes:
        shape = (rows, heads, -1, SHAPE["hidden_size"] // heads)
        parts = [torch.ones(*shape[:2], length, shape[3], requires_grad=True) for length in (queries, keys, keys)]
        torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=causal).sum().backward()


# ---- what is measured ---------------------------------------------------------------------------------


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def config_of(setting: Setting) -> LlamaConfig:
    lengths = setting.prompt + setting.completion
    return LlamaConfig(vocab_size=setting.vocabulary, max_position_embeddings=lengths, **SHAPE)


def prepare(setting: Setting, folder: Path, steps: int) -> None:
    """Write the network and the pairs that all ways are given."""
    torch.manual_seed(0)
    LlamaForCausalLM(config_of(setting)).save_pretrained(folder / "model")
    draw = torch.Generator().manual_seed(0)

    def tokens(count: int) -> list[int]:
        return torch.randint(3, setting.vocabulary, (count,), generator=draw).tolist()

    rows = []
    for _ in range(setting.prompts):
        prompt = tokens(setting.prompt)
        rows += [(prompt, *([*tokens(setting.completion - 1), 0] for _ in range(2))) for _ in range(setting.k // 2)]
    (folder / "rows.json").write_text(json.dumps(rows))
    (folder / "setting.json").write_text(
        json.dumps({**asdict(setting), "steps": steps, "rate": RATE, "epsilon": EPSILON})
    )


def measure(way: str, folder: Path, trl: str | None) -> dict[str, Any]:
    """Return what a process of its own measured."""
    here = Path(__file__)
    command = [trl, here.with_name("_trl.py")] if way == "TRL" else [sys.executable, here, "--worker", way]
    done = subprocess.run([*map(str, command), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{way}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return {"seconds": float("nan"), "memory": float("nan"), "losses": []}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(setting: Setting, turns: int, steps: int, trl: str | None) -> dict[str, dict[str, Any]]:
    """Measure all ways in turn, and return the best of each."""
    ways = [*WAYS, *(["TRL"] if trl else []), "floor"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(setting, folder, steps)
        runs = {way: [] for way in ways}
        for _ in range(turns):
            for way in ways:
                runs[way].append(measure(way, folder, trl))
    best = {way: {key: min(run[key] for run in runs[way]) for key in ("seconds", "memory")} for way in ways}
    for way in ways:
        best[way]["losses"] = runs[way][0]["losses"]
    return best


def line(setting: Setting, best: dict[str, dict[str, Any]]) -> list[str]:
    ours, cells = best["ours"], [setting.name, f"{best['ours']['seconds']:.2f}", f"{best['ours']['memory']:,.0f}"]
    for way in ("naive", "TRL"):
        other = best.get(way, {"seconds": float("nan"), "memory": float("nan")})
        cells += [f"{other['seconds'] / ours['seconds']:.2f}", f"{ours['memory'] / other['memory']:.2f}"]
    return [*cells, *(f"{best['floor'][key] / ours[key]:.2f}" for key in ("seconds", "memory"))]


def difference(best: dict[str, dict[str, Any]]) -> float:
    """Return how far the losses of ways are apart at most."""
    known = [torch.tensor(best[way]["losses"]) for way in best if best[way].get("losses")]
    return max(float((losses - known[0]).abs().max()) for losses in known)


def verdicts(setting: Setting, best: dict[str, dict[str, Any]]) -> None:
    ours = best["ours"]
    if "TRL" in best and setting.bar is not None:
        against(f"{setting.name}: speed against TRL", "seconds", setting.bar, best)
    if "TRL" in best and setting.memory_bar is not None:
        against(f"{setting.name}: memory of TRL's over ours", "memory", 1 / setting.memory_bar, best)
    slowest = min(best[way]["seconds"] for way in best if way not in ("ours", "floor")) / ours["seconds"]
    conclude(f"{setting.name}: speed against the best of the others", round(slowest, 2), 1.0, slowest >= 1.0)
    apart = difference(best)
    conclude(f"{setting.name}: losses of all steps agree", apart, 1e-3, apart <= 1e-3)


def against(claim: str, key: str, bar: float, best: dict[str, dict[str, Any]]) -> None:
    """Compare with TRL; where the floor shows that the bar is beyond the machine, ask for 0.7 of the floor."""
    ours, theirs, least = (best[way][key] for way in ("ours", "TRL", "floor"))
    beyond = theirs / least < bar
    note = f" (the floor allows {theirs / least:.1f}; {least / ours:.2f} of it reached{', 0.7 asked for' * beyond})"
    conclude(
        claim + note, round(theirs / ours, 2), round(bar, 2), theirs / ours >= bar or (beyond and least / ours >= 0.7)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one setting, smaller")
    parser.add_argument("--table", action="store_true", help="many sizes")
    parser.add_argument("--vocabulary", type=int, help="of the table, the sizes with this vocabulary")
    parser.add_argument("--trajectory", action="store_true", help="50 steps of the first setting")
    parser.add_argument("--trl", metavar="PYTHON", help="the interpreter of an environment that has TRL")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    if given.worker:
        way, folder = given.worker[0], Path(given.worker[1])
        print(json.dumps(floor(folder) if way == "floor" else work(way, folder)))
        return
    settings, turns, steps = BARS, given.turns, given.steps
    if given.quick:
        settings, turns, steps = [Setting(prompts=4)], 1, 3
    elif given.trajectory:
        settings, turns, steps = [Setting(32, 16, prompts=4)], 1, 50
    elif given.table:
        sizes = [setting for setting in table() if given.vocabulary in (None, setting.vocabulary)]
        settings, turns, steps = sizes, 1, 2
    results = []
    for setting in settings:
        results.append(compare(setting, turns, steps, given.trl))
        print(setting.name, {way: round(found["seconds"], 3) for way, found in results[-1].items()}, flush=True)
    header = ["setting", "s a step", "MiB", "x naive", "memory", "x TRL", "memory", "of floor", "memory"]
    show_table(header, [line(*pair) for pair in zip(settings, results, strict=True)])
    for setting, best in zip(settings, results, strict=True):
        verdicts(setting, best)


if __name__ == "__main__":
    main()
