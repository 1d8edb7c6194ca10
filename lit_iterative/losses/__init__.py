"""Losses: pure functions of log-probabilities and labels."""
