"""VLLMServer: what it asks, what it sends of the weights, and servers that fail."""

import os

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import distributed

from lit_iterative.errors import DataError, PipelineError, SetupError
from lit_iterative.generation.gap import gaps
from lit_iterative.generation.language import Sampling, Target, TokenScores
from lit_iterative.generation.vllm import VLLMServer
from lit_iterative.generation.vllm.weights import KEPT
from tests.generation.vllm import fake
from tests.generation.vllm.fake import CONTEXT, EOS, decode, error, network, serving

PROMPTS = [[1, 5, 6], [1, 7], [1, 7]]
SEEDS = [3, 2**64 - 1, 2**63]


def target(policy, **changes):
    options = {"pad_id": 0, "stop_ids": [EOS], "context": CONTEXT, "batch_size": 8, "decode": decode}
    return Target(policy, **{**options, **changes})


def adapted(policy, r=4):
    """Return a policy with an adapter that changes what it says."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        policy = get_peft_model(policy, LoraConfig(r=r, lora_alpha=16, target_modules="all-linear"))
        with torch.no_grad():
            for name, weight in policy.named_parameters():
                if "lora_B" in name:
                    weight.normal_()
    return policy.eval()


@torch.no_grad()
def scores(policy, prompts, completions):
    """Return the trainer's log-probabilities, row by row."""
    found = []
    for prompt, completion in zip(prompts, completions, strict=True):
        logits = policy(torch.tensor([[*prompt, *completion.ids]])).logits[0].double().log_softmax(-1)
        rows = range(len(prompt) - 1, len(prompt) - 1 + len(completion.ids))
        found.append(
            TokenScores(np.array([logits[row, token] for row, token in zip(rows, completion.ids, strict=True)]))
        )
    return found


def backend(server, folder, **options):
    return VLLMServer(
        server.url, str(folder), **{"retries": 1, "backoff": 0.0, "timeout": 10.0, "workers": 4, **options}
    )


def generate(made, policy, sampling=None, prompts=PROMPTS, seeds=SEEDS, **changes):
    return made.engine(target(policy, **changes)).generate(prompts, seeds, sampling or Sampling(max_new_tokens=8))


def test_requests_have_the_documented_form(tmp_path, monkeypatch):
    monkeypatch.setenv("VLLM_KEY", "secret")
    sampling = Sampling(max_new_tokens=22, temperature=0.5, top_p=0.9, top_k=3, min_p=0.1, stop=["zz"])
    with serving() as server:
        generate(backend(server, tmp_path, api_key_env="VLLM_KEY", workers=1), network(), sampling, stop_ids=[9, EOS])
    first, second, _ = server.completions()
    assert first == {
        "prompt": [1, 5, 6],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "min_p": 0.1,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.0,
        "seed": 3,
        "max_tokens": 21,  # of the context of 24
        "ignore_eos": True,
        "stop_token_ids": [EOS, 9],
        "stop": ["zz"],
        "logprobs": 0,
        "return_token_ids": True,
    }
    assert (second["max_tokens"], second["seed"]) == (22, 2**63 - 1)
    assert set(server.keys) == {"Bearer secret"}


def test_all_weights_are_sent_when_they_have_changed_and_only_then(tmp_path):
    policy = network()
    with serving() as server:
        made = backend(server, tmp_path)
        before = generate(made, policy)
        assert generate(made, policy) == before  # equal prompts and seeds, equal completions
        assert server.paths() == ["/collective_rpc", "/reset_prefix_cache"]
        with torch.no_grad():
            policy.lm_head.weight += 0.5 * torch.randn(policy.lm_head.weight.shape, generator=torch.Generator())
        after = generate(made, policy)
        assert server.paths() == 2 * ["/collective_rpc", "/reset_prefix_cache"]
    assert [one.ids for one in after] != [one.ids for one in before]
    assert gaps(before, scores(network(), PROMPTS, before)).max() < 1e-5
    assert gaps(after, scores(policy, PROMPTS, after)).max() < 1e-5
    assert gaps(before, scores(policy, PROMPTS, before)).mean() > 0.05  # as stale weights would look
    assert len(os.listdir(tmp_path)) == 1  # the weights before are gone


def test_equal_prompts_with_other_seeds_give_other_completions(tmp_path):
    with serving() as server:
        drawn = generate(backend(server, tmp_path), network(), prompts=[[1, 4]] * 8, seeds=list(range(8)))
    assert len({tuple(one.ids) for one in drawn}) > 4


def test_completions_end_with_eos_or_are_cut(tmp_path):
    with serving() as server:
        drawn = generate(backend(server, tmp_path), network(), prompts=[[1, 4]] * 20, seeds=list(range(20)))
    assert {one.finish for one in drawn} == {"stop", "length"}
    for one in drawn:
        assert (EOS in one.ids) == (one.finish == "stop")
        assert one.finish == "length" or one.ids.index(EOS) == len(one.ids) - 1
        assert one.scores.log_probs.dtype == np.float32
        assert len(one.scores.log_probs) == len(one.ids)


@pytest.mark.parametrize("extra", [0, 3])
def test_stop_texts_end_completions_with_the_token_that_completes_them(tmp_path, extra):
    sampling = Sampling(max_new_tokens=20, stop=["a", "cb"])
    with serving() as server:
        server.engine.extra = extra
        drawn = generate(backend(server, tmp_path), network(), sampling, [[1, 4]] * 20, list(range(20)))
    by_text = [one for one in drawn if one.ids[-1] != EOS and one.finish == "stop"]
    assert len(by_text) > 2
    for one in by_text:
        assert decode(one.ids).endswith(("a", "cb"))
        assert not any(text in decode(one.ids[:-1]) for text in sampling.stop)
        assert len(one.scores.log_probs) == len(one.ids)


def test_greedy_completions_are_those_of_the_policy(tmp_path):
    policy = network()
    with serving() as server:
        (drawn,) = generate(backend(server, tmp_path), policy, Sampling(4, temperature=0.0), [[1, 7]], [0])
    ids = policy.generate(torch.tensor([[1, 7]]), max_new_tokens=4, do_sample=False)[0, 2:].tolist()
    assert drawn.ids == ids


def test_log_probs_only_on_request(tmp_path):
    with serving() as server:
        drawn = generate(backend(server, tmp_path, log_probs=False), network())
    assert [one.scores for one in drawn] == [None] * 3
    assert "logprobs" not in server.completions()[0]
    assert len(gaps(drawn, scores(network(), PROMPTS, drawn))) == 0


def test_of_a_policy_with_an_adapter_only_that_is_sent(tmp_path):
    policy = adapted(network())
    with serving(development=False) as server:
        server.engine.base = network()  # as `vllm serve` has it
        made = backend(server, tmp_path)
        drawn = generate(made, policy)
        generate(made, policy)
        with policy.disable_adapter():
            of_base = generate(made, policy)
        with torch.no_grad():
            next(weight for name, weight in policy.named_parameters() if "lora_B" in name).mul_(2)
        changed = generate(made, policy)
    assert server.paths() == ["/v1/load_lora_adapter"] * 2
    names = [body.get("model") for body in server.completions()]
    assert (names[0], names[3], names[6]) == (names[0], names[0], None)
    assert names[9] not in (names[0], None)
    assert gaps(changed, scores(policy, PROMPTS, changed)).max() < 1e-4
    assert gaps(of_base, scores(network(), PROMPTS, of_base)).max() < 1e-5
    assert gaps(drawn, scores(adapted(network()), PROMPTS, drawn)).max() < 1e-4
    files = {name for folder in os.listdir(tmp_path) for name in os.listdir(tmp_path / folder)}
    assert "adapter_model.safetensors" in files
    assert "model.safetensors" not in files


def test_ranks_share_a_server_and_its_adapters(tmp_path):
    with serving() as server:
        server.engine.base = network()
        one, other = (generate(backend(server, tmp_path), adapted(network())) for _ in range(2))
    assert one == other
    assert len(server.engine.adapters) == 1
    assert len(os.listdir(tmp_path)) == 1


def test_few_adapters_are_kept_and_those_used_last(tmp_path):
    policy = adapted(network())
    weight = next(weight for name, weight in policy.named_parameters() if "lora_B" in name)
    first = weight.detach().clone()
    with serving() as server:
        server.engine.base = network()
        made = backend(server, tmp_path)
        for number in range(KEPT + 2):
            with torch.no_grad():
                weight.copy_(first + number)
            generate(made, policy)
            with torch.no_grad():
                weight.copy_(first)
            generate(made, policy)
        assert server.paths().count("/v1/load_lora_adapter") == KEPT + 2  # that of `first` never left
        assert server.paths().count("/v1/unload_lora_adapter") == 2
        assert set(server.engine.adapters.values()) == {str(tmp_path / name) for name in os.listdir(tmp_path)}


def test_a_merged_base_is_refused(tmp_path):
    policy = adapted(network())
    with serving() as server:
        server.engine.base = network()
        made = backend(server, tmp_path)
        generate(made, policy)
        with torch.no_grad():
            policy.get_base_model().lm_head.weight.add_(1)
        with pytest.raises(SetupError, match=r"below the adapter have changed.*Continue\(\)"):
            generate(made, policy)


def test_spread_weights_are_refused(tmp_path):
    policy = network()
    policy.get_input_embeddings().weight = torch.nn.Parameter(torch.zeros(0))
    with serving() as server, pytest.raises(SetupError, match="spread over ranks.*ddp"):
        generate(backend(server, tmp_path), policy)
    assert server.asked == []


def test_several_ranks_cannot_load_all_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 4)
    with serving() as server, pytest.raises(SetupError, match="4 ranks would load.*lora"):
        generate(backend(server, tmp_path), network())
    assert os.listdir(tmp_path) == []


def test_servers_without_the_needed_switches_are_refused_with_the_remedy(tmp_path):
    with serving(development=False, lora=False) as server:
        with pytest.raises(SetupError, match=r"status 404.*VLLM_SERVER_DEV_MODE=1"):
            generate(backend(server, tmp_path), network())
        with pytest.raises(SetupError, match=r"status 404.*VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and --enable-lora"):
            generate(backend(server, tmp_path), adapted(network()))


def test_weights_that_did_not_arrive_are_sent_again(tmp_path):
    with serving() as server:
        made = backend(server, tmp_path)
        server.instead = lambda path, body, number: (500, "boom") if path == "/reset_prefix_cache" else None
        with pytest.raises(SetupError, match=r"does not take the weights.*failed 2 times.*boom"):
            generate(made, network())
        server.instead = None
        assert len(generate(made, network())) == 3
    assert server.paths()[-2:] == ["/collective_rpc", "/reset_prefix_cache"]


def test_a_cache_that_is_in_use_is_tried_again(tmp_path):
    with serving() as server:
        server.instead = lambda path, body, number: (200, {"success": False}) if number == 1 else None
        assert len(generate(backend(server, tmp_path), network())) == 3
    assert server.paths() == ["/collective_rpc", "/reset_prefix_cache", "/reset_prefix_cache"]


def test_servers_that_know_no_token_ids_are_refused(tmp_path):
    with serving(token_ids=False) as server, pytest.raises(SetupError, match=r"without token ids.*0\.16 or newer"):
        generate(backend(server, tmp_path), network())


def choice(**changes):
    said = {"token_ids": [4, EOS], "finish_reason": "stop", "prompt_token_ids": [1, 7], "logprobs": None, **changes}
    return {"choices": [said]}


def said(answer):
    """Return what the engine makes of an answer to every request for a completion."""
    return lambda path, body, number: (200, answer) if path == "/v1/completions" else None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "another form"),
        (b"not json", "another form"),
        (b"[1]", "another form"),
        (b"[" * 100_000, "another form"),
        ({"choices": []}, "another form"),
        (choice(token_ids=["4"]), "another form"),
        (choice(token_ids=[True]), "another form"),
        (choice(logprobs={"token_logprobs": [None, -1.0]}), "another form"),
        (choice(finish_reason="abort"), "ended with 'abort'"),
        (choice(prompt_token_ids=[1, 1, 7]), "a prompt of 3 tokens where 2 were sent"),
        (choice(token_ids=[]), r"ended a completion after 0 of 8 tokens.*generation_config: vllm"),
        (choice(token_ids=[4]), r"after 1 of 8 tokens \('stop', the last is \[4\]\)"),
        (choice(token_ids=[4], finish_reason="length"), r"after 1 of 8 tokens \('length'"),
        (choice(token_ids=[4] * 9, finish_reason="length"), "after 9 of 8 tokens"),
        (choice(token_ids=[4, 99]), "the tokens 4 to 99, but the policy embeds 13"),
        (choice(token_ids=[-1, EOS]), "the tokens -1 to 2"),
    ],
)
def test_hostile_answers_are_refused_by_name(tmp_path, answer, problem):
    with serving() as server:
        server.instead = said(answer)
        with pytest.raises(SetupError, match=problem):
            generate(backend(server, tmp_path), network(), prompts=[[1, 7]], seeds=[0])


@pytest.mark.parametrize("log_probs", [[-1.0], [-1.0, float("nan")], [-1.0, float("-inf")]])
def test_log_probs_that_are_no_numbers_are_refused(tmp_path, log_probs):
    with serving() as server:
        server.instead = said(choice(logprobs={"token_logprobs": log_probs}))
        with pytest.raises(DataError, match="of 2 tokens.*Has training diverged"):
            generate(backend(server, tmp_path), network(), prompts=[[1, 7]], seeds=[0])


def test_failures_that_pass_are_tried_again(tmp_path):
    with serving() as server:
        server.instead = lambda path, body, number: (503, "busy") if number == 2 else None
        assert len(generate(backend(server, tmp_path), network())) == 3


def test_refusals_are_shown(tmp_path):
    with serving() as server:
        server.instead = said(None)
        server.instead = lambda path, body, number: error(400, "too long") if path == "/v1/completions" else None
        with pytest.raises(SetupError, match="does not sample.*status 400.*too long"):
            generate(backend(server, tmp_path), network())


def test_a_server_that_is_not_there_is_named(tmp_path):
    with serving() as server:
        made = backend(server, tmp_path, retries=0)
    with pytest.raises(SetupError, match="does not take the weights.*failed 1 times"):
        generate(made, network())


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with serving() as server, pytest.raises(SetupError, match="cannot be written.*another folder"):
        generate(backend(server, tmp_path / "file"), network())


def test_a_key_that_is_not_set_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("VLLM_KEY", raising=False)
    with serving() as server, pytest.raises(SetupError, match="export VLLM_KEY"):
        generate(backend(server, tmp_path, api_key_env="VLLM_KEY"), network())


def test_temperatures_that_vllm_would_round_are_refused(tmp_path):
    with serving() as server, pytest.raises(PipelineError, match=r"0\.005\) is below 0\.01"):
        generate(backend(server, tmp_path), network(), Sampling(temperature=0.005))


def test_prompts_are_checked(tmp_path):
    with serving() as server, pytest.raises(DataError, match="no tokens"):
        generate(backend(server, tmp_path), network(), prompts=[[]], seeds=[0])
    with serving() as server:
        assert generate(backend(server, tmp_path), network(), prompts=[], seeds=[]) == []
    assert server.asked == []


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/v1", "http://user:pass@x/v1"])
def test_addresses_are_checked(url):
    with pytest.raises(PipelineError, match="http or https") as caught:
        VLLMServer(url, "/tmp/x")
    assert "pass" not in str(caught.value).replace("a password", "")


@pytest.mark.parametrize("option", [{"timeout": 0}, {"retries": -1}, {"workers": 0}, {"backoff": -1}])
def test_numbers_are_checked(option):
    with pytest.raises(PipelineError, match=r"Give at least"):
        VLLMServer("http://x/v1", "/tmp/x", **option)


def test_the_interface_may_be_named_with_or_without_its_version():
    assert {VLLMServer(url, "f").root for url in ("http://x:8/v1", "http://x:8/v1/", "http://x:8")} == {"http://x:8"}


def test_the_stand_in_refuses_what_vllm_does():
    with serving() as server:
        server.engine.base = network()
        body = {"prompt": [1], "n_best": 2}
        assert server.answer("/v1/completions", body)[0] == 400
    with pytest.raises(TypeError):
        fake.SamplingParams(top_n=3)
