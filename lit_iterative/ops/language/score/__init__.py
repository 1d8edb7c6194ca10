"""Scoring: numbers for candidates, by keys, votes, likelihoods, models and judges."""
