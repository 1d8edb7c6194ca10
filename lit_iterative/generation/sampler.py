"""Sampler: an engine that keeps the batch full and every prompt once."""

from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lit_iterative.attention.interface import replaced
from lit_iterative.columns import Array
from lit_iterative.errors import out_of_memory
from lit_iterative.generation.branches import BranchCache, Growth
from lit_iterative.generation.draws import draw, uniforms
from lit_iterative.generation.endings import Endings
from lit_iterative.generation.language import Completion, Sampling, Target
from lit_iterative.generation.memory import rows_that_fit
from lit_iterative.generation.prefill import read
from lit_iterative.generation.products import quick_products
from lit_iterative.generation.queue import Shared, grouped
from lit_iterative.sequences import Tokens

#: Tokens of prompts that are read in one pass. With more, its memory is beyond what the prompts' keys and values take.
PREFILL = 1024


class Sampler:
    """Samples from a model, many branches at a time.

    Every prompt is read once for all of its branches. A branch that has ended makes room for the next. A pass that
    runs out of memory is tried again with half of the rows; what was finished is kept.

    Args:
        target: What to sample from.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Tokens],
        seeds: Sequence[int],
        sampling: Sampling,
        limits: Sequence[int] | None = None,
    ) -> list[Completion]:
        """Return one completion a prompt; see :class:`~lit_iterative.generation.language.Engine`.

        Args:
            prompts: Token ids; equal ones are read once.
            seeds: For each, the seed of its draws.
            sampling: How to draw.
            limits: For each, tokens of its completion at most, where it is fewer than ``sampling`` says.

        Raises:
            DataError: If a prompt is empty or leaves no room for a completion, or the model gives no numbers.
        """
        endings = Endings(self._target, sampling, prompts, limits)
        made: dict[int, Completion] = {}
        rows = rows_that_fit(self._target, prompts, int(endings.limits.max(initial=0)))
        with replaced(self._target.network), quick_products(self._target.network):
            while len(made) < len(prompts):
                missing = [number for number in range(len(prompts)) if number not in made]
                rows = min(rows, len(missing))
                run = Run(self._target, prompts, seeds, sampling, endings, rows)
                try:
                    run.sample(grouped(prompts, missing), made)
                except (RuntimeError, MemoryError) as error:
                    if rows == 1 or not out_of_memory(error):
                        raise
                    rows = (rows + 1) // 2
        return [made[number] for number in range(len(prompts))]


class Run:
    """Samples what waits in rows that are filled again as they become free.

    Args:
        target: What to sample from.
        prompts: Of all branches.
        seeds: Of all branches.
        sampling: How to draw.
        endings: Where branches end.
        rows: Branches at a time.
    """

    def __init__(
        self,
        target: Target,
        prompts: Sequence[Tokens],
        seeds: Sequence[int],
        sampling: Sampling,
        endings: Endings,
        rows: int,
    ) -> None:
        self._target = target
        self._seeds = np.array(seeds, dtype=np.uint64)
        self._sampling = sampling
        self._endings = endings
        self._capacity = rows
        self._cache = BranchCache(max(len(prompt) for prompt in prompts) - 1, int(endings.limits.max()))
        self._slots: list[Shared] = []  # of prompts that have been read and have open branches
        self._running = np.zeros(0, dtype=np.int64)  # the branch in every row
        self._slot = np.zeros(0, dtype=np.int64)  # where its prompt is
        self._drawn = np.zeros(0, dtype=np.int64)  # tokens that it has
        self._token = np.zeros(0, dtype=np.int64)  # the last of them

    def sample(self, waiting: deque[Shared], made: dict[int, Completion]) -> None:
        """Sample all that waits; completions are put down as they end."""
        while True:
            self._admit(waiting)
            if not len(self._running):
                return
            logits = self._step()
            drawn = draw(logits, uniforms(self._seeds[self._running], self._drawn), self._sampling)
            ended = self._endings.add(self._running, self._drawn, drawn, logits)
            self._token, self._drawn = drawn.cpu().numpy(), self._drawn + 1
            if ended.any():
                self._retire(ended, made)

    # ---- rows are filled ------------------------------------------------------------------------------

    def _admit(self, waiting: deque[Shared]) -> None:
        """Give free rows to branches; read prompts ahead where too few branches are at hand."""
        while len(self._running) < self._capacity:
            ready = [shared for shared in self._slots if shared.branches]
            if not ready:
                if not waiting:
                    return
                self._read(waiting)
                continue
            free = self._capacity - len(self._running)
            given = [(shared, number) for shared in ready for number in shared.branches][:free]
            for shared, _ in given:
                shared.branches.popleft()
            self._start(given)

    def _start(self, given: list[tuple[Shared, int]]) -> None:
        """Add rows: each is given the last token of its prompt first."""
        self._running = np.append(self._running, [number for _, number in given])
        self._slot = np.append(self._slot, [shared.slot for shared, _ in given])
        self._drawn = np.append(self._drawn, [0] * len(given))
        self._token = np.append(self._token, [shared.ids[-1] for shared, _ in given])

    def _read(self, waiting: deque[Shared]) -> None:
        """Read the next prompts in one pass, at least one: enough for the free rows, and some ahead."""
        wanted = self._capacity - len(self._running) + self._capacity // 8
        chosen: list[Shared] = []
        while waiting and wanted > 0 and (not chosen or (len(chosen) + 1) * len(chosen[0].ids) <= PREFILL):
            chosen.append(waiting.popleft())
            wanted -= len(chosen[-1].branches)
        for shared in chosen:
            shared.slot = len(self._slots)
            self._slots.append(shared)
        read(self._target, self._cache, chosen, slots=len(self._slots))

    # ---- all rows go on by a token --------------------------------------------------------------------

    def _step(self) -> Tensor:
        """Return the logits of the next token of every row, ``(rows, vocabulary)``."""
        self._cache.branches.reserve(len(self._running), int(self._drawn.max()) + 1)
        lengths = self._tensor(np.array([len(shared.before) for shared in self._slots]))
        growth = Growth(self._cache, self._tensor(self._slot), lengths, self._tensor(self._drawn))
        with self._cache.during(growth):
            output = self._target.network(
                input_ids=self._tensor(self._token)[:, None],
                position_ids=growth.positions,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits: Tensor = output.logits[:, -1]
        return logits

    # ---- rows become free -----------------------------------------------------------------------------

    def _retire(self, ended: Array, made: dict[int, Completion]) -> None:
        """Take out the branches that have ended; the last rows move to where they were."""
        for row in np.flatnonzero(ended):
            number = int(self._running[row])
            made[number] = self._endings.completion(number, int(self._drawn[row]))
            self._slots[self._slot[row]].open -= 1
        left = len(ended) - int(ended.sum())
        holes, movers = np.flatnonzero(ended[:left]), left + np.flatnonzero(~ended[left:])
        if len(holes):
            self._cache.branches.move(self._tensor(movers), self._tensor(holes), int(self._drawn[movers].max()))
        for values in (self._running, self._slot, self._drawn, self._token):
            values[holes] = values[movers]
        self._running, self._slot = self._running[:left], self._slot[:left]
        self._drawn, self._token = self._drawn[:left], self._token[:left]
        self._close()

    def _close(self) -> None:
        """Give up the slots of prompts whose branches have all ended; the last slots move to where they were."""
        left = sum(shared.open > 0 for shared in self._slots)
        if left == len(self._slots):
            return
        holes = [slot for slot in range(left) if not self._slots[slot].open]
        movers = [slot for slot in range(left, len(self._slots)) if self._slots[slot].open]
        for hole, mover in zip(holes, movers, strict=True):
            shared = self._slots[mover]
            shared.slot, self._slots[hole] = hole, shared
            self._slot[self._slot == mover] = hole
        if holes:
            longest = max(len(self._slots[hole].before) for hole in holes)
            self._cache.prompts.move(self._tensor(np.array(movers)), self._tensor(np.array(holes)), longest)
        del self._slots[left:]

    def _tensor(self, values: Array) -> Tensor:
        return torch.tensor(values).to(self._target.network.device)
