"""The frame of a page that is one file: its style, its pictures inside, nothing from elsewhere."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from artsim.datatypes import Box
from artsim.errors import ImageError, StoreError
from artsim.report.pictures import outline, small_copy

__all__ = ["embed", "escape", "page", "save_page", "thumbnail", "thumbnails"]

_QUALITY = 72  # of the small JPEGs

# Nothing is fetched and nothing is run, whatever a title or a file name holds.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_ALT = "\ufdd0"  # no text holds it: Unicode keeps it for private use within a program

_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #faf9f6; --card: #ffffff; --ink: #262422; --soft: #6b665f; --faint: #a39d93;
  --line: #e3dfd7; --accent: #7d5a3c; --track: #ece8e0; --lost: #a4262c; --look: #9a6700;
  --note: #4a6572;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #191816; --card: #22201e; --ink: #ebe7e0; --soft: #aaa399; --faint: #77716a;
    --line: #37342f; --accent: #c89b72; --track: #34312d; --lost: #ee7d78; --look: #dbab52;
    --note: #8fb3c2;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 68rem;
  background: var(--paper); color: var(--ink); overflow-wrap: break-word;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1, h2, h3 { font-family: Georgia, "Iowan Old Style", "Noto Serif", serif; font-weight: 500; }
h1 { font-size: clamp(1.9rem, 5vw, 2.7rem); line-height: 1.15; margin: 0 0 .4rem; }
h2 { font-size: 1.5rem; margin: 3.2rem 0 .3rem; padding-top: 1.1rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.12rem; margin: 1.8rem 0 .5rem; }
p { margin: .3rem 0 .8rem; max-width: 46rem; }
.soft, figcaption, small { color: var(--soft); }
small { font-size: .86rem; }
.tiles { display: grid; gap: .8rem; margin: 1.6rem 0;
  grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.tile { padding: .8rem 1rem; }
.tile b { display: block; font: 500 1.75rem/1.2 Georgia, serif; font-variant-numeric: tabular-nums;
  overflow-wrap: normal; }
.tile span { color: var(--soft); font-size: .9rem; }
.tile.lost b { color: var(--lost); } .tile.look b { color: var(--look); }
.card { padding: .9rem 1.1rem 1rem; margin: .8rem 0; border-left: .28rem solid var(--faint); }
.card.lost { border-left-color: var(--lost); } .card.look { border-left-color: var(--look); }
.card.note { border-left-color: var(--note); }
.card h3 { margin: 0 0 .2rem; } .card p { margin: 0 0 .5rem; color: var(--soft); }
.card ul { margin: .4rem 0 0; padding: 0; list-style: none; }
.card li { padding: .4rem 0; border-top: 1px solid var(--line); font-size: .92rem;
  display: flex; flex-wrap: wrap; gap: .3rem .9rem; align-items: center; min-width: 0; }
.card li > * { min-width: 0; }
.card li code { font-size: .88rem; overflow-wrap: anywhere; }
.card small { display: block; }
.count { font-variant-numeric: tabular-nums; }
.strip { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; }
.strip img, .gallery img, .gone { height: 6rem; width: auto; max-width: 100%; display: block;
  object-fit: contain; border: 1px solid var(--line); background: var(--track); }
.gallery { display: grid; gap: .9rem; padding-top: .5rem;
  grid-template-columns: repeat(auto-fill, minmax(8.2rem, 1fr)); }
.card .gallery li { border: 0; padding: 0; display: block; }
.gallery img { margin-bottom: .3rem; }
.strip img { max-width: min(100%, 9.5rem); }
.strip .gone, .gallery .gone { width: 6rem; padding: .4rem; overflow: hidden; color: var(--soft);
  font-size: .68rem; line-height: 1.25; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
.table table { min-width: 34rem; } td.text { min-width: 11rem; }
th, td { text-align: left; vertical-align: baseline; padding: .42rem .9rem .42rem 0;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); font-size: .84rem; }
tbody th { color: var(--ink); font-size: inherit; font-weight: 500; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
caption { text-align: left; color: var(--soft); font-size: .86rem; padding-bottom: .3rem; }
.figures { display: grid; gap: 1.2rem; margin: 1.2rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
figure { margin: 0; } figure svg { width: 100%; height: auto; display: block;
  font-family: inherit; }
figcaption { font-size: .9rem; margin-top: .2rem; }
.bar { position: relative; height: .55rem; border-radius: .3rem; background: var(--track);
  overflow: hidden; min-width: 5rem; }
.bar i { position: absolute; inset: 0 auto 0 0; background: var(--accent); }
.bar i.under { background: var(--faint); }
details { margin: 1rem 0; } summary { cursor: pointer; padding: .3rem 0; }
summary h3 { display: inline; }
.class { display: grid; grid-template-columns: minmax(8rem, 13rem) 1fr; gap: .3rem 1.2rem;
  padding: .7rem 0; border-top: 1px solid var(--line); align-items: center; }
.class .bar { margin-top: .35rem; max-width: 13rem; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
@media (max-width: 36rem) {
  .class { grid-template-columns: 1fr; } .strip img, .strip .gone { height: 4.8rem; }
  .gallery { grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); }
}
@media print {
  :root { --paper: #fff; --card: #fff; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  .card, .class, figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
}
"""


def escape(text: object) -> str:
    """Write text so that it stands in a page, or in a quoted attribute, as it is."""
    return html.escape(str(text).encode("utf-8", "replace").decode("utf-8"))


def page(title: str, parts: Iterable[str], *, style: str = "") -> str:
    """Make a page of HTML parts, whole in one file, that reads on a phone and on paper.

    Args:
        title: Of the window; text.
        parts: The body; HTML.
        style: CSS besides that of every page.
    """
    body = "\n".join(parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>{_STYLE}{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def save_page(text: str, path: Path) -> None:
    """Write a page.

    Raises:
        StoreError: If the file cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(
            f"cannot write the page to {str(path)!r}: {reason}; name another file"
        ) from error


def thumbnail(file: Path, alt: str, side: int = 144, box: Box | None = None) -> str:
    """Make an ``<img>`` that holds a small copy of a picture, or say why there is none.

    Args:
        file: The picture.
        alt: What is said in its place.
        side: Pixels of the longer side.
        box: What is outlined, in per cent.
    """
    try:
        picture = small_copy(file, side)
        picture = picture if box is None else outline(picture, box)
    except ImageError as error:
        return f'<span class="gone" title="{escape(error)}">{escape(alt)}: no picture</span>'
    return embed(picture, alt)


def thumbnails(
    files: Iterable[Path], *, workers: int, side: int = 144
) -> Mapping[Path, Callable[[str], str]]:
    """Make small copies, each once and in threads; each waits for what to say in its place.

    Args:
        files: The pictures.
        workers: Threads.
        side: Pixels of the longer side.
    """
    wanted = list(dict.fromkeys(files))
    with ThreadPoolExecutor(workers) as pool:
        made = list(pool.map(lambda file: thumbnail(file, _ALT, side), wanted))
    return {
        file: lambda alt, image=image: image.replace(_ALT, escape(alt))  # type: ignore[misc]  # its own image
        for file, image in zip(wanted, made, strict=True)
    }


def embed(picture: Image.Image, alt: str) -> str:
    """Make an ``<img>`` that holds a picture.

    Args:
        picture: Small, RGB.
        alt: What is said in its place.
    """
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    data = base64.b64encode(out.getvalue()).decode("ascii")
    return (
        f'<img src="data:image/jpeg;base64,{data}" width="{picture.width}" '
        f'height="{picture.height}" alt="{escape(alt)}" title="{escape(alt)}">'
    )
