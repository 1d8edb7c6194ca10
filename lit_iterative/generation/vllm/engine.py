"""VLLMEngine: what sampling by vLLM in this process and by a server have in common."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lit_iterative.columns import Array
from lit_iterative.errors import DataError, PipelineError, SetupError
from lit_iterative.generation.endings import check_prompts
from lit_iterative.generation.language import Completion, Finish, Sampling, Target, TokenScores
from lit_iterative.generation.vllm.service import Drawn, Request, Service
from lit_iterative.generation.vllm.weights import Pushed
from lit_iterative.sequences import Tokens

#: vLLM rounds lower temperatures up to this one, and only logs it.
LOWEST_TEMPERATURE = 0.01


class VLLMEngine:
    """Samples with vLLM; what it lacks of the weights is sent to it first.

    The tokens are drawn by vLLM's own generator from one seed a row, so that they differ from those of other engines.

    Args:
        target: What to sample from.
        service: The vLLM.
        pushed: What it has of the weights.
        log_probs: Whether the log-probability of every sampled token is asked for.
    """

    def __init__(self, target: Target, service: Service, pushed: Pushed, log_probs: bool) -> None:
        self._target = target
        self._service = service
        self._pushed = pushed
        self._log_probs = log_probs

    def generate(self, prompts: Sequence[Tokens], seeds: Sequence[int], sampling: Sampling) -> list[Completion]:
        """Return one completion a prompt; see :class:`~lit_iterative.generation.language.Engine`.

        Raises:
            DataError: If a prompt is empty or leaves no room for a completion, or the model gives no numbers.
            PipelineError: If vLLM does not sample at such a temperature.
            SetupError: If vLLM cannot be reached or used, or ends completions elsewhere than it was asked to.
        """
        if 0 < sampling.temperature < LOWEST_TEMPERATURE:
            raise PipelineError(
                f"Sampling(temperature={sampling.temperature}) is below {LOWEST_TEMPERATURE}, which vLLM would take "
                "in its place. Give 0 (the most likely token), or a higher one."
            )
        check_prompts(prompts, self._target.context)
        if not prompts:
            return []
        adapter = self._pushed.push(self._target.network, self._service)
        requests = [self._request(*row, sampling) for row in zip(prompts, seeds, strict=True)]
        drawn = self._service.draw(requests, adapter)
        return [self._completion(*row, sampling) for row in zip(requests, drawn, strict=True)]

    def _request(self, prompt: Tokens, seed: int, sampling: Sampling) -> Request:
        """Return what to ask; every field is named, as a server has defaults of its own for those that are not."""
        parameters: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "repetition_penalty": 1.0,
            "seed": int(seed) % 2**63,  # vLLM takes signed ones, and draws anew each time when it is -1
            "max_tokens": min(sampling.max_new_tokens, self._target.context - len(prompt)),
            "ignore_eos": True,  # of the model's own settings; those of the policy are all named here:
            "stop_token_ids": sorted(set(self._target.stop_ids)),
        }
        if sampling.stop:
            parameters["stop"] = list(sampling.stop)
        if self._log_probs:
            parameters["logprobs"] = 0  # of the sampled token alone
        return Request([int(token) for token in prompt], parameters)

    def _completion(self, request: Request, drawn: Drawn, sampling: Sampling) -> Completion:
        """Return what was drawn as a completion, and check that it ends as it should."""
        known = self._target.network.get_input_embeddings().weight.shape[0]
        if not all(0 <= token < known for token in drawn.ids):
            raise SetupError(
                f"vLLM gave the tokens {min(drawn.ids)} to {max(drawn.ids)}, but the policy embeds {known}: it serves "
                "another model. Start it with the policy's, and run the same command again."
            )
        ids, finish = self._ended(request.parameters, drawn, sampling)
        if drawn.log_probs is None:
            return Completion(ids, finish)
        log_probs: Array = np.array(drawn.log_probs[: len(ids)], dtype=np.float32)
        if len(log_probs) != len(ids) or not np.isfinite(log_probs).all():
            raise DataError(
                f"vLLM gave {len(log_probs)} log-probabilities of {len(ids)} tokens, the lowest of them "
                f"{log_probs.min(initial=0.0)}. Has training diverged? Lower the learning rate, or clip gradients "
                "(Trainer(gradient_clip_val=1.0))."
            )
        return Completion(ids, finish, TokenScores(log_probs))

    def _ended(self, parameters: Mapping[str, Any], drawn: Drawn, sampling: Sampling) -> tuple[list[int], Finish]:
        """Return the tokens up to the one that ends the completion, and why it does."""
        length = self._text_end(drawn.ids, sampling.stop)
        ids, limit = drawn.ids[:length], parameters["max_tokens"]
        at_token = bool(ids) and ids[-1] in parameters["stop_token_ids"]
        by_text = length is not None or (drawn.finish == "stop" and sampling.stop)
        if 0 < len(ids) <= limit and (at_token or by_text):
            return ids, "stop"
        if drawn.finish == "length" and len(ids) == limit:
            return ids, "length"
        raise SetupError(
            f"vLLM ended a completion after {len(ids)} of {limit} tokens ({drawn.finish!r}, the last is "
            f"{ids[-1:]}), though it was asked for no such end. Let it take no defaults from the model's files "
            "(generation_config: vllm) and as long texts as the policy (max_model_len of at least "
            f"{len(ids) + 1} beyond the prompt), and run the same command again."
        )

    def _text_end(self, ids: list[int], texts: Sequence[str]) -> int | None:
        """Return the number of tokens with which one of the texts is complete, or none where none is."""

        def has_text(length: int) -> bool:
            text = self._target.decode(ids[:length])
            return any(stop in text for stop in texts)

        if not texts or not has_text(len(ids)):
            return None
        return bisect_left(range(1, len(ids)), True, key=has_text) + 1
