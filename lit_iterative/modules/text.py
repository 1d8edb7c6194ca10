"""Text and tokens: how a policy's tokenizer reads prompts, examples and completions."""

from itertools import takewhile
from typing import Any, Literal

from lightning.pytorch.utilities import rank_zero_warn

from lit_iterative.errors import DataError, SetupError
from lit_iterative.generation.prompt import Prompt
from lit_iterative.sequences import Tokens

Chat = Literal["auto", "template", "plain"]


class TextCodec:
    """Turns text to tokens and back, in one place, so that sampling and training see the same tokens.

    Plain texts begin with exactly one BOS where the tokenizer has one; what a chat begins with, its template says.

    Args:
        tokenizer: A transformers tokenizer.
        chat: Whether prompts go through the tokenizer's chat template. With ``auto`` a list of messages does, a text
            does not; with ``template`` a text becomes the message of a user; with ``plain`` only texts are taken.

    Raises:
        SetupError: If there is no token that ends a completion, or no chat template where one is wanted.
    """

    def __init__(self, tokenizer: Any, chat: Chat = "auto") -> None:
        self.tokenizer = tokenizer
        self._chat = chat
        if tokenizer.eos_token_id is None:
            raise SetupError(
                f"The tokenizer ({type(tokenizer).__name__}) has no EOS token, so that no completion would end. Set "
                "one: tokenizer.eos_token = '...', and save it beside the model."
            )
        special = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
        self._unknown = None if tokenizer.unk_token_id in special else tokenizer.unk_token_id  # GPT-2 has one for all
        if chat == "template":
            self._check_template()

    def _check_template(self) -> None:
        if not self.tokenizer.chat_template:
            raise SetupError(
                f"The tokenizer ({type(self.tokenizer).__name__}) has no chat template, which prompts of chat "
                "messages need. Use chat: plain with prompts that are texts, or a tokenizer with a template."
            )

    @property
    def pad_id(self) -> int:
        """What to pad with: the tokenizer's own token, else EOS; masks alone say what is padding."""
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the tokens of a prompt.

        Raises:
            SetupError: If it would begin with two BOS, or chat messages come where texts are expected.
            DataError: If the tokenizer does not know a part of it.
        """
        return self._tokens(self._rendered(prompt), plain=not self._uses_template(prompt))

    def encode_example(self, prompt: Prompt, completion: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of a given completion, with one EOS at the end.

        A text is tokenised whole and cut where the prompt's own tokens end; where a token spans the boundary, it
        belongs to the completion.
        """
        text, plain = self._rendered(prompt), not self._uses_template(prompt)
        before, whole = self._tokens(text, plain), self._tokens(text + completion, plain)
        shared = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(before, whole, strict=False))))
        eos = int(self.tokenizer.eos_token_id)
        return before[:shared], whole[shared:] if whole[shared:][-1:] == [eos] else [*whole[shared:], eos]

    def _uses_template(self, prompt: Prompt) -> bool:
        if self._chat == "plain" and not isinstance(prompt, str):
            raise SetupError("A prompt is a list of chat messages, but chat is 'plain'. Give texts, or set chat: auto.")
        if not isinstance(prompt, str):
            self._check_template()
        return self._chat == "template" or not isinstance(prompt, str)

    def _rendered(self, prompt: Prompt) -> str:
        """Return a prompt as the text that is tokenised."""
        if not self._uses_template(prompt):
            return str(prompt)
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        text: str = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return text

    def _tokens(self, text: str, plain: bool) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if self._unknown in ids:
            raise DataError(
                f"The tokenizer has no token for a part of {text[:60]!r}. Take out what it does not know, or take a "
                "tokenizer that knows it."
            )
        bos: int | None = self.tokenizer.bos_token_id
        if bos is None:
            return ids
        ids = [bos, *ids] if plain and ids[:1] != [bos] else ids
        if ids[:2] == [bos, bos]:
            raise SetupError(
                f"The prompt {text[:60]!r} begins with two BOS tokens. Take {self.tokenizer.bos_token!r} out of the "
                "prompts or of the chat template."
            )
        return ids

    def decode(self, ids: Tokens) -> str:
        """Return the text of tokens, without special ones."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def stop_ids(self, generation_config: Any) -> list[int]:
        """Return every token that ends a completion: the tokenizer's EOS, and those of the model's own settings."""
        return sorted({int(self.tokenizer.eos_token_id), *_listed(generation_config, "eos_token_id")})

    def check_model(self, network: Any) -> None:
        """Check that the tokenizer is the model's, and warn where they name different tokens for the same purpose.

        Raises:
            SetupError: If the model does not embed all its tokens.
        """
        needed, known = max(self.tokenizer.get_vocab().values()) + 1, network.get_input_embeddings().num_embeddings
        if needed > known:
            raise SetupError(
                f"The tokenizer has {needed} tokens, but the model embeds {known}: it is not the model's. Load both "
                "from the same path, or resize the embeddings and save both again."
            )
        for name in ("bos_token_id", "eos_token_id"):
            own: int | None = getattr(self.tokenizer, name)
            listed = _listed(network.config.get_text_config(), name) | _listed(network.generation_config, name)
            if own is not None and listed and own not in listed:
                rank_zero_warn(
                    f"The tokenizer's {name} is {own}, but the model's own settings say {sorted(listed)}; examples and "
                    "prompts get the tokenizer's. Is the tokenizer the model's? If so, save the model with that "
                    "config."
                )


def _listed(settings: Any, name: str) -> set[int]:
    """Return the ids that settings of a model name: none, one, or a list."""
    value = getattr(settings, name, None)
    return set() if value is None else {int(item) for item in (value if isinstance(value, list | tuple) else [value])}
