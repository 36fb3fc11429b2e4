"""The contact sheet: what goes where, and that nothing in a collection can spoil it."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from artsim.errors import StoreError
from artsim.report import Tile, contact_sheet, lettering, save_sheet
from artsim.report.lettering import clean, text_width, wrap
from artsim.report.sheet import BLANK, GUTTER, MARGIN, PAPER, QUERY, TILE

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 60), (40, 60, 200)


def picture(color: tuple[int, int, int], width: int = 60, height: int = 60) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), color).save(file, "png")
    return file.getvalue()


def extent(sheet: Image.Image, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, width and height of what has the color, its hairline frame included."""
    rows, columns = np.nonzero((np.asarray(sheet) == color).all(-1))
    left, top = int(columns.min()) - 1, int(rows.min()) - 1
    return left, top, int(columns.max()) + 2 - left, int(rows.max()) + 2 - top


@pytest.fixture
def only_pillows_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without fonts."""
    monkeypatch.setattr(lettering, "FONT_FILES", ())
    lettering._font_of.cache_clear()
    lettering._fonts.cache_clear()
    yield
    lettering._font_of.cache_clear()
    lettering._fonts.cache_clear()


def test_the_query_is_large_on_the_left_and_matches_follow_in_rows() -> None:
    matches = [Tile(picture(GREEN)), Tile(picture(BLUE)), Tile(picture((1, 2, 3)))]
    sheet = contact_sheet(Tile(picture(RED)), matches, columns=2)
    left = MARGIN + QUERY + 2 * MARGIN
    below = MARGIN + TILE + GUTTER
    assert extent(sheet, RED) == (MARGIN, MARGIN, QUERY, QUERY)
    assert extent(sheet, GREEN) == (left, MARGIN, TILE, TILE)
    assert extent(sheet, BLUE) == (left + TILE + GUTTER, MARGIN, TILE, TILE)
    assert extent(sheet, (1, 2, 3)) == (left, below, TILE, TILE)
    assert sheet.size == (left + 2 * TILE + GUTTER + MARGIN, below + TILE + MARGIN)
    assert sheet.getpixel((0, 0)) == PAPER


def test_pictures_keep_their_aspect_ratio_and_share_a_baseline_in_each_row() -> None:
    matches = [Tile(picture(RED, 100, 50)), Tile(picture(BLUE, 50, 200))]
    sheet = contact_sheet(None, matches)
    assert extent(sheet, RED) == (MARGIN, MARGIN + TILE // 2, TILE, TILE // 2)
    assert extent(sheet, BLUE) == (MARGIN + TILE + GUTTER, MARGIN, TILE // 4, TILE)


def test_large_pictures_are_reduced_and_very_thin_ones_drawn() -> None:
    sheet = contact_sheet(None, [Tile(picture(RED, 1000, 500)), Tile(picture(BLUE, 3000, 1))])
    assert extent(sheet, RED)[2:] == (TILE, TILE // 2)


def test_file_and_its_bytes_make_the_same_sheet(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(picture(RED))
    from_file = contact_sheet(None, [Tile(tmp_path / "red.png", ("1",))])
    assert from_file.tobytes() == contact_sheet(None, [Tile(picture(RED), ("1",))]).tobytes()


@pytest.mark.parametrize(
    "source", [None, Path("nowhere.jpg"), b"<html>", b"", picture(RED)[:-30]], ids=str
)
def test_missing_or_broken_picture_is_a_blank_with_the_reason(source: Path | bytes | None) -> None:
    sheet = contact_sheet(None, [Tile(picture(RED)), Tile(source)])
    left, _, width, height = extent(sheet, BLANK)
    assert (left, width, height) == (MARGIN + TILE + GUTTER, TILE, TILE * 3 // 4)
    inside = sheet.crop(
        (left + 1, sheet.height - MARGIN - height + 1, left + width - 1, sheet.height - MARGIN - 1)
    )
    assert len(inside.getcolors() or ()) > 1  # the reason is written there


def test_sheet_without_matches_shows_the_query_alone() -> None:
    sheet = contact_sheet(Tile(picture(RED)), [])
    assert sheet.size == (QUERY + 2 * MARGIN, QUERY + 2 * MARGIN)


def test_an_empty_sheet_is_blank() -> None:
    assert contact_sheet(None, []).getcolors() == [((2 * MARGIN) ** 2, PAPER)]


def test_a_caption_is_below_the_picture_and_makes_the_row_higher() -> None:
    bare = contact_sheet(None, [Tile(picture(RED))])
    sheet = contact_sheet(None, [Tile(picture(RED), ("1  0.93", "Cat, Waiting"))])
    assert extent(sheet, RED) == extent(bare, RED)
    below = np.asarray(sheet)[MARGIN + TILE :]
    assert sheet.height > bare.height
    assert below.min() < 100


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_caption_can_be_drawn(caption: list[str]) -> None:
    sheet = contact_sheet(None, [Tile(picture(RED), tuple(caption))])
    assert extent(sheet, RED) == (MARGIN, MARGIN, TILE, TILE)


@pytest.mark.usefixtures("only_pillows_font")
def test_without_fonts_letters_lose_their_accents_and_other_scripts_stay() -> None:
    assert clean("Élodie & Søren: Straße \u2013 “Łódź”") == "Elodie & Soren: Strasse - “Lodz”"
    assert clean("Чайка 夜の港") == "Чайка 夜の港"
    contact_sheet(None, [Tile(picture(RED), ("Чайка 夜の港",))])


def test_clean_leaves_one_line_without_control_characters() -> None:
    assert clean(" two\nlines\tand\u200b \ud800a bell\a ") == "two lines and a bell"
    assert clean("e\u0301te\u0301") in ("été", "ete")


def test_wrap_breaks_between_words() -> None:
    width = text_width("The Cat who", 14)
    assert wrap("The Cat who Owned it", 14, width, 2) == ["The Cat who", "Owned it"]
    assert wrap("The Cat", 14, width, 2) == ["The Cat"]
    assert wrap("", 14, width, 2) == []


def test_wrap_ends_text_that_does_not_fit_in_dots() -> None:
    width = text_width("The Cat who", 14)
    assert wrap("The Cat who Owned the Museum", 14, width, 2) == ["The Cat who", "Owned th..."]


@settings(deadline=None, max_examples=60)
@given(st.text("abc dé夜 ", max_size=80), st.integers(60, 200), st.integers(1, 3))
def test_wrapped_lines_fit_and_lose_nothing_before_the_dots(
    text: str, width: int, lines: int
) -> None:
    line = clean(text)
    wrapped = wrap(line, 14, width, lines)
    assert len(wrapped) <= lines
    assert all(text_width(part, 14) <= width for part in wrapped)
    kept = "".join(wrapped).removesuffix("...").replace(" ", "")
    assert line.replace(" ", "").startswith(kept)
    if not wrapped or not wrapped[-1].endswith("..."):
        assert kept == line.replace(" ", "")


def test_saved_sheet_reads_back_the_same(tmp_path: Path) -> None:
    sheet = contact_sheet(None, [Tile(picture(RED), ("1",))])
    save_sheet(sheet, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as read:
        assert read.tobytes() == sheet.tobytes()


def test_unknown_format_names_one_that_is_known(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        save_sheet(contact_sheet(None, []), tmp_path / "sheet.image")
    assert str(caught.value) == ("unknown image format of 'sheet.image'; end the name in .png")
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_that_cannot_be_written_gives_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "folder" / "sheet.png"
    with pytest.raises(StoreError) as caught:
        save_sheet(contact_sheet(None, []), path)
    assert str(caught.value) == (
        f"cannot write '{path}': Not a directory; what is finished is safe: make room or choose "
        "another folder with -o, then run the same command again"
    )
