import pytest

from lit_iterative.errors import StoreError
from lit_iterative.inspect.rollback import plan_rollback, render_rollback, roll_back
from lit_iterative.inspect.verify import verify
from lit_iterative.rounds.store import Store
from tests.inspect.stores import two_rounds
from tests.inspect.test_prune import checkpoint
from tests.projects import tiny
from tests.projects.pipelines import stateful


def run(folder, **options):
    return tiny.fit(str(folder), stateful(0.6, warmup=2, shard_size=64), **options)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_going_back_tells_before_it_moves_and_deletes_nothing(tmp_path):
    made = run(tmp_path)
    before = tiny.outcome(str(tmp_path), made)
    store = Store(tmp_path / "rounds")
    checkpoint(tmp_path / "logs/late.ckpt", len(store.rounds()))
    checkpoint(tmp_path / "logs/early.ckpt", 1)
    files = content(tmp_path)

    plan = plan_rollback(store, 0)
    assert content(tmp_path) == files
    assert plan.dropped == store.rounds()[1:]
    assert (plan.ended, plan.moved) == (True, [])
    assert [path.rsplit("/", 1)[1] for path in plan.checkpoints] == ["late.ckpt"]
    said = render_rollback(plan, done=False)
    assert "add --yes" in said
    assert "late.ckpt" in said

    done = roll_back(store, plan)
    assert store.rounds() == [0]
    after = content(tmp_path)
    assert all(name in after or any(name in moved for moved in done.moved) for name in files)
    assert verify(store).sound
    assert "were set aside" in render_rollback(done, done=True)

    # the same command makes the same run again, and reads nothing of what was set aside
    assert tiny.outcome(str(tmp_path), run(tmp_path)) == before


def test_a_round_without_its_checkpoint_is_refused(tmp_path):
    with pytest.raises(StoreError, match="Round 0 of .* has no checkpoint"):
        plan_rollback(two_rounds(tmp_path), 0)


def test_nothing_behind_the_round_is_nothing_to_do(tmp_path):
    store = two_rounds(tmp_path)
    checkpoint(tmp_path / "round-00001/boundary.ckpt", 1)
    store.draft(1).begin({})
    plan = plan_rollback(store, 1)
    assert "nothing to set aside" in render_rollback(plan, done=False)
    assert roll_back(store, plan).moved == []


def test_killed_in_between_it_ends_when_run_again(tmp_path, monkeypatch):
    run(tmp_path)
    store = Store(tmp_path / "rounds")
    last = store.rounds()[-1]
    assert last >= 2
    real, moves = store.files.move, []

    def deadly(name, to):
        if len(moves) == 3:
            raise KeyboardInterrupt
        moves.append(name)
        real(name, to)

    monkeypatch.setattr(store.files, "move", deadly)
    with pytest.raises(KeyboardInterrupt):
        roll_back(store, plan_rollback(store, 0))
    again = Store(tmp_path / "rounds")
    roll_back(again, plan_rollback(again, 0))
    assert again.rounds() == [0]
    assert not [name for name in again.files.list() if name > "round-00000" and name.startswith("round")]
