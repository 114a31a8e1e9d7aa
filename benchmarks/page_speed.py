"""`make bench-page`: how soon results are seen in a browser, and how smoothly ten thousand hits scroll.

    python -m benchmarks.page_speed [--hits 10000] [--directory DIR] [--json FILE]

A real Chromium (`python -m deploy.browser`) on the loopback, over an index that is filled in bulk with pictures. What
is asked is more like one moment, so that no model of words is part of it. "Seen" is the frame after the one in which
the document has the hits.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from benchmarks.harness import Report
from benchmarks.service_speed import asked_moments, serving
from benchmarks.testbed.search_beside import copied
from benchmarks.testbed.search_fill import Footage
from deploy.browser import find
from stream.cli.context import make_context
from stream.cli.options.stored_settings import file_settings

HITS, MOMENTS, COLD, CHANGES = 10_000, 12_000, 5, 20
HAND_PX, HAND_S, SCROLL_S = 5_000, 10, 20
WINDOW: ViewportSize = {"width": 1280, "height": 860}
ASKED_FIRST_MS, ASKED_COLD_MS, ASKED_FRAME_MS = 300, 1_000, 50
_COLD = """async () => {
  const seen = () => document.querySelector(".hit img")?.complete;
  while (!seen()) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now();
}"""
_CHANGE = """async (id) => {
  performance.clearResourceTimings();
  const shown = new Promise((resolve) => document.addEventListener("shown", resolve, { once: true }));
  document.getElementById(id).click();
  await shown;
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  const seen = performance.now();
  const answers = performance.getEntriesByType("resource").filter((it) => new URL(it.name).pathname === "/");
  return { seen: seen - answers[0].responseEnd, hits: document.querySelectorAll(".hit").length };
}"""
_COME = """async (wanted) => {
  const frames = [], began = performance.now();
  const hits = () => Number.parseInt(document.querySelector("#summary").textContent);
  for (let last = began; hits() < wanted && document.querySelector("#more"); ) {
    scrollTo(0, Math.min(scrollY + 3000, document.body.scrollHeight));
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  return { frames, hits: hits(), seconds: (performance.now() - began) / 1000 };
}"""
_SCROLL = """async ({ pixels, seconds }) => {
  scrollTo(0, 0);
  await new Promise(requestAnimationFrame);
  const height = document.body.scrollHeight - innerHeight;
  const speed = pixels ?? height / seconds;
  const frames = [], began = await new Promise(requestAnimationFrame);
  for (let last = began; last - began < seconds * 1000; ) {
    scrollTo(0, (speed * (last - began)) / 1000);
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  return { frames, speed };
}"""


class PageBench:
    """One page of hits, at `url` of a service."""

    def __init__(self, browser: Browser, url: str, report: Report) -> None:
        self._browser = browser
        self._url = url
        self._report = report

    def cold(self) -> None:
        """Each time in a browser that has been nowhere."""
        seen = []
        for _ in range(COLD):
            with self._tab() as page:
                seen.append(page.evaluate(_COLD))
        note = f"asked {ASKED_COLD_MS} ms; the worst of {COLD} {max(seen):.0f} ms"
        self._report.add("cold page, to its first picture", median(seen), "ms p50", note=note)

    def changes(self) -> None:
        """Other orders and groups of the same hits, in place."""
        with self._tab() as page:
            _alive(page)
            names = ("sort-time", "sort-relevance", "group-shot", "group-moment")
            found = [page.evaluate(_CHANGE, names[turn % len(names)]) for turn in range(CHANGES)]
        if not all(item["hits"] for item in found):
            raise RuntimeError("a page came without hits")
        seen = [item["seen"] for item in found]
        note = f"asked {ASKED_FIRST_MS} ms; p95 of {CHANGES} {_p95(seen):.0f} ms"
        self._report.add("first results seen, after the answer has come", median(seen), "ms p50", note=note)

    def scroll(self, hits: int) -> None:
        """To the end of all hits, as they come; then as fast as a hand scrolls, and through all of them."""
        with self._tab() as page:
            _alive(page)
            come = page.evaluate(_COME, hits)
            # What is asked for is not like itself.
            if come["hits"] < hits - 1:
                raise RuntimeError(f"only {come['hits']} hits came")
            by_hand = page.evaluate(_SCROLL, {"pixels": HAND_PX, "seconds": HAND_S})
            at_once = page.evaluate(_SCROLL, {"pixels": None, "seconds": SCROLL_S})
        came = f"{come['hits']:,} hits in {come['seconds']:.0f} s, a jump of 3,000 pixels a frame"
        self._report.add("frame while hits come", _p95(come["frames"]), "ms p95", note=f"{_worst(come)}; {came}")
        for name, found in (("by hand", by_hand), (f"through all in {SCROLL_S} s", at_once)):
            note = f"asked {ASKED_FRAME_MS} ms; {_worst(found)}; {found['speed']:,.0f} pixels a second"
            self._report.add(f"frame in {come['hits']:,} hits, {name}", _p95(found["frames"]), "ms p95", note=note)

    @contextmanager
    def _tab(self) -> Iterator[Page]:
        context = self._browser.new_context(viewport=WINDOW)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(self._url, wait_until="commit")
        yield page
        context.close()


def _alive(page: Page) -> None:
    """Its modules have begun: they show the button of the shortcuts."""
    page.locator("#keys").wait_for()
    page.evaluate(_COLD)


def _worst(found: Any) -> str:
    frames = found["frames"]
    return f"p50 {median(frames):.0f} ms, worst {max(frames):.0f} ms of {len(frames):,}"


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[18]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hits", type=int, default=HITS)
    parser.add_argument("--directory", type=Path, help="keep the state here, and use it again")
    parser.add_argument("--json", type=Path, help="write the figures here and not to benchmarks/results")
    wanted = parser.parse_args()
    program = find()
    if program is None:
        parser.error("there is no Chromium here: run `python -m deploy.browser`")
    report = Report(f"How soon are results seen in a browser, and how smoothly do {wanted.hits:,} hits scroll?")
    with tempfile.TemporaryDirectory() as made:
        state = wanted.directory or Path(made) / "state"
        index = file_settings(make_context(state, None)).index_dir.directory
        if not any(index.rglob("*.lance")):
            index.mkdir(parents=True, exist_ok=True)
            footage = Footage(MOMENTS, pictures=True)
            footage.fill(index)
            footage.index(index)
        # Pictures of a fast hand are more requests than people's usual share.
        with copied(state) as copy, serving(copy, "--rate", "100000") as service, sync_playwright() as playwright:
            (like,) = asked_moments(file_settings(make_context(copy, None)).index_dir.directory, 1)
            url = f"{service.address}/?{urlencode({'like': like, 'group': 'moment'})}"
            # Its sandbox needs rights that root of a container does not give; the pages are our own.
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            bench = PageBench(browser, url, report)
            bench.cold()
            bench.changes()
            bench.scroll(wanted.hits)
            window = f"{WINDOW['width']} x {WINDOW['height']}"
            report.question += f" Chromium {browser.version}, headless, {window}; an index of {MOMENTS:,} moments."
            browser.close()
    report.show()
    if wanted.json is not None:
        wanted.json.write_text(report.text())
    elif wanted.hits == HITS:
        print(report.write("page_speed"))


if __name__ == "__main__":
    main()
