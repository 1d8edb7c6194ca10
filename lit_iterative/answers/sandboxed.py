"""The other side of the sandbox: a script that runs one untrusted program and says how it went.

It is started by ``sandbox.run`` in a fresh interpreter, and never imported: it gives up rights that do not come back.
"""

import sys

sys.path.pop(0)  # the folder of this script, so that only the standard library can be imported

import builtins
import io
import json
import os
import resource
import signal
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

NOBODY = 65534
#: What audit events of these modules announce leaves the interpreter, or looks at what is none of the program's.
REFUSED = (
    *("ctypes.", "fcntl.", "ftplib.", "gc.get_", "http.", "imaplib.", "nntplib.", "os.", "poplib.", "pty."),
    *("resource.", "shutil.", "signal.", "smtplib.", "socket.", "sqlite3.", "subprocess.", "syslog.", "telnetlib."),
    *("urllib.", "webbrowser.", "sys._current_", "sys.remote_exec"),
)
#: Of these, the harmless ones.
ALLOWED = frozenset(["os.fwalk", "os.putenv", "os.unsetenv", "os.walk"])
LISTING = frozenset(["os.listdir", "os.scandir"])
MODULES = frozenset(["_ctypes", "_interpreters", "_posixshmem", "_testcapi", "_testinternalcapi", "_xxsubinterpreters"])
#: Functions with the same powers that raise no audit event, by module.
SILENT = {
    "_posixsubprocess": ["fork_exec"],
    "_thread": ["start_joinable_thread", "start_new", "start_new_thread"],
    "os": ["memfd_create", "mkfifo", "mknod", "pidfd_open", "setns", "setpgid", "setpgrp", "setsid", "unshare"],
    "signal": ["pidfd_send_signal"],
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

Refuse = Callable[[str], NoReturn]


def main() -> None:
    """Read the task, give up all rights, run the program and its tests, and report."""
    with open("task.json", encoding="ascii") as file:
        task = json.load(file)
    os.remove("task.json")
    sys.argv[:] = ["program"]
    sys.stdin = io.TextIOWrapper(io.BytesIO(task["stdin"].encode("utf-8", "replace")), "utf-8")
    report = reporter(task["verdict"])
    enclose(task)
    watch(report)
    report("ready", b"\n")
    run(task, report)


def reporter(channel: int) -> Callable[[str, bytes], None]:
    """Return a function that writes to the channel on which the verdict goes out."""
    write = os.write

    def report(word: str, detail: bytes = b"") -> None:
        write(channel, word.encode() + b" " + detail)

    return report


def enclose(task: dict[str, Any]) -> None:
    """Leave the network and the rights of root where that is possible, and limit what may be used up."""
    leave_network()
    drop_root()
    limit(resource.RLIMIT_CPU, task["cpu_seconds"], grace=1)
    limit(resource.RLIMIT_AS, task["memory"])
    for nothing in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC):
        limit(nothing, 0)
    signal.alarm(task["cpu_seconds"] + 5)  # so that it ends even if whoever started it is gone


def limit(kind: int, bound: int, grace: int = 0) -> None:
    """Lower a limit of the system; it cannot be raised again, but for the grace."""
    hard = resource.getrlimit(kind)[1]
    top = bound + grace if hard == resource.RLIM_INFINITY else min(bound + grace, hard)
    resource.setrlimit(kind, (min(bound, top), top))


def leave_network() -> None:
    """Move to a network without any other member, where this Python and this system let us."""
    for spaces in ("CLONE_NEWNET",), ("CLONE_NEWUSER", "CLONE_NEWNET"):
        if all(hasattr(os, space) for space in spaces):
            try:
                os.unshare(sum(getattr(os, space) for space in spaces))  # type: ignore[attr-defined,unused-ignore]
            except OSError:
                continue
            return


def drop_root() -> None:
    """Become nobody, if we are root and nobody may read the standard library."""
    if os.getuid() != 0:
        return
    try:
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        readable = os.access(os.__file__, os.R_OK, effective_ids=os.access in os.supports_effective_ids)
        os.seteuid(0)
        os.setegid(0)
        if readable:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    except OSError:
        return


def watch(report: Callable[[str, bytes], None]) -> None:
    """End the program at once when it tries what it may not."""
    end = os._exit

    def refuse(what: str) -> NoReturn:
        report("refused", what.encode("utf-8", "replace")[:300])
        end(1)

    for module, names in SILENT.items():
        for name in names:
            if hasattr(__import__(module), name):
                setattr(sys.modules[module], name, _stub(f"{module}.{name}", refuse))
    sys.addaudithook(_hook(refuse, tuple(path.rstrip("/") + "/" for path in sys.path if path)))


def _stub(name: str, refuse: Refuse) -> Callable[..., NoReturn]:
    def stub(*args: object, **options: object) -> NoReturn:
        refuse(name)

    return stub


def _hook(refuse: Refuse, library: tuple[str, ...]) -> Callable[[str, tuple[Any, ...]], None]:
    """Return the audit hook. It looks up no global or built-in name, because the program may change those.

    Args:
        refuse: Ends the program.
        library: Folders that may be read.
    """
    refused, allowed, listing, modules, writing = REFUSED, ALLOWED, LISTING, MODULES, WRITING
    kind, text, number, null = type, str, int, "/dev/null"

    def may_read(path: Any) -> bool:
        if path is None or kind(path) is number or path == null:
            return True
        return kind(path) is text and ".." not in path and (path[:1] != "/" or (path + "/").startswith(library))

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "import":
            bad = args[0] in modules
        elif event == "open":
            bad = not may_read(args[0]) or (args[2] & writing and args[0] != null)
        elif event in listing:
            bad = not may_read(args[0])
        else:
            bad = event.startswith(refused) and event not in allowed
        if bad:
            refuse(f"{event} {args[0]}" if args and kind(args[0]) is text else event)

    return hook


def run(task: dict[str, Any], report: Callable[[str, bytes], None]) -> NoReturn:
    """Run the program, then its tests, in one module, and report; nothing runs after this."""
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    read, end = os.read, os._exit
    try:
        for name in ("program", "tests"):
            exec(compile(task[name], f"<{name}>", "exec", dont_inherit=True), module.__dict__)
        sys.stdout.flush()
    except MemoryError:
        report("memory", b"")
        end(1)
    except BaseException as error:  # noqa: BLE001  # whatever an untrusted program raises, it has failed
        report("failed", _described(error))
        with suppress(BaseException):
            sys.stdout.flush()
        end(1)
    report("passed", read(task["secret"], 64))
    end(0)


def _described(error: BaseException) -> bytes:
    """Return the name and the message of an error, whose own methods may be hostile."""
    try:
        return f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:300]
    except BaseException:  # noqa: BLE001  # the message of the error is the program's as well
        return b"an error that cannot be described"


if __name__ == "__main__":
    main()
