"""A museum of invented artists in a folder: ``objects.csv`` and ``images/``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import ExifTags, Image

from artsim.errors import StoreError
from artsim.sample.artists import ARTISTS
from artsim.sample.media import MEDIA
from artsim.sample.scenes import SCENES
from artsim.sample.sketch import Palette, Sketch
from artsim.store import csv_text, write_whole

T = TypeVar("T")

LONG_SIDE = (260, 460)  # pixels, shortest and longest
SHORT_SIDE_MIN = 200  # pixels
ASPECTS = (1.0, 1.2, 1.25, 1.33, 1.5)  # long side by short side

# What an interrupted drawing leaves in images/, and next to it; objects.csv is written last.
_PICTURE = re.compile(r"msw-\d{4,}\.(jpg|png)")
_TABLE = re.compile(r"\.objects\.csv\.[0-9a-f]+\.tmp")

# EXIF orientation by how the picture is turned in the file, sideways or upside down:
# https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E
TURNED = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}

DEPARTMENTS = {
    "oil": "Paintings",
    "gouache": "Paintings",
    "watercolor": "Drawings and Watercolors",
    "etching": "Prints",
    "woodcut": "Prints",
}
CREDIT_LINES = (
    "Gift of the Jam Tart Society",
    "Bequest of Great-Aunt Wilhelmina Teacup",
    "Purchase, Pocket Money Fund",
    "Found behind the radiator",
    "Gift of the artist's parrot",
    "Anonymous gift, in memory of a “very good” dog",
)
GIVEN = (1952, 2019)  # first and last year
VARIANTS = (
    *("after Rain", "before Lunch", "on a Tuesday", "in a Hurry", "Second Version", "Unfinished"),
    *("for Agnes", "for Ottilie", "from the Window", "at Low Tide", "Study", "from Memory"),
    *("with Apologies", "in Spring", "in November", "Large Version", "the Other One", "in Blue"),
    *("for the Kitchen", "by Candlelight", "seen Twice", "at Four O'Clock", "on Holiday"),
    *("without Glasses", "for Uncle Bo", "at the Last Minute", "in a Draught", "Third State"),
)
# Museums keep titles in the language of the label.
TRANSLATED = {
    "Cat, Waiting": ("Le chat qui attend", "Ждущая кошка", "待つ猫"),
    "Bird on a Branch": ("Vogel auf einem Ast", "Πουλί σε κλαδί", "Oiseau étonné"),
    "Boats, Homeward": ("Лодки", "Βάρκες", "Både på vej hjem"),
    "Island with a Lighthouse": ("Île au phare", "灯台のある島"),
    "The Little River": ("Der kleine Fluß", "La rivière", "小川"),
    "Hills near Pudding Bay": ("Hügel", "Холмы"),
    "Market Street, Morning": ("Πρωινή αγορά", "Gågaden, morgen"),
    "The Town, Asleep": ("Die schlafende Stadt", "La ville endormie", "Спящий город"),
    "Daisies": ("Pâquerettes", "Ромашки", "Μαργαρίτες"),
    "Still Life with Pears": ("Nature morte aux poires", "Stilleben med pærer"),
    "Portrait of a Person Thinking": ("Bildnis einer Grübelnden", "Portræt"),
}


def make_sample(folder: Path, *, pictures: int = 300, seed: int = 0) -> int:
    """Draw a museum into a new folder and return how many pictures it has.

    What an interrupted drawing has left there is drawn again.

    ``objects.csv`` has a row a picture; ``medium`` can have several values, ``etching|watercolor``,
    and a few years are unknown. The same seed gives the same museum, and picture n is the same
    however many follow it.

    Raises:
        StoreError: If the folder is not empty or cannot be written, or a number is too small.
    """
    if pictures < 1:
        raise StoreError(f"a sample cannot have {pictures} pictures; ask for at least 1")
    if seed < 0:
        raise StoreError(f"the seed of a sample cannot be {seed}; use 0 or more")
    try:
        _clear_unfinished(folder)
        (folder / "images").mkdir(parents=True, exist_ok=True)
        rows = [_make_object(folder, number, seed) for number in range(1, pictures + 1)]
        # Last: a folder with the file is a whole museum.
        text = csv_text(list(rows[0]), (row.values() for row in rows))
        write_whole(folder / "objects.csv", lambda stream: stream.write(text.encode()))
    except OSError as error:
        reason = f"cannot write a sample to {str(folder)!r}: {error.strerror or error}"
        raise StoreError(f"{reason}; name another folder") from error
    return pictures


def _clear_unfinished(folder: Path) -> None:
    """Remove the files of an interrupted drawing; refuse a folder with anything else."""
    images = folder / "images"
    left = list(folder.iterdir()) if folder.is_dir() else []
    is_ours = all(each == images or _TABLE.fullmatch(each.name) for each in left)
    if is_ours and images.is_dir():
        left.remove(images)
        pictures = list(images.iterdir())
        is_ours = all(_PICTURE.fullmatch(each.name) for each in pictures)
        left += pictures
    if not is_ours:
        raise StoreError(f"{str(folder)!r} is not empty; name a new folder for the sample")
    for each in left:
        each.unlink()


def _make_object(folder: Path, number: int, seed: int) -> dict[str, str]:
    """Draw picture ``number`` and return its row."""
    rng = np.random.default_rng([seed, number])
    artist = _pick(ARTISTS, rng)
    subject = _pick(list(Counter(artist.subjects).elements()), rng)
    medium = _pick(list(Counter(artist.media).elements()), rng)
    sketch = Sketch(*_size(subject, rng), _tinted(artist.palette, rng), artist.hand, rng)
    sketch.flat = medium.endswith("gouache")
    title = SCENES[subject](sketch)
    image = MEDIA[medium](sketch)
    name = _save(image, folder, number, photographed_gray=medium in ("etching", "woodcut"))
    first, last = artist.years
    return {
        "object_id": _object_id(number),
        "image": name,
        "title": _title(title, rng),
        "artist": artist.name,
        "style": artist.style,
        "medium": medium,
        "year": "" if rng.random() < 0.04 else str(rng.integers(first, last + 1)),
        "department": DEPARTMENTS[medium.split("|")[0]],
        "credit_line": _credit_line(number, rng),
    }


def _object_id(number: int) -> str:
    return f"msw-{number:04d}"


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def _size(subject: str, rng: np.random.Generator) -> tuple[int, int]:
    """Return the width and height of a sketch: twice the picture's."""
    long = int(rng.integers(LONG_SIDE[0], LONG_SIDE[1] + 1))
    short = max(SHORT_SIDE_MIN, round(long / _pick(ASPECTS, rng)))
    upright = rng.random() < (0.85 if subject in ("portrait", "flowers") else 0.2)
    return (2 * short, 2 * long) if upright else (2 * long, 2 * short)


def _tinted(palette: Palette, rng: np.random.Generator) -> Palette:
    """Mix the colors again for a picture: close to the artist's, never the same."""
    strays = rng.normal(0, 9, (len(palette), 3))
    colors = (np.array(palette) + strays).clip(0, 255).astype(int).tolist()
    return Palette(*((red, green, blue) for red, green, blue in colors))


def _save(image: Image.Image, folder: Path, number: int, *, photographed_gray: bool) -> str:
    """Write the picture as museums have them: mostly JPEG, some gray, some turned, some PNG."""
    if photographed_gray and number % 3 == 0:
        image = image.convert("L")
    if number % 13 == 4:
        name = f"images/{_object_id(number)}.png"
        image.save(folder / name)
        return name
    name = f"images/{_object_id(number)}.jpg"
    exif = Image.Exif()
    if number % 17 == 5:
        orientation = tuple(TURNED)[number // 17 % len(TURNED)]
        exif[ExifTags.Base.Orientation] = orientation
        image = image.transpose(TURNED[orientation])
    image.save(folder / name, quality=88, exif=exif)
    return name


def _title(title: str, rng: np.random.Generator) -> str:
    translations = TRANSLATED.get(title, ())
    if translations and rng.random() < 0.3:
        return _pick(translations, rng)
    if title[-1].isdigit() or title[-1] == ")":  # numbered
        return title
    return f"{title}, {_pick(VARIANTS, rng)}"


def _credit_line(number: int, rng: np.random.Generator) -> str:
    given = int(rng.integers(GIVEN[0], GIVEN[1] + 1))
    return f"{_pick(CREDIT_LINES, rng)}, {given} ({given}.{number})"
