"""Turns: rollouts with an environment."""
