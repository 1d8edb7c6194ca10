"""The report in a real browser: it fits on a phone, opens in print, and runs nothing that a text brings along."""

import re
from pathlib import Path

import pytest

from docs.screenshots import browser, chromium, shoot
from lit_iterative.report.page import page
from lit_iterative.report.run import Run
from tests.report.test_page import hostile_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser() is None, reason="Chromium is not installed"),
]

#: Asks a page for its own size, from outside of it; the page itself may run no script.
PROBE = """<!DOCTYPE html><body style="margin:0">
<iframe id="f" src="{url}" style="border:0;width:{width}px;height:900px"></iframe><pre id="out"></pre><script>
document.getElementById("f").onload = () => {{
  const page = document.getElementById("f").contentDocument;
  const images = [...page.images].map((image) => image.naturalWidth);
  const found = {{wide: page.documentElement.scrollWidth, images: images, alerts: window.alerts || 0}};
  document.getElementById("out").textContent = "FOUND " + JSON.stringify(found);
}};
window.alert = () => {{ window.alerts = (window.alerts || 0) + 1; }};
</script>"""


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page(Run.of(hostile_store(tmp_path / "rounds"))).replace('loading="lazy"', ""))
    return path


def probe(report: Path, width: int) -> str:
    outer = report.parent / "probe.html"
    outer.write_text(PROBE.format(url=report.name, width=width))
    shown = chromium("--allow-file-access-from-files", "--virtual-time-budget=8000", "--dump-dom", url=outer.as_uri())
    (found,) = re.findall(r'id="out">FOUND (.*?)</pre>', shown)
    return found


@pytest.mark.parametrize("width", [390, 1180])
def test_nothing_is_wider_than_the_window_and_all_pictures_are_drawn(report, width):
    found = probe(report, width)
    assert f'"wide":{width}' in found
    assert '"images":[]' not in found
    assert "0," not in re.search(r'"images":\[(.*?)\]', found)[1].split(",")
    assert '"alerts":0' in found


def test_a_picture_of_it_is_not_blank(report, tmp_path):
    from PIL import Image

    shoot(report.as_uri(), tmp_path / "phone.png", (390, 900))
    with Image.open(tmp_path / "phone.png") as image:
        assert image.size == (390, 900)
        assert len(image.convert("RGB").getcolors(1 << 24)) > 20


def test_all_parts_are_on_paper_although_they_are_folded_on_the_screen(report, tmp_path):
    pdf = tmp_path / "report.pdf"
    chromium(f"--print-to-pdf={pdf}", "--no-pdf-header-footer", url=report.as_uri())
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
    assert 2 <= pages <= 40
    folded = tmp_path / "folded.html"
    folded.write_text(report.read_text().replace("details::details-content", "details::none"))
    chromium(f"--print-to-pdf={pdf}", "--no-pdf-header-footer", url=folded.as_uri())
    assert len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) < pages
