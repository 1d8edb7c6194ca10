from dataclasses import dataclass
from functools import partial

import lightning.pytorch as pl
import pytest
import torch

from lit_iterative.callbacks import Rounds
from lit_iterative.columns import write
from lit_iterative.datamodules import PromptData
from lit_iterative.errors import DataError
from lit_iterative.modules.backbone import LoRA
from lit_iterative.ops.actors import Initial, Previous
from lit_iterative.ops.op import Op
from lit_iterative.rounds.layout import BOUNDARY, folder
from lit_iterative.rounds.plan import Phase, When
from lit_iterative.seeds import derive_seed
from tests.projects.networks import PAD
from tests.projects.warned import warned
from tests.projects.words import SAMPLING, Closeness, data, pairs, policy, sums, trainer

PROMPTS, CANDIDATES = 24, 4


def fit(path, callback, module=None, data=data, **options):
    run = trainer(path, [callback], **{"max_epochs": 4, **options})
    run.fit(module or policy(), data())
    return run


def names(callback):
    return [type(op).__name__ for op in callback.plan.phases[0].ops]


def test_the_pipeline():
    assert names(pairs()) == ["Prompts", "Sample", "Closeness", "BestWorst", "ReferenceLogProbs"]
    assert names(pairs(reference=None)) == ["Prompts", "Sample", "Closeness", "BestWorst"]
    ops = pairs(reference=Initial(), actor=Previous()).plan.phases[0].ops
    assert (ops[1].actor, ops[-1].actor) == (Previous(), Initial())
    assert (ops[0].fields, ops[1].n, ops[1].sampling) == (["answer"], 4, SAMPLING)


@pytest.mark.parametrize("schedule", ["keep", "rewarm"])
def test_schedules_of_learning_rates_go_on_or_start_anew(tmp_path, schedule):
    class First(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if batch_idx == 0:
                rates.append(trainer.optimizers[0].param_groups[0]["lr"])
                steps.append(trainer.global_step if schedule == "keep" else 0)

    def halved(optimizer):
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)

    rates, steps = [], []
    module = policy(optimizer=partial(torch.optim.AdamW, lr=1e-3), lr_scheduler=halved, lr_interval="step")
    trainer(tmp_path, [pairs(schedule=schedule), First()], max_epochs=4).fit(module, data())
    assert len(rates) == 4
    assert rates == pytest.approx([1e-3 * 0.5**step for step in steps])


# ---- whose weights ------------------------------------------------------------------------------------


def weights_at(path, round):
    """Return the module's weights in front of a round, from the file of the boundary itself."""
    name = path / "rounds" / folder(round) / BOUNDARY
    return torch.load(name, weights_only=True)["state_dict"]


def at(weights, **options):
    """Return another policy with these weights, in evaluation mode."""
    module = policy(**options)
    module.configure_model()
    module.load_state_dict(weights)
    return module.eval()


def completions(module, round, keys):
    """Sample each of these prompts by itself, as round ``round`` of a run with seed 0 has to."""
    found = {}
    for key in keys:
        prompt = module.encode(sums(PROMPTS)[key]["prompt"])
        seeds = [derive_seed(0, "sample", round, str(key), number) for number in range(CANDIDATES)]
        found[key] = module.generate([prompt] * CANDIDATES, seeds, SAMPLING)
    return found


def log_prob(module, prompt, completion):
    """Score one completion without padding, in float64 after the network."""
    with torch.no_grad():
        logits = module.network(input_ids=torch.tensor([[*prompt, *completion]])).logits[0].double()
    every = logits.log_softmax(-1)
    return sum(every[len(prompt) - 1 + place, token].item() for place, token in enumerate(completion))


def best_and_worst(module, item, made):
    """Return the scores of the best completion that was not cut, and of the worst, by the project's rule."""
    texts = [module.decode(completion.ids) for completion in made]
    scores = [-abs(int(text[0]) - int(item["answer"][0])) if text[:1].isdigit() else -10 for text in texts]
    whole = [score for score, completion in zip(scores, made, strict=True) if completion.finish == "stop"]
    return max(whole), min(scores)


@pytest.mark.parametrize(("options", "rate"), [({}, 1e-2), ({"lora": LoRA(4)}, 8e-2)], ids=["whole", "lora"])
def test_every_round_samples_and_scores_with_the_weights_of_its_boundary(tmp_path, options, rate):
    callback = pairs()
    fit(
        tmp_path, callback, policy(optimizer=lambda p: torch.optim.AdamW(p, lr=rate), **options), partial(data, PROMPTS)
    )
    base = at(policy_state(options), **options)
    assert len(list(callback.store.versions())) == 3
    for version in callback.store.versions():
        module = at(weights_at(tmp_path, version.round), **options)
        rows = version.table().to_pylist()
        assert len(rows) >= 6
        fresh, stale = (completions(drawer, version.round, [row["id"] for row in rows]) for drawer in (module, base))
        for row in rows:
            made, item = fresh[row["id"]], sums(PROMPTS)[row["id"]]
            drawn = [completion.ids for completion in made]
            assert row["chosen_ids"] in drawn
            assert row["rejected_ids"] in drawn
            assert (row["chosen_score"], row["rejected_score"]) == best_and_worst(module, item, made)
            for side in ("chosen", "rejected"):
                own = log_prob(module, row["prompt_ids"], row[f"{side}_ids"])
                assert row[f"{side}_ref_logp"] == pytest.approx(own, abs=1e-4)
        drawn_by_base = [row["chosen_ids"] in [made.ids for made in stale[row["id"]]] for row in rows]
        scored_by_base = [log_prob(base, row["prompt_ids"], row["chosen_ids"]) - row["chosen_ref_logp"] for row in rows]
        assert not all(drawn_by_base)
        assert max(map(abs, scored_by_base)) > 0.1


def policy_state(options):
    module = policy(**options)
    module.configure_model()
    return module.state_dict()


def test_another_reference_is_that_of_its_time(tmp_path):
    callback = pairs(reference=Previous())
    fit(tmp_path, callback)
    for version in list(callback.store.versions())[1:]:
        before, now = (at(weights_at(tmp_path, round)) for round in (version.round - 1, version.round))
        for row in version.table().to_pylist():
            stored = row["chosen_ref_logp"]
            assert stored == pytest.approx(log_prob(before, row["prompt_ids"], row["chosen_ids"]), abs=1e-4)
            assert stored != pytest.approx(log_prob(now, row["prompt_ids"], row["chosen_ids"]), abs=1e-4)


# ---- empty rounds -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fading(Op):
    """Scores like ``Closeness``, but from some round on finds all completions alike.

    Args:
        since: That round.
    """

    since: int = 0

    @property
    def requires(self):
        return Closeness().requires

    @property
    def provides(self):
        return Closeness().provides

    def __call__(self, table, context):
        return (
            Closeness()(table, context)
            if context.round < self.since
            else write(table, **{"scores.reward": [0.0] * len(table)})
        )


def fading(since):
    callback = pairs(When(1, 0))
    ops = [Fading(since) if isinstance(op, Closeness) else op for op in callback.plan.phases[0].ops]
    return Rounds([Phase(ops)], When(1, 0), shard_size=64)


def test_no_pair_and_no_example_is_an_error_with_a_remedy(tmp_path):
    empty = PromptData(sums(12), batch_size=4)
    with (
        pytest.raises(DataError, match="nothing to train on.*no row survived.*lower a threshold"),
        warned("Round 0 is empty"),
    ):
        fit(tmp_path, fading(0), data=lambda: empty)


def test_no_pair_but_examples_trains_on_with_them_and_says_so(tmp_path):
    callback = fading(0)
    with warned("Round 0 is empty: none of 12 inputs was kept. Training goes on"):
        run = fit(tmp_path, callback, max_epochs=2)
    assert run.global_step == 4  # eight examples, four in a step, twice
    first = next(iter(callback.store.versions()))
    assert first.manifest.rows == 0
    measured = {op.name: op.measured for op in first.manifest.ops}["BestWorst"]
    assert measured["ties"] > 0
    assert measured["yield"] == 0


def test_an_empty_later_round_keeps_the_data_of_before(tmp_path):
    callback, module = fading(1), policy()
    seen = []
    step = module.training_step
    module.training_step = lambda batch, batch_idx: (
        seen.append(batch.sequences.input_ids.tolist()) or step(batch, batch_idx)
    )
    with warned("Round 1 is empty.*data of before"):
        fit(tmp_path, callback, module, max_epochs=2)
    first, second = callback.store.versions()
    assert first.manifest.rows > 0
    assert second.manifest.rows == 0
    assert second.manifest.serves == 0
    made = {
        tuple(row["prompt_ids"] + row[side])
        for row in first.table().to_pylist()
        for side in ("chosen_ids", "rejected_ids")
    }
    trained = [tuple(token for token in row if token != PAD) for batch in seen for row in batch]
    assert len(seen) == 2 * (len(seen) // 2) > 0  # both epochs have as many steps
    assert set(trained) <= made
