"""Filters when the query changes, and where nothing meets them all; see `test_page`."""

import re

import pytest
from test_page import (  # noqa: F401 - fixtures
    _patient,
    address,
    browser,
    card,
    choose,
    color_of,
    expect,
    middle,
    museum,
    png,
    titles,
    visit,
)
from test_page_details import draw
from test_page_teach import collect


@pytest.fixture
def page(browser, address):  # noqa: F811 - the fixture
    with visit(browser, address) as page:
        yield page


def filters(page):
    return page.locator("#chips .filter > span")


# --- words and the query ------------------------------------------------------------------


def narrowed(page):
    """Narrow the matches of a query down to one work by words, and by a value."""
    page.goto("/?q=1:id:h60&in.artist=Red+school")
    expect(titles(page)).to_have_count(9)
    page.locator("#find").fill("Hue 72")
    expect(titles(page)).to_have_text(["Hue 72"])
    expect(filters(page)).to_have_text(["“Hue 72”", "Artist: Red school"])


def begins(page, name):
    """Check that a new query has begun, which only the filters of Refine go with."""
    expect(page.locator("#tray .name")).to_have_text(name)
    expect(filters(page)).to_have_text(["Artist: Red school"])
    expect(page.locator("#find")).to_have_value("")
    expect(titles(page).nth(7)).to_be_visible()
    page.go_back()
    expect(page.locator("#find")).to_have_value("Hue 72")
    expect(titles(page)).to_have_text(["Hue 72"])


def upload(page):
    page.get_by_label("Picture to search with").set_input_files(
        {"name": "new.png", "mimeType": "image/png", "buffer": png(color_of(0))}
    )


NEW = {
    "Hue 72": lambda page: card(page, "Hue 72").locator("a.picture").click(),
    "new.png": upload,
}


@pytest.mark.parametrize("name", NEW)
def test_words_end_with_a_new_query_and_come_back_with_back(page, name):
    narrowed(page)
    NEW[name](page)
    begins(page, name)


def test_words_end_where_a_set_or_a_point_of_the_map_is_the_query(page):
    narrowed(page)
    collect(page, 72)
    page.get_by_role("region", name="Collected works").get_by_role("button", name="Similar").click()
    begins(page, "Hue 72")
    page.get_by_role("button", name="Map").click()
    canvas = page.locator("canvas").last
    canvas.press("+")
    expect(page.locator(".tip")).to_contain_text("Hue 72")  # the only one that meets the words
    canvas.press("Enter")
    expect(page.locator("#tray .name")).to_have_text("Hue 72")
    expect(filters(page)).to_have_text(["Artist: Red school"])


def test_words_go_on_narrowing_a_query_that_is_refined(page):
    narrowed(page)
    choose(page, card(page, "Hue 72"), "Add to the query")
    expect(page.locator("#tray .name")).to_have_text(re.compile("and 1 more"))
    expect(filters(page)).to_have_text(["“Hue 72”", "Artist: Red school"])
    page.get_by_role("button", name="Remove Hue 72", exact=True).click()
    expect(titles(page)).to_have_text(["Hue 72"])
    draw(page)
    expect(filters(page)).to_have_text(["“Hue 72”", "Artist: Red school"])
    expect(titles(page)).to_have_text(["Hue 72"])


# --- nothing found ------------------------------------------------------------------------


def conditions(page):
    return page.locator("#nothing .filter > span")


def test_where_nothing_is_found_each_condition_is_named_and_can_be_taken_away(page):
    page.goto("/?find=hue&in.artist=Red+school&between.year=1800..1840")
    expect(page.locator("#heading")).to_have_text("0 of 30 works")
    expect(page.locator("#nothing p")).to_have_text("No works meet these conditions; remove one.")
    years = re.compile("^Year: 1800.1840$")
    expect(conditions(page)).to_have_text(["“hue”", "Artist: Red school", years])
    expect(page.locator("#chips")).to_be_hidden()  # they are not said twice
    page.locator("#nothing").get_by_role("button", name="Remove Year").click()
    expect(page.locator("#heading")).to_have_text("10 of 30 works")
    expect(page.locator("#nothing")).to_be_hidden()
    expect(filters(page)).to_have_text(["“hue”", "Artist: Red school"])
    page.go_back()
    page.locator("#nothing").get_by_role("button", name="Clear all").click()
    expect(page.locator("#heading")).to_have_text("30 works")


def test_nothing_similar_names_words_relations_and_hidden_works(page):
    page.goto("/?q=1:id:h60&find=Red&not-same=artist&exclude=h48")
    expect(page.locator("#nothing p")).to_have_text("No other work meets the conditions.")
    expect(conditions(page)).to_have_text(["“Red”", "Not the same artist", "Hidden: Hue 48"])
    page.locator("#nothing").get_by_role("button", name="Remove Not the same").click()
    expect(titles(page)).to_have_count(8)


def test_words_that_no_work_has_are_a_chip_too(page):
    page.goto("/?find=xylophone&in.artist=Red+school")
    expect(page.locator("#nothing p")).to_have_text(re.compile("^No work has “xylophone”"))
    expect(conditions(page)).to_have_text(["“xylophone”", "Artist: Red school"])
    page.locator("#nothing").get_by_role("button", name="Remove “xylophone”").click()
    expect(page.locator("#heading")).to_have_text("10 of 30 works")


def test_an_empty_map_has_its_conditions_right_above(page):
    page.goto("/?view=map&in.artist=Red+school&between.year=1800..1840")
    expect(page.locator("#map .bar")).to_contain_text("No works meet these conditions; remove one.")
    expect(filters(page)).to_have_text(["Artist: Red school", re.compile("^Year: 1800.1840$")])
    below = page.locator("#map").bounding_box()["y"] - page.locator("#chips").bounding_box()["y"]
    assert 0 < below < 80
    page.get_by_role("button", name="Remove Artist").click()
    expect(page.locator("#map .bar")).to_contain_text("4 of 30 works")


# --- values ---------------------------------------------------------------------------------


def test_ticked_values_stay_listed_while_one_looks_for_others(page, monkeypatch):
    monkeypatch.setattr("artsim.server.facets._SHOWN", 1)
    page.goto("/?in.artist=Red+school")
    values = page.locator("#refine ul").first
    box = page.get_by_label("Find in Artist")
    box.fill("blue")
    expect(values).to_have_text("Red school10Blue school10")
    values.get_by_label("Blue school").check()
    expect(page.locator("#heading")).to_have_text("20 of 30 works")
    box.fill("green")
    expect(values).to_have_text(
        re.compile("^(Blue school10Red school10|Red school10Blue school10)Green school10$")
    )
    box.fill("nobody")
    expect(values.locator("input:checked")).to_have_count(2)
    expect(page.locator("#refine details").first).to_contain_text("No such value")
    values.get_by_label("Red school").click()  # it is gone from the list then
    expect(page.locator("#heading")).to_have_text("10 of 30 works")
    expect(filters(page)).to_have_text(["Artist: Blue school"])


# --- clicks while an answer is on its way -------------------------------------------------


def value(page, name):
    """Return the box of a value of the artist."""
    facet = page.locator("#refine details").filter(has_text="Artist")
    return facet.locator("label").filter(has_text=name).locator("input")


def test_a_press_that_has_begun_is_a_click_though_values_come_meanwhile(page):
    page.goto("/")
    expect(value(page, "Blue school")).to_be_visible()
    coming = []
    page.route("**/facets", lambda route: coming.append(route))
    value(page, "Red school").check()
    expect(page.locator("#heading")).to_have_text("10 of 30 works")
    page.mouse.move(*middle(value(page, "Blue school")))
    page.mouse.down()
    with page.expect_response("**/facets") as answer:
        coming[0].continue_()
    answer.value.finished()
    page.unroute("**/facets")
    page.wait_for_timeout(200)  # for the values to be drawn, if they do not wait
    page.mouse.up()
    expect(page.locator("#heading")).to_have_text("20 of 30 works")
    expect(filters(page)).to_have_text(["Artist: Red school", "Artist: Blue school"])


def test_a_filter_that_was_removed_does_not_come_back_with_a_value_ticked_at_once(page):
    page.goto("/?between.year=1500..1600&in.artist=Red+school")
    expect(value(page, "Red school")).to_be_checked()
    page.route("**/facets", lambda route: None)  # no values: those before can be ticked
    for name in ("Remove Year", "Remove Artist"):
        page.get_by_role("button", name=name).click()
    expect(page.locator("#heading")).to_have_text("30 works")
    value(page, "Red school").uncheck()
    expect(page.locator("#heading")).to_have_text("30 works")
    value(page, "Red school").check()
    expect(page.locator("#heading")).to_have_text("10 of 30 works")
    expect(filters(page)).to_have_text(["Artist: Red school"])


def test_values_are_counted_among_the_matches_of_a_query_while_its_answer_is_on_its_way(page):
    page.goto("/?q=1:id:h60&not-same=artist")
    expect(value(page, "Red school")).to_have_count(0)  # the query's own
    wanted = []
    page.route("**/facets", lambda route: (wanted.append(route.request), route.continue_()))
    page.route("**/search", lambda route: None)  # no answer comes
    value(page, "Green school").check()
    expect(filters(page)).to_have_text(["Artist: Green school", "Not the same artist"])
    related = [[each["column"] for each in one.post_data_json["relations"]] for one in wanted]
    assert related
    assert all(sorted(columns) == ["artist", "id"] for columns in related)
