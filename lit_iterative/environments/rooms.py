"""Rooms: a small world of text, in which a thing is to be found and taken."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lit_iterative.environments.environment import Environment, Episode, Step
from lit_iterative.errors import DataError, PipelineError
from lit_iterative.seeds import generator

Room = tuple[int, int]  # column, row

STEPS: dict[str, Room] = {"n": (0, -1), "e": (1, 0), "s": (0, 1), "w": (-1, 0)}


@dataclass(frozen=True)
class Rooms(Environment):
    r"""A square of rooms with doors between some of them, drawn from the seed; one of them has a lamp.

    Rooms are named as on a map, ``a1`` in the north-west. The prompt says where the lamp is, for example ``lamp c1``;
    what is read of a room is its name and its doors, ``a2 ns``. The actions are ``n``, ``e``, ``s``, ``w`` and
    ``take``, a line each. Taking the lamp ends the episode with the reward 1; every other action earns 0.

    Args:
        side: Rooms on a side, from 2 to 9.

    Raises:
        PipelineError: If the side is out of its range.

    Example:
        >>> episode = Rooms(2).reset({"prompt": "lamp b2\n"}, seed=8)
        >>> episode.opening
        'a2 n\n'
        >>> [episode.step(action).observation for action in ("e\n", "n\n", "e\n", "take\n", "s\n")]
        ['a2 n\n', 'a1 es\n', 'b1 sw\n', 'no lamp\n', 'b2 n\n']
        >>> episode.step("take\n")
        Step(observation='lamp\n', done=True, reward=1.0)
    """

    side: int = 3

    def __post_init__(self) -> None:
        if not 2 <= self.side <= 9:
            raise PipelineError(f"Rooms(side) is {self.side}. Give 2 to 9 rooms on a side.")

    @property
    def requires(self) -> tuple[str, ...]:
        """The prompt, which says where the lamp is."""
        return ("prompt",)

    @property
    def stop(self) -> list[str]:
        """An action is a line."""
        return ["\n"]

    def reset(self, task: Mapping[str, Any], seed: int) -> "Visit":
        """Enter the house.

        Raises:
            DataError: If the prompt does not name a room of the house.
        """
        draw = generator("rooms", self.side, seed)
        doors = self._doors(draw)
        lamp = self._room(str(task["prompt"]))
        others = [room for room in doors if room != lamp]
        return Visit(others[draw.integers(len(others))], lamp, doors)

    def rooms(self) -> list[Room]:
        """Return all rooms, from the north-west on."""
        return [(column, row) for row in range(self.side) for column in range(self.side)]

    def _room(self, prompt: str) -> Room:
        known = {name_of(room): room for room in self.rooms()}
        found = known.get(prompt.strip().removeprefix("lamp "))
        if found is None:
            raise DataError(
                f"The prompt {prompt!r} of Rooms({self.side}) names none of {', '.join(known)}. Give prompts such as "
                "'lamp a1'; RoomsData makes them."
            )
        return found

    def _doors(self, draw: np.random.Generator) -> dict[Room, str]:
        """Return the doors of every room: a tree that reaches all rooms, and every fourth of the others."""
        walls = [(room, way) for room in self.rooms() for way in "es" if beside(room, way) in set(self.rooms())]
        part = {room: room for room in self.rooms()}
        open_ = {room: "" for room in self.rooms()}
        for place in draw.permutation(len(walls)).tolist():
            room, way = walls[place]
            next_room = beside(room, way)
            joins = part[room] != part[next_room]
            if joins or draw.random() < 0.25:
                old, new = part[next_room], part[room]
                part = {other: new if root == old else root for other, root in part.items()}
                open_[room] += way
                open_[next_room] += {"e": "w", "s": "n"}[way]
        return {room: "".join(way for way in STEPS if way in ways) for room, ways in open_.items()}


class Visit(Episode):
    """One visit.

    Args:
        room: Where it begins.
        lamp: Where the lamp is.
        doors: The doors of every room.
    """

    def __init__(self, room: Room, lamp: Room, doors: Mapping[Room, str]) -> None:
        self._room = room
        self._lamp = lamp
        self._doors = doors
        self.opening = self._seen()

    def step(self, action: str) -> Step:
        """Go through a door, or take the lamp."""
        wanted = action.strip()
        if wanted == "take":
            found = self._room == self._lamp
            return Step("lamp\n", True, 1.0) if found else Step("no lamp\n", reward=0.0)
        if len(wanted) == 1 and wanted in self._doors[self._room]:
            self._room = beside(self._room, wanted)
        return Step(self._seen(), reward=0.0)

    def shortest(self) -> list[str]:
        """Return the actions of one who knows the house, from here to the lamp."""
        ways: dict[Room, list[str]] = {self._room: []}
        ahead = deque([self._room])
        while self._lamp not in ways:
            room = ahead.popleft()
            for way in self._doors[room]:
                if beside(room, way) not in ways:
                    ways[beside(room, way)] = [*ways[room], f"{way}\n"]
                    ahead.append(beside(room, way))
        return [*ways[self._lamp], "take\n"]

    def _seen(self) -> str:
        return f"{name_of(self._room)} {self._doors[self._room]}\n"


def name_of(room: Room) -> str:
    """Return the name of a room.

    Example:
        >>> name_of((2, 0))
        'c1'
    """
    return f"{chr(ord('a') + room[0])}{room[1] + 1}"


def beside(room: Room, way: str) -> Room:
    """Return the room in a direction.

    Example:
        >>> beside((1, 1), "n")
        (1, 0)
    """
    return (room[0] + STEPS[way][0], room[1] + STEPS[way][1])
