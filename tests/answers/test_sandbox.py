"""The sandbox against programs that mean harm: none gets through, none passes, none survives."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lit_iterative.answers import sandbox
from lit_iterative.answers.sandbox import STATUSES, Limits, Outcome, run
from lit_iterative.errors import PipelineError, SetupError

BRIEF, LOW = Limits(seconds=0.5), Limits(seconds=5.0, memory_mb=128)


@pytest.fixture(autouse=True)
def _nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run every program below a folder of its own, and look for what is left: files, processes, open pipes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    handles = len(os.listdir("/dev/fd"))
    yield
    assert os.listdir(tmp_path) == []
    deadline = time.monotonic() + 5.0  # a killed process may need a moment to go; by itself it takes a minute
    while survivors(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert survivors(tmp_path) == []
    assert len(os.listdir("/dev/fd")) == handles


def survivors(folder: Path) -> list[str]:
    """Return the processes that stand in the folder or below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = os.readlink(process / "cwd")
            state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if where.startswith(str(folder)) and state != "Z":
            found.append(process.name)
    return found


FAKE_VERDICT = """
import os
for channel in range(64):
    try:
        os.write(channel, b"passed " + b"0" * 32)
    except OSError:
        pass
os._exit(0)
"""
ADD = "def add(a, b):\n    return a + b\n"


def test_a_right_program_passes() -> None:
    outcome = run(ADD + "print('hé')", "assert add(2, 2) == 4")
    assert (outcome.status, outcome.stdout, outcome.error) == ("passed", "hé\n", "")
    assert 0 <= outcome.seconds < 10


@pytest.mark.parametrize(
    ("program", "tests", "error"),
    [
        ("def add(a, b):\n    return a - b", "assert add(2, 2) == 4, 'no sum'", "AssertionError: no sum"),
        ("def add(a, b)", "", "SyntaxError"),
        ("x = 1\x00", "", "SyntaxError|ValueError"),
        ("x = '\udc80'", "", "UnicodeEncodeError"),
        ("def f(n):\n    return f(n + 1)\nf(0)", "", "RecursionError"),
        ("x = '''", "assert False", "SyntaxError"),
        ("if False:\n    pass\n\\", "assert False", "SyntaxError"),
        ("class E(Exception):\n    def __str__(self): raise self\nraise E", "", "cannot be described"),
        ("input()", "", "EOFError"),
        ("import numpy", "", "ModuleNotFoundError"),
        ("import lit_iterative", "", "ModuleNotFoundError"),
    ],
)
def test_a_wrong_program_fails(program: str, tests: str, error: str) -> None:
    outcome = run(program, tests)
    assert outcome.status == "failed"
    assert any(kind in outcome.error for kind in error.split("|")), outcome


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit(0)",
        "raise SystemExit",
        "raise KeyboardInterrupt",
        "import os; os._exit(0)",
        "import builtins, os\nbuiltins.exec = builtins.compile = lambda *a, **k: None\nos._exit(0)",
        "print('passed'); print('ready \\npassed 0'); import os; os._exit(0)",
        FAKE_VERDICT,
        "import os\nfor fd in range(64):\n    try: os.close(fd)\n    except OSError: pass\nos._exit(0)",
        "import builtins\nclass AssertionError(Exception): pass\nbuiltins.AssertionError = AssertionError",
        "import sys\nsys.modules['__main__'].__dict__['__builtins__'] = {}",
        "import os, sys\nos._exit = os.write = sys.stdout.flush = lambda *a: None",
        "import atexit, os\natexit.register(lambda: os._exit(0))",
    ],
)
def test_an_end_before_the_end_is_no_pass(program: str) -> None:
    assert run(program, "assert 1 == 2").status == "failed"


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("import os\nfor _ in range(6): os.fork()", "os.fork"),
        ("import os\nif os.fork() == 0:\n    os.setsid()\n    import time; time.sleep(60)", "os.fork"),
        ("import os; os.posix_spawn('/bin/sleep', ['sleep', '60'], {})", "os.posix_spawn"),
        ("import os; os.system('sleep 60 &')", "os.system"),
        ("import os; os.execv('/bin/sleep', ['sleep', '60'])", "os.exec"),
        ("import subprocess; subprocess.Popen(['sleep', '60'])", "subprocess.Popen"),
        ("import _posixsubprocess as p; p.fork_exec([b'sleep'])", "_posixsubprocess.fork_exec"),
        ("import multiprocessing as m; m.get_context('fork').Process(target=print).start()", "os.fork"),
        ("import threading; threading.Thread(target=print).start()", "_thread.start"),
        ("import os; os.setsid()", "os.setsid"),
        ("import os; os.kill(os.getppid(), 9)", "os.kill"),
        ("import os, signal; signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)", "os.pidfd_open"),
        ("import ctypes", "_ctypes"),
        ("import _testcapi", "_testcapi"),
        ("import gc; gc.get_objects()", "gc.get_objects"),
        ("import sys; sys._current_frames()", "sys._current_frames"),
        ("import sqlite3; sqlite3.connect('x.db')", "sqlite3.connect"),
        ("import os; os.chdir('/')", "os.chdir"),
        ("import os; os.mkdir('x')", "os.mkdir"),
        ("import os; os.symlink('/etc', 'x')", "os.symlink"),
        ("open('/etc/passwd').read()", "/etc/passwd"),
        ("open('../../../../../etc/passwd').read()", "etc/passwd"),
        ("open(b'/etc/passwd').read()", "open"),
        ("import os; os.listdir('/')", "os.listdir"),
        ("import os; os.scandir(os.path.expanduser('~'))", "os.scandir"),
        ("try:\n    open('/etc/passwd')\nexcept BaseException:\n    pass", "/etc/passwd"),
        ("import builtins\nbuiltins.type = builtins.str = builtins.int = None\nopen('/etc/passwd')", "/etc/passwd"),
    ],
)
def test_what_a_program_may_not_do_ends_it(program: str, what: str) -> None:
    outcome = run(program)
    assert outcome.status == "refused", outcome
    assert what in outcome.error


def test_no_file_is_written(tmp_path: Path) -> None:
    home, here = Path.home() / ".lit-iterative-test", Path.cwd() / "lit-iterative-test"
    places = [str(home), str(here), str(tmp_path.parent / "outside"), "inside", "/tmp/lit-iterative-test"]
    for place in places:
        for write in (f"open({place!r}, 'w')", f"import os; os.open({place!r}, os.O_CREAT | os.O_RDWR)"):
            assert run(f"{write}\n", "pass").status == "refused"
        assert not os.path.exists(place)
    assert run("import tempfile; tempfile.TemporaryFile()").status == "refused"
    assert run("open('/dev/null', 'w').write('x'); open('no such file')").error.startswith("FileNotFoundError")


def test_no_connection_is_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        host, port = listener.getsockname()
        programs = [
            f"import socket; socket.create_connection(({host!r}, {port}), 1)",
            f"import _socket; s = _socket.socket(2, 1, 0); s.connect(({host!r}, {port}))",
            f"import urllib.request as u; u.urlopen('http://{host}:{port}', timeout=1)",
            f"import http.client as h; h.HTTPConnection({host!r}, {port}, timeout=1).request('GET', '/')",
            f"import asyncio; asyncio.run(asyncio.open_connection({host!r}, {port}))",
        ]
        assert [run(program).status for program in programs] == ["refused"] * len(programs)
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("while True: pass", "timeout"),
        ("import time; time.sleep(60)", "timeout"),
        ("import os, time\nos.close(1)\ntime.sleep(60)", "timeout"),
        ("while True:\n    try:\n        while True: pass\n    except BaseException: pass", "timeout"),
        ("import signal\nfor s in (1, 2, 14, 15, 24): signal.signal(s, signal.SIG_IGN)\nwhile True: pass", "timeout"),
        ("x = bytearray(10 ** 10)", "memory"),
        ("x = [0]\nwhile True: x += x", "memory"),
        ("for _ in range(100): print('x' * 10 ** 6)", "output"),
        ("import os\nwhile True: os.write(1, b'x' * 4096)", "output"),
        ("import os\nwhile True: os.write(2, b'x' * 4096)", "timeout"),
        ("import os, signal; signal.raise_signal(11)", "crashed"),
    ],
)
def test_no_program_uses_up_more_than_its_limits(program: str, status: str) -> None:
    start = time.perf_counter()
    outcome = run(program, limits=BRIEF if status == "timeout" else LOW)
    assert outcome.status == status, outcome
    assert len(outcome.stdout) <= LOW.output_bytes
    assert time.perf_counter() - start < 20


def test_endless_recursion_ends() -> None:
    outcome = run("import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()", limits=BRIEF)
    assert outcome.status in ("crashed", "timeout", "memory", "failed")


def test_what_is_printed_is_read_up_to_the_limit() -> None:
    assert run("import os; os.write(1, b'\\xff\\x00ok')").stdout == "\ufffd\x00ok"
    assert run("print('a' * 9, end='')", limits=Limits(output_bytes=9)).status == "passed"
    assert run("print('a' * 10, end='')", limits=Limits(output_bytes=9)).stdout == "a" * 9


def test_the_program_reads_what_it_is_given() -> None:
    outcome = run("print(input() + input())", "import sys; assert sys.stdin.read() == 'é'", stdin="a\nb\né")
    assert (outcome.status, outcome.stdout) == ("passed", "ab\n")


def test_the_environment_is_empty_and_hashes_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    environment = run("import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))").stdout
    assert environment == "['PYTHONHASHSEED']\n"
    assert len({run("print(hash('a'), __name__)").stdout for _ in range(3)}) == 1


def test_much_of_the_standard_library_works() -> None:
    program = """
import asyncio, bisect, collections, copy, dataclasses, datetime, decimal, enum, fractions, functools, hashlib, heapq
import inspect, io, itertools, json, logging, math, operator, random, re, statistics, string, typing, unittest
@dataclasses.dataclass
class Point:
    x: "int"
print(Point(random.Random(0).randrange(1, 2)), json.dumps({"a": math.pi}))
"""
    assert run(program).status == "passed"


def test_programs_run_side_by_side() -> None:
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda n: run(f"print({n})", f"assert {n} % 2 == 0"), range(12)))
    assert [outcome.stdout for outcome in outcomes] == [f"{n}\n" for n in range(12)]
    assert [outcome.status for outcome in outcomes] == ["passed", "failed"] * 6


def unguarded(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> Outcome:
    """Run a program without the audit hook, so that only the limits of the system are left."""
    script = folder / "unguarded.py"
    guarded = Path(sandbox._SCRIPT).read_text()
    assert "    watch(report)\n" in guarded
    script.write_text(guarded.replace("    watch(report)\n", ""))
    monkeypatch.setattr(sandbox, "_SCRIPT", script)
    return run(program, limits=LOW)


def test_without_the_hook_no_process_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = "import os, time\nif os.fork() == 0:\n    os.close(1)\n    time.sleep(60)\nprint('on')"
    outcome = unguarded(monkeypatch, tmp_path_factory.mktemp("script"), program)
    assert outcome.status in ("passed", "failed")  # who is not root cannot fork at all
    assert outcome.seconds < 20


def test_without_the_hook_no_file_has_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("script")
    os.chmod(folder, 0o777)
    place = folder / "written"
    outcome = unguarded(monkeypatch, folder, f"with open({str(place)!r}, 'w') as f: f.write('x' * 100)")
    assert outcome.status == "failed"
    assert not place.exists() or place.stat().st_size == 0


def test_limits_are_checked() -> None:
    for wrong in ({"seconds": 0.0}, {"memory_mb": 1}, {"output_bytes": -1}, {"seconds": float("nan")}):
        with pytest.raises(PipelineError, match=f"Limits\\({next(iter(wrong))}\\) is"):
            Limits(**wrong)  # type: ignore[arg-type]


def test_an_interpreter_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SetupError, match="'/bin/false' did not get ready"):
        run("pass")


def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.os, "name", "nt")
    with pytest.raises(SetupError, match="cannot be contained on 'nt'"):
        run("pass")
    monkeypatch.undo()


def test_every_status_is_known() -> None:
    assert set(STATUSES) == set(sandbox.Status.__args__)  # type: ignore[attr-defined]
