"""Forest: the search trees of many prompts, and the table of the steps that they have drawn."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from lit_iterative.columns import Array, read, write
from lit_iterative.generation.forward import Member
from lit_iterative.ops.context import Context
from lit_iterative.ops.language.builders.groups import is_cut
from lit_iterative.ops.language.steps.steps import advanced
from lit_iterative.search.mcts import Node, gain

#: Which tree a row belongs to, while the search is under way.
TREE = "search.tree"


class Expansion(NamedTuple):
    """New steps of some states.

    Args:
        steps: A row each, with the columns of their states.
        rewards: How good the states are that they lead to, ``(rows,)``.
        priors: How likely they are, ``(rows,)``.
    """

    steps: pa.Table
    rewards: Array
    priors: Array


class Weighed(NamedTuple):
    """A step as the search found it when it went on from its state; what is found later changes values before.

    Args:
        place: Its row.
        value: What it gains.
        visits: How often the search came through.
    """

    place: int
    value: float
    visits: int


class Forest:
    """A search tree for each prompt of a shard.

    Args:
        states: The roots.
        draw: Draws the steps that continue states.
        context: The round.
    """

    def __init__(self, states: pa.Table, draw: Callable[[pa.Table], Expansion], context: Context) -> None:
        self._roots = write(states, **{TREE: np.arange(states.num_rows)})
        self._draw, self._context = draw, context
        self._paths = [[Node()] for _ in range(states.num_rows)]
        self._tree = {path[0]: number for number, path in enumerate(self._paths)}
        self._weighed: list[list[Weighed]] = [[] for _ in self._paths]
        self._drawn: list[pa.Table] = []
        self._done: list[bool] = []
        self._cut: list[bool] = []

    @property
    def open(self) -> list[Node]:
        """Where the searches that can go on have come to."""
        return [path[-1] for path in self._paths if not path[-1].final]

    def expand(self, leaves: list[Node]) -> None:
        """Grow leaves of different trees, in one call."""
        if not leaves and self._drawn:
            return
        steps, rewards, priors = self._draw(self._states(leaves))
        done, cut, before = read(steps, "done").astype(bool), is_cut(steps), len(self._done)
        tree = read(steps, TREE)
        for leaf in leaves:
            mine = np.flatnonzero(tree == self._tree_of(leaf))
            values = (part[mine].tolist() for part in (rewards, priors, done | cut))
            leaf.grow((before + mine).tolist(), *values)
        self._drawn.append(steps)
        self._done += done.tolist()
        self._cut += cut.tolist()

    def go_on(self) -> None:
        """Let every search go on from the most valuable step, or end with it; one that has none cannot go on."""
        for path, weighed in zip(self._paths, self._weighed, strict=True):
            state = path[-1]
            if not state.final:
                weighed += [Weighed(child.place, gain(child), child.visits) for child in state.children]
                whole = [child for child in state.children if not self._cut[child.place]]
                if whole:
                    path.append(max(whole, key=gain))
                state.final = True

    def chosen_between(self) -> pa.Table:
        """Return the steps of all states that the searches went through, with ``scores.value`` and ``visits``."""
        ended = [len(path) - 1 for path in self._paths if path[-1].place >= 0 and self._done[path[-1].place]]
        self._context.tally.mean("ended", [1.0] * len(ended) + [0.0] * (len(self._paths) - len(ended)))
        self._context.tally.mean("steps", ended)
        self._context.tally.mean("nodes", np.bincount(read(self._all, TREE), minlength=len(self._paths)))
        steps = [step for tree in self._weighed for step in tree]
        rows = self._all.take(pa.array([step.place for step in steps], pa.int64()))
        value = np.array([step.value for step in steps], dtype=np.float64)
        visits = np.array([step.visits for step in steps], dtype=np.int32)
        return write(rows, **{"scores.value": value}, visits=visits).drop_columns([TREE])

    @property
    def _all(self) -> pa.Table:
        return pa.concat_tables(self._drawn).unify_dictionaries()

    def _states(self, leaves: list[Node]) -> pa.Table:
        """Return the states of leaves; they are all roots, or none is."""
        if not self._drawn:
            return self._roots
        with self._context.model().language(Member()) as model:
            return advanced(self._all.take(pa.array([leaf.place for leaf in leaves], pa.int64())), model.decode)

    def _tree_of(self, node: Node) -> int:
        while node.parent is not None:
            node = node.parent
        return self._tree[node]
