"""Text and tokens: how a policy's tokenizer reads prompts, examples and completions."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Literal

from lit_iterative.errors import DataError, SetupError
from lit_iterative.generation.language import Prompt
from lit_iterative.sequences import Tokens

Chat = Literal["auto", "template", "plain"]


class TextCodec:
    """Turns text to tokens and back, in one place, so that sampling and training see the same tokens.

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
        """Return the tokens of a prompt, with exactly one BOS in front where the tokenizer has one.

        Raises:
            SetupError: If there would be two, or chat messages come where texts are expected.
            DataError: If the tokenizer does not know a part of it.
        """
        bos: int | None = self.tokenizer.bos_token_id
        if not self._uses_template(prompt):
            text, ids = prompt, self._tokens(str(prompt))
            if bos is not None and ids[:1] != [bos]:
                ids = [bos, *ids]
        else:
            messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
            text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            ids = self._tokens(text)
        if bos is not None and bos != self.tokenizer.eos_token_id and ids.count(bos) > 1 and ids[1] == bos:
            raise SetupError(
                f"The prompt {str(text)[:60]!r} begins with two BOS tokens. Take {self.tokenizer.bos_token!r} out of "
                "the prompts or of the chat template."
            )
        return ids

    def _uses_template(self, prompt: Prompt) -> bool:
        if self._chat == "plain" and not isinstance(prompt, str):
            raise SetupError("A prompt is a list of chat messages, but chat is 'plain'. Give texts, or set chat: auto.")
        if not isinstance(prompt, str):
            self._check_template()
        return self._chat == "template" or not isinstance(prompt, str)

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if self.tokenizer.unk_token_id in ids:
            raise DataError(
                f"The tokenizer has no token for a part of {text[:60]!r}. Take out what it does not know, or take a "
                "tokenizer that knows it."
            )
        return ids

    def encode_example(self, prompt: Prompt, completion: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of a given completion, EOS at the end.

        A text is tokenised whole and cut where the prompt's own tokens end; where a token spans the boundary, it
        belongs to the completion.
        """
        before = self.encode(prompt)
        eos = int(self.tokenizer.eos_token_id)
        if self._uses_template(prompt):
            return before, [*self._tokens(completion), eos]
        whole = self.encode(str(prompt) + completion)
        shared = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(before, whole, strict=False))))
        return before[:shared], [*whole[shared:], eos]

    def decode(self, ids: Tokens) -> str:
        """Return the text of tokens, without special ones."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def stop_ids(self, generation_config: Any) -> list[int]:
        """Return every token that ends a completion: the tokenizer's EOS, and those of the model's own settings."""
        more = getattr(generation_config, "eos_token_id", None)
        listed: Sequence[int] = more if isinstance(more, list | tuple) else [] if more is None else [more]
        return sorted({int(self.tokenizer.eos_token_id), *map(int, listed)})
