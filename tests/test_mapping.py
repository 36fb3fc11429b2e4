"""The map's areas, colors and names of groups."""

import re
import tracemalloc

import numpy as np
import pytest
from search_toys import at, make_store
from skimage.color import deltaE_ciede2000, rgb2lab

from artsim.datatypes import FieldType
from artsim.errors import EvaluationError
from artsim.report import map as report_map
from artsim.search import Works
from artsim.server.facets import facet_columns
from artsim.server.mapping import color_by, colorings, inside, name_groups
from artsim.server.pages import PAGE

SQUARE = [(0, 0), (2, 0), (2, 2), (0, 2)]


def test_points_are_inside_an_area_by_the_even_odd_rule():
    points = np.array([[1, 1], [3, 1], [1, -0.1], [0.1, 1.9]], np.float32)
    assert inside(points, SQUARE).tolist() == [True, False, False, True]
    bow = [(0, 0), (2, 2), (2, 0), (0, 2)]  # crosses itself: open above and below
    assert inside(np.array([[0.5, 1], [1, 0.3]], np.float32), bow).tolist() == [True, False]
    assert not inside(points, [(1, 1)]).any()


@pytest.fixture(scope="module")
def works(tmp_path_factory):
    """A hundred works: those of the left are portraits by Ada, those of the right are of all."""
    columns = {
        "artist": ["Ada"] * 50 + ["Bob", "Cyd"] * 25,
        "kind": [["portrait"]] * 48 + [["map", "ink"]] * 52,
        "by": ["Ada"] * 50 + [f"someone {n}" for n in range(25)] * 2,
        "year": [*range(1500, 1599), None],
    }
    degrees = [float(n) / 10 for n in range(100)]
    path = tmp_path_factory.mktemp("mapping") / "index"
    return Works(make_store(path, [f"w{n}" for n in range(100)], {"east": at(*degrees)}, columns))


def test_groups_are_named_by_what_is_more_frequent_in_them(works):
    steps = np.linspace(0, 0.1, 50)
    points = np.array([(-1 + x, x) for x in steps] + [(1 - x, x) for x in steps], np.float32)
    named = name_groups(works, np.arange(100), points)
    left = {each["name"] for each in named if each["x"] < 0}
    right = {each["name"] for each in named if each["x"] > 0}
    assert left <= {"portrait, Ada", "Ada, portrait", "Ada"}
    assert left
    assert right
    assert not any("Ada" in name for name in right)
    assert sum(each["works"] for each in named) <= 100


def test_few_points_have_no_groups(works):
    assert name_groups(works, np.arange(3), np.zeros((3, 2), np.float32)) == []


def test_numbers_are_shades_from_low_to_high_and_texts_are_classes(works):
    assert works.types["year"] == FieldType.NUMBER
    found = color_by(works, "year", np.array([0, 50, 98, 99]))
    assert found["values"] == [0, 130, 255, -1]
    assert (found["low"], found["high"]) == (1502, 1596.08)
    found = color_by(works, "artist", np.array([0, 50, 51]))
    assert [found["classes"][value] for value in found["values"]] == ["Ada", "Bob", "Cyd"]
    found = color_by(works, "kind", np.array([0, 99]))
    assert [found["classes"][value] for value in found["values"]] == ["portrait", "map"]
    found = color_by(works, "artist", np.arange(100))
    assert found["classes"] == ["Ada", "Bob", "Cyd"]  # the most frequent first, then by name
    with pytest.raises(
        EvaluationError, match="no column 'style'; choose from artist, kind, by, year"
    ):
        color_by(works, "style", np.arange(3))


def test_years_are_colored_by_century_those_before_christ_too(tmp_path):
    years = [1850, 1900, 1901, -450, 0, -99, -100, None]
    columns = {"year": years, "made_by": ["one"] * 8, "title": list("abcdefgh")}
    ids = [f"w{n}" for n in range(8)]
    works = Works(make_store(tmp_path / "index", ids, {"east": at(*[0.0] * 8)}, columns))
    assert colorings(works) == ["year", "century of year"]  # neither one value nor one a work
    found = color_by(works, "century of year", np.arange(8))
    assert found["classes"] == [
        "5th century BC",
        "1st century BC",  # of -99 and -100; there is no year 0
        "19th century",
        "20th century",
    ]
    assert found["values"] == [2, 2, 3, 0, -1, 1, 1, -1]
    assert found["ordered"]
    with pytest.raises(EvaluationError, match="no column 'century of title'"):
        color_by(works, "century of title", np.arange(8))


def test_a_column_of_centuries_replaces_those_of_the_only_column_of_years(tmp_path):
    columns = {"year": [1850, 1851, 1750, 1751], "Century": ["19", "19", "18", "18"]}
    ids, vectors = [f"w{n}" for n in range(4)], {"east": at(*[0.0] * 4)}
    one = make_store(tmp_path / "one", ids, vectors, columns)
    assert colorings(Works(one)) == ["year", "Century"]
    columns["date"] = columns["year"]  # "century (year)" and "century (date)"
    two = make_store(tmp_path / "two", ids, vectors, columns)
    names = ["year", "century of year", "Century", "date", "century of date"]
    assert colorings(Works(two)) == names


def test_the_ends_of_a_scale_say_where_values_lie_beyond(works):
    found = color_by(works, "year", np.arange(100))
    assert found["ends"] == ["up to 1502", "1596 and later"]
    assert color_by(works, "year", np.array([0, 0, 0]))["ends"] == ["1500", "1500"]


def test_one_long_text_takes_its_own_memory_and_not_that_of_every_row(tmp_path):
    texts = [f"text {n % 50}" for n in range(5000)]
    texts[7] = "x" * 10_000  # 5,000 times as much is 50 MB, and 200 MB in NumPy's own strings
    ids = [f"w{n}" for n in range(5000)]
    store = make_store(tmp_path / "index", ids, {"east": at(*[0.0] * 5000)}, {"note": texts})
    works = Works(store)
    works.column("note")
    tracemalloc.start()
    try:
        found = color_by(works, "note", np.arange(5000))
        _, most = tracemalloc.get_traced_memory()  # NumPy reports what it takes, Arrow does not
    finally:
        tracemalloc.stop()
    assert most < 5_000_000
    assert found["classes"] == [f"text {n}" for n in sorted(range(50), key=str)[:16]]
    assert (len(found["classes"]), found["others"]) == (16, 35)  # the long one is a value too


def test_of_many_values_those_of_the_works_that_are_chosen_have_colors(tmp_path):
    values = [f"{n:02}" for n in range(20)] * 2
    store = make_store(
        tmp_path / "index",
        [f"w{n}" for n in range(40)],
        {"east": at(*[0.0] * 40)},
        {"note": values},
    )
    works, rows = Works(store), np.arange(40)
    assert color_by(works, "note", rows)["others"] == 4
    met = rows % 20 >= 17
    found = color_by(works, "note", rows, met)
    assert (found["others"], len(found["classes"])) == (0, 3)
    assert {found["values"][row] for row in rows[met]} == {0, 1, 2}
    assert {found["values"][row] for row in rows[~met]} == {-2}


def test_colors_are_far_from_each_other_and_from_the_paper_by_day_and_by_night():
    text = (PAGE / "map/colors.js").read_text()
    colors = re.findall("#[0-9a-f]{6}", text)
    assert tuple(colors) == report_map._COLORS  # 'artsim map --png' has the same
    assert len(colors) == 16
    style = (PAGE / "style.css").read_text()
    papers = re.findall(r"--(?:paper|missing): (#[0-9a-f]{6})", style)
    assert len(papers) == 4
    every = np.array([[int(c[at : at + 2], 16) / 255 for at in (1, 3, 5)] for c in colors + papers])
    lab = rgb2lab(every[None])[0]
    apart = deltaE_ciede2000(lab[:, None], lab[None])[:16]
    apart[np.arange(16), np.arange(16)] = np.inf
    assert apart.min() > 15  # two that touch are told apart from some 2 on


@pytest.mark.parametrize(
    ("width", "height", "is_facet"),
    [
        ([20, 20, 20, 20], [10, 10, 10, 10], False),  # of the picture's file
        ([400, 80, 4000, None], [200, 40, 2000, None], False),  # of a larger one
        ([30.5, 61.0, 91.5, 20.0], [15.2, 30.4, 45.7, 10.0], True),  # centimeters
        ([900, 300, 500, 410], [300, 900, 450, 650], True),  # millimeters of other shapes
    ],
)
def test_the_size_of_pictures_is_no_facet_and_that_of_objects_is(tmp_path, width, height, is_facet):
    columns = {"width_catalog": width, "height_catalog": height, "year": [1500, 1600, 1700, 1800]}
    works = Works(make_store(tmp_path / "index", list("abcd"), {"east": at(*range(4))}, columns))
    listed = [name for name in ("width_catalog", "height_catalog") if name in facet_columns(works)]
    assert listed == (["width_catalog", "height_catalog"] if is_facet else [])
    assert "year" in facet_columns(works)
