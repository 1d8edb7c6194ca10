"""RoomsData: tasks in a small house of rooms, and what an expert does there."""

from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.prompts import PromptData
from lit_iterative.datamodules.records import Record
from lit_iterative.environments.environment import seed_of
from lit_iterative.environments.rooms import Rooms, name_of
from lit_iterative.seeds import generator


class RoomsData(PromptData):
    r"""Prompts such as ``lamp c1``, one for each house, and in ``actions`` the shortest way to the lamp.

    The house of a prompt is the one that :class:`~lit_iterative.environments.Rooms` builds for its id. The expert knows
    all of it; a policy sees one room at a time.

    Args:
        prompts: Houses.
        side: Rooms on a side, as in the environment.
        seed: Seed of the places of the lamps.
        batch_size: Rows in a training step.
        mixing: How examples and the rows of a round make up an epoch.

    Example:
        >>> RoomsData(prompts=1).records("prompts")
        [{'prompt': 'lamp a1\n', 'actions': ['n\n', 'w\n', 'n\n', 'w\n', 'take\n']}]
    """

    def __init__(
        self,
        prompts: int = 500,
        side: int = 3,
        seed: int = 0,
        batch_size: int = 32,
        mixing: Mixing = Mixing(mode="replace"),  # noqa: B008  # frozen
    ) -> None:
        house, draw = Rooms(side), generator(seed, "rooms", side)
        places = draw.integers(side * side, size=prompts).tolist()
        records = [_task(house, name_of(house.rooms()[place]), id) for id, place in enumerate(places)]
        super().__init__(records, batch_size=batch_size, mixing=mixing)


def _task(house: Rooms, room: str, id: int) -> Record:
    """Return the prompt of a house, and the actions of its expert."""
    prompt = f"lamp {room}\n"
    return {"prompt": prompt, "actions": house.reset({"prompt": prompt}, seed_of(id)).shortest()}
