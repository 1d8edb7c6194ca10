"""Search: plain algorithms on trees, which know nothing of models."""
