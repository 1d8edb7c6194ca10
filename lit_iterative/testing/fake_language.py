"""A stand-in for a language model: one token a character, and numbers that depend on nothing but what is asked."""

from collections.abc import Sequence

import numpy as np

from lit_iterative.generation.forward import Member
from lit_iterative.generation.language import Completion, Sampling, TokenMixture, TokenScores
from lit_iterative.generation.prompt import Prompt
from lit_iterative.seeds import generator
from lit_iterative.sequences import Tokens

BOS, EOS = 1, 2
LETTERS = "abcde\n"


class FakeLanguage:
    """Reads and writes characters; what it draws and how likely it finds a token follows from the question alone.

    Args:
        member: The way in which the policy is run; each has its own numbers.
        letters: The characters that it writes, all equally often.

    Example:
        >>> model = FakeLanguage()
        >>> model.decode(model.encode("1+1"))
        '1+1'
        >>> model.generate([[1, 50]], [7], Sampling(max_new_tokens=4)) == model.generate([[1, 50]], [7], Sampling(4))
        True
    """

    context = 2**31

    def __init__(self, member: Member | None = None, letters: str = LETTERS) -> None:
        self._member = repr(member or Member())
        self._letters = letters

    def encode(self, prompt: Prompt) -> list[int]:
        """Return BOS and a token for each character; of chat messages, of all that was said."""
        text = prompt if isinstance(prompt, str) else "\n".join(message["content"] for message in prompt)
        return [BOS, *map(ord, text)]

    def encode_example(self, prompt: Prompt, completion: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt, and a token for each character of a completion and EOS."""
        return self.encode(prompt), [*map(ord, completion), EOS]

    def decode(self, ids: Tokens) -> str:
        """Return the characters."""
        return "".join(chr(token) for token in ids if token not in (BOS, EOS))

    def generate(self, prompts: Sequence[Tokens], seeds: Sequence[int], sampling: Sampling) -> list[Completion]:
        """Return one completion a prompt; about one in eight tokens ends it."""
        return [self._completion(prompt, seed, sampling) for prompt, seed in zip(prompts, seeds, strict=True)]

    def generate_mixed(
        self, contexts: Sequence[tuple[Tokens, Tokens]], mixture: TokenMixture, seeds: Sequence[int], sampling: Sampling
    ) -> list[Completion]:
        """Return a completion of every two contexts, which depends on both and on the share."""
        rows = zip(contexts, mixture.shares, seeds, strict=True)
        return [self._completion([*a, *b, round(1000 * share)], seed, sampling) for (a, b), share, seed in rows]

    def _completion(self, prompt: Tokens, seed: int, sampling: Sampling) -> Completion:
        draw = generator(self._member, repr(list(prompt)), int(seed))
        written: list[int] = []
        for _ in range(sampling.max_new_tokens):
            if draw.random() < 0.125:
                return Completion([*written, EOS], "stop")
            written.append(ord(self._letters[draw.integers(len(self._letters))]))
        return Completion(written, "length")

    def log_probs(
        self, prompts: Sequence[Tokens], completions: Sequence[Tokens], details: bool = False
    ) -> list[TokenScores]:
        """Return log-probabilities between -4 and 0, and as many entropies and divergences on request."""
        rows = zip(prompts, completions, strict=True)
        return [self._scores(prompt, completion, details) for prompt, completion in rows]

    def rewards_of(self, prompts: Sequence[Tokens], completions: Sequence[Tokens]) -> list[float]:
        """Return rewards between -2 and 2."""
        rows = zip(prompts, completions, strict=True)
        return [4 * generator(self._member, "reward", repr([list(part) for part in row])).random() - 2 for row in rows]

    def _scores(self, prompt: Tokens, completion: Tokens, details: bool) -> TokenScores:
        draw = generator(self._member, repr(list(prompt)), repr(list(completion)))
        parts = draw.random((3, len(completion))).astype(np.float32)
        return TokenScores(-4 * parts[0], *(parts[1:] if details else ()))
