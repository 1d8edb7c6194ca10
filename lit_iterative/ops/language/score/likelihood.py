"""Scorers that ask the policy how sure it is of a completion: no answer key, no judge."""

from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.generation.language import TokenScores
from lit_iterative.ops.actors import Actor, Policy
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.model_op import ModelOp
from lit_iterative.ops.language.score.scoring import finite, log_probs_of, token_scores
from lit_iterative.ops.language.tokens import lengths_of


@dataclass(frozen=True)
class Likelihood(ModelOp):
    """How likely the policy finds a completion, at temperature 1.

    Args:
        normalise: Whether the score is the mean over the completion's tokens, EOS included, in place of their sum,
            which favours short completions. The mean is minus the logarithm of the perplexity.
        actor: Who is asked. Several members count as one policy: the arithmetic mean of their probabilities of the
            whole completion.
        score: Name of the score; give two of them in one pipeline different ones.

    Requires ``prompt_ids`` and ``completion_ids``; provides ``scores.<score>`` ``(rows,)``, float64, in nats; with
    ``normalise`` NaN for a completion without tokens. Measures ``<score>``.

    Raises:
        DataError: If a log-probability is not finite, when run.

    Example:
        >>> Likelihood(normalise=True).provides
        ('scores.likelihood',)
    """

    normalise: bool = False
    actor: Actor = field(default_factory=Policy)
    score: str = "likelihood"

    @property
    def requires(self) -> tuple[str, ...]:
        """Prompts and completions."""
        return ("prompt_ids", "completion_ids")

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return (f"scores.{self.score}",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with the score."""
        score = log_probs_of(table, "completion_ids", self.actor, context)
        if self.normalise:
            tokens = lengths_of(table, "completion_ids")
            score = np.divide(score, tokens, out=np.full(len(score), np.nan), where=tokens > 0)
        context.tally.mean(self.score, score)
        return write(table, **{f"scores.{self.score}": score})


class TokenMean(ModelOp):
    """The mean over a completion's tokens of something that the policy says of each. Subclass it as a dataclass."""

    actor: Actor

    @property
    def requires(self) -> tuple[str, ...]:
        """Prompts and completions."""
        return ("prompt_ids", "completion_ids")

    @abstractmethod
    def of_tokens(self, scores: TokenScores) -> Array:
        """Return the number of each token, ``(tokens,)``."""

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return one shard with the score."""
        members = token_scores(table, "completion_ids", self.actor, context, details=True)
        means = np.array([[_mean(self.of_tokens(scores)) for scores in rows] for rows in members], dtype=np.float64)
        score = means.reshape(len(members), -1).mean(axis=0)
        (name,) = self.provides
        finite(score[lengths_of(table, "completion_ids") > 0], "completion_ids")
        context.tally.mean(name.removeprefix("scores."), score)
        return write(table, **{name: score})


def _mean(values: Array) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else float("nan")


@dataclass(frozen=True)
class SelfCertainty(TokenMean):
    """How far the policy's distributions are from uniform while it writes the completion.

    With ``n`` tokens and a vocabulary of ``V``: ``-1/(nV) sum_i sum_j log(V p(j | x, y_<i))``, which is the mean over
    the tokens of ``KL(uniform || p)``.

    Source: Kang et al., 2025, arXiv:2502.18581.

    Args:
        actor: Who is asked; over several members the mean is taken.

    Requires ``prompt_ids`` and ``completion_ids``; provides ``scores.self_certainty`` ``(rows,)``, float64, in nats;
    NaN for a completion without tokens. Measures ``self_certainty``.

    Raises:
        DataError: If a divergence is not finite, when run.

    Example:
        >>> SelfCertainty().provides
        ('scores.self_certainty',)
    """

    actor: Actor = field(default_factory=Policy)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.self_certainty",)

    def of_tokens(self, scores: TokenScores) -> Array:
        """Return the divergences."""
        return scores.uniform


@dataclass(frozen=True)
class TokenEntropy(TokenMean):
    """The mean entropy of the policy's distributions while it writes the completion: small where it is sure.

    Args:
        actor: Who is asked; over several members the mean is taken.

    Requires ``prompt_ids`` and ``completion_ids``; provides ``scores.token_entropy`` ``(rows,)``, float64, in nats; NaN
    for a completion without tokens. Measures ``token_entropy``.

    Raises:
        DataError: If an entropy is not finite, when run.

    Example:
        >>> TokenEntropy().provides
        ('scores.token_entropy',)
    """

    actor: Actor = field(default_factory=Policy)

    @property
    def provides(self) -> tuple[str, ...]:
        """The score."""
        return ("scores.token_entropy",)

    def of_tokens(self, scores: TokenScores) -> Array:
        """Return the entropies."""
        return scores.entropy
