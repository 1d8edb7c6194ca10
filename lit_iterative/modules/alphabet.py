"""A tokenizer made on the spot: one token a character."""

from typing import Any

from lit_iterative.errors import SetupError

PAD, BOS, EOS, UNKNOWN = "<pad>", "<bos>", "<eos>", "<unk>"


def character_tokenizer(alphabet: str) -> Any:
    """Return a transformers tokenizer with a token for every character.

    The tokens are padding (0), BOS (1), EOS (2), unknown (3), and the characters in order.

    Args:
        alphabet: The characters, each once. Others are unknown, which ``TextCodec`` refuses.

    Raises:
        SetupError: If a character comes twice, or there is none.

    Example:
        >>> tokenizer = character_tokenizer("0123456789+=")
        >>> tokenizer("12+7=")["input_ids"], tokenizer.decode([5, 6, 2])
        ([5, 6, 14, 11, 15], '12<eos>')
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    if not alphabet or len(set(alphabet)) != len(alphabet):
        raise SetupError(f"The alphabet {alphabet!r} is empty or has a character twice. Give every character once.")
    vocabulary = {token: index for index, token in enumerate([PAD, BOS, EOS, UNKNOWN, *alphabet])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BOS, eos_token=EOS, unk_token=UNKNOWN
    )
