"""Text and tokens: BOS once, EOS once, padding that may be anything, and prompts cut off from completions by token."""

import pytest

from lit_iterative.errors import DataError, SetupError
from lit_iterative.generation.language import Sampling
from lit_iterative.modules import LanguagePolicy
from lit_iterative.modules.alphabet import character_tokenizer
from lit_iterative.modules.backbone import Backbone, Fresh
from lit_iterative.modules.text import TextCodec
from tests.projects.warned import warned
from tests.projects.words import ALPHABET, LLAMA

CHATML = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CORPUS = ["the answer is nineteen", "so the answer is nine", "is it nine or nineteen", "an answer is the answer"] * 8


def byte_pairs(**special):
    """Return a byte-level tokenizer of two-letter and longer tokens, trained here."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    names = sorted({*special.values(), "<|user|>", "<|assistant|>", "<|system|>"})
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    start = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=names, initial_alphabet=start, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def chatty(template=CHATML, chat="auto", **special):
    tokenizer = byte_pairs(**{"bos_token": "<bos>", "eos_token": "<eos>", **special})
    tokenizer.chat_template = template
    return TextCodec(tokenizer, chat)


def strings(codec, ids):
    return [codec.tokenizer.decode([token]) for token in ids]


# ---- plain texts ------------------------------------------------------------------------------------------


def test_a_text_begins_with_one_bos_and_comes_back():
    codec = TextCodec(character_tokenizer(ALPHABET))
    assert codec.encode("12+7=") == [1, 5, 6, 14, 11, 15]
    assert codec.encode("<bos>12+7=") == [1, 5, 6, 14, 11, 15]
    assert codec.decode(codec.encode("12+7=")) == "12+7="
    assert codec.encode("") == [1]


def test_a_tokenizer_without_bos_gets_none():
    codec = TextCodec(byte_pairs(eos_token="<eos>"))
    ids = codec.encode("the answer")
    assert codec.tokenizer.decode(ids) == "the answer"
    assert strings(codec, ids)[0] != "<eos>"


@pytest.mark.parametrize("text", ["the answer is nineteen", " Zürich 漢字 🙂\n\n\ttab  two ", "x\x00y", "is the"])
def test_any_text_comes_back_from_byte_pairs(text):
    codec = chatty()
    assert codec.decode(codec.encode(text)) == text
    before, after = codec.encode_example("", text)
    assert codec.decode([*before, *after]) == text


def test_two_bos_are_refused():
    codec = TextCodec(character_tokenizer(ALPHABET))
    with pytest.raises(SetupError, match=r"'<bos><bos>1' begins with two BOS.*Take '<bos>' out of the prompts"):
        codec.encode("<bos><bos>1")


def test_unknown_characters_are_refused():
    codec = TextCodec(character_tokenizer(ALPHABET))
    with pytest.raises(DataError, match="no token for a part of '1-2='"):
        codec.encode("1-2=")
    with pytest.raises(DataError, match="no token for a part of '1=x'"):
        codec.encode_example("1=", "x")


def test_a_token_for_all_purposes_is_not_unknown():
    codec = TextCodec(byte_pairs(bos_token="<end>", eos_token="<end>", unk_token="<end>"))
    end = codec.tokenizer.eos_token_id
    assert codec.encode("<end>the")[0] == end
    assert codec.encode("the").count(end) == 1
    assert codec.encode_example("the", " answer")[1].count(end) == 1


# ---- examples ---------------------------------------------------------------------------------------------


def test_a_token_across_the_boundary_belongs_to_the_completion():
    codec = chatty()
    whole = codec.encode("the answer is nineteen")
    before, after = codec.encode_example("the answer is nin", "eteen")
    assert [*before, *after] == [*whole, codec.tokenizer.eos_token_id]
    assert codec.encode("the answer is nin")[: len(before)] == before
    assert len(before) < len(codec.encode("the answer is nin"))
    assert codec.decode(after).endswith("eteen")
    assert codec.decode(after) != "eteen"


def test_an_example_ends_with_one_eos():
    codec = TextCodec(character_tokenizer(ALPHABET))
    assert codec.encode_example("1+1=", "2") == ([1, 5, 14, 5, 15], [6, 2])
    assert codec.encode_example("1+1=", "2<eos>") == ([1, 5, 14, 5, 15], [6, 2])
    assert codec.encode_example("1+1=", "") == ([1, 5, 14, 5, 15], [2])


def test_an_example_of_a_chat_is_cut_behind_its_template():
    codec = chatty()
    prompt = [{"role": "user", "content": "the answer"}]
    before, after = codec.encode_example(prompt, "nineteen")
    assert before == codec.encode(prompt)
    assert codec.tokenizer.decode([*before, *after]) == "<|user|>the answer<eos><|assistant|>nineteen<eos>"
    assert codec.decode(after) == "nineteen"


# ---- chats ------------------------------------------------------------------------------------------------


def test_messages_go_through_the_template_and_texts_do_not():
    codec = chatty()
    chat = codec.encode([{"role": "system", "content": "so"}, {"role": "user", "content": "is it"}])
    assert codec.tokenizer.decode(chat) == "<|system|>so<eos><|user|>is it<eos><|assistant|>"
    assert codec.tokenizer.decode(codec.encode("is it")) == "<bos>is it"


def test_with_template_a_text_becomes_a_message():
    codec = chatty(chat="template")
    assert codec.encode("is it") == chatty().encode([{"role": "user", "content": "is it"}])
    before, after = codec.encode_example("is it", "nine")
    assert codec.tokenizer.decode([*before, *after]) == "<|user|>is it<eos><|assistant|>nine<eos>"


def test_a_template_may_bring_the_bos_itself_but_once():
    codec = chatty("{{ bos_token }}" + CHATML)
    ids = codec.encode([{"role": "user", "content": "nine"}])
    assert codec.tokenizer.decode(ids) == "<bos><|user|>nine<eos><|assistant|>"
    assert ids.count(codec.tokenizer.bos_token_id) == 1
    with pytest.raises(SetupError, match="two BOS.*chat template"):
        chatty("{{ bos_token }}{{ bos_token }}" + CHATML).encode([{"role": "user", "content": "nine"}])


def test_chats_need_a_template_and_plain_takes_none():
    messages = [{"role": "user", "content": "nine"}]
    with pytest.raises(SetupError, match="has no chat template.*chat: plain"):
        chatty(None).encode(messages)
    with pytest.raises(SetupError, match="has no chat template"):
        chatty(None, chat="template")
    with pytest.raises(SetupError, match="chat is 'plain'.*set chat: auto"):
        chatty(chat="plain").encode(messages)


# ---- special tokens ---------------------------------------------------------------------------------------


def test_no_eos_is_refused():
    with pytest.raises(SetupError, match="has no EOS token, so that no completion would end"):
        TextCodec(byte_pairs(bos_token="<bos>"))


class Other(Backbone):
    """A fresh network with another tokenizer."""

    def __init__(self, tokenizer, **config):
        self._tokenizer = tokenizer
        self._config = config

    def tokenizer(self):
        return self._tokenizer

    def network(self):
        made = Fresh(ALPHABET, {**LLAMA, "initializer_range": 0.3}).network()
        for name, value in self._config.items():
            setattr(made.generation_config, name, value)
        return made


def policy(tokenizer, **config):
    made = LanguagePolicy(Other(tokenizer, **config), batch_size=8)
    made.configure_model()
    return made.eval()


def test_without_a_pad_token_eos_pads_and_changes_nothing():
    plain, bare = character_tokenizer(ALPHABET), character_tokenizer(ALPHABET)
    bare.pad_token = None
    first, second = policy(plain), policy(bare)
    assert (first.pad_id, second.pad_id) == (0, 2)
    prompts = [first.encode(text) for text in ("1=", "12+11=", "3+3=")]
    sampled = first.generate(prompts, [1, 2, 3], Sampling(6))
    assert second.generate(prompts, [1, 2, 3], Sampling(6)) == sampled
    completions = [completion.ids for completion in sampled]
    for one, other in zip(first.log_probs(prompts, completions), second.log_probs(prompts, completions), strict=True):
        assert one.log_probs.tolist() == pytest.approx(other.log_probs.tolist(), abs=1e-6)


def test_every_token_that_ends_is_known():
    made = policy(character_tokenizer(ALPHABET), eos_token_id=[2, 7, 9])
    assert made.codec.stop_ids(made.network.generation_config) == [2, 7, 9]
    prompts = [made.encode("1+2=")] * 40
    completions = made.generate(prompts, list(range(40)), Sampling(12))
    ends = {completion.ids[-1] for completion in completions if completion.finish == "stop"}
    assert {7, 9} <= ends <= {2, 7, 9}
    assert not any(set(completion.ids[:-1]) & {2, 7, 9} for completion in completions)


def test_a_tokenizer_that_is_larger_than_the_model_is_refused():
    with pytest.raises(SetupError, match="has 17 tokens, but the model embeds 16: it is not the model's"):
        policy(character_tokenizer(ALPHABET + "?"))


def test_a_tokenizer_with_a_gap_in_its_ids_is_measured_by_the_last():
    tokenizer = character_tokenizer(ALPHABET)
    tokenizer.get_vocab = lambda: {"a": 0, "b": 16}
    with pytest.raises(SetupError, match="has 17 tokens"):
        TextCodec(tokenizer).check_model(Fresh(ALPHABET, LLAMA).network())


def test_contradicting_special_tokens_are_told():
    tokenizer = character_tokenizer(ALPHABET)
    tokenizer.eos_token = "9"
    with warned(r"eos_token_id is 13, but the model's own settings say \[2\].*Is the tokenizer the model's"):
        policy(tokenizer)
    tokenizer = character_tokenizer(ALPHABET)
    tokenizer.bos_token = "9"
    with warned(r"bos_token_id is 13, but the model's own settings say \[1\]"):
        policy(tokenizer)


def test_one_of_several_ends_is_no_contradiction():
    tokenizer = character_tokenizer(ALPHABET)
    tokenizer.eos_token = "9"
    made = policy(tokenizer, eos_token_id=[2, 13])
    assert made.codec.stop_ids(made.network.generation_config) == [2, 13]
