import numpy as np
import pytest
import torch

from lit_iterative.generation.draws import draw, invert, truncated, uniforms
from lit_iterative.generation.language import Sampling

BITS = 2**64
SEEDS = np.arange(20_000, dtype=np.uint64)
LOGITS = torch.tensor([1.5, -0.5, 0.0, 2.0, -3.0, 1.0, -1.0, 0.3])
#: The first outputs of SplitMix64 seeded with 1234567, as they are published.
PUBLISHED = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def split_mix(seed):
    """Yield the outputs of SplitMix64, in Python's integers (Steele et al., 2014, figure 17)."""
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) % BITS
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % BITS
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % BITS
        yield z ^ (z >> 31)


def outputs(seed, count):
    stream = split_mix(seed)
    return [next(stream) for _ in range(count)]


def statistic(counts, expected):
    """Return Pearson's chi-squared and what it stays below but for one case in 30,000 (Wilson and Hilferty)."""
    freedom = len(counts) - 1
    limit = freedom * (1 - 2 / (9 * freedom) + 4 * (2 / (9 * freedom)) ** 0.5) ** 3
    return float(((counts - expected) ** 2 / expected).sum()), limit


def frequencies(sampling, seeds=SEEDS, position=0, logits=LOGITS):
    drawn = draw(logits.expand(len(seeds), -1), uniforms(seeds, position), sampling)
    return np.bincount(drawn.numpy(), minlength=len(logits))


# ---- the generator ------------------------------------------------------------------------------------


def test_the_reference_generator_gives_the_published_numbers():
    assert outputs(1234567, 5) == PUBLISHED


@pytest.mark.parametrize("seed", [0, 1, 1234567, 2**63 - 1, 2**64 - 1])
def test_uniforms_are_split_mix(seed):
    # the seed is mixed once, so that the streams of neighbouring seeds are no parts of each other; the first
    # number of a stream is skipped
    stream = outputs(outputs(seed, 1)[0], 40)[1:]
    for position in (0, 1, 2, 38):
        made = uniforms(np.array([seed], dtype=np.uint64), position)
        assert made.dtype == np.float64
        assert made[0] == (stream[position] >> 11) / 2**53


def test_uniforms_are_uniform_below_one():
    values = np.concatenate([uniforms(SEEDS, position) for position in range(10)])
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.histogram(values, bins=100, range=(0, 1))[0]
    found, limit = statistic(counts, len(values) / 100)
    assert found < limit


@pytest.mark.parametrize("kind", ["neighbouring seeds", "neighbouring positions", "seed against position"])
def test_pairs_of_uniforms_are_independent(kind):
    first = uniforms(SEEDS, 3)
    other = {
        "neighbouring seeds": uniforms(SEEDS + np.uint64(1), 3),
        "neighbouring positions": uniforms(SEEDS, 4),
        "seed against position": uniforms(SEEDS + np.uint64(1), 2),
    }[kind]
    counts = np.histogram2d(first, other, bins=10, range=[[0, 1], [0, 1]])[0].ravel()
    found, limit = statistic(counts, len(SEEDS) / 100)
    assert found < limit


# ---- draws --------------------------------------------------------------------------------------------


def softmax(temperature):
    weights = np.exp(LOGITS.double().numpy() / temperature)
    return weights / weights.sum()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("position", [0, 7])
def test_draws_follow_the_softmax(temperature, position):
    expected = softmax(temperature)
    common = expected * len(SEEDS) >= 5
    counts = frequencies(Sampling(temperature=temperature), position=position)
    assert common.sum() >= 6
    found, limit = statistic(counts[common], expected[common] * len(SEEDS))
    assert found < limit


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(top_k=1), [3]),
        (Sampling(top_k=3), [3, 0, 5]),
        (Sampling(top_k=8), [0, 1, 2, 3, 4, 5, 6, 7]),
        (Sampling(top_k=99), [0, 1, 2, 3, 4, 5, 6, 7]),
        (Sampling(top_p=0.5), [3, 0]),  # 0.42, then 0.68: the token that passes the boundary stays
        (Sampling(top_p=0.7), [3, 0, 5]),
        (Sampling(top_p=1e-9), [3]),
        (Sampling(top_k=3, top_p=0.5), [3]),  # which has 0.51 of the three
        (Sampling(temperature=3.0, top_p=0.5), [3, 0, 5]),
    ],
)
def test_truncation_keeps_the_most_likely_tokens_in_their_proportions(sampling, kept):
    expected = softmax(sampling.temperature)[kept]
    counts = frequencies(sampling)
    assert sorted(np.flatnonzero(counts)) == sorted(kept)
    if len(kept) > 1:
        found, limit = statistic(counts[kept], expected / expected.sum() * len(SEEDS))
        assert found < limit


def test_top_p_stops_at_the_token_that_reaches_it_exactly():
    probs, numbers = torch.tensor([0.125, 0.5, 0.25, 0.125]), uniforms(SEEDS[:2000], 0)
    for top_p, kept in ((0.5, [1]), (0.501, [1, 2]), (0.75, [1, 2]), (0.76, [0, 1, 2]), (0.876, [0, 1, 2, 3])):
        drawn = draw(probs.log().expand(2000, -1), numbers, Sampling(top_p=top_p))
        assert drawn.unique().tolist() == kept, top_p
        ordered = probs.sort(descending=True).values[None]
        assert int((truncated(ordered, Sampling(top_p=top_p)) > 0).sum()) == len(kept)


@pytest.mark.parametrize(("top_p", "kept"), [(0.25, 1), (0.5, 2), (0.51, 3), (0.75, 3), (0.76, 4)])
def test_of_equally_likely_tokens_the_first_stay(top_p, kept):
    drawn = draw(torch.zeros(2000, 4), uniforms(SEEDS[:2000], 0), Sampling(top_p=top_p))
    assert drawn.unique().tolist() == list(range(kept))


def test_top_p_is_a_share_of_what_top_k_left():
    logits, numbers = torch.tensor([0.4, 0.21, 0.19, 0.1, 0.1]).log().expand(2000, -1), uniforms(SEEDS[:2000], 0)
    assert draw(logits, numbers, Sampling(top_k=3, top_p=0.7)).unique().tolist() == [0, 1]
    assert draw(logits, numbers, Sampling(top_p=0.7)).unique().tolist() == [0, 1, 2]


@pytest.mark.parametrize("min_p", [0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("other", [{}, {"top_p": 0.95}, {"top_p": 0.4}, {"top_k": 6}])
def test_min_p_keeps_what_has_a_share_of_the_highest_probability(min_p, other):
    probs = softmax(1.0)
    counts = frequencies(Sampling(min_p=min_p, **other))
    alone = frequencies(Sampling(**other)) > 0
    assert ((counts > 0) == (alone & (probs >= min_p * probs.max()))).all()


@pytest.mark.parametrize("top_p", [0.5, 0.8, 0.95, 0.999])
def test_draws_of_the_nucleus_follow_the_softmax_within_it(top_p):
    """A vocabulary of many blocks, so that a token is looked for in its block; sorted in float64 by the oracle."""
    logits = torch.randn(700, generator=torch.Generator().manual_seed(3)) * 2
    probs = logits.double().softmax(-1).numpy()
    order = np.argsort(-probs, kind="stable")
    inside = order[np.cumsum(probs[order]) - probs[order] < top_p]
    counts = frequencies(Sampling(top_p=top_p), logits=logits)
    assert set(np.flatnonzero(counts)) <= set(inside)
    expected = probs[inside] / probs[inside].sum() * len(SEEDS)
    common = expected >= 5
    found, limit = statistic(counts[inside][common], expected[common])
    assert found < limit


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=2), Sampling(top_p=0.9), Sampling(temperature=0.0)])
def test_logits_that_are_no_numbers_draw_no_token(sampling):
    logits = torch.tensor([[1.0, torch.nan, 0.0], [1.0, 2.0, 0.0]])
    assert (draw(logits, np.array([0.1, 0.2]), sampling) < 0).tolist() == [True, False]


@pytest.mark.parametrize("tokens", [1, 127, 128, 129, 300, 5000])
def test_a_draw_is_where_the_whole_cumulative_distribution_passes_the_number(tokens):
    probs = torch.rand(64, tokens, generator=torch.Generator().manual_seed(tokens)).softmax(-1)
    numbers = uniforms(SEEDS[:64], 1)
    below = np.concatenate([np.zeros((64, 1)), np.cumsum(probs.double().numpy(), axis=1)], axis=1)
    drawn = invert(probs, torch.from_numpy(numbers)).numpy()
    wanted, rows = numbers * below[:, -1], np.arange(64)
    assert (below[rows, drawn] - 1e-6 <= wanted).all()
    assert (wanted <= below[rows, drawn + 1] + 1e-6).all()


def test_temperature_zero_is_argmax_and_the_limit_of_small_ones():
    logits = torch.randn(500, 50, generator=torch.Generator().manual_seed(0))
    u = uniforms(SEEDS[:500], 0)
    assert torch.equal(draw(logits, u, Sampling(temperature=0.0)), logits.argmax(-1))
    assert torch.equal(draw(logits, u, Sampling(temperature=1e-6)), logits.argmax(-1))
    assert torch.equal(draw(1000 * logits, u, Sampling(temperature=1e-6)), logits.argmax(-1))


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=3), Sampling(top_p=0.99), Sampling(temperature=0.0)])
@pytest.mark.parametrize("u", [0.0, 2.0**-53, 0.5, 1 - 2.0**-53])
def test_a_token_of_probability_zero_is_never_drawn(sampling, u):
    impossible = -torch.inf
    logits = torch.tensor(
        [[impossible, 0.3, impossible, 0.1, impossible], [impossible, impossible, 5.0, 1.0, impossible]]
    )
    drawn = draw(logits, np.array([u, u]), sampling).tolist()
    assert drawn[0] in (1, 3)
    assert drawn[1] in (2, 3)


def test_the_ends_of_the_unit_interval_draw_the_first_and_the_last_token():
    logits = torch.zeros(1, 4)
    assert draw(logits, np.array([0.0]), Sampling()).item() == 0
    assert draw(logits, np.array([1 - 2.0**-53]), Sampling()).item() == 3


def test_the_largest_number_never_passes_the_last_possible_token():
    # whatever the rounding of the sum of 1,000 probabilities
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(300, 1000, generator=draws)
    logits[:, 900:] = -torch.inf
    drawn = draw(logits, np.full(300, 1 - 2.0**-53), Sampling())
    assert drawn.max() <= 899


def test_a_large_vocabulary_is_added_up_exactly_enough():
    size, u = 200_000, uniforms(SEEDS[:50], 1)
    drawn = draw(torch.zeros(1, size).expand(50, -1), u, Sampling())
    assert np.abs(drawn.numpy() - np.floor(u * size)).max() <= 1


def test_a_draw_is_the_same_in_any_batch_and_in_low_precision_logits():
    logits = torch.randn(64, 30, generator=torch.Generator().manual_seed(1)).bfloat16()
    u = uniforms(SEEDS[:64], 5)
    for sampling in (Sampling(), Sampling(temperature=0.7, top_k=10, top_p=0.9)):
        together = draw(logits, u, sampling)
        alone = [draw(logits[row : row + 1], u[row : row + 1], sampling).item() for row in range(64)]
        assert together.tolist() == alone
