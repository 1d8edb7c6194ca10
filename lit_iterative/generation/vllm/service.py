"""Service: what the engine asks of a vLLM, wherever that runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Adapter:
    """An adapter that vLLM knows.

    Args:
        name: Says which weights it has.
        number: One of its own, from 1.
        folder: Where PEFT saved it.
    """

    name: str
    number: int
    folder: str


@dataclass(frozen=True)
class Request:
    """What vLLM is asked for one completion.

    Args:
        prompt: Token ids.
        parameters: Fields of vLLM's ``SamplingParams``, which are those of its ``/v1/completions`` as well.
    """

    prompt: list[int]
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Drawn:
    """What vLLM answers.

    Args:
        ids: Token ids, with what ended them.
        finish: vLLM's word for the reason of the end.
        log_probs: Of each token, where they were asked for.
    """

    ids: list[int]
    finish: str
    log_probs: list[float] | None


class Service(Protocol):
    """A vLLM, wherever it runs."""

    def begin(self, network: Any, mark: str) -> None:
        """Serve the base of a network with an adapter, once, before the first adapter; its weights have a mark."""

    def load(self, network: Any, folder: str) -> None:
        """Take all weights of a network from a folder that its ``save_pretrained`` wrote."""

    def attach(self, adapter: Adapter) -> None:
        """Learn of an adapter."""

    def detach(self, adapter: Adapter) -> None:
        """Forget an adapter."""

    def draw(self, requests: Sequence[Request], adapter: Adapter | None) -> list[Drawn]:
        """Return the answer to each request, drawn with an adapter or without."""
