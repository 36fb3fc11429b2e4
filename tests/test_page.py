"""The page in a real browser, over a museum of plain colours whose neighbours are known."""

import colorsys
import csv
import io
import os
import re
import shutil
import threading
from contextlib import contextmanager

import pytest
import uvicorn
from conftest import toy_passport
from PIL import Image
from test_explain import Pixels, extractor_of

from artsim import layout
from artsim.datatypes import Tap
from artsim.embed import embed_collection
from artsim.models.extractor import Extractor
from artsim.readers import read_collection
from artsim.search import IndexEncoder
from artsim.server import Museum, make_app
from artsim.store import Store

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

HUES = range(0, 360, 12)
SCRIPT = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
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


class Words(IndexEncoder):
    """Knows one word a colour."""

    def embed_texts(self, texts):
        colors = [color_of({"red": 0, "green": 120, "blue": 240}[text]) for text in texts]
        pixels = [self.prepare(png(color), None) for color in colors]
        return self.embed(pixels)


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    """Two indexes of the same pictures: one with two taps and a map, one that takes words."""
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
    stores, encoders = [], []
    for name, extractor, encode in (
        ("colours", pixels, IndexEncoder),
        ("words", Extractor(plain._backend, passport), Words),
    ):
        embed_collection(read_collection(folder / "pictures"), folder / name, extractor)
        stores.append(Store.open(folder / name))
        encoders.append(encode(stores[-1]))
        encoders[-1].__dict__["_extractor"] = extractor
    with pytest.MonkeyPatch.context() as patch:  # UMAP takes long to import
        patch.setattr(layout, "_umap", lambda vectors, plan, device: vectors[:, :2])
        layout.make_layout(stores[0], stores[0].manifest.passport.taps[0].name)
    return Museum(stores, encoders)


@pytest.fixture(scope="module")
def address(museum):
    """Serve the museum."""
    config = uvicorn.Config(make_app(museum), port=0, log_level="error", ws="none")
    server = uvicorn.Server(config)
    started = threading.Event()
    run_on_start = server.startup

    async def startup(sockets=None):
        await run_on_start(sockets)
        started.set()

    server.startup = startup
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(60)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser():
    """A Chromium of this machine."""
    names = [os.environ.get("ARTSIM_BROWSER"), "chromium", "chromium-browser", "google-chrome"]
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
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints = []
    # The browser reports each answer of 4xx itself; the tests of errors look at the page.
    page.on(
        "console",
        lambda said: (
            complaints.append(said.text)
            if said.type in ("error", "warning") and "Failed to load resource" not in said.text
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
    expect.set_options(timeout=20_000)  # the machine may be busy


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


def like(page, hue, *more):
    """Open the page on a question by a work."""
    page.goto("/?" + "&".join([f"q=1:id:h{hue}", *more]))
    expect(page.locator("#tray")).to_be_visible()


def test_a_click_on_a_work_goes_on_from_it_and_back_returns(page):
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


def test_a_match_says_how_like_it_is_and_a_picture_says_what_it_shows(page):
    like(page, 60)
    shows_first(page, 48, 72)
    first = page.locator("#grid li").first
    assert re.fullmatch(r"0\.9\d\d", first.locator(".figures span").first.text_content())
    assert re.fullmatch(r"[\d.]+ %", first.locator(".figures span").last.text_content())
    expect(page.locator("#summary")).to_contain_text("score, and percentile of random pairs")
    hue = int(titles(page).first.text_content().removeprefix("Hue "))
    said = f"Hue {hue}, Red school, {1500 + hue}"
    expect(first.get_by_role("img", name=said)).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("matches among 30 works")


def test_facets_narrow_down_with_counts_and_stay_on_the_way(page):
    page.goto("/")
    blue = page.locator("#refine label").filter(has_text="Blue school")
    expect(blue).to_contain_text("10")
    blue.locator("input").check()
    expect(page.locator("#heading")).to_have_text("10 of 30 works")
    page.get_by_label("Year from").fill("1800")
    page.get_by_label("Year from").press("Enter")
    expect(page.locator("#heading")).to_have_text("5 of 30 works")
    card(page, "Hue 336").locator("a.picture").click()
    expect(page.locator("#summary")).to_contain_text("among 5 of 30 works")
    assert sorted(titles(page).all_text_contents()) == [
        f"Hue {hue}" for hue in (300, 312, 324, 348)
    ]
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#summary")).to_contain_text("among 30 works")


def test_more_is_shown_where_there_is_more(page):
    for question, all_of_them in (("/?k=10", 30), ("/?q=1:id:h0&k=10", 29)):
        page.goto(question)
        expect(titles(page)).to_have_count(10)
        first = titles(page).all_text_contents()
        page.get_by_role("button", name="Show more").click()
        expect(titles(page)).to_have_count(all_of_them)
        assert titles(page).all_text_contents()[:10] == first
        expect(page.locator("#grid a.picture").nth(10)).to_be_focused()
        expect(page.get_by_role("button", name="Show more")).to_be_hidden()


def test_no_work_says_why(page):
    like(page, 0, "in.artist=Nobody")
    expect(page.locator("#nothing")).to_contain_text("condition")
    page.get_by_role("button", name="Back to all works").click()
    expect(page.locator("#nothing")).to_contain_text("No work meets these conditions")


def test_plus_and_minus_change_what_is_found(page):
    like(page, 0)
    shows_first(page, 12, 348)
    card(page, "Hue 120").hover()
    card(page, "Hue 120").get_by_role("button", name="More like this too").click()
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


def test_a_picture_is_sent_and_its_detail_asked_by(page):
    page.goto("/")
    two = png(color_of(0), color_of(240), size=(200, 100))
    page.get_by_label("Picture to look for").set_input_files(
        {"name": "two.png", "mimeType": "image/png", "buffer": two}
    )
    expect(page.locator("#tray .name")).to_have_text("two.png")
    shows_first(page, 300)  # between red and blue
    assert "q=" not in page.url  # whoever is sent the link has no such picture
    stage = page.locator(".stage")
    box = stage.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.9, steps=3)
    page.mouse.up()
    shows_first(page, 240)
    expect(page.get_by_text("Like a detail of")).to_be_visible()
    page.get_by_role("button", name="Ask by the whole picture").click()
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
    expect(page.get_by_text("Like a detail of")).to_be_visible()
    page.locator(".stage").press("Delete")
    expect(page).to_have_url(re.compile(re.escape("q=1%3Aid%3Ah60")))


def test_a_broken_picture_is_refused_in_one_line_and_the_page_stays(page):
    page.goto("/")
    expect(page.locator("#heading")).to_have_text("30 works")
    for name, kind, data, reason in (
        ("torn.png", "image/png", png(color_of(0))[:60], "cannot be decoded"),
        ("notes.txt", "text/plain", b"no picture", "send the picture's file"),
    ):
        page.get_by_label("Picture to look for").set_input_files(
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


def test_keys_alone_lead_from_the_start_to_a_match_and_its_details(page):
    page.goto("/")
    expect(titles(page)).to_have_count(30)
    wall = titles(page).all_text_contents()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the works")).to_be_focused()
    page.keyboard.press("Enter")
    while not page.evaluate("document.activeElement.matches('a.picture')"):
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
    expect(dialog.get_by_role("row", name="Artist")).to_contain_text("school")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#grid a.picture").first).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("button", name="Choose a picture")).to_be_focused()


def test_a_title_that_is_a_script_is_shown_and_not_run(page):
    like(page, 180)
    expect(page.locator("#tray .name")).to_have_text(SCRIPT)
    page.get_by_role("button", name="Details").first.click()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text(SCRIPT)
    page.keyboard.press("Escape")
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
    expect(page.locator("#heading")).to_have_text("6 matches")
    found = titles(page).all_text_contents()
    expect(page.get_by_label("Map/avg")).to_have_value("0.7")
    page.get_by_label("Within years").fill("200")
    page.get_by_label("Within years").press("Enter")
    expect(page).to_have_url(re.compile("contemporary=200"))
    expect(page.locator("#heading")).to_have_text("6 matches")
    with visit(browser, page.url) as another:
        another.goto(page.url)
        expect(another.locator("#heading")).to_have_text("6 matches")
        assert titles(another).all_text_contents() == found
        expect(another.get_by_label("Within years")).to_have_value("200")


def test_an_address_that_cannot_be_read_shows_what_can_be(page):
    page.goto("/?q=nonsense&k=-3&between.year=a..b&index=none&seed=x")
    expect(page.locator("#heading")).to_have_text("30 works")
    page.goto("/?q=1:id:nobody")
    expect(page.locator("#error")).to_contain_text("nobody")


def test_words_are_asked_where_the_network_knows_them(page):
    page.goto("/")
    expect(page.locator("#heading")).to_have_text("30 works")
    expect(page.get_by_label("Words to look for")).to_be_hidden()
    page.locator("#index").select_option("words")
    expect(page).to_have_url(re.compile("index=words"))
    expect(page.get_by_label("Words to look for")).to_be_visible()
    expect(page.get_by_role("button", name="Map")).to_be_hidden()
    page.keyboard.press("Escape")
    page.locator("body").press("/")
    page.keyboard.type("green")
    page.keyboard.press("Enter")
    shows_first(page, 120)
    page.get_by_label("Words to look for").fill("red")
    page.get_by_role("button", name="Add", exact=True).click()
    shows_first(page, 60)


def test_aspects_are_weighed_and_relations_kept(page):
    like(page, 0)
    shows_first(page, 12, 348)
    page.get_by_label("Map/max").fill("0.5")
    expect(page).to_have_url(re.compile(re.escape("by.map%2Fmax=0.5")))
    expect(page.locator("#summary")).to_contain_text("map/max")
    page.get_by_label("Not the same").select_option("artist")
    expect(page.locator("#summary")).to_contain_text("among 20 of 30 works")
    page.get_by_label("Of the same").select_option("artist")
    expect(page.locator("#heading")).to_have_text("2 matches")


def test_a_match_is_explained(page):
    like(page, 0)
    card(page, "Hue 12").hover()
    card(page, "Hue 12").get_by_role("button", name="Why it matches").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("figure")).to_have_count(2)
    expect(dialog.locator("figcaption").first).to_have_text("Hue 0, Red school, 1500")
    for image in dialog.locator("img").all():
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 0


def test_the_map_shows_works_and_leads_to_them(page):
    page.goto("/")
    page.get_by_role("button", name="Map").click()
    canvas = page.locator("canvas")
    expect(canvas).to_be_visible()
    page.get_by_label("Colour by").select_option("artist")
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


def test_answers_are_exported(page):
    like(page, 0)
    for name, file in (
        ("CSV for spreadsheets", "artsim.csv"),
        ("Page to cite", "artsim.html"),
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
        for path in ("/", "/?q=1:id:h0&q=-1:id:h180", "/?view=map&colour=artist"):
            page.goto(path)
            expect(page.locator("#grid li, canvas").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.goto("/")
        expect(page.locator("#refine")).to_be_hidden()
        page.get_by_role("button", name="Refine").tap()
        expect(page.locator("#refine")).to_be_visible()
        page.locator("#refine label").filter(has_text="Red school").tap()
        expect(page.locator("#heading")).to_have_text("10 of 30 works")


def test_a_server_that_is_gone_is_said_in_one_line(page):
    page.goto("/")
    expect(page.locator("#heading")).to_have_text("30 works")
    page.route("**/api/**", lambda route: route.abort())
    page.get_by_role("button", name="Shuffle").click()
    expect(page.locator("#error")).to_contain_text("does not answer")
