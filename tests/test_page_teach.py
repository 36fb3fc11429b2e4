"""Collecting works and teaching a concept, in a real browser; see `test_page`."""

import csv
import io
import re
import zipfile
from contextlib import contextmanager

import pytest
from serving import serving
from test_page import (  # noqa: F401 - fixtures
    _patient,
    browser,
    card,
    expect,
    museum,
    titles,
    visit,
)

from artsim.server import make_app


@pytest.fixture(scope="module")
def address(museum):  # noqa: F811 - the fixture
    """Serve the museum with a token, so that visitors may save."""
    with serving(make_app(museum, tokens=["key"])) as address:
        yield address


@pytest.fixture
def page(browser, address):  # noqa: F811 - the fixture
    with visit(browser, address) as page:
        page.goto("/?token=key")
        yield page


def collect(page, *hues):
    for hue in hues:
        card(page, f"Hue {hue}").hover()
        card(page, f"Hue {hue}").get_by_role("button", name=f"Collect: Hue {hue}").click()


@contextmanager
def downloaded(page):
    """Give a list that will hold the name and the bytes of the file that is downloaded."""
    found = []
    with page.expect_download() as download:
        yield found
    found += [download.value.suggested_filename, download.value.path().read_bytes()]


def mark(page, hue, kind):
    card(page, f"Hue {hue}").locator(f".marks .{kind}").click()


# --- collect ------------------------------------------------------------------------------


def test_collected_works_last_and_are_searched_with(page):
    collect(page, 0, 24)
    bar = page.get_by_role("region", name="Collected works")
    expect(bar.get_by_role("button", name="2 works")).to_be_visible()
    page.reload()
    expect(bar.get_by_role("button", name="2 works")).to_be_visible()
    star = card(page, "Hue 24").locator(".star")
    expect(star).to_have_attribute("aria-pressed", "true")
    bar.get_by_role("button", name="2 works").click()
    expect(page.get_by_role("list", name="Works of My set").locator("li")).to_have_count(2)
    bar.get_by_role("button", name="Similar").click()
    expect(page.locator("#tray .name")).to_have_text(re.compile("and 1 more"))
    expect(titles(page).first).to_have_text("Hue 12")
    bar.get_by_role("button", name=re.compile("Remove Hue 0,")).click()
    expect(bar.get_by_role("button", name="1 work")).to_be_visible()


def test_the_works_of_a_set_are_put_in_order_by_keys_and_by_dragging(page):
    page.goto("/")
    collect(page, 12, 24, 36)
    bar = page.get_by_role("region", name="Collected works")
    bar.get_by_role("button", name="3 works").click()
    names = bar.locator(".collected .thumb span")
    expect(names).to_have_text(["Hue 12", "Hue 24", "Hue 36"])
    bar.locator(".collected .thumb").nth(0).focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(names).to_have_text(["Hue 24", "Hue 12", "Hue 36"])
    expect(bar.locator(".collected .thumb").nth(1)).to_be_focused()
    page.keyboard.press("Shift+End")
    expect(names).to_have_text(["Hue 24", "Hue 36", "Hue 12"])
    page.keyboard.press("Shift+ArrowRight")  # it is the last
    items = bar.locator(".collected li")
    items.nth(2).drag_to(items.nth(0))
    expect(names).to_have_text(["Hue 12", "Hue 24", "Hue 36"])
    items.nth(0).drag_to(items.nth(2))
    expect(names).to_have_text(["Hue 24", "Hue 36", "Hue 12"])
    page.reload()
    bar.get_by_role("button", name="3 works").click()
    expect(names).to_have_text(["Hue 24", "Hue 36", "Hue 12"])
    bar.locator("summary", has_text="Export").click()
    with downloaded(page) as found:
        bar.get_by_role("button", name="CSV for spreadsheets").click()
    rows = csv.DictReader(io.StringIO(found[1].decode("utf-8-sig")))
    assert [row["id"] for row in rows] == ["h24", "h36", "h12"]


def test_two_works_of_a_set_are_compared(page):
    collect(page, 0)
    bar = page.get_by_role("region", name="Collected works")
    expect(bar.get_by_role("button", name="Compare")).to_have_count(0)
    collect(page, 24)
    bar.get_by_role("button", name="Compare").click()
    viewer = page.get_by_role("dialog")
    expect(viewer.locator(".pane")).to_have_count(2)
    expect(viewer.get_by_label(re.compile("^Hue 0"))).to_be_visible()
    expect(viewer.get_by_label(re.compile("^Hue 24"))).to_be_visible()
    viewer.get_by_role("button", name="Compare").click()  # and back to one
    expect(viewer.locator(".pane")).to_have_count(1)
    page.keyboard.press("Escape")
    card(page, "Hue 24").locator("a.picture").focus()
    page.keyboard.press("d")  # not beside the other any more
    expect(viewer.locator(".pane")).to_have_count(1)
    page.keyboard.press("Escape")
    bar.get_by_role("button", name="2 works").click()
    page.get_by_role("list", name="Works of My set").get_by_role("button").first.click()
    expect(viewer.locator(".pane")).to_have_count(1)


def test_two_of_several_works_of_a_set_are_chosen_to_compare(page):
    collect(page, 0, 24, 120)
    bar = page.get_by_role("region", name="Collected works")
    bar.get_by_role("button", name="Compare").click()
    choosing = "Choose two works to compare; Escape ends this."
    expect(bar.get_by_role("status")).to_have_text(choosing)
    bar.get_by_role("button", name="Hue 120, Green").first.click()
    expect(bar.get_by_role("status")).to_have_text("Choose one more work; Escape ends this.")
    chosen = bar.get_by_role("button", name="Hue 120, Green").first
    expect(chosen).to_have_attribute("aria-pressed", "true")
    bar.get_by_role("button", name="Hue 0, Red").first.click()
    viewer = page.get_by_role("dialog")
    captions = viewer.locator("figcaption")
    scored = r" · score 0\.\d{3}, percentile \d+\.\d\d$"
    left = re.compile("^Hue 120, Green school, 1620$")
    expect(captions).to_have_text([left, re.compile("^Hue 0, Red school, 1500" + scored)])
    expect(viewer).to_contain_text("1 of 3")
    page.keyboard.press("ArrowRight")
    expect(captions).to_have_text([left, re.compile("^Hue 24, Red school, 1524" + scored)])
    page.keyboard.press("Escape")
    expect(bar.get_by_role("status")).to_have_count(0)
    expect(bar.locator(".collected")).to_have_count(0)  # as before
    bar.get_by_role("button", name="3 works").click()
    expect(bar.locator(".collected span")).to_have_text(["Hue 0", "Hue 24", "Hue 120"])
    bar.get_by_role("button", name="Compare").click()
    expect(bar.get_by_role("status")).to_have_text(choosing)
    bar.get_by_role("button", name="Compare").click()  # given up
    expect(bar.locator(".collected span")).to_have_text(["Hue 0", "Hue 24", "Hue 120"])
    bar.get_by_role("button", name="Compare").click()
    bar.get_by_role("button", name="Hue 0, Red").first.click()
    page.keyboard.press("Escape")
    expect(bar.get_by_role("status")).to_have_count(0)
    expect(bar.get_by_role("button", name="Compare")).to_be_focused()
    bar.get_by_role("button", name="Compare").click()  # the one that was chosen is forgotten
    expect(bar.get_by_role("status")).to_have_text(choosing)


def test_the_menu_of_a_match_compares_it_with_the_query_and_says_how_similar_it_is(page):
    card(page, "Hue 0").locator("a.picture").click()
    expect(titles(page).first).to_have_text("Hue 12")
    match = card(page, "Hue 12")
    match.hover()
    match.locator(".menu summary").click()
    match.get_by_role("button", name="Compare with the query").click()
    captions = page.get_by_role("dialog").locator("figcaption")
    expect(captions.first).to_have_text("Query: Hue 0, Red school, 1500")
    expect(captions.last).to_contain_text(re.compile(r"^Hue 12, Red school, 1512 · score 0\.\d{3}"))
    by_query = captions.last.inner_text()
    table = page.get_by_role("dialog").get_by_role("region", name="Differences").locator("tr")
    pixels = re.compile("Pixels60 . 8090 . 60")
    differences = ["h0h12", pixels, "TitleHue 0Hue 12", "Year15001512"]
    expect(table).to_contain_text(differences)
    page.keyboard.press("c")  # alone, it differs from nothing
    expect(table).to_have_count(0)
    page.keyboard.press("c")
    expect(table).to_contain_text(differences)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Back to all works").click()
    collect(page, 12, 0)
    bar = page.get_by_role("region", name="Collected works")
    bar.get_by_role("button", name="Compare").click()
    expect(table).to_contain_text(["h12h0", "Pixels"])
    page.keyboard.press("Escape")
    bar.get_by_role("button", name="2 works").click()
    place = bar.locator(".collected .thumb").last
    place.focus()
    page.keyboard.press("Shift+Home")
    bar.get_by_role("button", name="Compare").click()
    expect(captions).to_have_text(["Hue 0, Red school, 1500", by_query])  # with the same score
    expect(table).to_contain_text(differences)


def test_a_set_has_a_name_and_there_are_several(page):
    collect(page, 0)
    page.locator("#collection summary", has_text="My set").click()
    page.get_by_role("button", name="New set").click()
    page.get_by_role("dialog", name="Name of the new set").get_by_role("textbox").fill("Greens")
    page.get_by_role("button", name="Create").click()
    collect(page, 120, 132)
    bar = page.get_by_role("region", name="Collected works")
    expect(bar.get_by_role("button", name="2 works")).to_be_visible()
    expect(card(page, "Hue 0").locator(".star")).to_have_attribute("aria-pressed", "false")
    page.get_by_label("Set", exact=True).select_option("My set")
    expect(bar.get_by_role("button", name="1 work")).to_be_visible()
    bar.locator("summary", has_text="▾").click()
    bar.get_by_role("button", name="Rename").click()
    naming = page.get_by_role("dialog", name="Name of the set")
    naming.get_by_role("textbox").fill("Greens")
    naming.get_by_role("button", name="Rename").click()
    expect(page.locator("#error")).to_contain_text("There is a set “Greens” already")
    bar.locator("summary", has_text="▾").click()
    bar.get_by_role("button", name="Delete this set").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(bar.locator("summary", has_text="Greens ▾")).to_be_visible()


def test_a_set_is_exported_as_a_table_and_as_pictures(page):
    collect(page, 0, 24)
    bar = page.get_by_role("region", name="Collected works")
    for kind in ("CSV for spreadsheets", "Pictures as a zip file"):
        bar.locator("summary", has_text="Export").click()
        with downloaded(page) as file:
            bar.get_by_role("button", name=kind).click()
        name, data = file
        if name.endswith(".csv"):
            rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
            assert [row["id"] for row in rows] == ["h0", "h24"]
        else:
            assert zipfile.ZipFile(io.BytesIO(data)).namelist()[:2] == ["001-h0.jpg", "002-h24.jpg"]


def test_a_saved_set_becomes_a_facet(page):
    collect(page, 0, 24, 48)
    bar = page.get_by_role("region", name="Collected works")
    bar.locator("summary", has_text="▾").click()
    bar.get_by_role("button", name="Save as a column").click()
    facet = page.locator("#refine details").filter(has_text="My set")
    expect(facet).to_contain_text("yes")
    facet.evaluate("each => (each.open = true)")
    facet.locator("label").filter(has_text="yes").locator("input").check()
    expect(page.locator("#heading")).to_have_text("3 of 30 works")
    page.evaluate("localStorage.clear()")  # another visitor has it too
    page.goto("/")
    page.get_by_label("Set", exact=True).select_option("My_set")
    expect(bar.get_by_role("button", name="3 works")).to_be_visible()
    bar.locator("summary", has_text="▾").click()
    bar.get_by_role("button", name="Delete this set").click()
    sure = page.get_by_role("dialog", name="Delete the saved set “My_set” for everybody?")
    sure.get_by_role("button", name="Delete").click()
    expect(bar).to_be_hidden()


# --- teach --------------------------------------------------------------------------------


def test_marks_rank_the_works_at_once_and_are_taken_back(page):
    page.get_by_role("button", name="Teach").click()
    expect(page.locator("#teach")).to_contain_text("Mark a few works")
    mark(page, 0, "yes")
    expect(page.locator("#heading")).to_have_text("Likeliest works")
    assert set(titles(page).all_text_contents()[:2]) == {"Hue 12", "Hue 348"}
    expect(titles(page)).to_have_count(29)
    mark(page, 12, "no")
    expect(titles(page).first).to_have_text(re.compile("Hue 3(48|36|24)"))
    page.get_by_label("Name of the concept").fill("reds")
    expect(page.locator(".ask h3")).to_have_text("Are these reds?")
    page.get_by_role("group", name="No").get_by_role("button", name="Take back: Hue 12").click()
    expect(titles(page)).to_have_count(29)
    page.reload()  # marks stay
    expect(page.locator("#teach")).to_contain_text("1 work marked yes, 0 no")
    page.get_by_role("button", name="Start again").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.locator("#heading")).to_have_text("30 works")


def test_it_asks_and_an_answer_is_a_mark(page):
    page.goto("/?view=teach")
    mark(page, 0, "yes")
    asked = page.locator(".ask li")
    expect(asked).to_have_count(6)
    first = asked.first.get_by_role("img").get_attribute("alt")
    asked.first.get_by_role("button", name="Skip").click()
    expect(page.locator(".ask").get_by_alt_text(first)).to_have_count(0)
    asked.first.get_by_role("button", name="No:").click()
    expect(page.locator("#teach")).to_contain_text("1 work marked yes, 1 no")
    page.locator("#grid a.picture").first.focus()
    page.keyboard.press("y")
    expect(page.locator("#teach")).to_contain_text("2 works marked yes, 1 no")
    expect(page.locator("#grid a.picture").first).to_be_focused()


def test_a_concept_is_saved_exported_and_opened_again(page):
    page.goto("/?view=teach")
    mark(page, 120, "yes")
    expect(page.locator("#heading")).to_have_text("Likeliest works")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#error")).to_contain_text("Give the concept a name")
    page.get_by_label("Name of the concept").fill("greens")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#teach")).to_contain_text("Saved as the columns greens and greens_score")
    expect(page.locator("#teach")).not_to_contain_text("in this browser")
    expect(page.locator("#refine summary").filter(has_text="Greens").first).to_be_visible()
    with downloaded(page) as file:
        page.locator("#teach summary", has_text="Export").click()
        page.get_by_role("button", name="All works and marks").click()
    rows = {row["id"]: row["mark"] for row in csv.DictReader(io.StringIO(file[1].decode()))}
    assert (file[0], rows["h120"], len(rows)) == ("greens-marks.csv", "positive", 30)
    with downloaded(page) as file:
        page.locator("#teach summary", has_text="Export").click()
        page.get_by_role("button", name="The 50 likeliest, as CSV").click()
    rows = list(csv.DictReader(io.StringIO(file[1].decode())))
    assert (len(rows), rows[0]["rank"], rows[0]["title"][:3]) == (30, "1", "Hue")
    assert [row["id"] for row in rows if row["mark"]] == ["h120"]
    page.get_by_role("button", name="Start again").click()
    page.get_by_label("Saved concepts").select_option("greens")
    expect(page.locator("#teach")).to_contain_text("1 work marked yes")
    expect(page.get_by_label("Name of the concept")).to_have_value("greens")


def test_the_viewer_collects_and_marks(page):
    page.goto("/?view=teach")
    card(page, "Hue 60").locator("a.picture").focus()
    page.keyboard.press("d")
    viewer = page.get_by_role("dialog")
    viewer.get_by_role("button", name="Collect in My set").click()
    expect(viewer.get_by_role("button", name="Remove from My set")).to_be_visible()
    viewer.get_by_role("button", name="Yes, it shows the concept").click()
    expect(page.locator("#teach")).to_contain_text("1 work marked yes")
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Collected works")).to_contain_text("1 work")


def test_marks_that_are_not_saved_are_never_discarded_without_a_question(page):
    page.get_by_role("button", name="Teach").click()
    mark(page, 0, "yes")
    mark(page, 192, "no")
    concept = page.get_by_role("region", name="Teach a concept")
    question = page.get_by_role("dialog", name="Discard 2 marks?")
    concept.get_by_role("button", name="Start again").click()
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    expect(concept.get_by_role("button", name=re.compile("^Take back"))).to_have_count(2)
    concept.get_by_label("Name of the concept").fill("kept reds")
    concept.get_by_role("button", name="Save").click()
    expect(concept.get_by_role("status")).to_contain_text("Saved as the columns kept_reds")
    mark(page, 12, "yes")
    saved = concept.get_by_label("Saved concepts")
    saved.select_option("")
    saved.select_option("kept_reds")
    page.get_by_role("dialog", name="Discard 3 marks?").press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(concept.get_by_role("button", name=re.compile("^Take back"))).to_have_count(3)
    saved.select_option("")
    saved.select_option("kept_reds")
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(concept.get_by_role("button", name=re.compile("^Take back"))).to_have_count(2)
    concept.get_by_role("button", name="Start again").click()  # these are saved: no question
    expect(concept.get_by_role("button", name=re.compile("^Take back"))).to_have_count(0)
    concept.get_by_role("button", name="Bring back 2 marks").click()
    expect(concept.get_by_role("button", name=re.compile("^Take back"))).to_have_count(2)
    expect(concept.get_by_role("button", name="Bring back")).to_have_count(0)
    expect(concept.get_by_label("Name of the concept")).to_have_value("kept_reds")


@pytest.mark.parametrize("width", [1300, 390])
def test_works_do_not_move_under_the_pointer_that_marks_them(page, width):
    page.set_viewport_size({"width": width, "height": 850})
    page.route(
        "**/teach/teach.js",
        lambda route: route.fulfill(
            response=(got := route.fetch()), body=got.text().replace("IDLE = 1000", "IDLE = 1e7")
        ),
    )
    page.goto("/?view=teach")
    card(page, "Hue 0").locator("a.picture").focus()
    page.keyboard.press("y")  # a key ranks them at once
    expect(page.locator("#heading")).to_have_text("Likeliest works")
    before = titles(page).all_text_contents()
    likeliest = page.locator("#grid li").first
    yes = likeliest.locator(".marks .yes")
    yes.hover()
    hovered = yes.evaluate("each => getComputedStyle(each).backgroundColor")
    place = yes.bounding_box()
    at = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.click(*at)
    expect(yes).to_have_attribute("aria-pressed", "true")
    marked = yes.evaluate("each => getComputedStyle(each).backgroundColor")
    assert marked == "rgb(44, 110, 67)" != hovered
    assert titles(page).all_text_contents() == before
    page.mouse.click(*at)  # takes the mark back, and marks nothing else
    expect(yes).to_have_attribute("aria-pressed", "false")
    kept = "JSON.parse(localStorage['artsim concept colors'])"
    assert page.evaluate(f"[{kept}.yes, {kept}.no]") == [["h0"], []]
    likeliest.locator(".marks .no").click()
    page.mouse.move(1, 1)
    expect(titles(page)).to_have_count(28)
    assert titles(page).all_text_contents()[0] != before[0]
    asked = page.locator(".ask li")
    names = asked.get_by_role("img").evaluate_all("all => all.map(each => each.alt)")
    asked.nth(1).get_by_role("button", name="No:").click()
    asked.nth(2).get_by_role("button", name="Skip").click()
    assert asked.get_by_role("img").evaluate_all("all => all.map(each => each.alt)") == names
    page.mouse.move(1, 1)
    expect(titles(page)).to_have_count(27)
    expect(page.locator(".ask").get_by_alt_text(names[2])).to_have_count(0)
    now = asked.get_by_role("img").evaluate_all("all => all.map(each => each.alt)")
    stays = [before == after for before, after in zip(names, now, strict=True)]
    assert stays == [True, False, False, True, True, True]  # only what was answered makes room


def test_words_that_found_an_example_can_be_lifted_from_the_ranking(page):
    page.goto("/?view=teach&find=Hue+108")
    mark(page, 108, "yes")
    expect(page.locator("#heading")).to_have_text("Likeliest works with “Hue 108”")
    expect(page.locator("#nothing")).to_contain_text("No other works with “Hue 108”.")
    remove = page.locator("#nothing").get_by_role("button", name="Remove “Hue 108”")
    expect(remove).to_be_visible()
    page.locator("#nothing").get_by_role("button", name="Rank all works").click()
    expect(titles(page).first).to_be_visible()
    expect(page.locator("#heading")).to_have_text("Likeliest works")
    expect(page.locator("#find")).to_have_value("")
    page.locator("#find").fill("Red school")
    expect(page.locator("#heading")).to_have_text("Likeliest works with “Red school”")
    page.get_by_role("button", name="Rank all works").click()
    expect(page.locator("#heading")).to_have_text("Likeliest works")
    expect(page.locator("#find")).to_have_value("")


def test_without_a_token_the_menu_says_how_marks_are_kept(browser, museum):  # noqa: F811
    with serving(make_app(museum)) as address, visit(browser, address) as page:
        page.goto("/?view=teach")
        mark(page, 0, "yes")
        concept = page.get_by_role("region", name="Teach a concept")
        concept.get_by_label("Name of the concept").fill("boats")
        concept.get_by_role("button", name="Start again").focus()
        mark(page, 192, "no")
        concept.locator("summary", has_text="Export").click()
        expect(concept.locator(".note")).to_contain_text(
            "artsim teach boats --index colors --marks boats-marks.csv"
        )
        with downloaded(page) as found:
            concept.get_by_role("button", name="All works and marks").click()
        assert found[0] == "boats-marks.csv"
        concept.locator("summary", has_text="Export").click()
        with downloaded(page) as found:
            concept.get_by_role("button", name="likeliest, as CSV").click()
        assert found[0] == "boats.csv"


def test_where_the_page_cannot_save_it_gives_the_command_that_does_to_copy(browser, museum):  # noqa: F811
    with serving(make_app(museum)) as address, visit(browser, address) as page:
        page.goto("/?view=teach")
        mark(page, 0, "yes")
        page.get_by_label("Name of the concept").fill("warm reds")
        page.locator("#teach summary", has_text="Export").click()
        command = page.locator("#teach .note code")
        expect(command).to_have_text(
            "artsim teach warm_reds --index colors --marks warm_reds-marks.csv"
        )
        expect(page.locator("#teach .note")).to_contain_text("To keep the marks")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator("#teach .note").get_by_role("button", name="Copy").click()
        expect(page.locator("#teach .note").get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == command.text_content()
