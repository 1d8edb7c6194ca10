"""Makes the pictures in ``docs/images`` from real runs: ``python -m docs.screenshots RUN [RUN …]``.

A run is the folder of one that has ended, such as ``runs/digits`` after ``make demo``. TensorBoard is
pictured as well. It needs Chromium (``apt-get install chromium``), or the program that ``CHROMIUM`` names.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from PIL import Image

from lit_iterative.report.command import write_report

IMAGES = Path(__file__).parent / "images"
#: Name of the picture, and width and height of the window.
VIEWS = {"desk": (1180, 1500), "phone": (390, 1600)}
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars")
QUIET += ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions")


def browser() -> str | None:
    """Return the path of Chromium, or none."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


def chromium(*options: str, url: str) -> str:
    """Open a page without a window, and return what the browser prints."""
    program = browser()
    if program is None:
        raise SystemExit("Chromium is not installed. Install it (apt-get install chromium), or name it in CHROMIUM.")
    with tempfile.TemporaryDirectory() as profile:
        command = [program, *QUIET, f"--user-data-dir={profile}", *options, url]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout


def shoot(url: str, path: Path, size: tuple[int, int], wait: int = 0) -> None:
    """Write a picture of a page, with few colours so that it is small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = [f"--virtual-time-budget={wait}"] if wait else []
    # A window is at least 500 wide: a narrow page is shown in a frame of its own width.
    width, height = size
    if width >= 500:
        chromium(f"--screenshot={path}", f"--window-size={width},{height}", *waiting, url=url)
    else:
        with tempfile.TemporaryDirectory() as folder:
            frame = Path(folder) / "frame.html"
            style = f"border:0;width:{width}px;height:{height}px"
            frame.write_text(f'<body style="margin:0"><iframe src="{url}" style="{style}"></iframe>')
            chromium(f"--screenshot={path}", f"--window-size=500,{height}", *waiting, url=frame.as_uri())
        with Image.open(path) as image:
            image.crop((0, 0, width, height)).save(path)
    with Image.open(path) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def report_pictures(run: str, folder: Path) -> None:
    """Picture the report of a run."""
    name = Path(run).name
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(write_report(run, str(Path(scratch) / "report.html")))
        for view, size in VIEWS.items():
            shoot(page.as_uri(), folder / f"report_{name}_{view}.png", size)


@contextmanager
def tensorboard(run: str) -> Iterator[str]:
    """Serve TensorBoard on a free port of this machine, and yield its address."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = Path(run).absolute()
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        place.name,
        "--port",
        str(port),
        "--load_fast=false",
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, cwd=place.parent, **quiet)  # the page shows the folder as it is given
    try:
        yield wait_for(f"http://127.0.0.1:{port}", "/data/plugin/scalars/tags", '"by_round/rows"')
    finally:
        server.terminate()
        server.wait()


def wait_for(address: str, path: str, content: str) -> str:
    """Wait until a server answers with some content, and return its address."""
    for _ in range(120):
        try:
            with urllib.request.urlopen(address + path) as answer:
                if content in answer.read().decode():
                    return address
        except OSError:
            pass  # not up yet
        time.sleep(0.5)
    raise SystemExit(f"{address} did not answer with {content}.")


#: TensorBoard's pages, and the size of the window.
TABS = {"custom_scalars": (1280, 900), "images": (1280, 1020), "text": (1280, 800), "hparams": (1900, 560)}


def has_text(address: str) -> bool:
    """Tell whether a run has samples of text."""
    with urllib.request.urlopen(address + "/data/plugin/text/tags") as answer:
        return "samples" in answer.read().decode()


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--folder", type=Path, default=IMAGES)
    given = parser.parse_args()
    for run in given.runs:
        report_pictures(run, given.folder)
        with tensorboard(run) as address:
            for tab, size in TABS.items():
                if tab != "text" or has_text(address):
                    path = given.folder / f"tensorboard_{Path(run).name}_{tab}.png"
                    shoot(f"{address}/#{tab}", path, size, wait=15_000)


if __name__ == "__main__":
    main()
