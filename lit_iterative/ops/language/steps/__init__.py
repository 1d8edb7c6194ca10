"""Steps: solutions cut in steps, searched for by steps, and pairs of steps."""
