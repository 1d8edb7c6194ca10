"""How far a policy may be from its own reference: as its numbers are rounded, and no further."""

import pytest
import torch
from torch import nn

from lit_iterative.losses.log_probs import score
from lit_iterative.modules.backbone import Fresh
from lit_iterative.modules.rounding import arithmetic, tolerance
from lit_iterative.sequences import pad
from tests.projects.words import ALPHABET, GPT2, LLAMA


@pytest.mark.parametrize(
    ("precision", "kind"),
    [
        ("32-true", torch.float32),
        ("64-true", torch.float32),
        ("16-mixed", torch.float16),
        ("bf16-mixed", torch.bfloat16),
        ("bf16-true", torch.bfloat16),
        ("transformer-engine", torch.bfloat16),
    ],
)
def test_the_precision_of_the_trainer_counts(precision, kind):
    assert arithmetic(nn.Linear(1, 1), precision) == kind


def test_weights_in_few_bits_count_as_what_they_are_brought_to():
    layer = nn.Linear(1, 1)
    layer.compute_dtype = None
    assert arithmetic(nn.Sequential(layer), "32-true") == torch.float32
    layer.compute_dtype = torch.bfloat16
    assert arithmetic(nn.Sequential(layer), "32-true") == torch.bfloat16


@pytest.mark.parametrize(("setting", "kind"), [("high", torch.float16), ("medium", torch.bfloat16)])
def test_products_of_fewer_bits_count(setting, kind):
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(setting)
        assert arithmetic(nn.Linear(1, 1), "32-true") == kind
    finally:
        torch.set_float32_matmul_precision(before)


def test_products_set_through_the_newer_api_count(monkeypatch):
    def unknown():
        raise RuntimeError("mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", unknown)
    assert arithmetic(nn.Linear(1, 1), "32-true") == torch.float16


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_batches_of_other_rows_stay_within_a_quarter_of_it(config, kind):
    network = Fresh(ALPHABET, {**config, "initializer_range": 0.3}).network().eval()
    draw = torch.Generator().manual_seed(0)
    completions = [torch.randint(4, 16, (length,), generator=draw).tolist() for length in (1, 3, 6, 9, 14, 20) * 4]
    prompts = [torch.randint(4, 16, (length,), generator=draw).tolist() for length in (2, 9, 4) * 8]

    def sums(size):
        parts = [slice(start, start + size) for start in range(0, len(prompts), size)]
        batches = [pad(prompts[part], completions[part], pad_id=0) for part in parts]
        with torch.no_grad(), torch.autocast("cpu", kind, enabled=kind != torch.float32):
            scored = [score(network, batch) for batch in batches]
        return torch.cat([part.sums for part in scored]), torch.cat([part.tokens for part in scored])

    (together, tokens), (apart, _), (alone, _) = (sums(size) for size in (24, 5, 1))
    allowed = tolerance(tokens, kind) / 4
    assert ((together - alone).abs() <= allowed).all()
    assert ((together - apart).abs() <= allowed).all()
    assert together.std() > 1  # sharp enough to be rounded
