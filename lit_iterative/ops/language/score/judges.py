"""Judges that run in this process: the policy itself, or another language model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lit_iterative.errors import PipelineError
from lit_iterative.generation.asking import LanguageSession
from lit_iterative.generation.forward import ForwardPass, Member
from lit_iterative.generation.respondent import Respondent
from lit_iterative.judging.frozen import Loaded
from lit_iterative.modules.backbone import Pretrained
from lit_iterative.modules.language import LanguagePolicy
from lit_iterative.ops.actors import Actor, Policy

JUDGES: Loaded[LanguagePolicy] = Loaded()


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
        model = JUDGES.get((self, device), self.path, lambda: self._load(device))
        yield LanguageSession(model, chat=bool(model.codec.tokenizer.chat_template))

    def _load(self, device: str) -> LanguagePolicy:
        backbone = Pretrained(self.path, self.revision, self.dtype)
        model = LanguagePolicy(backbone, batch_size=self.batch_size)
        model.configure_model()
        model.eval().requires_grad_(False)
        return model.to(device)


def device_of(forward: Callable[[], ForwardPass]) -> str:
    """Return where the policy is."""
    with forward().language(Member()) as model:
        return str(getattr(model, "device", "cpu"))
