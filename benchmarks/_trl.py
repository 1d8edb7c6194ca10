"""The peer of ``preference_step.py`` that needs an environment of its own: TRL's ``DPOTrainer``.

Run by the benchmark, never by itself: ``python _trl.py FOLDER`` in an environment with TRL. The folder has the network
(``model``), the pairs (``rows.json``) and the setting (``setting.json``). The same line is printed as by the workers of
the benchmark. References are computed beforehand, activations are kept, and no gradient is clipped.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import DPOConfig, DPOTrainer


class Clock(TrainerCallback):
    """Notes the seconds and the loss of every step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._start = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seconds.append(time.perf_counter() - self._start)

    def on_log(self, _: Any, __: Any, ___: Any, logs: dict[str, float], **____: Any) -> None:
        if "loss" in logs:
            self.losses.append(logs["loss"])


def words(size: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer whose tokens are the numbers of the vocabulary, of which the first ends a text."""
    names = ["<end>", "<pad>", *map(str, range(2, size))]
    tokenizer = Tokenizer(WordLevel({name: number for number, name in enumerate(names)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>")


def text(ids: list[int]) -> str:
    return " " + " ".join(map(str, ids))


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    folder = Path(sys.argv[1])
    setting, rows = (json.loads((folder / name).read_text()) for name in ("setting.json", "rows.json"))
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype="float32")
    columns = {"prompt": [text(row[0]) for row in rows]}
    columns |= {name: [text(row[at][:-1]) for row in rows] for at, name in ((1, "chosen"), (2, "rejected"))}
    options = DPOConfig(
        output_dir=str(folder / "out"), per_device_train_batch_size=len(rows), num_train_epochs=setting["steps"],
        learning_rate=setting["rate"], weight_decay=0.0, max_grad_norm=0.0, lr_scheduler_type="constant",
        warmup_steps=0, logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True, bf16=False, fp16=False,
        use_cpu=True, gradient_checkpointing=False, precompute_ref_log_probs=True, max_length=None, beta=0.1,
        adam_epsilon=setting["epsilon"],
    )  # fmt: skip
    clock = Clock()
    before = peak()
    DPOTrainer(
        model, args=options, train_dataset=Dataset.from_dict(columns), processing_class=words(model.vocab_size),
        callbacks=[clock],
    ).train()  # fmt: skip
    print(json.dumps({"seconds": min(clock.seconds[1:]), "memory": peak() - before, "losses": clock.losses}))


if __name__ == "__main__":
    main()
