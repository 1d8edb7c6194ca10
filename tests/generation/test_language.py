import numpy as np
import pytest

from lit_iterative.errors import PipelineError, SetupError
from lit_iterative.generation.language import LanguageModel, Sampling, TokenScores, language_model
from tests.projects.tiny import TinyModule
from tests.projects.words import policy


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_new_tokens": 0},
        {"temperature": -0.1},
        {"temperature": 1e-9},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
        {"top_k": -1},
    ],
)
def test_samplings_that_make_no_sense_are_refused(arguments):
    (name, value) = next(iter(arguments.items()))
    with pytest.raises(PipelineError, match=f"{name}={value}.*makes no sense. Give"):
        Sampling(**arguments)


@pytest.mark.parametrize("arguments", [{"temperature": 0.0}, {"top_p": 1.0}, {"top_k": 0}, {"max_new_tokens": 1}])
def test_the_ends_of_the_ranges_are_taken(arguments):
    Sampling(**arguments)


def test_log_probs_are_summed_in_float64():
    values = np.full(100_000, -1e-3, dtype=np.float32)
    assert TokenScores(values).sum == pytest.approx(-100.0, abs=1e-5)
    assert TokenScores(np.zeros(0, dtype=np.float32)).sum == 0


def test_a_policy_is_a_language_model_and_a_classifier_is_none():
    module = policy()
    module.configure_model()
    assert isinstance(module, LanguageModel)
    assert language_model(module) is module
    with pytest.raises(SetupError, match="TinyModule lacks context, encode.*Use LanguagePolicy"):
        language_model(TinyModule())
