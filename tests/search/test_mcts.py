"""Against a search that is written with plain numbers, straight from the formulas."""

from collections import defaultdict
from math import sqrt

import numpy as np
import pytest

from lit_iterative.search.mcts import Node, back_up, gain, puct, select, simulate

WIDTH, DEPTH = 3, 3


def reward(path):
    """A number for every state, the same whenever it is asked for."""
    return float(np.random.default_rng([7, *path]).uniform(-1, 1))


def prior(path):
    return float(np.random.default_rng([8, *path]).uniform(0.1, 1))


class Plain:
    """The search over paths, in float64: no nodes, all sums taken anew."""

    def __init__(self, exploration, discount):
        self.c, self.g = exploration, discount
        self.visits, self.values, self.open = defaultdict(int), defaultdict(float), set()

    def q(self, path):
        before = reward(path[:-1]) if len(path) > 1 else 0.0
        return reward(path) - before + self.g * self.values[path]

    def children(self, path):
        return [(*path, a) for a in range(WIDTH)]

    def score(self, path):
        mine = prior(path) / sum(prior(other) for other in self.children(path[:-1]))
        return self.q(path) + self.c * mine * sqrt(self.visits[path[:-1]]) / (1 + self.visits[path])

    def leaf(self, path):
        while path in self.open:
            path = max(self.children(path), key=self.score)
        return path

    def simulate(self, start):
        path = self.leaf(start)
        if len(path) < DEPTH:
            self.open.add(path)
            path = self.leaf(path)
        for end in range(len(path), -1, -1):
            here = path[:end]
            self.visits[here] += 1
            if here in self.open:
                kids = self.children(here)
                seen = sum(self.visits[kid] for kid in kids)
                self.values[here] = sum(self.visits[kid] * self.q(kid) for kid in kids) / seen


def paths_of(node, path=()):
    yield path, node
    for action, child in enumerate(node.children):
        yield from paths_of(child, (*path, action))


def grow_by_path(root):
    def expand(leaves):
        for leaf in leaves:
            (path,) = [path for path, node in paths_of(root) if node is leaf]
            kids = [(*path, action) for action in range(WIDTH)]
            leaf.grow([*range(WIDTH)], [*map(reward, kids)], [*map(prior, kids)], [len(kids[0]) == DEPTH] * WIDTH)

    return expand


@pytest.mark.parametrize(("exploration", "discount"), [(0.0, 1.0), (1.0, 1.0), (3.0, 0.5)])
def test_the_search_is_that_of_the_formulas(exploration, discount):
    root, plain = Node(), Plain(exploration, discount)
    for _ in range(60):
        simulate([root], grow_by_path(root), exploration, discount)
        plain.simulate(())
    found = dict(paths_of(root))
    assert {path for path, node in found.items() if node.children} == plain.open
    for path, node in found.items():
        assert node.visits == plain.visits[path]
        assert node.value == pytest.approx(plain.values[path])
        if path:
            assert gain(node, discount) == pytest.approx(plain.q(path))


def test_more_exploration_visits_more_states():
    def visited(exploration):
        root = Node()
        for _ in range(60):
            simulate([root], grow_by_path(root), exploration)
        return sum(node.visits > 0 for _, node in paths_of(root))

    assert visited(0.0) < visited(5.0)


def test_a_leaf_that_cannot_grow_is_final_and_is_not_asked_again():
    asked = []

    def expand(leaves):
        asked.append(len(leaves))
        for leaf in leaves:
            leaf.grow([], [], [], [])

    root = Node()
    simulate([root], expand, 1.0)
    simulate([root], expand, 1.0)
    assert (asked, root.final, root.visits) == ([1, 0], True, 2)


def test_priors_add_up_to_one_and_those_of_nothing_stay():
    root = Node()
    root.grow([0, 1], [0.0, 0.0], [3.0, 1.0], [False, False])
    assert [child.prior for child in root.children] == [0.75, 0.25]
    root.grow([0], [0.0], [0.0], [False])
    assert root.children[0].prior == 0.0


def test_the_first_of_equals_is_selected():
    root = Node()
    root.grow([0, 1], [0.5, 0.5], [1.0, 1.0], [True, True])
    assert select(root, 1.0) is root.children[0]
    back_up(root.children[0])
    assert puct(root.children[0], 1.0) < puct(root.children[1], 1.0)
    assert select(root, 1.0) is root.children[1]
