"""Attention of transformers models, replaced: prompts are kept and read once for all that grows from them."""
