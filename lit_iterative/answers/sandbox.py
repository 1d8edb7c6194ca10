"""A sandbox for programs that a model wrote: one process for each, with limits on all it can use up."""

import json
import math
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from lit_iterative.errors import PipelineError, SetupError

Status = Literal["passed", "failed", "refused", "timeout", "memory", "output", "crashed"]
STATUSES: tuple[Status, ...] = ("passed", "failed", "refused", "timeout", "memory", "output", "crashed")
START_SECONDS, POLL_SECONDS = 60.0, 0.2
READY = b"ready \n"
_SCRIPT = Path(__file__).with_name("sandboxed.py")


@dataclass(frozen=True)
class Limits:
    """What one program may use up.

    Args:
        seconds: Time from its first line on, on the clock; above 0. Processor time is limited too, to
            a second more.
        memory_mb: Address space in MiB, with that of the interpreter; 64 or more.
        output_bytes: What it may print; 0 or more.

    Raises:
        PipelineError: If a limit is out of range.

    Example:
        >>> Limits(seconds=2)
        Limits(seconds=2, memory_mb=512, output_bytes=65536)
    """

    seconds: float = 10.0
    memory_mb: int = 512
    output_bytes: int = 65536

    def __post_init__(self) -> None:
        for name, low in (("seconds", 0.001), ("memory_mb", 64), ("output_bytes", 0)):
            value = getattr(self, name)
            if not low <= value < math.inf:
                raise PipelineError(f"Limits({name}) is {value}. Give a number from {low} on.")


@dataclass(frozen=True)
class Outcome:
    """How a program went.

    Args:
        status: ``passed``: it and its tests ran to the end. ``failed``: an error, or an end before the end.
            ``refused``: it tried what it may not, and was stopped. ``timeout``, ``memory``, ``output``: it used up too
            much. ``crashed``: the interpreter was killed by a signal.
        stdout: What it printed, bytes that are not UTF-8 replaced.
        seconds: How long it ran.
        error: What went wrong, in at most 300 bytes; empty where it passed.
    """

    status: Status
    stdout: str
    seconds: float
    error: str = ""


def run(program: str, tests: str = "", stdin: str = "", limits: Limits | None = None) -> Outcome:
    r"""Run an untrusted program in a process of its own, then its tests in the same module.

    The process is a fresh interpreter with the standard library only, no environment, a fixed hash seed, an empty
    temporary folder and its own session, all of which is killed and removed at the end. Limits of the system hold its
    time, memory, files (none may be written) and processes (none may be started). An audit hook stops it when it opens
    a socket, starts a process or a thread, sends a signal, loads foreign code, writes a file, or reads one that is not
    of the standard library. Where Python and the system allow it, it runs as nobody and without a network.

    Only a program whose tests ran to the end passes: then a random word is sent back that no text of the program
    could know. ``sys.exit(0)`` or ``os._exit(0)`` before that, or a faked message, is a failure.

    This is **no security boundary**. It contains what models write by accident or in order to look right. Program and
    tests share an interpreter, so a program written against this sandbox can find the word, and objects that are
    equal to everything pass tests that ask for equality. Run programs of attackers in a container or a virtual
    machine.

    Args:
        program: Python source.
        tests: Python source, compiled by itself and run after the program; it raises where the program is wrong.
        stdin: What the program reads.
        limits: What it may use up.

    Raises:
        SetupError: If the system is not POSIX, or the interpreter does not start.

    Example:
        >>> run("def add(a, b): return a + b", "assert add(2, 2) == 4").status
        'passed'
        >>> run("import os; os.fork()").status
        'refused'
    """
    if os.name != "posix":
        raise SetupError(
            f"Programs cannot be contained on {os.name!r}, which has no limits for processes. Run code on Linux, for "
            "example in a container, or verify the answers without running code."
        )
    limits = limits or Limits()
    with TemporaryDirectory(prefix="lit-iterative-") as folder, _Channel() as channel:
        word = secrets.token_hex(16).encode()
        os.write(channel.secret_in, word)
        task = {"program": program, "tests": tests, "stdin": stdin, **channel.given, **_bounds(limits)}
        Path(folder, "task.json").write_text(json.dumps(task), encoding="ascii")
        os.chmod(folder, 0o755)  # nobody may stand in it, if that is who the program runs as
        with _process(folder, channel) as process:
            watched = _Watch(process, channel.verdict_out, limits)
            watched.wait()
        return _outcome(watched, process.returncode, word)


def _bounds(limits: Limits) -> dict[str, int]:
    return {"cpu_seconds": math.ceil(limits.seconds) + 1, "memory": limits.memory_mb * 2**20}


class _Channel:
    """Two pipes: one holds the secret word until the program is over, the other brings back the verdict."""

    def __enter__(self) -> "_Channel":
        self.secret_out, self.secret_in = os.pipe()
        self.verdict_out, self.verdict_in = os.pipe()
        self.given = {"secret": self.secret_out, "verdict": self.verdict_in}
        self._open = [self.secret_out, self.secret_in, self.verdict_out, self.verdict_in]
        return self

    def close_far_ends(self) -> None:
        """Close what only the process needs, so that its end is seen."""
        for end in (self.secret_out, self.secret_in, self.verdict_in):
            os.close(end)
            self._open.remove(end)

    def __exit__(self, *error: object) -> None:
        for end in self._open:
            os.close(end)


@contextmanager
def _process(folder: str, channel: _Channel) -> Iterator[subprocess.Popen[bytes]]:
    """Start the interpreter, and at the end kill it with all that it has started."""
    command = [sys.executable, "-s", "-S", "-B", "-X", "utf8", str(_SCRIPT)]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={"PYTHONHASHSEED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(channel.secret_out, channel.verdict_in),
        start_new_session=True,
    ) as process:
        channel.close_far_ends()
        try:
            yield process
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()


@dataclass
class _Watch:
    """Reads what a process prints and reports, until it ends or goes too far."""

    process: subprocess.Popen[bytes]
    verdict_pipe: int
    limits: Limits
    stdout: bytearray = field(default_factory=bytearray)
    verdict: bytearray = field(default_factory=bytearray)
    stopped: Status | None = None
    seconds: float = 0.0

    def wait(self) -> None:
        """Return when the process has ended, or must be ended."""
        start = time.monotonic()
        deadline, ready = start + START_SECONDS, False
        with selectors.DefaultSelector() as selector:
            for pipe, received in ((self.process.stdout, self.stdout), (self.verdict_pipe, self.verdict)):
                selector.register(pipe, selectors.EVENT_READ, received)  # type: ignore[arg-type]  # stdout is a pipe
            while self.stopped is None and self._read(selector, deadline):
                if not ready and self.verdict.startswith(READY):
                    ready, start = True, time.monotonic()
                    deadline = start + self.limits.seconds
        if self.stopped is None:
            try:
                self.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.stopped = "timeout"
        self.seconds = time.monotonic() - start

    def _read(self, selector: selectors.BaseSelector, deadline: float) -> bool:
        """Read what has come, stop if it is too much or too late, and tell whether more may come."""
        left = deadline - time.monotonic()
        events = selector.select(max(0.0, min(POLL_SECONDS, left)))
        for key, _ in events:
            chunk = os.read(key.fd, 65536)
            key.data.extend(chunk)
            if not chunk:
                selector.unregister(key.fileobj)
        if len(self.stdout) > self.limits.output_bytes or len(self.verdict) > 65536:
            self.stopped = "output"
        elif left <= 0:
            self.stopped = "timeout"
        ended = not events and self.process.poll() is not None  # another process may still hold the pipes
        return bool(selector.get_map()) and not ended


def _outcome(watched: _Watch, returncode: int, word: bytes) -> Outcome:
    """Return what the watch and the end of the process say."""
    if not watched.verdict.startswith(READY):
        raise SetupError(
            f"The interpreter {sys.executable!r} did not get ready to run a program in {START_SECONDS:g} s; it ended "
            f"with status {returncode}. Raise Limits(memory_mb), or start lit-iterative with a plain interpreter."
        )
    stdout = bytes(watched.stdout[: watched.limits.output_bytes]).decode("utf-8", "replace")
    status, error = watched.stopped, ""
    if status is None:
        status, error = _judged(bytes(watched.verdict).removeprefix(READY), returncode, word)
    return Outcome(status, stdout, watched.seconds, error)


def _judged(verdict: bytes, returncode: int, word: bytes) -> tuple[Status, str]:
    """Return the status of a program that ended by itself, and what went wrong."""
    if verdict == b"passed " + word and returncode == 0:
        return "passed", ""
    told, _, detail = verdict.partition(b" ")
    for status in ("refused", "memory", "failed"):
        if told == status.encode():
            return status, detail.decode("utf-8", "replace")
    if returncode in (-signal.SIGXCPU, -signal.SIGALRM):
        return "timeout", ""
    if returncode < 0:
        return "crashed", signal.Signals(-returncode).name
    return "failed", "It ended before its tests were over."
