"""A part of a picture as a query on the page; see `test_page`."""

import re

import pytest
from serving import serving
from test_page import (  # noqa: F401 - fixtures
    _patient,
    address,
    browser,
    expect,
    museum,
    visit,
)

from artsim.embedding import embed_collection
from artsim.readers import read_collection
from artsim.search import IndexEncoder
from artsim.server import Museum, make_app
from artsim.store import Store


@pytest.fixture
def page(browser, address):  # noqa: F811 - the fixture
    with visit(browser, address) as page:
        yield page


def draw(page):
    """Drag over the lower right quarter of the query."""
    expect(page.locator(".stage img")).to_have_js_property("complete", True)  # it has its size
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.55)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + box["height"] * 0.95, steps=3)
    page.mouse.up()
    expect(page.locator("#tray").get_by_text("Similar to a detail of")).to_be_visible()


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
        "Among 2 other works. The detail is compared with whole pictures; to find works that "
        "contain it, tick “Find works that contain it as a detail”."
    )
    draw(page)  # another one: what the visitor chose stays
    expect(inside).not_to_be_checked()
    page.get_by_role("button", name="Search with the whole picture").click()
    expect(page.locator("#summary")).to_have_text("Among 2 other works. ")
    draw(page)
    expect(inside).to_be_checked()
    page.locator("#grid a.picture").first.click()  # a whole work is no detail
    expect(page.locator("#tray .name")).not_to_have_text("blue.png")
    expect(inside).not_to_be_checked()


def test_a_detail_much_smaller_than_the_parts_is_said_to_be(page):
    small = "smaller than the parts of works that were embedded"
    page.goto("/?index=details&details=1&q=1@0,0,20,20:id:blue.png")
    expect(page.locator("#summary")).to_contain_text(small)
    expect(page.locator("#summary")).to_contain_text("or embed with --tiles 7")
    page.goto("/?index=details&details=1&q=1@0,0,10,10:id:blue.png")
    expect(page.locator("#summary")).to_contain_text("draw a larger one.")  # 8 are the most
    page.goto("/?index=details&details=1&q=1@0,0,40,40:id:blue.png")
    expect(page.locator("#summary")).to_have_text(
        "Among 2 other works. Of each work, the part that is most similar counts. "
        "Check the details of all"
    )


def test_without_tiles_a_detail_is_said_to_be_compared_with_whole_pictures(page):
    page.goto("/?index=colors&q=1:id:h60")
    expect(page.locator("#summary")).to_contain_text("Among 29 other works")
    draw(page)
    expect(page.locator("#summary")).to_contain_text(
        "The detail is compared with whole pictures; to find works that contain it, make a "
        "second index with tiles, stop this server with Ctrl-C, and start it again with that index "
        "too and the options it has now:"
    )
    lines = (
        "artsim embed COLLECTION --tiles 3 -o colors-tiles\n"
        "artsim serve colors words details colors-tiles"  # all that it shows now
    )
    assert page.locator("#summary code").inner_text() == lines
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#summary").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == lines
    right = page.locator("#grid").bounding_box()
    note = page.locator("#summary").bounding_box()
    assert note["width"] > 0.8 * min(right["width"], 992)  # below the heading, not beside it
    page.locator(".stage").press("Delete")
    expect(page.locator("#summary")).not_to_contain_text("whole pictures")


@pytest.fixture(scope="module")
def both(museum):  # noqa: F811 - the fixture
    """Serve the works with tiles also without them, as an index that comes first."""
    tiled = museum.rooms["details"]
    plain = tiled.encoder.own._extractor
    folder = tiled.store.path.parent
    embed_collection(read_collection(folder / "quarters"), folder / "whole", plain)
    stores = [Store.open(folder / "whole"), tiled.store, museum.rooms["colors"].store]
    encoders = {store: IndexEncoder(store) for store in stores}
    for encoder in encoders.values():
        encoder.__dict__ |= {"_extractor": plain, "_explained": plain}
    with serving(make_app(Museum(stores, encoders.__getitem__))) as address:  # noqa: F811
        yield address


def test_a_detail_leads_to_the_index_that_has_the_same_works_with_tiles(browser, both):  # noqa: F811
    with visit(browser, both) as page:
        page.goto("/?q=1:id:blue.png")
        draw(page)
        link = page.get_by_role("link", name="choose details")
        expect(page.locator("#summary")).to_have_text(
            "Among 2 other works. The detail is compared with whole pictures; to find works that "
            "contain it, choose details."
        )
        expect(page.locator("#summary code")).to_have_count(0)
        crop = re.search(r"q=1(@[^%]+|%40[^:]+?)(%3A|:)id", page.url)[1]
        link.click()
        expect(page.locator("#index")).to_have_value("details")
        expect(page.get_by_label("Find works that contain it as a detail")).to_be_checked()
        expect(page.locator("#grid .caption").first).to_contain_text("detail at the bottom right")
        assert crop in page.url
        page.locator("#index").select_option("whole")  # back, by the selector
        expect(page.locator("#tray").get_by_text("Similar to a detail of")).to_be_visible()
        assert crop in page.url
        page.locator("#index").select_option("colors")  # it has no such work
        expect(page.locator("#heading")).to_have_text("30 works")
        assert "q=" not in page.url
        said = page.locator("#notice")
        expect(said.locator("span")).to_have_text("The work you searched with is not in colors")
        said.get_by_role("button", name="Back to whole").click()
        expect(page.locator("#tray").get_by_text("Similar to a detail of")).to_be_visible()
        expect(page.locator("#index")).to_have_value("whole")
        expect(said).to_be_hidden()
        page.goto("/?index=colors")
        page.locator("#index").select_option("whole")  # without a query nothing is lost
        expect(page.locator("#heading")).to_have_text("3 works")
        expect(said).to_be_hidden()
