"""What can be done with a list of works, and what it says of itself; see `test_page`."""

import csv
import io
import re
import zipfile

import pytest
from test_page import (  # noqa: F401 - fixtures
    HUES,
    _patient,
    address,
    browser,
    card,
    expect,
    like,
    museum,
    titles,
    visit,
)
from test_page_teach import collect, downloaded, mark


@pytest.fixture
def page(browser, address):  # noqa: F811 - the fixture
    with visit(browser, address) as page:
        yield page


WIDTHS = pytest.mark.parametrize("width", [1300, 820, 390])


def exported(page, kind, place="#tools"):
    """Export the list; return the name of the file and its bytes."""
    page.locator(place).get_by_text("Export", exact=True).click()
    with downloaded(page) as file:
        page.locator(place).get_by_role("button", name=kind).click()
    return file


def ids(data):
    return [row["id"] for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig")))]


def collected(page):
    return page.evaluate("JSON.parse(localStorage['artsim sets colors']).sets['My set']")


# --- export and collect -------------------------------------------------------------------


@WIDTHS
def test_a_filtered_list_is_exported_and_collected_as_a_whole(page, width):
    page.set_viewport_size({"width": width, "height": 850})
    page.goto("/?in.artist=Blue+school&find=hue+3")
    expect(page.locator("#heading")).to_have_text("5 of 30 works")
    wanted = {"h300", "h312", "h324", "h336", "h348"}
    name, data = exported(page, "CSV for spreadsheets")
    assert (name, set(ids(data)), len(ids(data))) == ("“hue 3”, Artist_ Blue school.csv", wanted, 5)
    expect(page.locator("#tools .note")).to_have_text("Exports all 5 works.")
    assert b"Hue 312" in exported(page, "Page with the pictures")[1]
    assert b'"Hue 312"' in exported(page, "IIIF manifest")[1]
    with zipfile.ZipFile(io.BytesIO(exported(page, "Pictures as a zip file")[1])) as archive:
        assert len([each for each in archive.namelist() if each.endswith(".jpg")]) == 5
    page.get_by_role("button", name="Collect all 5").click()
    expect(page.get_by_role("status").first).to_have_text("5 works added to My set")
    assert set(collected(page)) == wanted
    page.get_by_role("button", name="Collect all 5").click()
    expect(page.get_by_role("status").first).to_have_text("0 works added to My set")
    assert len(collected(page)) == 5
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_exported_of_a_list_is_not_only_what_is_shown(page):
    page.route(
        "**/page/state.js",
        lambda route: route.fulfill(
            response=(got := route.fetch()), body=got.text().replace("PAGE = 36", "PAGE = 4")
        ),
    )
    page.set_viewport_size({"width": 1300, "height": 300})
    page.goto("/")
    expect(page.get_by_role("button", name="Collect all 30")).to_be_visible()
    assert titles(page).count() < 30
    assert len(set(ids(exported(page, "CSV for spreadsheets")[1]))) == 30
    like(page, 0)  # of a ranking, those that are shown
    collect_all = page.get_by_role("button", name=re.compile(r"^Collect the \d+ shown$"))
    collect_all.click()
    expect(page.get_by_role("status").first).to_have_text(re.compile("works added to My set"))
    page.wait_for_load_state("networkidle")  # more come until the window is full
    shown = titles(page).count()
    assert 4 <= shown < 29
    expect(collect_all).to_have_text(f"Collect the {shown} shown")
    collect_all.click()
    page.wait_for_function(
        f"JSON.parse(localStorage['artsim sets colors']).sets['My set'].length === {shown}"
    )
    assert sorted(collected(page)[:2]) == ["h12", "h348"]
    with zipfile.ZipFile(io.BytesIO(exported(page, "Pictures as a zip file")[1])) as archive:
        assert len(archive.namelist()) == shown + 1
    expect(page.locator("#tools .note")).to_have_text(f"Exports the {shown} shown works.")


@WIDTHS
def test_an_area_of_the_map_is_exported_and_collected_from_the_map(page, width):
    page.set_viewport_size({"width": width, "height": 850})
    page.goto("/?view=map")
    expect(page.locator("#map .bar")).to_contain_text("30 works")
    expect(page.locator("#map summary")).to_have_count(0)  # nothing is selected
    page.goto("/?view=map&in.artist=Blue+school&between.year=1800..1900")
    expect(page.locator("#map .bar")).to_contain_text("5 of 30 works")
    wanted = {"h300", "h312", "h324", "h336", "h348"}
    assert set(ids(exported(page, "CSV for spreadsheets", "#map")[1])) == wanted
    page.get_by_role("button", name="Collect all 5").click()
    expect(page.get_by_role("status").first).to_have_text("5 works added to My set")
    assert set(collected(page)) == wanted
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_set_takes_no_more_than_it_can_hold_and_says_so(page):
    page.goto("/")
    page.evaluate(
        """localStorage['artsim sets colors'] = JSON.stringify({open: 'My set', sets: {
            'My set': Array.from({length: 498}, (_, at) => `x${at}`)}})"""
    )
    page.goto("/?in.artist=Blue+school")
    page.get_by_role("button", name="Collect all 10").click()
    expect(page.locator("#error")).to_contain_text("A set has at most 500 works: 8 were not added")
    assert len(collected(page)) == 500


def test_an_empty_list_has_nothing_to_export(page):
    page.goto("/?find=nowhere")
    expect(page.locator("#nothing")).to_be_visible()
    expect(page.locator("#tools summary")).to_have_count(0)
    expect(page.get_by_role("button", name="Collect")).to_have_count(0)
    page.goto("/?find=Hue+312")
    expect(page.get_by_role("button", name="Collect it")).to_be_visible()
    expect(page.locator("#more")).to_be_hidden()  # one work need not be counted


# --- regions of any pair ------------------------------------------------------------------


@WIDTHS
def test_the_regions_of_any_two_works_are_shown(page, width):
    page.set_viewport_size({"width": width, "height": 850})
    page.goto("/")
    collect(page, 0, 168)  # the least similar ones
    page.get_by_role("region", name="Collected works").get_by_role("button", name="Compare").click()
    viewer = page.get_by_role("dialog")
    viewer.get_by_role("button", name="Matching regions").click()
    expect(viewer.locator(".heat:visible")).to_have_count(2)
    said = viewer.locator(".said")
    expect(said).to_have_text(
        re.compile(r"^The yellower a region, .* similarity\. Similarity: score -?\d\.\d{3}, ")
    )
    drawn = viewer.locator(".heat").evaluate_all("all => all.map(each => each.src)")
    assert len(set(drawn)) == 2
    viewer.get_by_role("button", name="Compare with the other work").click()
    expect(viewer.locator(".heat:visible")).to_have_count(1)


# --- a concept ----------------------------------------------------------------------------


@WIDTHS
def test_the_likeliest_are_exported_with_those_marked_yes_as_a_table_and_a_page(page, width):
    page.set_viewport_size({"width": width, "height": 850})
    page.goto("/?view=teach")
    concept = page.get_by_role("region", name="Teach a concept")
    expect(concept).to_contain_text("Marks stay in this browser. To keep them: Export.")
    mark(page, 120, "yes")
    expect(page.locator("#heading")).to_have_text("Likeliest works")
    mark(page, 300, "no")
    expect(concept).to_contain_text("1 work marked yes, 1 no")
    concept.get_by_label("Name of the concept").fill("greens")
    name, data = exported(page, "likeliest, as CSV", "#teach")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert name == "greens.csv"
    assert (len(rows), rows[0]["id"], rows[0]["mark"]) == (29, "h120", "positive")
    assert "h300" not in {row["id"] for row in rows}
    name, data = exported(page, "likeliest, as a page", "#teach")
    text = data.decode()
    assert (name, text.count("<article>")) == ("greens.html", 29)
    assert '<h1 dir="auto">greens</h1>' in text
    assert text.index("Hue 120<") < text.index("Hue 108<") < text.index("Hue 0<")
    page.get_by_role("button", name="Collect the 28 shown").or_(
        page.get_by_role("button", name="Collect all 28")
    ).click()
    assert len(set(collected(page)) & {f"h{hue}" for hue in HUES}) == 28
    figures = page.locator("#grid li").first.locator(".figures span")
    expect(figures).to_have_text(["score", re.compile(r"^0\.\d{3}$")])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
