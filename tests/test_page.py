"""The page in a real browser, over a museum of plain colors whose neighbors are known."""

import colorsys
import csv
import io
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import toy_passport, without_umap
from PIL import Image
from serving import serving, web
from test_explain import Pixels, extractor_of

from artsim.datatypes import Tap
from artsim.embedding import EmbedSettings, embed_collection
from artsim.index import layout
from artsim.models import Extractor
from artsim.readers import read_collection
from artsim.search import IndexEncoder
from artsim.server import Limits, Museum, make_app
from artsim.store import Store

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

HUES = range(0, 360, 12)
SCRIPT = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
EXPECTED = re.compile("Failed to load resource|GL Driver Message")
PATIENCE = 60_000  # milliseconds, on a machine that does much else
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]


def title_of(hue):
    return SCRIPT if hue == 180 else f"Hue {hue}"


def color_of(hue):
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue / 360, 1, 0.9))


def school_of(hue):
    return ("Red", "Green", "Blue")[hue // 120] + " school"


def png(*colors, size=(60, 40)):
    """Draw stripes side by side."""
    picture = Image.new("RGB", (len(colors), 1))
    picture.putdata(colors)
    out = io.BytesIO()
    picture.resize(size, Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


def quarters(*colors):
    """Draw four: upper left, upper right, lower left, lower right."""
    picture = Image.new("RGB", (2, 2))
    picture.putdata(colors)
    out = io.BytesIO()
    picture.resize((200, 50), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


class Words(IndexEncoder):
    """Knows one word a color; all else is yellow."""

    def embed_texts(self, texts):
        hues = {"red": 0, "green": 120, "blue": 240}
        colors = [color_of(hues.get(text, 12 * len(text) % 360)) for text in texts]
        pixels = [self.prepare(png(color), None).pixels for color in colors]
        return self.embed(pixels)


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    """Two indexes of the same pictures: two taps and a map, one that takes words; one of tiles."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "pictures").mkdir()
    with (folder / "pictures" / "objects.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["object_id", "image", "title", "artist", "year"])
        for hue in HUES:
            size = (90, 60) if hue % 24 else (60, 80)
            (folder / "pictures" / f"{hue}.png").write_bytes(png(color_of(hue), size=size))
            row = [f"h{hue}", f"{hue}.png", title_of(hue), school_of(hue), 1500 + hue]
            table.writerow(row)
    pixels = extractor_of(Pixels(), Tap("map", "avg"), Tap("map", "max"))
    plain = extractor_of(Pixels(), Tap())
    passport = toy_passport(
        plain.passport.taps, preprocessing=plain.preprocessing, spec="open_clip:toy"
    )
    stores, encoders = [], {}
    for name, extractor, encode in (
        ("colors", pixels, IndexEncoder),
        ("words", Extractor(plain._backend, passport), Words),
    ):
        embed_collection(read_collection(folder / "pictures"), folder / name, extractor)
        stores.append(Store.open(folder / name))
        encoders[stores[-1]] = encode(stores[-1])
        encoders[stores[-1]].__dict__ |= {"_extractor": extractor, "_explained": extractor}
    (folder / "quarters").mkdir()
    for name, hues in {"blue": [240], "green": [120], "both": [0, 60, 120, 240]}.items():
        draw = quarters if len(hues) == 4 else png
        (folder / "quarters" / f"{name}.png").write_bytes(draw(*map(color_of, hues)))
    tiled = EmbedSettings(tiles=3)
    embed_collection(
        read_collection(folder / "quarters"), folder / "details", plain, settings=tiled
    )
    stores.append(Store.open(folder / "details"))
    encoders[stores[-1]] = IndexEncoder(stores[-1])
    encoders[stores[-1]].__dict__ |= {"_extractor": plain, "_explained": plain}
    with pytest.MonkeyPatch.context() as patch:
        without_umap(patch)
        layout.make_layout(stores[0], stores[0].manifest.passport.taps[0].name)
    return Museum(stores, encoders.__getitem__)


@pytest.fixture(scope="module")
def address(museum):
    """Serve the museum."""
    with serving(make_app(museum)) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    """A Chromium of this machine."""
    names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
    names.insert(0, os.environ.get("ARTSIM_BROWSER"))
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if found is None:
        pytest.skip("no Chromium on this machine; install one, or name it in ARTSIM_BROWSER")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visit(browser, address, **options):
    """Open a page; whatever it complains of fails the test."""
    settings = {"viewport": {"width": 1300, "height": 900}, "reduced_motion": "reduce"}
    context = browser.new_context(**settings | options, base_url=address, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    complaints = []
    # The browser reports each answer of 4xx itself; the tests of errors look at the page. Without a
    # graphics card it reports how slow it is.
    page.on(
        "console",
        lambda said: (
            complaints.append(said.text)
            if said.type in ("error", "warning") and not EXPECTED.search(said.text)
            else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def page(browser, address):
    with visit(browser, address) as page:
        yield page


@pytest.fixture(scope="module", autouse=True)
def _patient():
    expect.set_options(timeout=PATIENCE)  # the machine may be busy


def titles(page):
    return page.locator("#grid .title")


def card(page, title):
    return page.locator("#grid li").filter(has=page.get_by_text(title, exact=True))


def shows_first(page, *hues):
    """Wait until works are the first ones shown, in any order of two that are equally near."""
    for place in range(len(hues)):
        expect(titles(page).nth(place)).to_have_text(
            re.compile("^(" + "|".join(re.escape(title_of(hue)) for hue in hues) + ")$")
        )
    assert sorted(titles(page).all_text_contents()[: len(hues)]) == sorted(map(title_of, hues))


def middle(element):
    """Return the middle of an element on the screen."""
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def choose(page, card, entry):
    """Choose an entry of the menu of a card."""
    card.hover()
    card.get_by_label("More for").click()
    card.get_by_role("button", name=entry).last.click()


def like(page, hue, *more):
    """Open the page on the works similar to one."""
    page.goto("/?" + "&".join([f"q=1:id:h{hue}", *more]))
    expect(page.locator("#tray")).to_be_visible()


@pytest.mark.parametrize("width", [1300, 820, 390])
def test_a_menu_opens_within_the_window_for_every_work(page, width):
    page.set_viewport_size({"width": width, "height": 850})
    page.goto("/?q=1:id:h60")
    expect(page.locator("#grid li")).to_have_count(29)
    expect(page.locator("#grid img")).to_have_count(29)
    for place in (0, 1, 2, 5, 28):
        card = page.locator("#grid li").nth(place)
        card.scroll_into_view_if_needed()
        summary = card.locator("summary")
        assert float(summary.evaluate("each => getComputedStyle(each.parentElement).opacity")) == 1
        summary.click()
        panel = card.locator(".menu > div")
        expect(panel.get_by_role("button", name="About this work")).to_be_in_viewport(ratio=1)
        expect(panel).to_be_in_viewport(ratio=1)
        page.keyboard.press("Escape")


def test_a_click_on_a_work_searches_from_it_and_back_returns(page):
    page.goto("/")
    expect(page.locator("#heading")).to_have_text("30 works")
    wall = titles(page).all_text_contents()
    card(page, "Hue 60").locator("a.picture").click()
    expect(page.locator("#tray .name")).to_have_text("Hue 60")
    shows_first(page, 48, 72)
    first = titles(page).nth(0).text_content()
    titles(page).nth(0).locator("xpath=ancestor::li").locator("a.picture").click()
    expect(page.locator("#tray .name")).to_have_text(first)
    page.go_back()
    expect(page.locator("#tray .name")).to_have_text("Hue 60")
    page.go_back()
    expect(page.locator("#heading")).to_have_text("30 works")
    expect(page.locator("#tray")).to_be_hidden()
    assert titles(page).all_text_contents() == wall
    page.go_forward()
    expect(page.locator("#tray .name")).to_have_text("Hue 60")


def test_a_match_shows_its_similarity_and_a_picture_has_a_description(page):
    like(page, 60)
    shows_first(page, 48, 72)
    first = page.locator("#grid li").first
    assert first.locator(".figures span").all_text_contents() == ["percentile", ">99.99"]
    assert "Score 0.9" in first.locator(".similarity").get_attribute("title")
    expect(first.locator(".similarity")).to_have_attribute(
        "title", re.compile(r"More similar than 99\.99% of random pairs of works")
    )
    hue = int(titles(page).first.text_content().removeprefix("Hue "))
    said = f"Hue {hue}, Red school, {1500 + hue}"
    expect(first.get_by_role("img", name=said)).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text(
        "29 works, most similar first. Among 29 other works"
    )


def test_facets_narrow_down_with_counts_and_are_kept(page):
    page.goto("/")
    blue = page.locator("#refine label").filter(has_text="Blue school")
    expect(blue).to_contain_text("10")
    blue.locator("input").check()
    expect(page.locator("#heading")).to_have_text("10 of 30 works")
    page.get_by_label("Year from", exact=True).fill("1800")
    page.get_by_label("Year from", exact=True).press("Enter")
    expect(page.locator("#heading")).to_have_text("5 of 30 works")
    card(page, "Hue 336").locator("a.picture").click()
    expect(page.locator("#summary")).to_contain_text("Among the 4 other works of 30 that meet")
    assert sorted(titles(page).all_text_contents()) == [
        f"Hue {hue}" for hue in (300, 312, 324, 348)
    ]
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator("#summary")).to_contain_text("Among 29 other works")


def test_words_narrow_down_as_they_are_typed_and_back_takes_them_away_at_once(page):
    page.goto("/")
    expect(page.locator("#heading")).to_have_text("30 works")
    page.keyboard.press("/")
    expect(page.get_by_label("Find in titles")).to_be_focused()
    page.keyboard.type("hue 3", delay=10)
    expect(page.locator("#heading")).to_have_text("7 of 30 works")
    page.keyboard.type("6")
    expect(page.locator("#heading")).to_have_text("2 of 30 works")
    expect(titles(page)).to_have_text(["Hue 36", "Hue 336"])  # whole words first
    page.get_by_label("Find in titles").fill("red school 15")
    expect(page.locator("#heading")).to_have_text("9 of 30 works")
    expect(page).to_have_url(re.compile("find=red"))
    page.reload()
    expect(page.locator("#heading")).to_have_text("9 of 30 works")
    expect(page.locator("#chips")).to_contain_text("“red school 15”")
    page.get_by_role("button", name="Remove “red school 15”").click()
    expect(page.locator("#heading")).to_have_text("30 works")
    expect(page.get_by_label("Find in titles")).to_have_value("")


def test_a_work_found_by_words_is_compared_with_all_works_and_back_returns_to_the_words(page):
    page.goto("/?find=Hue+108")
    card(page, "Hue 108").locator("a.picture").click()
    expect(titles(page).first).to_have_text(re.compile("^Hue (96|120)$"))
    expect(page.locator("#chips li")).to_have_count(0)
    assert "find" not in page.url
    page.locator("#find").fill("Hue 204")  # words after it do narrow the matches down
    expect(titles(page)).to_have_text(["Hue 204"])
    page.go_back()
    page.go_back()
    expect(page.locator("#find")).to_have_value("Hue 108")
    expect(titles(page)).to_have_text(["Hue 108"])


def test_every_filter_is_a_chip_that_removes_it_and_keeps_the_focus(page):
    like(page, 60, "in.artist=Red+school&in.artist=Blue+school&between.year=1500..1840&find=hue")
    chips = page.locator("#chips .filter > span")
    years = re.compile("Year: 1500.1840")
    expect(chips).to_have_text(["“hue”", "Artist: Red school", "Artist: Blue school", years])
    page.get_by_role("button", name="Remove Artist: Blue school").press("Enter")
    expect(chips).to_have_count(3)
    expect(page.get_by_role("button", name="Remove Year")).to_be_focused()
    page.get_by_role("button", name="Remove Year").press("Enter")
    page.get_by_role("button", name="Remove Artist").press("Enter")
    expect(chips).to_have_text(["“hue”"])
    page.get_by_role("button", name="Remove “hue”").press("Enter")
    expect(page.locator("#chips")).to_be_hidden()
    expect(page.locator("#results")).to_be_focused()  # never the body
    like(page, 60, "not-same=artist&earlier-than=1700&max-per.artist=2&min-percentile=10")
    expect(chips).to_have_count(4)
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#heading")).to_have_text("29 works, most similar first")


def test_a_ticked_value_stays_when_nothing_has_it_and_values_are_looked_for(page, monkeypatch):
    monkeypatch.setattr("artsim.server.facets._SHOWN", 1)
    page.goto("/?in.artist=Red+school&between.year=1620..1840")
    red = page.locator("#refine label").filter(has_text="Red school")
    expect(red).to_have_text("Red school0")
    expect(red.locator("input")).to_be_checked()
    box = page.get_by_label("Find in Artist")
    values = page.locator("#refine ul").first
    expect(values).to_have_text("Green school10Red school0")
    box.fill("BLUE")
    expect(values).to_have_text("Red school0Blue school9")  # what is ticked stays
    box.fill("")
    expect(values).to_contain_text("Green school")
    red.locator("input").click()  # it is gone from the list then
    expect(page.locator("#heading")).to_have_text("19 of 30 works")


def test_numbers_have_two_handles_over_a_histogram(page):
    page.goto("/")
    handle = page.get_by_label("Year from, slider")
    expect(page.locator(".bars i")).to_have_count(24)
    handle.focus()
    handle.fill("1800")
    expect(page.locator("#heading")).to_have_text("5 of 30 works")
    expect(handle).to_be_focused()
    expect(page.locator(".bars i:not(.out)")).to_have_count(4)
    expect(page).to_have_url(re.compile(r"between.year=1800\.\.1848"))
    page.get_by_label("Year from", exact=True).fill("1700")  # and not yet looked for
    page.go_back()
    expect(page.locator("#heading")).to_have_text("30 works")
    page.wait_for_timeout(400)
    expect(page.locator("#heading")).to_have_text("30 works")
    assert "between" not in page.url  # Back never adds a filter


def test_more_works_come_as_one_scrolls_and_back_does_not_take_them_away(page):
    for query, all_of_them in (("/?k=10", 30), ("/?q=1:id:h0&k=10", 29)):
        page.goto(query)
        expect(titles(page)).to_have_count(all_of_them)  # they are all near
        expect(page.locator("#more")).to_have_text(f"Showing all {all_of_them} works")
        assert len(set(titles(page).all_text_contents())) == all_of_them
    page.go_back()
    expect(page.locator("#heading")).to_have_text("30 works")


def test_the_arrow_keys_work_on_a_fresh_page_and_captions_are_links(page):
    page.goto("/")
    expect(titles(page)).to_have_count(30)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#grid a.picture").first).to_be_focused()
    titles(page).nth(3).locator("a").click()
    expect(page.locator("#tray")).to_be_visible()


def test_the_size_of_pictures_is_chosen_and_kept(page):
    page.goto("/")
    first = page.locator("#grid li").first
    before = first.bounding_box()["height"]
    page.get_by_role("button", name="Small pictures").click()
    assert first.bounding_box()["height"] < before
    page.reload()
    expect(page.get_by_role("button", name="Small pictures")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_conditions_on_matches_end_with_the_query(page):
    like(page, 60, "in.artist=Red school&not-same=title&earlier-than=1700&exclude=h48")
    expect(page.locator("#chips .filter")).to_have_count(4)
    page.get_by_role("button", name="Back to all works").click()
    expect(page.locator("#chips .filter")).to_have_text([re.compile("Artist: Red school")])
    expect(page).to_have_url(re.compile(r"\?(index=colors&)?in.artist=Red\+school$"))
    page.locator("#grid a.picture").first.click()
    expect(page.locator("#tray .name")).to_be_visible()
    expect(page.locator("#chips .filter")).to_have_text([re.compile("Artist: Red school")])


def test_an_empty_result_says_why(page):
    like(page, 0, "in.artist=Nobody")
    expect(page.locator("#nothing")).to_contain_text("condition")
    expect(page.locator("#heading")).to_have_text("No matches")
    expect(page.locator("#summary")).to_be_empty()
    page.get_by_role("button", name="Back to all works").click()
    expect(page.locator("#nothing")).to_contain_text("No works meet these conditions")


def test_plus_and_minus_change_the_matches(page):
    like(page, 0)
    shows_first(page, 12, 348)
    card(page, "Hue 120").hover()
    card(page, "Hue 120").get_by_role("button", name="Add to the query").click()
    expect(page.locator(".chip")).to_have_count(2)
    shows_first(page, 60)  # between red and green
    page.get_by_role("button", name="Less like Hue 120 instead").click()
    expect(page.get_by_role("group", name="Less like")).to_contain_text("Hue 120")
    shows_first(page, 336, 348)  # away from green
    page.get_by_label("Weight of Hue 120").fill("0.1")
    page.get_by_label("Weight of Hue 120").press("Enter")
    shows_first(page, 12, 348)
    page.get_by_role("button", name="Remove Hue 120").click()
    shows_first(page, 12, 348)


def test_an_uploaded_picture_and_its_detail_are_queries(page):
    page.goto("/")
    two = png(color_of(0), color_of(240), size=(200, 100))
    page.get_by_label("Picture to search with").set_input_files(
        {"name": "two.png", "mimeType": "image/png", "buffer": two}
    )
    expect(page.locator("#tray .name")).to_have_text("two.png")
    shows_first(page, 300)  # between red and blue
    assert "q=" not in page.url  # a visitor who opens the link has no such picture
    stage = page.locator(".stage")
    stage.locator("img").evaluate("image => image.decode()")  # the stage takes its shape
    box = stage.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.9, steps=3)
    page.mouse.up()
    shows_first(page, 240)
    expect(page.locator("#tray").get_by_text("Similar to a detail of")).to_be_visible()
    page.get_by_role("button", name="Search with the whole picture").click()
    shows_first(page, 300)
    page.reload()  # the server keeps it, and so does this visitor's history
    shows_first(page, 300)


def test_a_detail_is_drawn_with_keys(page):
    like(page, 60)
    stage = page.locator(".stage")
    stage.focus()
    for key in ("Enter", "ArrowRight", "ArrowDown", "Shift+ArrowLeft"):
        stage.press(key)
    expect(page).to_have_url(re.compile(re.escape("q=1%4032%2C32%2C38%2C40%3Aid%3Ah60")))
    expect(page.locator("#tray").get_by_text("Similar to a detail of")).to_be_visible()
    page.locator(".stage").press("Delete")
    expect(page).to_have_url(re.compile(re.escape("q=1%3Aid%3Ah60")))


def test_a_detail_of_a_work_is_found_and_outlined_and_is_a_new_query(page):
    page.goto("/?index=details&q=1:id:blue.png")
    expect(page.locator("#heading")).to_have_text("2 works, most similar first")
    expect(page.locator("#grid .found")).to_have_count(0)
    page.get_by_label("Find works that contain it as a detail").check()
    expect(page).to_have_url(re.compile("details=1"))
    first = page.locator("#grid li").first
    expect(first.locator(".title")).to_have_count(0)  # a file's name is no title
    expect(first.locator(".by").first).to_have_text("both.png")
    expect(first.locator(".caption")).to_contain_text("detail at the bottom right")
    expect(first.get_by_role("img", name="detail at the bottom right")).to_be_visible()
    place = first.locator("a.picture").bounding_box()
    assert place["width"] / place["height"] == pytest.approx(2.6, rel=0.01)  # the picture is 4:1
    found = first.locator(".found").bounding_box()
    middle = place["y"] + place["height"] / 2
    assert found["x"] == pytest.approx(place["x"] + place["width"] / 2, abs=2)
    assert found["y"] == pytest.approx(middle, abs=2)
    assert found["width"] == pytest.approx(place["width"] / 2, abs=2)
    assert found["height"] == pytest.approx(place["width"] / 8, abs=2)
    choose(page, first, "Why it matches")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("figure")).to_have_count(2)
    page.keyboard.press("Escape")
    choose(page, first, "About this work")
    expect(dialog.locator(".found")).to_be_visible()
    expect(dialog.get_by_role("heading")).to_have_text("Untitled")
    dialog.get_by_role("button", name="Find works similar to this detail").click()
    expect(page.locator("#tray").get_by_text("Similar to a detail of")).to_be_visible()
    expect(page).to_have_url(re.compile(re.escape("q=1%4050%2C50%2C50%2C50%3Aid%3Aboth.png")))
    expect(page.locator("#grid .by").first).to_have_text("blue.png")


def test_details_are_offered_if_the_index_has_tiles(page):
    like(page, 0)
    expect(page.locator("#heading")).to_have_text("29 works, most similar first")
    expect(page.get_by_label("Find works that contain it as a detail")).to_have_count(0)


def test_a_broken_picture_is_refused_in_one_line_and_the_page_stays(page):
    page.goto("/")
    expect(page.locator("#heading")).to_have_text("30 works")
    for name, kind, data, reason in (
        (
            "torn.png",
            "image/png",
            png(color_of(0))[:60],
            "“torn.png” is damaged or is not a picture",
        ),
        (
            "head.jpg",
            "image/jpeg",
            b"\xff\xd8\xff\xe0",
            "“head.jpg” is damaged or is not a picture",
        ),
        ("odd.png", "image/png", b"no picture", "“odd.png” is damaged or is not a picture"),
        ("notes.txt", "text/plain", b"no picture", "“notes.txt” is not a picture; choose a JPEG"),
    ):
        page.get_by_label("Picture to search with").set_input_files(
            {"name": name, "mimeType": kind, "buffer": data}
        )
        expect(page.locator("#error")).to_be_visible()
        expect(page.locator("#error")).to_contain_text(reason)
        expect(page.locator("#heading")).to_have_text("30 works")
        page.get_by_role("button", name="Dismiss").click()
        expect(page.locator("#error")).to_be_hidden()


def test_a_picture_is_dropped_and_pasted(page):
    page.goto("/")
    expect(page.locator("#heading")).to_have_text("30 works")
    for event, hue in (("drop", 0), ("paste", 240)):
        page.evaluate(
            """([kind, bytes]) => {
                const file = new File([new Uint8Array(bytes)], `${kind}.png`, {type: "image/png"});
                const data = new DataTransfer();
                data.items.add(file);
                const event = kind === "drop"
                    ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
                    : new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
                document.body.dispatchEvent(event);
            }""",
            [event, list(png(color_of(hue)))],
        )
        expect(page.locator("#tray .name")).to_have_text(f"{event}.png")
        shows_first(page, hue)


def test_the_keyboard_alone_reaches_a_match_and_its_details(page):
    page.goto("/")
    expect(titles(page)).to_have_count(30)
    wall = titles(page).all_text_contents()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the works")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(60):
        if page.evaluate("document.activeElement.matches('a.picture')"):
            break
        page.keyboard.press("Tab")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home"):
        page.keyboard.press(key)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#grid a.picture").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#tray .name")).to_have_text(wall[1])
    expect(page.locator("#grid a.picture").first).to_be_focused()
    page.keyboard.press("d")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text(titles(page).first.text_content())
    expect(dialog.locator(".record")).to_contain_text("school")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#grid a.picture").first).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Find in titles")).to_be_focused()
    page.locator("#grid a.picture").first.focus()
    page.keyboard.press("d")
    expect(dialog).to_be_visible()
    page.evaluate(  # the viewer hears that it is closed only after this
        """() => {
            document.querySelector("dialog[open]").close();
            document.getElementById("find").focus();
            return new Promise((done) => setTimeout(done, 100));
        }"""
    )
    expect(page.get_by_label("Find in titles")).to_be_focused()


def test_the_viewer_goes_from_work_to_work_and_compares_with_the_query(page):
    like(page, 60)
    shows_first(page, 48, 72)
    found = titles(page).all_text_contents()
    choose(page, page.locator("#grid li").nth(1), "About this work")
    viewer = page.get_by_role("dialog")
    heading = viewer.get_by_role("heading")
    expect(heading).to_have_text(found[1])
    expect(viewer).to_contain_text("2 of 29")
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text(found[2])
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text(found[0])
    for name in ("Add to the query", "Subtract from the query"):
        expect(viewer.get_by_role("button", name=name)).to_have_count(1)
    expect(viewer.get_by_role("button", name="Previous work")).to_be_disabled()
    expect(viewer.locator(".record .by").first).to_contain_text(", 15")
    page.keyboard.press("c")
    panes = viewer.locator(".pane")
    expect(panes).to_have_count(2)
    page.keyboard.press("+")
    page.keyboard.press("+")
    scales = panes.locator(".sheet").evaluate_all(
        """all => all.map(({clientWidth: width, clientHeight: height, parentNode: pane}) =>
            Math.max(width / pane.clientWidth, height / pane.clientHeight))"""
    )
    assert min(scales) > 1  # both are zoomed
    page.keyboard.press("r")
    expect(panes.locator(".heat:visible")).to_have_count(2)
    page.keyboard.press("0")
    page.mouse.move(*middle(panes.last))
    page.mouse.wheel(0, -300)
    expect(panes.first.locator(".sheet")).not_to_have_attribute(
        "style", re.compile("transform: none")
    )
    page.keyboard.press("Escape")
    expect(page.locator("#grid a.picture").first).to_be_focused()


def test_the_viewer_of_the_query_itself_offers_not_to_add_or_subtract_it(page):
    page.goto("/?q=1:id:h60#work=h60")
    viewer = page.get_by_role("dialog")
    expect(viewer.get_by_role("button", name="Find similar works")).to_be_visible()
    expect(viewer.get_by_role("button", name=re.compile("the query$"))).to_have_count(0)
    page.goto("about:blank")  # not only to another part of the address
    page.goto("/?q=1:id:h60#work=h72")
    texts = ["Add to the query", "Subtract from the query"]
    expect(
        viewer.locator(".record").get_by_role("button", name=re.compile("the query$"))
    ).to_have_text(texts)


def test_the_viewer_is_in_the_address_and_back_closes_it(page):
    like(page, 60)
    before = page.url
    choose(page, page.locator("#grid li").nth(0), "About this work")
    viewer = page.get_by_role("dialog")
    first = viewer.get_by_role("heading").text_content()
    page.keyboard.press("ArrowRight")
    expect(viewer.get_by_role("heading")).not_to_have_text(first)
    second, shared = viewer.get_by_role("heading").text_content(), page.url
    assert shared.startswith(f"{before}#work=h")
    page.go_back()  # one step, whatever was looked through
    expect(viewer).to_be_hidden()
    expect(page).to_have_url(before)
    page.go_forward()
    expect(viewer.get_by_role("heading")).to_have_text(second)
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(page).to_have_url(before)
    page.goto("about:blank")
    page.goto(shared)
    expect(viewer.get_by_role("heading")).to_have_text(second)
    choose_similar = viewer.get_by_role("button", name="Find similar works")
    choose_similar.click()
    expect(page.locator("#tray .name")).to_have_text(second)
    assert "#" not in page.url


def test_a_work_in_the_address_that_is_not_there_is_said(page):
    page.goto("/?q=1:id:h60#work=nothing")
    expect(page.locator("#error")).to_contain_text("There is no work “nothing” in this collection.")


def test_the_viewer_loads_the_part_in_sight_as_sharp_as_its_file(page):
    page.goto("/?index=details")
    page.locator("#grid a.picture").first.focus()
    page.keyboard.press("d")
    expect(page.get_by_role("dialog").locator(".whole")).to_be_visible()
    asked = page.evaluate(
        """async () => {
            const { makePane, wholeView } = await import("/page/viewer/zoom.js");
            const size = {width: 4000, height: 1000};
            const work = {index: "details", id: "both.png", name: "both", ...size};
            const pane = makePane(work, {...wholeView(), zoom: 4}, () => {});
            Object.assign(pane.element.style, {flex: "none", width: "400px", height: "300px"});
            document.querySelector("dialog[open]").append(pane.element);
            pane.draw();
            await new Promise((done) => setTimeout(done, 500));
            pane.end();
            return pane.element.querySelector(".sharp").getAttribute("src");
        }"""
    )
    assert re.fullmatch(r"/iiif/details/both\.png/1500,125,1001,751/400,/0/default\.jpg", asked)


def test_a_title_that_is_a_script_is_shown_and_not_run(page):
    like(page, 180)
    expect(page.locator("#tray .name")).to_have_text(SCRIPT)
    page.get_by_role("button", name="About this work").first.click()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text(SCRIPT)
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "#work=" not in url)  # it goes back, which would end the next
    like(page, 168)
    expect(card(page, SCRIPT)).to_be_visible()
    assert "run" not in page.title()
    assert page.locator("#grid script, #tray script").count() == 0


def test_a_permalink_gives_the_same_answer(page, browser, address):
    like(
        page,
        0,
        "q=-0.5:id:h240",
        "by.map%2Favg=0.7&by.map%2Fmax=0.3",
        "between.year=1500..1800&in.artist=Red+school&in.artist=Green+school",
        "max-per.artist=3&not-same=title",
    )
    expect(page.locator("#more")).to_have_text("Showing all 6 works")
    found = titles(page).all_text_contents()
    expect(page.get_by_label("Map/avg")).to_have_value("0.7")
    expect(page.get_by_text("More options (2 set)")).to_be_visible()
    page.get_by_label("Within years").fill("200")
    page.get_by_label("Within years").press("Enter")
    expect(page).to_have_url(re.compile("contemporary=200"))
    expect(page.locator("#more")).to_have_text("Showing all 6 works")
    with visit(browser, page.url) as another:
        another.goto(page.url)
        expect(another.locator("#more")).to_have_text("Showing all 6 works")
        assert titles(another).all_text_contents() == found
        expect(another.get_by_label("Within years")).to_have_value("200")


def test_an_invalid_address_is_ignored_or_explained(page):
    page.goto("/?q=nonsense&k=-3&between.year=a..b&lasso=1,2&seed=x")
    expect(page.locator("#heading")).to_have_text("30 works")


def test_what_does_not_exist_is_a_page_that_leads_on(page):
    for path, reason, way in (
        ("/?index=none", "There is no collection “none” here.", "Browse colors"),
        ("/?q=1:id:<b>", "There is no work “<b>” in the collection “colors”.", "Browse colors"),
        ("/nowhere", "There is no page at this address.", "Browse words"),
    ):
        answer = page.goto(path)
        assert answer.status == 404
        expect(page.locator("main")).to_contain_text(reason)
        page.get_by_role("link", name=way).click()
        expect(page.locator("#heading")).to_have_text("30 works")


def test_an_index_without_columns_has_nothing_to_refine_by(page):
    page.goto("/?index=details&q=1:id:blue.png&k=1")
    expect(page.locator("#summary")).to_have_text("Among 2 other works. ")
    expect(page.locator("#refine")).to_be_hidden()
    assert page.locator("main").bounding_box()["x"] < 100


def test_text_is_a_query_if_the_network_reads_text(page):
    page.goto("/")
    expect(page.locator("#heading")).to_have_text("30 works")
    expect(page.get_by_label("Search by words")).to_be_hidden()
    page.locator("#index").select_option("words")
    expect(page).to_have_url(re.compile("index=words"))
    expect(page.get_by_label("Search by words")).to_be_visible()
    expect(page.get_by_role("button", name="Map")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("body").press("/")
    page.keyboard.type("green")
    page.keyboard.press("Enter")
    shows_first(page, 120)
    page.get_by_label("Search by words").fill("red")
    page.get_by_role("button", name="Add", exact=True).click()
    shows_first(page, 60)
    page.get_by_label("Search by words").fill('green -"blue" ')
    page.keyboard.press("Enter")
    expect(page.locator("#tray .basket")).to_have_count(2)
    expect(page.get_by_role("group", name="Less like")).to_contain_text("“blue”")
    expect(page).to_have_url(re.compile(r"q=1%3Atext%3Agreen&q=-1%3Atext%3Ablue"))
    page.get_by_label("Search by words").fill("-red")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("group", name="Less like")).to_contain_text("“red”")


def test_words_are_suggested_while_they_are_typed(page):
    page.goto("/?index=words")
    page.get_by_label("Search by words").fill("red sch")
    suggested = page.locator("#suggestions option")
    expect(suggested).to_have_count(1)
    assert suggested.get_attribute("value") == "Red school"
    page.get_by_label("Search by words").fill("Hue 3")
    expect(suggested).to_have_count(4)  # titles
    page.get_by_label("Search by words").fill("suns")
    expect(suggested).to_have_count(1)
    assert suggested.get_attribute("value") == "a sunset"
    page.get_by_label("Search by words").fill("")
    expect(suggested).to_have_count(0)


def test_web_addresses_are_queries_if_the_server_fetches(browser, museum, monkeypatch):
    monkeypatch.setattr("artsim.fetch.network.is_public", lambda _: True)
    room = museum.rooms["colors"]
    app = make_app(Museum([room.store], lambda _: room.encoder.own), limits=Limits(fetch=True))
    green = {"/collection/green.png": png(color_of(120))}
    with serving(app) as address, web(green) as elsewhere, visit(browser, address) as page:
        page.goto("/")
        expect(page.locator("#heading")).to_have_text("30 works")
        page.locator("body").press("/")
        page.keyboard.type("green")
        page.keyboard.press("Enter")
        expect(page.locator("#error")).to_contain_text("Give the address of a picture")
        page.get_by_label("Address of a picture").fill(f"{elsewhere}/collection/green.png")
        page.keyboard.press("Enter")
        expect(page.locator("#tray .name")).to_have_text("green.png")
        shows_first(page, 120)
        page.reload()
        shows_first(page, 120)


def test_aspects_are_weighted_and_relations_kept(page):
    like(page, 0)
    shows_first(page, 12, 348)
    page.get_by_label("Map/max").fill("0.5")
    expect(page).to_have_url(re.compile(re.escape("by.map%2Fmax=0.5")))
    expect(page.locator("#summary")).to_contain_text("map/max")
    page.get_by_text("More options").click()
    page.get_by_label("Not the same").last.select_option("artist")
    expect(page.locator("#summary")).to_contain_text("Among the 20 works of 30 that meet")
    page.get_by_label("Per column").select_option("artist")
    expect(page.locator("#heading")).to_have_text("2 works, most similar first")


def test_more_options_relate_matches_in_time_and_limit_them(page):
    like(page, 60)  # of 1560
    more = page.get_by_text("More options")
    expect(page.get_by_label("Made before the year")).to_be_hidden()
    more.focus()
    more.press("Enter")
    page.get_by_label("Made before the year").fill("1530")
    page.get_by_label("Made before the year").press("Enter")
    expect(page.locator("#more")).to_have_text("Showing all 3 works")
    shows_first(page, 0, 12, 24)
    expect(page.get_by_text("More options (1 set)")).to_be_visible()
    expect(page.get_by_label("Made before the year")).to_be_focused()
    page.get_by_role("checkbox", name="the query's year").check()
    expect(page).to_have_url(re.compile("earlier-than=query"))
    expect(page.locator("#heading")).to_have_text("5 works, most similar first")
    expect(page.get_by_label("Made before the year")).to_have_value("")
    card(page, "Hue 24").locator("a.picture").click()  # it is meant of each work in turn
    expect(page.locator("#heading")).to_have_text("2 works, most similar first")
    page.get_by_role("checkbox", name="the query's year").uncheck()
    page.get_by_label("Per column").select_option("artist")
    expect(page.locator("#heading")).to_have_text(
        "3 works, most similar first"
    )  # one of each school
    page.get_by_label("Limit per artist").fill("2")
    page.get_by_label("Limit per artist").press("Enter")
    expect(page.locator("#more")).to_have_text("Showing all 6 works")
    page.get_by_label("Per column").nth(1).select_option("title")
    expect(page).to_have_url(re.compile("max-per.artist=2&max-per.title=1"))
    page.get_by_label("Least percentage of random pairs").last.fill("100")
    page.get_by_label("Least percentage of random pairs").last.press("Enter")
    expect(page.locator("#nothing")).to_contain_text("below the minimum of 100")


def test_a_work_is_hidden_and_shown_again(page):
    like(page, 60)
    shows_first(page, 48, 72)
    first, second = titles(page).all_text_contents()[:2]
    links = page.locator("#grid a.picture")
    links.first.focus()
    page.keyboard.press("x")
    expect(titles(page).first).to_have_text(second)
    expect(page.get_by_role("status").first).to_have_text(
        re.compile(rf"Hidden: {first}, Red school.*; 28 works, most similar first")
    )
    expect(links.first).to_be_focused()
    page.keyboard.press("u")
    expect(titles(page).first).to_have_text(first)
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()
    for title in (first, second):
        choose(page, card(page, title), "Hide this work")
        expect(page.locator("#notice")).to_contain_text(f"Hidden: {title}")
    page.get_by_role("button", name="Undo").click()
    expect(titles(page).first).to_have_text(second)
    page.reload()
    expect(titles(page).first).to_have_text(second)
    page.get_by_role("button", name=f"Show {first} again").click()
    expect(titles(page).first).to_have_text(first)
    expect(page.locator("#heading")).to_have_text("29 works, most similar first")
    page.go_back()
    expect(page.locator("#heading")).to_have_text("28 works, most similar first")


def test_a_match_is_explained(page):
    like(page, 0)
    choose(page, card(page, "Hue 12"), "Why it matches")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("figure")).to_have_count(2)
    expect(dialog.locator("figcaption").first).to_have_text("Hue 0, Red school, 1500")
    for image in dialog.locator("img").all():
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 0


def test_the_map_shows_works_and_links_to_them(page):
    page.goto("/")
    page.get_by_role("button", name="Map").click()
    canvas = page.locator("canvas").last
    expect(canvas).to_be_visible()
    page.get_by_label("Color by").select_option("artist")
    expect(page.locator(".legend")).to_have_text(re.compile("Blue school.*Red school", re.DOTALL))
    canvas.focus()
    canvas.press("+")
    expect(page.locator(".tip")).to_contain_text(re.compile("Hue|script"))
    shown = page.locator(".tip").text_content()
    canvas.press("Enter")
    expect(page.locator("#tray .name")).to_be_visible()
    assert shown.startswith(page.locator("#tray .name").text_content())
    page.go_back()
    expect(canvas).to_be_visible()


def test_facets_also_narrow_down_the_map(page):
    page.goto("/?view=map")
    expect(page.locator("#map .bar")).to_contain_text("30 works; similar works are close together")
    blue = page.locator("#refine label").filter(has_text="Blue school")
    blue.locator("input").check()
    expect(page.locator("#map .bar")).to_contain_text(
        "10 of 30 works; similar works are close together"
    )
    expect(page.get_by_role("status").first).to_have_text("Map of 10 of 30 works")
    canvas = page.locator("canvas").last
    shown = set()
    for key in ("-", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown"):
        canvas.press(key)
        expect(page.locator(".tip")).to_contain_text("school")
        shown.add(page.locator(".tip").text_content().split(", ")[1])
    assert shown == {"Blue school"}  # the others are drawn faintly, and not met
    page.get_by_role("button", name="Works").click()
    expect(page.locator("#heading")).to_have_text("10 of 30 works")
    page.go_back()
    expect(page.locator("#map .bar")).to_contain_text("10 of 30 works")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#map .bar")).to_contain_text("30 works; similar works are close together")


def test_an_area_of_the_map_is_a_filter_of_the_works(page):
    page.goto("/?view=map")
    canvas = page.locator("canvas").last
    expect(page.locator("#map .bar")).to_contain_text("30 works")
    page.get_by_role("button", name="Select an area").click()
    expect(page.locator("#map .bar")).to_contain_text("Draw around the works")
    box = canvas.bounding_box()
    corners = [(0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98)]
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()
    expect(page.locator("#chips")).to_contain_text("Area of the map")
    expect(page.locator("#map .bar")).to_contain_text(re.compile(r"\d+ of 30 works"))
    met = page.locator("#map .bar > p").text_content().split(" works")[0]
    page.get_by_role("button", name="Works").click()
    expect(page.locator("#heading")).to_have_text(f"{met} works")
    page.reload()
    expect(page.locator("#heading")).to_have_text(f"{met} works")
    page.get_by_role("button", name="Remove Area of the map").click()
    expect(page.locator("#heading")).to_have_text("30 works")


def test_the_map_is_colored_by_years_names_its_groups_and_is_reset(page):
    page.goto("/?view=map")
    page.get_by_label("Color by").select_option("year")
    expect(page.locator(".legend")).to_have_text(re.compile(r"^up to 150\d184\d and later$"))
    expect(page.locator(".names span:not(.away)").first).to_have_text(re.compile("school"))
    canvas = page.locator("canvas").last
    before = page.locator(".names span:not(.away)").evaluate_all(
        "all => all.map(e => e.style.cssText)"
    )
    canvas.press("+")
    canvas.press("ArrowLeft")
    page.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(100)
    after = page.locator(".names span:not(.away)").evaluate_all(
        "all => all.map(e => e.style.cssText)"
    )
    assert after == before


def test_the_map_is_colored_by_century_in_order(page):
    page.goto("/?view=map")
    page.get_by_label("Color by").select_option("century of year")
    works = {15: 1, 16: 8, 17: 8, 18: 9, 19: 4}
    expect(page.locator(".legend li")).to_have_text(
        [f"{century}th century ({number})" for century, number in works.items()]
    )
    colors = page.locator(".legend i").evaluate_all(
        "all => all.map(each => getComputedStyle(each).backgroundColor)"
    )
    assert (colors[0], colors[2], colors[4]) == (
        "rgb(110, 64, 170)",
        "rgb(33, 145, 140)",
        "rgb(232, 195, 30)",
    )
    options = page.get_by_label("Color by").locator("option")
    expect(options).to_have_text(["nothing", "artist", "year", "century"])


def test_a_straight_drag_selects_the_area_between_its_ends(page):
    page.goto("/?view=map")
    canvas = page.locator("canvas").last
    expect(page.locator("#map .bar")).to_contain_text("30 works")
    page.get_by_title("Drag around works to select them").click()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=6)
    page.mouse.up()
    expect(page.locator("#chips")).to_contain_text("Area of the map")
    expect(page.locator("#map .bar")).to_contain_text("30 works; similar")
    assert len(page.url.split("lasso=")[1].split("+")) == 4


def test_without_a_map_the_button_says_how_to_make_one(page):
    page.goto("/?index=words")
    page.get_by_role("button", name="Map").click()
    expect(page.locator("#map")).to_contain_text("There is no map yet. To make one, run")
    expect(page.locator("#map code")).to_have_text("artsim map words")


def test_answers_are_exported(page):
    like(page, 0)
    for name, file in (
        ("CSV for spreadsheets", "artsim.csv"),
        ("Page with the pictures", "artsim.html"),
        ("IIIF manifest", "artsim.manifest.json"),
        ("JSON", "artsim.json"),
    ):
        page.get_by_text("Export", exact=True).click()
        with page.expect_download() as saved:
            page.get_by_role("button", name=name).click()
        assert saved.value.suggested_filename == file
        assert "Hue 12" in saved.value.path().read_text()


def test_a_phone_shows_it_without_scrolling_sideways(browser, address):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with visit(browser, address, **phone, color_scheme="dark") as page:
        for path in ("/", "/?q=1:id:h0&q=-1:id:h180", "/?view=map&color=artist"):
            page.goto(path)
            expect(page.locator("#grid li, canvas").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == 390
            for control in page.locator("#tools > *, #map .tools > *").all():
                expect(control).to_be_in_viewport(ratio=1)
        page.goto("/")
        expect(page.locator("#refine")).to_be_hidden()
        page.get_by_role("button", name="Refine").tap()
        expect(page.locator("#refine")).to_be_visible()
        page.locator("#refine label").filter(has_text="Red school").tap()
        expect(page.locator("#heading")).to_have_text("10 of 30 works")
        page.get_by_role("button", name="Done").tap()
        expect(page.locator("#refine")).to_be_hidden()
        expect(page.get_by_role("button", name="Refine (1)")).to_be_focused()
        page.goto("/?q=1:id:h0&not-same=artist")  # with more options, open
        first = page.locator("#grid a.picture").first
        expect(first).to_be_in_viewport(ratio=0.9)  # on the first screen
        expect(page.locator("#querybar")).to_contain_text("Similar to Hue 0")
        expect(page.locator("#grid li").first.get_by_role("button")).to_have_count(1)  # the star
        page.get_by_label("More for").first.tap()
        expect(page.get_by_role("button", name="About this work: ").first).to_be_visible()
        page.get_by_role("button", name="Options").tap()
        expect(page.get_by_label("Limit", exact=True)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.goto("/?q=1:id:h0")
        options = page.get_by_role("button", name="Options")
        expect(options).to_have_attribute("aria-expanded", "false")
        plain = options.evaluate("each => getComputedStyle(each).backgroundColor")
        options.tap()
        expect(page.get_by_label("Not the same").last).to_be_visible()
        expect(options).to_have_attribute("aria-expanded", "true")
        assert options.evaluate("each => getComputedStyle(each).backgroundColor") != plain
        options.tap()
        expect(page.get_by_label("Not the same").last).to_be_hidden()
        for size in page.locator("#tools .sizes button").all():  # a finger is as wide
            box = size.bounding_box()
            assert min(box["width"], box["height"]) >= 44


@pytest.mark.parametrize("width", [390, 1300])
def test_every_control_has_a_name_and_a_visible_focus(browser, address, width):
    with visit(browser, address, viewport={"width": width, "height": 900}) as page:
        page.goto("/?q=1:id:h0&q=-0.5:id:h96&not-same=artist&exclude=h24")
        expect(page.locator("#grid li").first).to_be_visible()
        expect(page.locator("#refine details").first).to_be_attached()
        nameless = page.locator("input, select, button, [tabindex]").evaluate_all(
            """all => all.filter(each => each.checkVisibility() && ![
                each.ariaLabel, each.textContent.trim(), each.labels?.[0]?.textContent.trim(),
                each.getAttribute("aria-labeledby"), each.querySelector("img")?.alt,
            ].some(Boolean)).map(each => each.outerHTML)"""
        )
        assert nameless == []
        for _ in range(60):
            page.keyboard.press("Tab")
            assert page.evaluate(
                """() => {
                    const {activeElement: on, body} = document;
                    const {top, bottom, width} = on.getBoundingClientRect();
                    const isSeen = width > 0 && top >= -1 && bottom <= innerHeight + 1;
                    const isRinged = parseFloat(getComputedStyle(on).outlineWidth) >= 2;
                    return on === body || (isSeen && isRinged);
                }"""
            )


def test_a_server_that_is_gone_is_reported_in_one_line(page):
    page.goto("/")
    expect(page.locator("#heading")).to_have_text("30 works")
    page.route("**/api/**", lambda route: route.abort())
    page.get_by_role("button", name="Shuffle").click()
    expect(page.locator("#error")).to_contain_text("does not answer")


STATES = ("/", "/?q=1:id:h0&in.artist=Red+school&find=hue", "/?view=map&color=year", "/?index=none")


@pytest.mark.parametrize(
    ("width", "scheme", "states"), [(1300, "light", STATES), (390, "dark", STATES[1:3])]
)
def test_axe_finds_nothing_to_object_to(browser, address, width, scheme, states):
    axe = pytest.importorskip("axe_playwright_python")
    script = (Path(axe.__file__).parent / "axe.min.js").read_text()
    size = {"width": width, "height": 844}
    with visit(browser, address, viewport=size, color_scheme=scheme) as page:
        for path in states:
            page.goto(path)
            expect(page.locator("#grid li, canvas, .missing").first).to_be_visible()
            if "q=" in path:
                page.locator("#grid a.picture").first.focus()
                page.keyboard.press("d")
                expect(page.get_by_role("row", name="Pixels")).to_be_visible()
            expect(page.locator("body:not(.busy)")).to_be_attached()
            page.evaluate(script)
            found = page.evaluate("axe.run()")
            assert len(found["passes"]) > 5
            assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []


def test_nothing_moves_while_pictures_load_and_the_page_is_light(browser, address):
    with visit(browser, address) as page:
        sizes = []
        page.on(
            "response",
            lambda answer: (
                sizes.append(int(answer.headers["content-length"]))
                if "/picture" not in answer.url
                else None
            ),
        )
        page.goto("/?q=1:id:h0&in.artist=Red+school")
        expect(page.locator("#grid li")).to_have_count(9)
        for image in page.locator("#grid img").all():
            expect(image).to_have_js_property("complete", True)
        moved = page.evaluate(
            """() => new Promise((done) => new PerformanceObserver((list) => done(
                list.getEntries().reduce((sum, {value}) => sum + value, 0)
            )).observe({type: "layout-shift", buffered: true}) || setTimeout(() => done(0), 300))"""
        )
        assert moved < 0.05
        assert sum(sizes) < 300_000
