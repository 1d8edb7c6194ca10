"""Elo: a rating of completions by the games that they play before a judge."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, write
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.score.tournament import Game, Tournament
from lit_iterative.ops.language.tokens import spans

#: Elo points of a nat of the odds.
POINTS = 400 / np.log(10)
#: Games, half won and half lost, that every completion is thought to have played against an average one.
PRIOR = 0.5
STEPS = 50


@dataclass(frozen=True)
class Elo(Tournament):
    """Scores each completion by its Elo rating among those of its group, so that it counts against whom it wins.

    Ratings ``e`` are the most likely ones for the games, ``P(i beats j) = sigmoid(e_i - e_j)``, given that each
    completion has also drawn half a game with an average one, without which one that never loses would have none. They
    are told in Elo points, their mean in a group being 0.

    Args:
        judge: Whom to ask: ``PolicyJudge()``, ``LocalJudge(path)`` or ``Endpoint(url, model)``.
        rubric: What to ask, about two completions.
        reading: ``text`` or ``probabilities``, see :class:`~lit_iterative.ops.language.score.verdicts.Judging`.
        judgements: Answers to each question, whose verdicts are averaged.
        sampling: How answers are drawn.
        opponents: Others that each completion meets, see :class:`~lit_iterative.ops.language.score.win_rate.WinRate`.

    Requires ``group``, ``prompt`` and ``text``; provides ``scores.elo`` ``(rows,)``, float64; NaN for a completion of
    which no game is known.

    Counts:
        What :class:`~lit_iterative.ops.language.score.win_rate.WinRate` counts.

    Raises:
        PipelineError: If there are no opponents.
        DataError: If rows of one group stand apart, when run.

    Source: Wu et al., 2024 (Meta-Rewarding), arXiv:2407.19594, ratings of judgements by maximum likelihood; the draw
    with an average completion is ours.

    Example:
        >>> from lit_iterative.generation.endpoint import Endpoint
        >>> Elo(Endpoint("http://localhost:8000/v1", "my-judge")).provides
        ('scores.elo',)
    """

    @property
    def provides(self) -> tuple[str, ...]:
        """The rating."""
        return ("scores.elo",)

    def __call__(self, table: pa.Table, context: Context) -> pa.Table:
        """Return the groups of one shard with their ratings."""
        games, scores = self.games(table, context), np.full(table.num_rows, np.nan)
        for start, end in spans(table):
            own = [(one - start, other - start, share) for one, other, share in games if start <= one < end]
            scores[start:end] = ratings(end - start, own)
        context.tally.count("judge_abstains", int(np.isnan(scores).sum()))
        return write(table, **{"scores.elo": scores})


def ratings(players: int, games: Sequence[Game]) -> Array:
    """Return the ratings of players in Elo points, ``(players,)``; NaN for those without a game.

    Newton's method on the likelihood, which is concave.

    Args:
        players: How many there are.
        games: Who met whom, and the share of the game that the first has won.

    Example:
        >>> ratings(2, [(0, 1, 0.5)]).tolist(), ratings(3, [(0, 1, 1.0)]).tolist()[2]
        ([0.0, 0.0], nan)
    """
    rating, played = np.zeros(players), sorted({player for one, other, _ in games for player in (one, other)})
    for _ in range(STEPS):
        own = 1 / (1 + np.exp(-rating))
        slope, curve = PRIOR * (0.5 - own), np.diag(PRIOR * own * (1 - own))
        for one, other, share in games:
            chance = 1 / (1 + np.exp(rating[other] - rating[one]))
            slope[[one, other]] += share - chance, chance - share
            sides = np.ix_([one, other], [one, other])
            curve[sides] += chance * (1 - chance) * np.array([[1, -1], [-1, 1]])
        rating = rating + np.linalg.solve(curve, slope).clip(-1, 1)
    known = np.full(players, np.nan)
    known[played] = POINTS * (rating[played] - rating[played].mean()) if played else known[played]
    return known
