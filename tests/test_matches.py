"""How an answer is shown: a page to cite, a CSV file, a sheet that says why."""

import csv
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from citations import cited, found
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from pages import check_page
from PIL import Image

from artsim.cli import cli
from artsim.embedding import embed_collection
from artsim.errors import StoreError
from artsim.explain import Regions
from artsim.readers import read_collection
from artsim.report import (
    Caption,
    Tile,
    contact_sheet,
    is_whole,
    matches_csv,
    matches_page,
    one_line,
    overlay,
    save_text,
)
from artsim.report.heat import legend
from artsim.report.pages import render
from artsim.report.sheet import GUTTER, MARGIN, TILE
from artsim.search import Query

WHOLE = (0.0, 0.0, 1.0, 1.0)
LEFT = np.float32([[1, 0]])


def regions_of(name, image):
    return Regions(name, image, LEFT, WHOLE)


def save_csv(matches, path):
    save_text(matches_csv(matches), path)


@pytest.mark.parametrize(
    ("metadata", "label"),
    [
        (  # NGA
            {"title": "Saint Jerome", "attribution": "Dürer", "displaydate": "1514",
             "accessionnum": "1943.3.3543", "creditline": "Rosenwald Collection"},
            Caption(title="Saint Jerome", artist="Dürer", date="1514", accession="1943.3.3543",
                  credit="Rosenwald Collection"),
        ),
        (  # MoMA
            {"Title": "Dance", "Artist": ["Matisse", "Other"], "Date": "1909",
             "AccessionNumber": "201.1963", "CreditLine": "Gift", "URL": "https://moma.org/1"},
            Caption(title="Dance", artist="Matisse, Other", date="1909", accession="201.1963",
                  credit="Gift", link="https://moma.org/1"),
        ),
        ({"year": {"begin": 1880, "end": 1885}, "title": None}, Caption(date="1880-1885")),
        ({"url": "javascript:alert(1)", "iiif": "file:///etc/passwd"}, Caption()),
    ],
)  # fmt: skip
def test_the_label_is_found_by_the_names_that_museums_use(metadata, label):
    assert Caption.of(metadata) == label


def test_the_page_has_everything_a_citation_needs():
    metadata = {
        "title": "Sea",
        "artist": "A. Painter",
        "date": "1900",
        "credit_line": "Gift of B",
        "accession_number": "1.2",
        "rights": "CC0",
        "url": "https://example.org/1",
    }
    page = matches_page(
        cited(found(metadata=metadata, percentile=99.5, cosines={"style": 0.6, "content": 0.3}))
    )
    for text in (
        "1. Sea", "A. Painter · 1900", "0.900 · percentile 99.50 · style 0.600 · content 0.300",
        "<dt>Accession number</dt><dd dir=\"auto\">1.2</dd>",
        "<dt>Credit line</dt><dd dir=\"auto\">Gift of B</dd>",
        "<dt>Rights</dt><dd dir=\"auto\">CC0</dd>", 'href="https://example.org/1"',
        "artsim similar a.jpg", "2026-11-22", "artsim 0.1.0", "0" * 64,
        "toy:mean-color", "indexes/prints (1,234 pictures)",
    ):  # fmt: skip
        assert text in page


@given(st.text())
def test_no_text_can_run_in_the_page(text):
    hostile = f"<script>{text}</script>\"'><img src=x onerror=alert(1)>"
    record = {"title": hostile, "url": f"https://x/{hostile}", "rights": hostile, hostile: hostile}
    answer = {"by": hostile, "nothing": hostile, "queries": (Query(hostile, metadata=record),)}
    match = found(id=hostile, metadata=record, cosines={hostile: 0.5}, image=f"https://{hostile}")
    page = matches_page(replace(cited(match, **answer), command=hostile, index=hostile))
    tags = check_page(page)
    assert all(address.startswith("https://") for address in tags.values("href"))


def test_pictures_are_embedded_small_with_alt_text(tmp_path, paint):
    file = paint(tmp_path / "large.png", (200, 10, 10), (2000, 1000))
    regions = ((regions_of("a.jpg", file), regions_of("id1", file)),)
    match = found(image=str(file), metadata={"title": "Sea", "artist": "B"})
    page = matches_page(cited(match, regions=regions))
    assert re.findall(r'width="(\d+)" height="(\d+)" alt="([^"]*)"', page) == [
        ("360", "180", "Sea, B"),
        ("176", "88", "Regions of a.jpg that made the match"),
        ("176", "88", "Regions of id1 that made the match"),
    ]
    assert 'src="http' not in page


def test_pictures_on_the_web_are_linked_and_missing_ones_named(tmp_path):
    page = matches_page(
        cited(found(image="https://x.org/1.jpg"), found(2, image=str(tmp_path / "gone.jpg")))
    )
    assert "id1: the picture is on the web" in page
    assert 'href="https://x.org/1.jpg"' in page
    assert "id2: no picture" in page


def test_a_page_that_lacks_a_value_is_not_written():
    with pytest.raises(UndefinedError, match="'answer' is undefined"):
        render("matches.html")


def test_a_page_without_matches_says_so():
    page = matches_page(cited(nothing="No work meets the conditions."))
    assert "No work meets the conditions." in page


def test_csv_is_read_back_by_python_and_pandas(tmp_path):
    matches = (
        found(metadata={"title": 'A "sea",\nand sky', "years": {"begin": 1, "end": 2}, "n": -5}),
        found(
            2, -0.25, image="b.jpg", percentile=12.5, cosines={"style": -0.25}, metadata={"x": "é"}
        ),
    )
    save_csv(matches, tmp_path / "out.csv")
    data = (tmp_path / "out.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfrank,score,")
    assert data.count(b"\r\n") == 3
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["rank", "score", "percentile", "style", "id", "image", "title", "years", "n", "x"],
            ["1", "0.9", "", "", "id1", "no.jpg", 'A "sea",\nand sky', "1-2", "-5", ""],
            ["2", "-0.25", "12.5", "-0.25", "id2", "b.jpg", "", "", "", "é"],
        ]
    assert list(pd.read_csv(tmp_path / "out.csv")["rank"]) == [1, 2]


def test_no_two_columns_of_a_csv_have_one_name(tmp_path):
    record = {"style": "Baroque", "score": 3, "box": "oak"}
    save_csv((found(cosines={"style": 0.9}, metadata=record),), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["style"], row["style_catalog"]) == ("0.9", "Baroque")
    assert (row["score"], row["score_catalog"], row["box"]) == ("0.9", "3", "oak")


@pytest.mark.parametrize("formula", ["=HYPERLINK(1)", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1"])
def test_titles_are_never_formulas_in_a_spreadsheet(tmp_path, formula):
    save_csv((found(id=formula, metadata={formula: formula}),), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        head, row = csv.reader(file)
    assert (head[-1], row[3], row[-1]) == (f"'{formula}",) * 3


def test_a_file_that_cannot_be_written_gives_a_one_line_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write '.*out.csv': Not a directory; "):
        save_csv((), tmp_path / "file" / "folder" / "out.csv")
    save_csv((), tmp_path / "new" / "folder" / "out.csv")
    assert [file.name for file in (tmp_path / "new" / "folder").iterdir()] == ["out.csv"]


def luminance(picture):
    return np.asarray(picture.convert("L"), dtype=float)


def test_higher_heat_is_lighter_and_more_yellow():
    drawn = np.asarray(overlay(Image.new("RGB", (100, 40), (128, 128, 128)), LEFT), dtype=float)
    left, right = drawn[20, 5], drawn[20, 95]
    assert left.sum() > right.sum()
    assert (left[2] < left[0], right[2] > right[0]) == (True, True)  # yellow, blue


def test_the_scale_gets_lighter_in_even_steps():
    lightness = luminance(legend(64, 1))[0]
    steps = np.diff(lightness)
    assert (steps >= 0).all()
    assert steps.max() <= 3 * steps.mean()


def test_parts_that_the_network_did_not_see_are_pale():
    gray = Image.new("RGB", (100, 100), (128, 128, 128))
    middle = (0.25, 0.0, 0.75, 1.0)
    drawn = np.asarray(overlay(gray, np.float32([[1]]), middle)).astype(int)
    assert np.ptp(drawn[:, :25], axis=2).max() <= 1  # gray
    assert np.ptp(drawn[:, 25:75], axis=2).min() > 50
    assert np.ptp(drawn[:, 75:], axis=2).max() <= 1


@pytest.mark.parametrize("contributions", [[[0, 0]], [[-1, -2]]])
def test_a_picture_without_contribution_is_all_blue(contributions):
    drawn = overlay(Image.new("RGB", (8, 8), (128, 128, 128)), np.float32(contributions))
    assert len(drawn.getcolors()) == 1


def test_an_explaining_sheet_has_both_maps_below_the_match(tmp_path, paint):
    file = paint(tmp_path / "a.png", (10, 200, 10), (100, 100))
    plain = contact_sheet(None, [Tile(file)])
    sheet = contact_sheet(None, [Tile(file, why=(regions_of("a", file),) * 2)])
    assert sheet.width == plain.width
    assert sheet.height == plain.height + 6 + 107  # a gap, and two squares side by side
    assert sheet.getpixel((50, 50)) == (10, 200, 10)
    below = np.asarray(sheet, dtype=int)[32 + 220 + 6 + 50]
    assert below[32 + 5, 0] > below[32 + 5, 2] < below[32 + 113 + 5, 0]  # yellow at each left
    assert below[32 + 100, 0] < below[32 + 100, 2]  # blue at the right


def test_several_queries_are_below_each_other(tmp_path, paint):
    red, blue = paint(tmp_path / "r.png", (200, 0, 0)), paint(tmp_path / "b.png", (0, 0, 200))
    sheet = contact_sheet([Tile(red), Tile(blue)], [])
    pixels = np.asarray(sheet)
    assert (pixels == (200, 0, 0)).all(-1).any(1).argmax() < (pixels == (0, 0, 200)).all(-1).any(
        1
    ).argmax()


def test_a_group_is_on_one_row_where_it_fits(tmp_path, paint):
    files = [paint(tmp_path / f"{n}.png", (10 * n, 0, 200), (220, 220)) for n in range(8)]

    def drawn(columns, groups):
        pixels = contact_sheet(None, list(map(Tile, files)), columns=columns, groups=groups)
        step_x, step_y = TILE + GUTTER, TILE + GUTTER
        rows = range((pixels.height - 2 * MARGIN + GUTTER) // step_y)
        places = [
            [(MARGIN + 9 + x * step_x, MARGIN + 9 + y * step_y) for x in range(columns)]
            for y in rows
        ]
        return [
            [red // 10 for red, _, blue in map(pixels.getpixel, row) if blue == 200]
            for row in places
        ]

    assert drawn(3, [2, 2, 1, 3]) == [[0, 1], [2, 3, 4], [5, 6, 7]]
    assert drawn(3, [1, 5, 2]) == [[0], [1, 2, 3], [4, 5], [6, 7]]  # longer than a row
    assert drawn(3, []) == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_a_strip_that_is_not_seen_is_not_worth_a_word():
    assert is_whole((0, 0.01, 1, 0.99))
    assert not is_whole((0.1, 0, 0.9, 1))


def test_control_characters_do_not_reach_the_terminal():
    assert one_line("a\x1b]0;title\x07b\nc") == "a]0;titleb c"


@pytest.fixture
def index(colors, tmp_path, toy):
    embed_collection(read_collection(colors), tmp_path / "index", toy)
    return tmp_path / "index"


def run(index, *arguments):
    return CliRunner().invoke(cli, ["similar", "cold/blue.png", "--index", str(index), *arguments])


def test_the_command_writes_all_requested_files(index, tmp_path):
    names = {"sheet": "a.png", "html": "a.html", "csv": "a.csv", "iiif": "a.json"}
    asked = [text for name, file in names.items() for text in (f"--{name}", str(tmp_path / file))]
    result = run(index, "-k", "2", "--table", *asked)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-4:] == [
        f"Written to {tmp_path}/{name}" for name in ("a.png", "a.html", "a.csv", "a.json")
    ]
    names = ", ".join(f"{tmp_path}/{name}" for name in ("a.png", "a.html", "a.csv", "a.json"))
    assert "only the first" not in result.stderr  # -k was typed
    every = run(index, "--csv", str(tmp_path / "every.csv"))
    assert "only the first" not in every.stderr
    assert list(pd.read_csv(tmp_path / "a.csv")["id"]) == ["cold/navy.png", "cold/cyan.png"]
    assert "1. cold/navy.png" in (tmp_path / "a.html").read_text()
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.mode == "RGB"


def test_previews_are_printed_on_request(index):
    result = run(index, "-k", "2", "--table", "--previews", "sixel")
    assert result.output.count("\x1bP0;1;0q") == 2
    assert "cold/navy.png" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--why"], "--why is drawn on --sheet FILE or --html FILE; use one"),
        (["--iiif-base", "https://x.org"], "--iiif-base needs --iiif FILE; use both"),
        (["--html", "nowhere/a.html"], "no folder 'nowhere' to write 'a.html' to"),
    ],
)
def test_options_without_effect_are_refused(index, arguments, message):
    result = run(index, *arguments)
    assert result.exit_code == 2
    assert message in result.output
