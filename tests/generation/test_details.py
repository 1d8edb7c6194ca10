"""What is told of drawn tokens is what a plain pass over the whole text says."""

import numpy as np
import pytest
import torch

from lit_iterative.errors import DataError
from lit_iterative.generation.decoder import Decoder
from lit_iterative.generation.details import Details
from lit_iterative.generation.language import Sampling
from lit_iterative.generation.sampler import Sampler
from tests.generation.models import VOCABULARY, asked, exact, model, target


def by_hand(network, prompt, ids):
    """Return the distribution behind every token of a completion, float64 ``(tokens, vocabulary)``."""
    with torch.no_grad():
        logits = network(input_ids=torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1].numpy()
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    return probs / probs.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("engine", [Sampler, Decoder])
@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.0}, {"temperature": 1.7}, {"top_k": 3}, {"top_p": 0.5, "min_p": 0.1}]
)
def test_scores_are_of_the_distribution_before_temperature_and_truncation(engine, options):
    (given, seeds), sampling = asked([7, 1, 30, 2], [3, 9, 4, 2]), Sampling(9, details=True, alternatives=5, **options)
    made = engine(target(exact(), 5)).generate(given, seeds, sampling)
    for prompt, completion in zip(given, made, strict=True):
        probs, scores = by_hand(exact(), prompt, completion.ids), completion.scores
        count = len(completion.ids)
        order = np.argsort(-probs, axis=1)[:, :5]
        expected = {
            "log_probs": [np.log(probs[place, token]) for place, token in enumerate(completion.ids)],
            "entropy": [-sum(p * np.log(p) for p in row) for row in probs],
            "uniform": [sum(np.log(1 / VOCABULARY / p) for p in row) / VOCABULARY for row in probs],
            "alternative_log_probs": np.log(np.take_along_axis(probs, order, axis=1)),
        }
        for name, values in expected.items():
            found = getattr(scores, name)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, values, atol=2e-5, err_msg=name)
        assert scores.alternatives.tolist() == order.tolist()
        assert scores.log_probs.shape == scores.entropy.shape == scores.uniform.shape == (count,)
        assert scores.alternatives.shape == scores.alternative_log_probs.shape == (count, 5)
        assert scores.sum == pytest.approx(sum(expected["log_probs"]), abs=1e-4)


def test_details_change_no_token_and_are_given_only_on_request():
    given, seeds = asked()
    plain = Sampler(target(exact(), 7)).generate(given, seeds, Sampling(9))
    told = Sampler(target(exact(), 7)).generate(given, seeds, Sampling(9, details=True))
    assert told == plain
    assert all(completion.scores is None for completion in plain)
    assert all(completion.scores.alternatives.shape == (len(completion.ids), 0) for completion in told)


def test_all_tokens_may_be_alternatives():
    given, seeds = asked([5], [3])
    (first, *_) = Sampler(target(model())).generate(given, seeds, Sampling(2, details=True, alternatives=VOCABULARY))
    assert sorted(first.scores.alternatives[0].tolist()) == list(range(VOCABULARY))
    assert np.exp(first.scores.alternative_log_probs).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (np.diff(first.scores.alternative_log_probs, axis=1) <= 0).all()


def test_more_alternatives_than_tokens_are_refused():
    given, seeds = asked([5], [3])
    with pytest.raises(DataError, match=f"alternatives. is 500, but the model knows {VOCABULARY} tokens. Ask"):
        Sampler(target(model())).generate(given, seeds, Sampling(2, details=True, alternatives=500))


def test_what_is_kept_of_a_completion_is_its_own():
    details = Details(completions=3, tokens=2, alternatives=1)
    logits = torch.tensor([[0.0, 1.0], [3.0, 0.0]])
    details.add(np.array([2, 0]), np.array([0, 0]), logits, torch.tensor([1, 1]))
    details.add(np.array([2]), np.array([1]), logits[1:], torch.tensor([0]))
    third = details.scores(2, 2)
    log_probs = [-np.log1p(np.exp(-1)), -np.log1p(np.exp(-3))]
    np.testing.assert_allclose(third.log_probs, log_probs, atol=1e-6)
    np.testing.assert_allclose(details.scores(0, 1).log_probs, [-3 - np.log1p(np.exp(-3))], atol=1e-6)
    assert third.alternatives.tolist() == [[1], [0]]
    details.add(np.array([2]), np.array([0]), logits[:1], torch.tensor([0]))
    assert third.log_probs[0] == pytest.approx(log_probs[0], abs=1e-6)  # a copy


def test_a_token_that_cannot_be_has_no_entropy_that_is_no_number():
    details = Details(completions=1, tokens=1, alternatives=0)
    details.add(np.array([0]), np.array([0]), torch.tensor([[0.0, -torch.inf, 0.0]]), torch.tensor([2]))
    scores = details.scores(0, 1)
    assert scores.entropy[0] == pytest.approx(np.log(2), abs=1e-6)
    assert scores.log_probs[0] == pytest.approx(-np.log(2), abs=1e-6)
    assert scores.uniform[0] == np.inf
