"""The suite for environments."""

from collections.abc import Mapping, Sequence
from typing import Any

from lit_iterative.environments import Environment, Step
from lit_iterative.testing.expect import expect, fail
from lit_iterative.testing.slots import check_part

#: What a policy may write at any time.
HOSTILE = ("", " ", "\n", "\x00", "{task}", "</calculator>", "(" * 1000, "9" * 1000, "é🙂\u202e", "a" * 20_000)


def check_environment(environment: Environment, task: Mapping[str, Any], actions: Sequence[str] = ()) -> None:
    """Check an environment: it is a part like any other, plays the same episode again, and takes any text.

    Args:
        environment: The environment.
        task: What it is told of an input; all that it requires and more.
        actions: Actions of an episode, which show something of it.

    Raises:
        ConformanceError: If it breaks a promise.

    Example:
        >>> from lit_iterative.environments import Calculator
        >>> check_environment(Calculator(), {}, ["<calculator>3*4</calculator>", "12"])
    """
    name = type(environment).__name__
    check_part(environment, Environment)
    expect("" not in environment.stop, f"{name} has an empty stop text. Name texts that end a turn, or none.")
    told = {column: task[column] for column in environment.requires}
    given = dict(told)
    for said in (actions, HOSTILE, [text for pair in zip(actions, HOSTILE, strict=False) for text in pair]):
        first, second = _played(environment, given, said), _played(environment, given, said)
        expect(first == second, f"{name} plays two episodes alike in task, seed and actions, but they differ.")
    expect(given == told, f"{name} changes the task that it is given. Keep what must last in the episode.")


def _played(environment: Environment, task: Mapping[str, Any], actions: Sequence[str]) -> list[Any]:
    """Return the opening and the steps of an episode, up to its end."""
    name, episode = type(environment).__name__, environment.reset(task, 7)
    other = environment.reset(task, 7)  # which must not disturb the first
    said: list[Any] = [episode.opening]
    for action in actions:
        try:
            other.step("")
            step = episode.step(action)
        except Exception as error:  # noqa: BLE001  # of any kind: a policy may write anything
            fail(f"{name} raises {error!r} where the policy writes {action[:40]!r}. Answer what makes no sense.")
        texts = isinstance(step, Step) and isinstance(step.observation, str)
        expect(texts, f"{name} answers {action[:40]!r} with {step!r}, which is no Step with a text.")
        said.append(step)
        if step.done:
            break
    return said
