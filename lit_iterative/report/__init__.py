"""The report of a run: one page that needs nothing else to be read."""
