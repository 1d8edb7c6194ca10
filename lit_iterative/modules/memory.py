"""Memory: where it is short, the error says which settings to lower."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from lit_iterative.batches import Batch
from lit_iterative.errors import OutOfMemory, out_of_memory

KEPT = "What rounds have made is kept: the same command goes on from there."


class Load(NamedTuple):
    """How much is in one forward pass.

    Args:
        rows: Rows of the DataModule's batch, or completions to score.
        tokens: Of the longest sequence, with its prompt.
    """

    rows: int
    tokens: int

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> "Load":
        """Return the load of batches that are trained on together."""
        parts = list(batches)
        return cls(sum(len(part) for part in parts), max(part.sequences.input_ids.shape[-1] for part in parts))


class Saving(NamedTuple):
    """What already saves memory.

    Args:
        checkpointing: Whether activations are computed again.
        adapter: Whether an adapter alone is trained.
        quantised: Whether the base is held in few bits.
    """

    checkpointing: bool
    adapter: bool
    quantised: bool


@contextmanager
def advised(doing: str, advice: Callable[[], list[str]]) -> Iterator[None]:
    """Turn an error that says that memory is short into one that says what to do.

    Args:
        doing: What is done inside.
        advice: Returns the settings that would help.

    Raises:
        OutOfMemory: If memory is short.

    Example:
        >>> with advised("scoring", lambda: ["Lower LanguagePolicy(batch_size), now 64"]):
        ...     raise MemoryError
        Traceback (most recent call last):
        lit_iterative.errors.OutOfMemory: Out of memory in scoring. Lower LanguagePolicy(batch_size), now 64. What ...
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, OutOfMemory) or not out_of_memory(error):
            raise
        remedies = "; or ".join(advice())
        # Lightning's own tuner looks for the words of the first error.
        raise OutOfMemory(
            f"Out of memory in {doing}. {remedies}. {KEPT} (It was {type(error).__name__}: {error})"
        ) from error


def training_advice(load: Load, saving: Saving) -> list[str]:
    """Return what makes a training step smaller, of what can still be changed.

    Example:
        >>> training_advice(Load(1, 512), Saving(checkpointing=True, adapter=True, quantised=True))
        ['Give shorter sequences, of which the longest here has 512 tokens: lower max_prompt_tokens ...
    """
    advice = []
    if load.rows > 1:
        advice.append(
            f"Lower batch_size of the DataModule, here {load.rows}, and raise Trainer(accumulate_grad_batches) by as "
            "much, which keeps the rows of a step"
        )
        advice.append("set Mixing(max_tokens) of the DataModule, by which rounds do so themselves")
    if not saving.checkpointing:
        advice.append("set LanguagePolicy(gradient_checkpointing=True)")
    advice.append(_shorter(load.tokens))
    return _sentence(advice + _smaller(saving))


def update_advice(saving: Saving) -> list[str]:
    """Return what makes the state of the optimiser smaller."""
    return _sentence(
        ["take an optimiser with a smaller state, such as bitsandbytes.optim.AdamW8bit", *_smaller(saving)]
    )


def scoring_advice(load: Load) -> list[str]:
    """Return what makes a forward pass without gradients smaller; its rows are those of the policy's batch size."""
    fewer = [f"Lower LanguagePolicy(batch_size), here {load.rows}"] if load.rows > 1 else []
    return _sentence([*fewer, _shorter(load.tokens)])


def _shorter(tokens: int) -> str:
    return (
        f"give shorter sequences, of which the longest here has {tokens} tokens: lower max_prompt_tokens of the "
        "DataModule or Sampling(max_new_tokens)"
    )


def _smaller(saving: Saving) -> list[str]:
    if not saving.adapter:
        return ["train an adapter alone: LanguagePolicy(lora=LoRA())"]
    if not saving.quantised:
        return ["hold the base in four bits: Pretrained(quantisation={load_in_4bit: true})"]
    return []


def _sentence(advice: list[str]) -> list[str]:
    return [advice[0][0].upper() + advice[0][1:], *advice[1:]]
