"""Judges that run in this process: the policy itself, or another language model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from lit_iterative.errors import PipelineError
from lit_iterative.generation.asking import LanguageSession
from lit_iterative.generation.forward import ForwardPass, Member
from lit_iterative.generation.respondent import Respondent
from lit_iterative.judging.classifier import stamp
from lit_iterative.modules.backbone import Pretrained
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.ops.actors import Actor, Policy


@dataclass(frozen=True)
class PolicyJudge(Respondent):
    """The policy judges its own completions (Yuan et al., 2024, arXiv:2401.10020).

    Args:
        actor: Whose weights; of one member.
        chat: Whether a question is the message of a user, which needs a chat template, or is read as any prompt.

    Raises:
        PipelineError: If the actor has several members.

    Example:
        >>> PolicyJudge().chat
        False
    """

    actor: Actor = field(default_factory=Policy)
    chat: bool = False

    def __post_init__(self) -> None:
        if len(self.actor.members) != 1:
            raise PipelineError(
                f"PolicyJudge has an actor of {len(self.actor.members)} members. Give one judge for each: several "
                "Judge ops with other names, whose scores are then combined."
            )

    @contextmanager
    def session(self, forward: Callable[[], ForwardPass], share: float) -> Iterator[LanguageSession]:
        """Start to ask."""
        with forward().language(self.actor.members[0]) as model:
            yield LanguageSession(model, self.chat)


@dataclass(frozen=True)
class LocalJudge(Respondent):
    """Another causal LM judges; it is loaded once, when first asked, and never trained.

    Args:
        path: Id on the hub, or folder.
        revision: Branch, tag or commit on the hub.
        dtype: Type of the weights; that of the files by default.
        batch_size: Questions in one forward pass.
        device: Where it runs; where the policy does when left out.

    Questions go through the chat template where the tokenizer has one.

    Example:
        >>> LocalJudge("my/judge", dtype="bfloat16").batch_size
        16
    """

    path: str
    revision: str | None = None
    dtype: str = "auto"
    batch_size: int = 16
    device: str | None = None

    @contextmanager
    def session(self, forward: Callable[[], ForwardPass], share: float) -> Iterator[LanguageSession]:
        """Start to ask."""
        device = device_of(forward) if self.device is None else self.device
        model = _loaded(self, device, stamp(self.path))
        yield LanguageSession(model, chat=bool(model.codec.tokenizer.chat_template))


@lru_cache(maxsize=2)
def _loaded(judge: LocalJudge, device: str, version: Any) -> LanguagePolicy:
    """Return the model; loaded anew only where the folder has changed."""
    backbone = Pretrained(judge.path, judge.revision, judge.dtype)
    model = LanguagePolicy(backbone, batch_size=judge.batch_size)
    model.configure_model()
    model.eval().requires_grad_(False)
    return model.to(device)


def device_of(forward: Callable[[], ForwardPass]) -> str:
    """Return where the policy is."""
    with forward().language(Member()) as model:
        return str(getattr(model, "device", "cpu"))
