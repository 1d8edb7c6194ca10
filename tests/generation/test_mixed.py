"""Completions between two contexts, against mixtures that are taken token by token, without a cache, in float64."""

import numpy as np
import pytest
import torch

from lit_iterative.errors import DataError, PipelineError
from lit_iterative.generation.decoder import Decoder
from lit_iterative.generation.draws import uniforms
from lit_iterative.generation.language import Sampling, Target, TokenMixture
from lit_iterative.generation.mixed import MixedDecoder
from lit_iterative.seeds import derive_seed
from tests.projects.networks import EOS, PAD, network, prompts

CONTEXT = 32
FIRST, SECOND = prompts([3, 9, 1, 5, 7]), prompts([4, 2, 8, 5, 1], seed=1)
BOTH = list(zip(FIRST, SECOND, strict=True))
SEEDS = [derive_seed("mixed", number) for number in range(len(BOTH))]


def target(kind="rotary", batch_size=64):
    return Target(network(kind), PAD, [EOS], CONTEXT, batch_size, str)


def mixed(shares, kind="arithmetic", sampling=Sampling(8), contexts=BOTH, **options):  # noqa: B008  # frozen
    return MixedDecoder(target(**options)).generate_mixed(contexts, TokenMixture(shares, kind), SEEDS, sampling)


def probabilities(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0, -1].double().softmax(-1).numpy()


def oracle(model, both, share, kind, seed, tokens):
    """One completion: the mixture of whole forward passes, and the token where its distribution passes a number."""
    made = []
    for position in range(tokens):
        p, q = (probabilities(model, [*context, *made]) for context in both)
        mixture = share * p + (1 - share) * q if kind == "arithmetic" else p**share * q ** (1 - share)
        cumulative = np.cumsum(mixture / mixture.sum())
        number = uniforms(np.array([seed], dtype=np.uint64), position)[0]
        made.append(int(np.searchsorted(cumulative, number, side="right")))
        if made[-1] == EOS:
            break
    return made


@pytest.mark.parametrize("network_kind", ["rotary", "absolute"])
@pytest.mark.parametrize(("share", "kind"), [(0.7, "arithmetic"), (0.3, "geometric"), (1.6, "geometric")])
def test_every_token_is_drawn_from_the_mixture(network_kind, share, kind):
    mixture = TokenMixture([share] * len(BOTH), kind)
    made = MixedDecoder(target(network_kind)).generate_mixed(BOTH, mixture, SEEDS, Sampling(8))
    model = network(network_kind)
    for completion, both, seed in zip(made, BOTH, SEEDS, strict=True):
        assert completion.ids == oracle(model, both, share, kind, seed, 8)


def test_at_the_ends_it_is_one_context_and_between_equal_ones_as_well():
    one, other = (Decoder(target()).generate(given, SEEDS, Sampling(8)) for given in (FIRST, SECOND))
    assert mixed([1.0] * 5) == one
    assert mixed([0.0] * 5) == other != one
    assert mixed([1.0, 0.0, 1.0, 0.0, 1.0]) == [pair[k % 2] for k, pair in enumerate(zip(one, other, strict=True))]
    assert mixed([0.4] * 5, contexts=list(zip(FIRST, FIRST, strict=True))) == one


def test_the_batch_size_changes_nothing():
    whole = mixed([0.5] * 5)
    assert mixed([0.5] * 5, batch_size=2) == mixed([0.5] * 5, batch_size=5) == whole


def test_a_completion_has_room_behind_the_longer_context_alone():
    short, long = prompts([2, 30])
    (made,) = MixedDecoder(target()).generate_mixed([(short, long)], TokenMixture([1.0]), SEEDS[:1], Sampling(8))
    assert len(made.ids) <= 2


@pytest.mark.parametrize("contexts", [([1], []), ([1], prompts([32])[0])])
def test_contexts_that_are_empty_or_leave_no_room_are_refused(contexts):
    with pytest.raises(DataError):
        MixedDecoder(target()).generate_mixed([contexts], TokenMixture([0.5]), [1], Sampling(8))


@pytest.mark.parametrize(("share", "kind"), [(1.5, "arithmetic"), (-0.1, "arithmetic"), (float("nan"), "geometric")])
def test_shares_that_make_no_sense_are_refused(share, kind):
    with pytest.raises(PipelineError, match="share of a mixture"):
        TokenMixture([0.5, share], kind)
