import lightning.pytorch as pl
import pytest
import torch

from lit_iterative.errors import StoreError
from lit_iterative.inspect.checkpoints import STATE, named_rounds
from lit_iterative.inspect.listing import list_rounds
from lit_iterative.inspect.pick import pick
from lit_iterative.inspect.prune import plan_pruning, prune, render_pruning
from lit_iterative.inspect.show import show_round
from lit_iterative.inspect.verify import verify
from lit_iterative.rounds.store import Store
from tests.inspect.stores import commit, rows
from tests.projects import tiny
from tests.projects.pipelines import stateful


def checkpoint(path, made):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {"w": torch.zeros(3)}, STATE: {"rounds": made}}, path)


@pytest.fixture
def store(tmp_path):
    """Six rounds with checkpoints, of which round 4 is empty and serves round 3."""
    store = Store(tmp_path / "rounds")
    for round in range(6):
        checkpoint(tmp_path / f"rounds/round-0000{round}/boundary.ckpt", round)
        store.draft(round).begin({"epoch": round})
        tables, serves = ([], {"serves": 3, "shards": []}) if round == 4 else ([rows({round: 1})], {})
        commit(store, tables, metrics_before={}, previous=f"key{round - 1}" if round else None, **serves)
    return store


def readable(store, round):
    try:
        return bool(pick(store, store.open(round), rows=1))
    except StoreError as error:
        return "were pruned" not in str(error)


def test_the_last_rounds_and_what_they_need_stay(store):
    plan = plan_pruning(store, keep=1)
    assert plan.kept == {
        3: "round 4 serves its rows",
        4: f"named by {store.files.path('round-00005/boundary.ckpt')}",
        5: "one of the last",
    }
    assert plan.rounds == [0, 1, 2]
    prune(store, plan)
    assert [readable(store, round) for round in range(6)] == [False, False, False, True, True, True]
    assert store.rounds() == list(range(6))
    assert verify(store).sound
    assert [row.status for row in list_rounds(store)] == ["pruned"] * 3 + ["committed", "empty", "committed"]
    assert show_round(store, 0, rows=5).sample == []


def test_every_checkpoint_that_is_left_names_a_round_that_is_left(store, tmp_path):
    checkpoint(tmp_path / "logs/version_0/best.ckpt", 2)
    checkpoint(tmp_path / "elsewhere/other.ckpt", 1)
    torch.save({"state_dict": {}}, tmp_path / "logs/no_rounds.ckpt")
    prune(store, plan_pruning(store, keep=1, places=[str(tmp_path / "elsewhere")]))
    named = named_rounds(store, [str(tmp_path / "elsewhere")])
    assert set(named.values()) == {1, 2, 5}
    assert all(readable(store, made - 1) for made in named.values())
    assert not readable(store, 2)


def test_the_best_round_keeps_its_weights(store, tmp_path):
    store.files.remove("round-00002")
    for round in range(2, 6):
        store.files.remove(f"round-0000{round}/manifest.json")
    for round, accuracy in ((2, 0.9), (3, 0.5), (4, 0.4), (5, 0.3)):
        checkpoint(tmp_path / f"rounds/round-0000{round}/boundary.ckpt", round)
        commit(store, [rows({round: 1})], metrics_before={"val_accuracy": accuracy})
    plan = plan_pruning(store, keep=1)
    assert plan.kept[1] == "the best by val_accuracy"
    assert "round-00002/boundary.ckpt" not in plan.files


def test_a_plan_that_goes_back_to_earlier_weights_keeps_all(tmp_path, store):
    recipe = {"phases": [{"actor": {"class_path": "lit_iterative.ops.actors.AtRound", "init_args": {"round": 0}}}]}
    checkpoint(tmp_path / "rounds/round-00006/boundary.ckpt", 6)
    commit(store, [rows({1: 1})], recipe=recipe, metrics_before={})
    assert plan_pruning(store, keep=1).files == {}
    assert "nothing to remove" in render_pruning(plan_pruning(store, keep=1), done=False)


def test_a_checkpoint_that_cannot_be_read_stops_it(store, tmp_path):
    (tmp_path / "broken.ckpt").write_bytes(b"PK\x03\x04 no zip at all")
    with pytest.raises(StoreError, match=r"broken\.ckpt cannot be read .* not known which rounds it names"):
        plan_pruning(store)


def test_rounds_that_were_set_aside_go_only_when_asked(store):
    store.supersede(5)
    assert not any("superseded" in name for name in plan_pruning(store).files)
    plan = plan_pruning(store, superseded=True)
    prune(store, plan)
    assert store.files.list("superseded") == []


def test_pruning_again_removes_nothing(store):
    prune(store, plan_pruning(store, keep=1))
    assert plan_pruning(store, keep=1).files == {}


def test_a_run_goes_on_after_it_as_if_nothing_had_been_pruned(tmp_path):
    outcomes = []
    for name in ("whole", "pruned"):
        folder = str(tmp_path / name)
        pl.seed_everything(7, verbose=False)
        tiny.fit(folder, stateful(0.6, warmup=2, shard_size=64), max_epochs=12)
        store = Store(tmp_path / name / "rounds")
        if name == "pruned":
            plan = plan_pruning(store, keep=1)
            assert plan.rounds
            prune(store, plan)
        made = tiny.fit(folder, stateful(0.6, warmup=2, shard_size=64), max_epochs=15)
        outcomes.append([hash_of(made), store.open(store.rounds()[-1]).manifest.shards])
        assert verify(store).sound
    assert outcomes[0] == outcomes[1]


def hash_of(trainer):
    return [value.tolist() for value in trainer.lightning_module.state_dict().values()]
