"""Every block of Python in the README and in docs/ runs as it stands, in order, in an empty folder."""

import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if page.exists()]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.py)\n")


def blocks(page: Path) -> list[tuple[int, str]]:
    """Return the line and the text of every block."""
    text = page.read_text()
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in FENCE.finditer(text)]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_python_of_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    known = set(sys.modules)
    try:
        for line, code in blocks(page):
            run(code, line, page, module)
    finally:
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
                del sys.modules[name]


def run(code: str, line: int, page: Path, module: ModuleType) -> None:
    """Run a block; one whose first line names a file is that file, and one that is a test is tested."""
    named = FILE.match(code)
    if named:
        Path(named[1]).write_text(code)
    if named and named[1].startswith("test_"):
        options = ["-q", "-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider", "--capture", "no"]
        assert pytest.main([named[1], *options]) == pytest.ExitCode.OK
        return
    exec(compile("\n" * line + code, str(page), "exec"), module.__dict__)


def test_pages_are_found() -> None:
    assert ROOT / "docs" / "extending.md" in PAGES
    assert len(blocks(ROOT / "docs" / "extending.md")) >= 5
