import torch

from lit_iterative.callbacks.accepted_samples import AcceptedSamples
from lit_iterative.ops.actors import Initial
from lit_iterative.ops.language.builders.accepted import Accept
from lit_iterative.rounds.layout import BOUNDARY, folder
from lit_iterative.rounds.plan import When
from lit_iterative.rounds.sync import ReinitFromBase
from tests.projects.networks import EOS
from tests.projects.words import SAMPLING, Closeness, data, policy, trainer

ACCEPT = Accept("scores.reward", threshold=-3.0)


def accepted(**options):
    arguments = {"n": 4, "sampling": SAMPLING, "when": When(1, 1)}
    return AcceptedSamples([Closeness()], ACCEPT, **{**arguments, **options})


def test_the_pipeline():
    ops = accepted(actor=Initial()).plan.phases[0].ops
    assert [type(op).__name__ for op in ops] == ["Prompts", "Sample", "Closeness", "Accept"]
    assert ops[1].actor == Initial()
    assert AcceptedSamples([Closeness()], ACCEPT).plan.phases[0].ops[1].n == 8


def test_where_training_starts_is_told_to_the_phase():
    phase = accepted(weights=ReinitFromBase(), optimizer="reset", schedule="rewarm").plan.phases[0]
    assert (phase.weights, phase.optimizer, phase.schedule) == (ReinitFromBase(), "reset", "rewarm")
    assert accepted().plan.phases[0].schedule == "keep"


def test_two_rounds_of_imitation(tmp_path):
    callback = accepted()
    run = trainer(tmp_path, [callback])
    run.fit(policy(), data())
    for version in callback.store.versions():
        rows = version.table().to_pylist()
        assert rows
        assert all(row["scores.reward"] >= -3 and row["completion_ids"][-1] == EOS for row in rows)
        assert len({(row["group"], tuple(row["completion_ids"])) for row in rows}) == len(rows)
    assert torch.isfinite(run.callback_metrics["logps_per_token/completion"])
    assert "rewards/margins" not in run.callback_metrics


def test_training_may_start_from_the_base_in_every_round(tmp_path):
    callback, module = accepted(weights=ReinitFromBase()), policy()
    module.configure_model()
    base = {name: value.clone() for name, value in module.state_dict().items()}
    starts = []
    step = module.training_step

    def training_step(batch, batch_idx):
        if batch_idx == 0:
            starts.append(all(torch.equal(value, base[name]) for name, value in module.state_dict().items()))
        return step(batch, batch_idx)

    module.training_step = training_step
    trainer(tmp_path, [callback]).fit(module, data())
    assert starts == [True, True, True]  # the examples, then two rounds
    second = torch.load(tmp_path / "rounds" / folder(1) / BOUNDARY, weights_only=True)["state_dict"]
    assert not all(torch.equal(value, base[name]) for name, value in second.items())  # which round 1 sampled with
