"""Proposing: prompts, and what the policy or another one writes."""
