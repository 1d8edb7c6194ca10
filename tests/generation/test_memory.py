"""How many rows fit is computed; where that proves wrong, fewer are tried and nothing is lost."""

import pytest
import torch

from lit_iterative.errors import out_of_memory
from lit_iterative.generation import memory
from lit_iterative.generation.endings import Endings
from lit_iterative.generation.language import Sampling
from lit_iterative.generation.memory import SHARE, free_bytes, rows_that_fit
from lit_iterative.generation.sampler import Sampler
from tests.generation.models import Failing, asked, exact, model, prompts, target

# ---- what fits ----------------------------------------------------------------------------------------


#: Bytes of a token's keys and values in all layers, in float32: 2 * layers * heads of keys * size of a head * 4.
TOKEN = {"llama": 2 * 2 * 2 * 8 * 4, "qwen3": 2 * 2 * 2 * 16 * 4, "gpt2": 2 * 2 * 4 * 8 * 4, "opt": 2 * 2 * 4 * 8 * 4}
LOGITS = 3 * 61 * 4


@pytest.mark.parametrize("name", TOKEN)
@pytest.mark.parametrize(("dtype", "part"), [(torch.float32, 1), (torch.bfloat16, 2), (torch.float64, 0.5)])
def test_rows_that_fit_are_counted_by_hand(name, dtype, part, monkeypatch):
    wanted = target(model(name, dtype), batch_size=10**9)
    row = (30 + 20) * TOKEN[name] / part + LOGITS
    for rows in (1, 2, 17, 1000):
        monkeypatch.setattr(memory, "free_bytes", lambda _, free=rows * row / SHARE: int(free) + 2)
        assert rows_that_fit(wanted, prompts([30, 3]), 20) == rows
        monkeypatch.setattr(memory, "free_bytes", lambda _, free=rows * row / SHARE: int(free) - 2)
        assert rows_that_fit(wanted, prompts([30, 3]), 20) == max(1, rows - 1)


def test_never_more_than_the_batch_size_and_never_none(monkeypatch):
    wanted = target(model(), batch_size=9)
    for free, rows in ((10**12, 9), (0, 1), (None, 9)):
        monkeypatch.setattr(memory, "free_bytes", lambda _, free=free: free)
        assert rows_that_fit(wanted, prompts([30]), 20) == rows
    monkeypatch.setattr(memory, "free_bytes", lambda _: 0)
    assert rows_that_fit(wanted, [], 20) == 9


def test_a_sampler_takes_no_more_rows_than_fit(monkeypatch):
    given, seeds = asked()
    row = (55 + 8) * 2 * 2 * 4 * 8 * 8 + LOGITS
    expected = Sampler(target(exact())).generate(given, seeds, Sampling(8))
    monkeypatch.setattr(memory, "free_bytes", lambda _: int(5 * row / SHARE) + 2)
    with Failing(exact(), lambda rows, _: False) as network:
        assert Sampler(target(exact())).generate(given, seeds, Sampling(8)) == expected
    assert max(network.rows) == 5


def test_free_memory_is_what_the_system_says():
    free = free_bytes(torch.device("cpu"))
    assert free is None or 2**20 < free < 2**50
    assert free_bytes(torch.device("meta")) is None


def test_free_memory_of_a_gpu_counts_what_is_cached(monkeypatch):
    fakes = {"memory_reserved": 700, "memory_allocated": 300, "mem_get_info": (5000, 9000)}
    for name, value in fakes.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert free_bytes(torch.device("cuda", 0)) == 5400


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"), True),
        (RuntimeError("expected scalar type Half"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_that_say_that_memory_is_short(error, is_one):
    assert out_of_memory(error) is is_one


def test_the_allocator_of_the_cpu_says_so():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(caught.value)


# ---- memory is short ----------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 5, 30])
def test_what_fits_is_found_and_changes_nothing(most):
    given, seeds = asked([7, 1, 30], [1, 16, 25])
    expected = Sampler(target(exact(), 40)).generate(given, seeds, Sampling(6))
    with Failing(exact(), lambda rows, _: rows > most) as network:
        assert Sampler(target(exact(), 40)).generate(given, seeds, Sampling(6)) == expected
    assert network.failed <= 6
    assert max(network.rows[-5:]) <= most


@pytest.mark.parametrize("number", [1, 5, 20])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_what_is_finished_is_kept_when_memory_runs_out(number, error, monkeypatch):
    given, seeds = asked()
    expected = Sampler(target(exact(), 16)).generate(given, seeds, Sampling(8))
    add, completion, ended = Endings.add, Endings.completion, set()

    def added(endings, numbers, *others):
        assert not ended & set(numbers.tolist())
        return add(endings, numbers, *others)

    def completed(endings, branch, length):
        ended.add(branch)
        return completion(endings, branch, length)

    monkeypatch.setattr(Endings, "add", added)
    monkeypatch.setattr(Endings, "completion", completed)
    with Failing(exact(), lambda _, count: count == number, error) as network:
        assert Sampler(target(exact(), 16)).generate(given, seeds, Sampling(8)) == expected
    assert network.failed == 1
    assert max(network.rows[number:]) <= 8
    assert len(ended) == len(given)


def test_when_not_even_a_row_fits_the_error_is_the_callers():
    given, seeds = asked()
    with Failing(exact(), lambda *_: True) as network, pytest.raises(torch.OutOfMemoryError):
        Sampler(target(exact(), 40)).generate(given, seeds, Sampling(8))
    assert network.failed == 7  # 40, 20, 10, 5, 3, 2, 1


@pytest.mark.parametrize("error", [RuntimeError("expected scalar type Half"), ValueError("no"), KeyboardInterrupt()])
def test_other_errors_are_the_callers_at_once(error):
    given, seeds = asked()
    with Failing(exact(), lambda _, count: count == 7, error) as network, pytest.raises(type(error)):
        Sampler(target(exact(), 40)).generate(given, seeds, Sampling(8))
    assert len(network.rows) == 7


@pytest.mark.parametrize(("limit", "left"), [("5000", 5000 - 4000 + 300), ("max", float("inf"))])
def test_a_container_may_allow_less(tmp_path, monkeypatch, limit, left):
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text("4000\n")
    (tmp_path / "memory.stat").write_text("anon 7\ninactive_file 300\nactive_file 9\n")
    outside = free_bytes(torch.device("cpu"))
    monkeypatch.setattr(memory, "CONTAINER", str(tmp_path))
    found = free_bytes(torch.device("cpu"))
    assert found == left if limit == "5000" else found > 2**20
    assert outside > 2**20
