"""Judging: what judges are asked, how their verdicts are read, and rewards by sequence classifiers."""
