"""A part of a picture as a query on the page; see `test_page`."""

import re

import pytest
from test_page import (  # noqa: F401 - fixtures
    _patient,
    address,
    browser,
    expect,
    museum,
    visit,
)


@pytest.fixture
def page(browser, address):  # noqa: F811 - the fixture
    with visit(browser, address) as page:
        yield page


def draw(page):
    """Drag over the lower right quarter of the query."""
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.55)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + box["height"] * 0.95, steps=3)
    page.mouse.up()
    expect(page.get_by_text("Similar to a detail of")).to_be_visible()


def test_a_detail_that_is_drawn_is_looked_for_in_parts_of_works(page):
    page.goto("/?index=details&q=1:id:blue.png")
    inside = page.get_by_label("Find works that contain it as a detail")
    expect(inside).not_to_be_checked()
    draw(page)
    expect(inside).to_be_checked()
    expect(page).to_have_url(re.compile("details=1"))
    expect(page.locator("#grid .caption").first).to_contain_text("detail at the bottom right")
    expect(page.locator("#summary")).not_to_contain_text("whole pictures")
    inside.uncheck()
    expect(page.locator("#summary")).to_have_text(
        "among 3 works. The detail is compared with whole pictures; to find works that contain it, "
        "tick “Find works that contain it as a detail”."
    )
    draw(page)  # another one: what the visitor chose stays
    expect(inside).not_to_be_checked()
    page.get_by_role("button", name="Search with the whole picture").click()
    expect(page.locator("#summary")).to_have_text("among 3 works")
    draw(page)
    expect(inside).to_be_checked()
    page.locator("#grid a.picture").first.click()  # a whole work is no detail
    expect(page.locator("#tray .name")).not_to_have_text("blue.png")
    expect(inside).not_to_be_checked()


def test_a_detail_much_smaller_than_the_parts_is_said_to_be(page):
    small = "smaller than the parts of works that were embedded"
    page.goto("/?index=details&details=1&q=1@0,0,20,20:id:blue.png")
    expect(page.locator("#summary")).to_contain_text(small)
    page.goto("/?index=details&details=1&q=1@0,0,40,40:id:blue.png")
    expect(page.locator("#summary")).to_have_text(
        "among 3 works. A work counts by its most similar part, and so do the random works that "
        "percentiles compare with. Check the details of all"
    )


def test_without_tiles_a_detail_is_said_to_be_compared_with_whole_pictures(page):
    page.goto("/?index=colors&q=1:id:h60")
    expect(page.locator("#summary")).to_contain_text("among 30 works")
    draw(page)
    expect(page.locator("#summary")).to_contain_text(
        ". The detail is compared with whole pictures; to find works that contain it, make a "
        "second index with tiles: artsim embed COLLECTION --tiles 3 -o colors-tiles, and show "
        "both: artsim serve colors colors-tiles"
    )
    # No line ends within an option's name.
    assert page.locator("#summary .option").all_inner_texts() == [" --tiles", " -o"]
    page.locator(".stage").press("Delete")
    expect(page.locator("#summary")).not_to_contain_text("whole pictures")
