"""Tables of completions to run checks of language ops on."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lit_iterative.columns import write

PROMPTS, SAMPLES = 6, 4
#: Columns that a table of completions has, beside ``id`` and scores.
TEXT_COLUMNS = (
    "group",
    "candidate",
    "source",
    "prompt",
    "prompt_ids",
    "text",
    "completion_ids",
    "finish",
    "final",
    "answer",
)


def completions(columns: Sequence[str] = (), prompts: int = PROMPTS, samples: int = SAMPLES, seed: int = 0) -> pa.Table:
    """Return a table of completions as ``Sample`` leaves it, with their final answers and the key.

    The first prompt's candidates all agree and those of the second all differ; elsewhere there are ties, repeated
    completions, and one that was cut off before its answer, so that ``final`` is empty there.

    Args:
        columns: Names of scores that must be there; each begins with ``scores.``. Other names are ignored.
        prompts: Groups.
        samples: Candidates in a group.
        seed: Seed of the numbers.

    Example:
        >>> completions(prompts=1, samples=2).select(["id", "text", "final"]).to_pylist()
        [{'id': 2, 'text': 'so #### 10', 'final': '10'}, {'id': 2, 'text': 'so #### 10', 'final': '10'}]
    """
    draw = np.random.default_rng(seed)
    rows = [(prompt, sample) for prompt in range(prompts) for sample in range(samples)]
    finals = [_final(prompt, sample) for prompt, sample in rows]
    texts = ["and so on" if final is None else f"so #### {final}" for final in finals]
    ids = pa.array([prompt * 7 % 101 + 2 for prompt, _ in rows], pa.int64())
    table = pa.table(
        {
            "id": ids,
            "group": ids,
            "candidate": pa.array([sample for _, sample in rows], pa.int32()),
            "source": ["policy" for _ in rows],
            "prompt": [f"What is {prompt}+10?" for prompt, _ in rows],
            "prompt_ids": pa.array([[1, 20 + prompt, 5] for prompt, _ in rows], pa.list_(pa.int32())),
            "text": texts,
            "completion_ids": pa.array([[*map(ord, text), 2] for text in texts], pa.list_(pa.int32())),
            "finish": ["length" if final is None else "stop" for final in finals],
            "final": pa.array(finals, pa.string()),
            "answer": [str(10 + prompt) for prompt, _ in rows],
        }
    )
    scores = [name for name in columns if name.startswith("scores.")]
    return write(table, **{name: draw.uniform(size=len(rows)).round(1) for name in scores})


def _final(prompt: int, sample: int) -> str | None:
    """Return what a candidate answers: all agree on the first prompt, none on the second, half on the others."""
    if prompt > 1 and sample == prompt % 4:
        return None
    return str(10 + prompt + (0, sample, sample % 2)[min(prompt, 2)])
