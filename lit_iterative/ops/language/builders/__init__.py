"""Building: rows to train on, and what losses want to know of them."""
