"""Environments: what a policy talks to, turn by turn, as plain text."""

from lit_iterative.environments.calculator import Calculator
from lit_iterative.environments.environment import Environment, Episode, Step
from lit_iterative.environments.retry import Retry
from lit_iterative.environments.rooms import Rooms

__all__ = ["Calculator", "Environment", "Episode", "Retry", "Rooms", "Step"]
