"""Monte Carlo tree search: nodes, which child is selected, and how a value is backed up.

Many trees are searched side by side: each is asked for its leaf, all leaves are expanded in one call, and each is
backed up. Nothing here draws: a search is a function of what its expansions return.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import sqrt


@dataclass(eq=False)
class Node:
    """A state of a search.

    Args:
        place: Number of the row that led here; -1 for the root of a tree.
        reward: ``R(s)``: how good the state is by itself.
        prior: ``p(a | s)``: how likely the step that led here was.
        final: Whether nothing can follow.
        parent: The state before.
        visits: ``N(s)``: how often the search came through.
        value: ``V(s)``: what is to be gained from here on.
        children: What the steps from here lead to; none before the state is expanded.
    """

    place: int = -1
    reward: float = 0.0
    prior: float = 1.0
    final: bool = False
    parent: "Node | None" = None
    visits: int = 0
    value: float = 0.0
    children: list["Node"] = field(default_factory=list)

    def grow(
        self, places: Sequence[int], rewards: Sequence[float], priors: Sequence[float], final: Sequence[bool]
    ) -> None:
        """Give the state its children, whose priors are made to add up to 1; without any nothing can follow."""
        self.final = not places
        total = sum(priors) or 1.0
        rows = zip(places, rewards, priors, final, strict=True)
        self.children = [Node(place, reward, prior / total, end, self) for place, reward, prior, end in rows]


def gain(node: Node, discount: float = 1.0) -> float:
    """Return ``Q(s, a) = r(s, a) + discount * V(s')`` of the step that led to a state, ``r(s, a) = R(s') - R(s)``.

    Source: Xie et al., 2024, arXiv:2405.00451, after section 2.1.

    Args:
        node: The state ``s'``, which is no root.
        discount: The paper's gamma.

    Example:
        >>> root = Node(reward=0.5)
        >>> root.grow([0], [0.75], [1.0], [False])
        >>> gain(root.children[0])
        0.25
    """
    before = node.parent.reward if node.parent else 0.0
    return node.reward - before + discount * node.value


def puct(node: Node, exploration: float, discount: float = 1.0) -> float:
    """Return ``Q(s, a) + c p(a | s) sqrt(N(s)) / (1 + N(s'))``, by which a child is selected.

    Source: Rosin, 2011, in the form of Silver et al., 2017 (AlphaGo Zero), as Xie et al., 2024 (arXiv:2405.00451) use
    it over steps.

    Args:
        node: The child ``s'``.
        exploration: ``c``.
        discount: Of ``Q``.
    """
    visits = node.parent.visits if node.parent else 0
    return gain(node, discount) + exploration * node.prior * sqrt(visits) / (1 + node.visits)


def select(node: Node, exploration: float, discount: float = 1.0) -> Node:
    """Return the leaf that the search comes to from a state: one without children, or the end of a solution."""
    while node.children:
        node = max(node.children, key=lambda child: puct(child, exploration, discount))  # the first of equals
    return node


def back_up(leaf: Node, discount: float = 1.0) -> None:
    """Count a visit of the leaf and of all states before it, and renew their values from the leaf to the root.

    ``V(s) = sum_a N(s') Q(s, a) / sum_a N(s')`` over the children that were visited; of a state without such it stays.

    Source: Xie et al., 2024, arXiv:2405.00451, after section 2.1.

    Args:
        leaf: Where the search came to.
        discount: Of ``Q``.

    Example:
        >>> root = Node()
        >>> root.grow([0, 1], [1.0, 0.0], [0.5, 0.5], [True, True])
        >>> for child in (0, 0, 0, 1):
        ...     back_up(root.children[child])
        >>> root.visits, root.value
        (4, 0.75)
    """
    node: Node | None = leaf
    while node is not None:
        node.visits += 1
        seen = sum(child.visits for child in node.children)
        if seen:
            node.value = sum(child.visits * gain(child, discount) for child in node.children) / seen
        node = node.parent


def simulate(
    states: Sequence[Node], expand: Callable[[list[Node]], None], exploration: float, discount: float = 1.0
) -> None:
    """Select a leaf below each state, expand the leaves, and back up from what each is continued with first.

    Args:
        states: One state of each tree.
        expand: Grows leaves, all in one call.
        exploration: PUCT's ``c``.
        discount: Of ``Q``.
    """
    leaves = [select(state, exploration, discount) for state in states]
    expand([leaf for leaf in leaves if not leaf.final])
    for leaf in leaves:
        back_up(select(leaf, exploration, discount), discount)
