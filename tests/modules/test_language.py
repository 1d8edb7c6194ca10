"""LanguagePolicy: rounds of preference training in a real fit."""

import torch

from tests.projects.words import data, pairs, policy, trainer


def test_two_rounds_of_pairs(tmp_path):
    callback, module = pairs(), policy()
    run = trainer(tmp_path, [callback])
    run.fit(module, data())
    first, second = callback.store.versions()
    assert first.manifest.rows and second.manifest.rows
    assert first.manifest.weights != second.manifest.weights
    assert torch.isfinite(run.callback_metrics["rewards/margins"])
