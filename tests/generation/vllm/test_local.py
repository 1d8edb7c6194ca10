"""VLLM: what it asks of the package, and what it gives it of the weights."""

import os
import sys

import numpy as np
import pytest
import torch
from torch import distributed

from lit_iterative.errors import OptionalDependencyError, SetupError
from lit_iterative.generation.gap import gaps
from lit_iterative.generation.language import Sampling
from lit_iterative.generation.vllm import VLLM
from tests.generation.vllm import fake
from tests.generation.vllm.fake import EOS, decode, network
from tests.generation.vllm.test_server import PROMPTS, adapted, generate, scores


def named(policy):
    """Return a policy that comes from a path, as one that was loaded."""
    policy.name_or_path = "some/model"
    return policy


@pytest.fixture
def llm(monkeypatch):
    return fake.module(monkeypatch)


def test_starts_on_the_weights_of_the_moment(llm):
    policy = network(3)
    drawn = generate(VLLM({"dtype": "float32"}), policy)
    (made,) = llm.made
    assert made.options == {"dtype": "float32", "skip_tokenizer_init": True}
    assert gaps(drawn, scores(policy, PROMPTS, drawn)).max() < 1e-5
    assert {one.finish for one in drawn} <= {"stop", "length"}
    assert all((one.ids[-1] == EOS) == (one.finish == "stop") for one in drawn)


def test_requests_have_the_documented_form(llm):
    sampling = Sampling(max_new_tokens=30, temperature=0.5, top_p=0.9, top_k=3, min_p=0.1)
    generate(VLLM(), network(), sampling)
    params, lora = llm.made[0].requests[1]
    assert lora is None
    assert params == fake.SamplingParams(
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        min_p=0.1,
        seed=2**63 - 1,
        max_tokens=22,  # of the context of 24
        ignore_eos=True,
        stop_token_ids=[EOS],
        logprobs=0,
        detokenize=False,
    )


def test_weights_are_loaded_again_when_they_have_changed(llm, tmp_path):
    policy, made = network(), VLLM(folder=str(tmp_path))
    before = generate(made, policy)
    assert generate(made, policy) == before
    with torch.no_grad():
        policy.lm_head.weight.mul_(0.5)
    after = generate(made, policy)
    assert len(llm.made) == 1
    assert len(llm.made[0].engine.loaded) == 2
    assert gaps(after, scores(policy, PROMPTS, after)).max() < 1e-5
    assert os.listdir(tmp_path) == [os.path.basename(llm.made[0].engine.loaded[1])]


def test_a_cache_that_stays_full_is_refused(llm):
    policy, made = network(), VLLM()
    generate(made, policy)
    llm.reset_prefix_cache = lambda self: False
    with torch.no_grad():
        policy.lm_head.weight.mul_(0.5)
    with pytest.raises(SetupError, match=r"could not empty its cache.*enable_prefix_caching"):
        generate(made, policy)


def test_of_a_policy_with_an_adapter_only_that_is_sent(llm, tmp_path):
    policy, made = adapted(named(network()), r=5), VLLM(folder=str(tmp_path))
    drawn = generate(made, policy)
    with policy.disable_adapter():
        of_base = generate(made, policy)
    with torch.no_grad():
        next(weight for name, weight in policy.named_parameters() if "lora_B" in name).mul_(2)
    changed = generate(made, policy)
    assert llm.made[0].options == {"enable_lora": True, "max_lora_rank": 8, "tokenizer": "some/model"}
    assert len(llm.made[0].engine.loaded) == 1
    requests = [lora for _, lora in llm.made[0].requests]
    assert [None if lora is None else lora.lora_int_id for lora in requests[::3]] == [1, None, 2]
    assert requests[0].lora_name != requests[6].lora_name
    assert gaps(drawn, scores(adapted(network(), r=5), PROMPTS, drawn)).max() < 1e-4
    assert gaps(of_base, scores(network(), PROMPTS, of_base)).max() < 1e-5
    assert gaps(changed, scores(policy, PROMPTS, changed)).max() < 1e-4


def test_a_base_from_another_run_is_not_taken(llm, tmp_path):
    generate(VLLM(folder=str(tmp_path)), adapted(network(0)))
    policy = adapted(network(1))
    drawn = generate(VLLM(folder=str(tmp_path)), policy)
    assert gaps(drawn, scores(policy, PROMPTS, drawn)).max() < 1e-4


def test_a_quantised_base_is_quantised_by_vllm_from_its_files(llm, tmp_path):
    network(0).save_pretrained(tmp_path)
    policy = network(0)
    policy.name_or_path = str(tmp_path)
    policy.is_quantized = True

    class Params4bit(torch.nn.Parameter):
        pass

    policy.model.norm.weight = Params4bit(policy.model.norm.weight.detach())
    policy = adapted(policy)
    generate(VLLM(), policy)
    assert llm.made[0].model == str(tmp_path)
    assert llm.made[0].options["quantization"] == "bitsandbytes"
    generate(VLLM({"quantization": None}), policy)
    assert llm.made[1].options["quantization"] is None


def test_adapters_beyond_what_vllm_knows_are_refused(llm, monkeypatch):
    monkeypatch.setattr("lit_iterative.generation.vllm.local.RANKS", (1, 2))
    with pytest.raises(SetupError, match=r"rank 2 at most, not 4. Lower LoRA\(r\)"):
        generate(VLLM(), adapted(network()))


@pytest.mark.parametrize("extra", [0, 3])
def test_stop_texts_end_completions(monkeypatch, extra):
    llm = fake.module(monkeypatch, extra=extra)
    sampling = Sampling(max_new_tokens=20, stop=["a", "cb"])
    drawn = generate(VLLM(tokenizer="some/tokenizer"), network(), sampling, [[1, 4]] * 20, list(range(20)))
    by_text = [one for one in drawn if one.ids[-1] != EOS and one.finish == "stop"]
    assert len(by_text) > 2
    for one in by_text:
        assert decode(one.ids).endswith(("a", "cb"))
        assert not any(text in decode(one.ids[:-1]) for text in sampling.stop)
    assert llm.made[0].options == {"tokenizer": "some/tokenizer"}


def test_stop_texts_without_a_tokenizer_are_refused(llm):
    with pytest.raises(SetupError, match=r"VLLM\(tokenizer=\.\.\.\)"):
        generate(VLLM(), network(), Sampling(stop=["a"]))


def test_training_is_not_disturbed(llm):
    policy = network().train()
    torch.manual_seed(7)
    np.random.seed(7)
    expected = torch.get_rng_state(), np.random.get_state()[1].tolist()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        drawn = generate(VLLM(), policy)  # the stand-in refuses to compute in the trainer's precision
        assert torch.is_autocast_enabled("cpu")
    assert torch.equal(torch.get_rng_state(), expected[0])
    assert np.random.get_state()[1].tolist() == expected[1]
    assert policy.training
    assert all(weight.requires_grad and weight.grad is None for weight in policy.parameters())
    assert gaps(drawn, scores(policy, PROMPTS, drawn)).max() < 1e-5


def test_log_probs_only_on_request(llm):
    assert [one.scores for one in generate(VLLM(log_probs=False), network())] == [None] * 3
    assert llm.made[0].requests[0][0].logprobs is None


def test_nothing_of_vllm_is_imported_before_it_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    made = VLLM()
    with pytest.raises(OptionalDependencyError, match=r'pip install "lit-iterative\[vllm\]"'):
        generate(made, network())


def test_several_ranks_are_refused(llm, monkeypatch):
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 4)
    with pytest.raises(SetupError, match="training runs in 4.*VLLMServer"):
        generate(VLLM(), network())


def test_options_of_the_policy_are_refused():
    with pytest.raises(SetupError, match=r"names model, tokenizer, which follows from the policy"):
        VLLM({"model": "x", "tokenizer": "y"})


def test_a_temporary_folder_goes_at_the_end(llm, monkeypatch):
    ends = []
    monkeypatch.setattr("atexit.register", lambda call, *args, **options: ends.append((call, args, options)))
    generate(VLLM(), network())
    ((call, (folder,), options),) = ends
    assert llm.made[0].model.startswith(folder)
    call(folder, **options)
    assert not os.path.exists(folder)
