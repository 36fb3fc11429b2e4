"""Measure the page of `artsim serve` in Chromium: teaching, the map, and scrolling.

    python scripts/bench/page.py                  100,000 x 512 made vectors, 1,000 made pictures
    python scripts/bench/page.py --only map

Teaching: works are marked one after another with the keys y and n. The time is from the key to the
new ranking on the screen; "answer" is the part of it in which the page waits for the server, and
"server" the time of the same requests without a browser. Map and scrolling: real movements of the
mouse and its wheel, and the frames that the page drew meanwhile. Without a graphics card Chromium
draws on the processor, which shares it with the server and with this program. Every picture of the
made works is one small JPEG.
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
import numpy as np
from index import describe, made_store
from PIL import Image
from playwright.sync_api import Page, Route, sync_playwright

from artsim.datatypes import parse_spec
from artsim.embedding import embed_collection
from artsim.index import build_index, layout
from artsim.models import Extractor, load_extractor
from artsim.readers import read_collection

SPEC = "timm:resnet18.random"  # 512 values, no download
PICTURES = 1000  # works of the index that is scrolled
SCROLLED = 800
MARKS = 20
SECONDS = 10  # of each movement
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]
WATCH = """
    performance.setResourceTimingBufferSize(10_000);
    globalThis.frames = [];
    globalThis.keys = [];
    const tick = (now) => { frames.push(now); requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
    addEventListener("keydown", () => {
        const began = performance.now();
        const watch = new MutationObserver(() => {
            watch.disconnect();
            requestAnimationFrame(() => setTimeout(() => keys.push([began, performance.now()])));
        });
        watch.observe(document.getElementById("grid"), { childList: true });
    }, true);
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", choices=["teach", "map", "scroll"])
    parser.add_argument("--port", type=int, default=8766)
    parser.add_argument("--browser", default=shutil.which("chromium"))
    options = parser.parse_args()
    describe()
    wanted = [options.only] if options.only else ["teach", "map", "scroll"]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        network = load_extractor(parse_spec(SPEC))
        browser = playwright.chromium.launch(executable_path=options.browser, args=FLAGS)
        for name in wanted:
            path = scrolled(Path(folder), network) if name == "scroll" else None
            path = path or made(Path(folder), options.rows, network)
            with served(path, options.port) as address:
                page = browser.new_page(viewport={"width": 1300, "height": 900})
                page.add_init_script(f"addEventListener('DOMContentLoaded', () => {{{WATCH}}})")
                if name != "scroll":
                    page.route("**/picture?*", show_one)
                MEASURES[name](page, address)
                page.close()
        browser.close()


def made(folder: Path, rows: int, network: Extractor) -> Path:
    """Make an index of generated vectors with a map, once."""
    path = folder / "made"
    if not path.exists():
        store = made_store(path, "clusters", rows, network.passport.taps[0].dim, network.passport)
        tap = network.passport.taps[0].name
        build_index(store, tap)
        with patch.object(layout, "lay_out", places):  # UMAP takes minutes for as many points
            layout.make_layout(store, tap)
    return path


def places(vectors: Any, *_: object, **__: object) -> np.ndarray:
    """Return places in a hundred heaps."""
    rng = np.random.default_rng(0)
    heaps = rng.uniform(-0.9, 0.9, (100, 2))
    found = heaps[rng.integers(0, 100, len(vectors))] + rng.normal(0, 0.05, (len(vectors), 2))
    return found.astype(np.float32)


def scrolled(folder: Path, network: Extractor) -> Path:
    """Embed made pictures."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(PICTURES):
        (pictures / f"{number}.jpg").write_bytes(jpeg(number))
    embed_collection(read_collection(pictures), folder / "scrolled", network)
    return folder / "scrolled"


def jpeg(seed: int, size: tuple[int, int] | None = None) -> bytes:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    out = io.BytesIO()
    size = size or (int(rng.integers(400, 900)), int(rng.integers(400, 900)))
    small.resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


ONE = jpeg(0, (320, 240))  # as the server sends them


def show_one(route: Route) -> None:
    """Answer with a picture."""
    route.fulfill(body=ONE, headers={"cache-control": "max-age=9999"})


@contextmanager
def served(path: Path, port: int) -> Iterator[str]:
    """Serve an index; gives its address."""
    server = subprocess.Popen(
        [sys.executable, "-m", "artsim", "serve", str(path), "--port", str(port)],
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx2.get(f"{address}/api/indexes", timeout=60)
                break
            except httpx2.TransportError:
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait()


# ---- what is measured ----


def teach(page: Page, address: str) -> None:
    page.goto(f"{address}/?view=teach")
    page.locator("#grid a.picture").nth(3).focus()
    marks: dict[str, list[str]] = {"positive": [], "negative": []}
    server = []
    for number in range(MARKS + 1):  # the first loads what the server needs
        kind = "positive" if number % 2 == 0 else "negative"
        focused = page.evaluate("document.activeElement.closest('li').querySelector('img').src")
        marks[kind].append(httpx2.URL(focused).params["id"])
        page.keyboard.press("y" if kind == "positive" else "n")
        while page.evaluate("keys.length") <= number:
            page.wait_for_timeout(20)
        page.wait_for_timeout(300)  # the pictures come
        began = time.perf_counter()
        asked = {**marks, "k": 36, "ask": 12}
        httpx2.post(f"{address}/api/made/teach", json=asked, timeout=60).raise_for_status()
        server.append(1e3 * (time.perf_counter() - began))
    keys = page.evaluate("keys")
    waits = page.evaluate(
        """performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/teach"))
            .map(({ duration }) => duration)"""
    )
    total = [done - began for began, done in keys]
    rest = [one - wait for one, wait in zip(total, waits, strict=True)]
    for name, took in {
        "key to ranking": total,
        "answer": waits,
        "page": rest,
        "server": server,
    }.items():
        some = took[1:]
        print(f"teach, {name}: median {statistics.median(some):.0f} ms, most {max(some):.0f} ms")


def map_(page: Page, address: str) -> None:
    page.goto(f"{address}/?view=map")
    box = page.locator("canvas").last.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    print(f"map: drawn by {page.evaluate(RENDERER)}")
    for pictures in (True, False):
        page.get_by_label("Pictures").set_checked(pictures)
        page.wait_for_timeout(5000)
        name = "with pictures" if pictures else "points only"
        page.mouse.move(x, y)
        page.mouse.down()
        frames(
            page,
            f"map, panning, {name}",
            lambda at: page.mouse.move(x + 150 * np.sin(at), y + 90 * np.sin(2 * at)),
        )
        page.mouse.up()
        frames(
            page, f"map, zooming, {name}", lambda at: page.mouse.wheel(0, -40 if at % 4 < 2 else 40)
        )
        page.get_by_role("button", name="Reset").click()


def scroll(page: Page, address: str) -> None:
    page.goto(address)
    for _ in range(400):
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(100)
        if page.locator("#grid li").count() >= SCROLLED:
            break
    shown = page.locator("#grid li").count()
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(2000)
    page.mouse.move(700, 500)
    frames(page, f"scrolling, {shown} works", lambda _: page.mouse.wheel(0, 160))
    print(f"  {page.evaluate('scrollY / document.body.scrollHeight'):.0%} of the page's height")


RENDERER = """(() => {
    const gl = document.createElement("canvas").getContext("webgl");
    const info = gl?.getExtension("WEBGL_debug_renderer_info");
    return gl ? gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER) : "no WebGL";
})()"""
MEASURES: dict[str, Callable[[Page, str], None]] = {"teach": teach, "map": map_, "scroll": scroll}


def frames(page: Page, name: str, move: Callable[[float], None]) -> None:
    """Move for some seconds, and print the frames that were drawn meanwhile."""
    began = time.monotonic()
    page.evaluate("frames.length = 0")
    while (at := time.monotonic() - began) < SECONDS:
        move(at)
    times = np.diff(page.evaluate("frames"))
    slow = np.mean(times > 1000 / 30)
    print(
        f"{name}: {1000 / times.mean():.0f} frames a second, median {np.median(times):.1f} ms, "
        f"p95 {np.percentile(times, 95):.1f} ms, {100 * slow:.1f}% over 33 ms"
    )


if __name__ == "__main__":
    main()
