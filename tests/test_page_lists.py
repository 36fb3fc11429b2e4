"""What can be done with a list of works, and what it says of itself; see `test_page`."""

import csv
import io
import json
import re
import zipfile

import pytest
from conftest import wait_until, without_umap
from search_toys import at, make_store
from serving import serving
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
from test_server import Colors, png

from artsim.index import layout
from artsim.server import Museum, make_app


@pytest.fixture
def page(browser, address):  # noqa: F811 - the fixture
    with visit(browser, address) as page:
        yield page


@pytest.fixture(scope="module")
def gaps(tmp_path_factory):
    """Serve a dozen works, of which some have no artist, or no year: on a map, and without one."""
    root = tmp_path_factory.mktemp("gaps")
    ids = [f"w{place:02}" for place in range(12)]
    for id_ in ids:
        (root / f"{id_}.png").write_bytes(png("red"))
    columns = {
        "title": [f"Boat {place}" for place in range(12)],
        "artist": ["Ada"] * 5 + ["Bob"] * 4 + [None] * 3,
        "year": [1600 + place for place in range(10)] + [None] * 2,
    }
    vectors = {"compass": at(*range(0, 120, 10))}
    stores = [
        make_store(
            root / name, ids, vectors, columns, images=[f"{id_}.png" for id_ in ids], root=root
        )
        for name in ("gaps", "no map")
    ]
    with pytest.MonkeyPatch.context() as patch:
        without_umap(patch)
        layout.make_layout(stores[0], "compass")
    shown = Museum(stores, lambda _: Colors())
    with serving(make_app(shown, paths=True)) as found:
        yield found
    shown.close()


# With what narrows works down beside them, and before them; `test_page_looks` looks at more.
WIDTHS = pytest.mark.parametrize("width", [1300, 390])


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
        "**/visit/state.js",
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
    collect_all.click()  # what is said of it may be followed at once by what is said of the list
    stored = "localStorage['artsim sets colors'] ?? '{}'"
    wait_until("the works are kept", lambda: "h12" in page.evaluate(stored))
    page.wait_for_load_state("networkidle")  # more come until the window is full
    shown = titles(page).count()
    assert 4 <= shown < 29
    expect(collect_all).to_have_text(f"Collect the {shown} shown")
    collect_all.click()
    wait_until(
        "all are kept", lambda: len(json.loads(page.evaluate(stored))["sets"]["My set"]) == shown
    )
    assert sorted(collected(page)[:2]) == ["h12", "h348"]
    with zipfile.ZipFile(io.BytesIO(exported(page, "Pictures as a zip file")[1])) as archive:
        assert len(archive.namelist()) == shown + 1
    expect(page.locator("#tools .note")).to_have_text(f"Exports the {shown} works shown.")


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
def test_the_likeliest_are_exported_with_those_marked_yes_as_a_table_and_a_page(
    page, width, tmp_path
):
    page.set_viewport_size({"width": width, "height": 850})
    page.goto("/?view=teach")
    concept = page.get_by_role("region", name="Teach a concept")
    expect(concept.locator(".teach-head p")).to_have_text("Your marks stay in this browser.")
    mark(page, 120, "yes")
    expect(page.locator("#heading")).to_have_text("Likeliest works")
    said = "Your marks are in this browser only; export them to keep them."
    expect(concept).to_contain_text(said)
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
    (tmp_path / name).write_bytes(data)
    with visit(page.context.browser, None, viewport={"width": width, "height": 850}) as written:
        written.goto((tmp_path / name).as_uri())
        expect(written.locator("header p").last).to_have_text(
            "The works most likely to show “greens”, learned from works that were marked (1 yes, "
            "1 no). A score above 0.5 means yes. Only the marked works were checked by a person."
        )
        figures = written.locator("article .count")
        expect(figures.first).to_have_text(re.compile(r"^score [01]\.\d{3}, marked yes$"))
        expect(figures.nth(1)).to_have_text(re.compile(r"^score 0\.\d{3}$"))
        expect(written.locator("article img").first).to_be_visible()
        assert written.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Collect the 28 shown").or_(
        page.get_by_role("button", name="Collect all 28")
    ).click()
    assert len(set(collected(page)) & {f"h{hue}" for hue in HUES}) == 28
    figures = page.locator("#grid li").first.locator(".figures span")
    expect(figures).to_have_text(["score", re.compile(r"^0\.\d{3}$")])
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# --- what a list says ---------------------------------------------------------------------


@WIDTHS
def test_works_without_a_value_are_a_choice_and_said_when_they_are_left_out(browser, gaps, width):  # noqa: F811
    with visit(browser, gaps, viewport={"width": width, "height": 850}) as page:
        page.goto("/?between.year=1600..1604")
        expect(page.locator("#summary")).to_have_text(
            re.compile(
                r"^2 works have no value in Year, so conditions on that leave them out\. Choose"
            )
        )
        if width < 960:
            page.locator("#results .refine-button").click()
        page.get_by_role("button", name="Clear", exact=True).click()
        facet = page.locator("#refine details").filter(has_text="Artist")
        choices = facet.locator("label")
        expect(choices).to_have_text(["Ada5", "Bob4", "no value3"])
        choices.nth(2).locator("input").check()
        expect(page.locator("#heading")).to_have_text("3 of 12 works")
        expect(page.locator("#chips .filter > span")).to_have_text(["Artist: no value"])
        expect(page).to_have_url(re.compile("missing.artist=1"))
        expect(choices).to_have_text(["Ada5", "Bob4", "no value3"])
        expect(choices.nth(2).locator("input")).to_be_focused()
        years = page.locator("#refine details").filter(has_text="Year")
        expect(years.locator("label")).to_have_text(["no value2"])
        years.locator("input[type=checkbox]").check()
        expect(page.locator("#heading")).to_have_text("2 of 12 works")
        page.reload()
        expect(page.locator("#heading")).to_have_text("2 of 12 works")
        page.get_by_role("button", name="Remove Year: no value").click()
        expect(page.locator("#heading")).to_have_text("3 of 12 works")
        if width < 960:
            page.locator("#results .refine-button").click()
        expect(choices).to_have_text(["Ada5", "Bob4", "no value3"])
        choices.nth(0).locator("input").check()  # a value instead
        expect(page.locator("#heading")).to_have_text("5 of 12 works")
        expect(page.locator("#chips .filter > span")).to_have_text(["Artist: Ada"])


@WIDTHS
def test_matches_that_are_hardly_similar_are_not_called_most_similar(page, width):
    page.set_viewport_size({"width": width, "height": 850})
    page.goto("/?q=1:id:h60&in.artist=Blue+school")
    expect(page.locator("#heading")).to_have_text("Nothing is very similar")
    expect(page.locator("#summary")).to_contain_text(
        "The nearest among the 10 works of 30 that meet"
    )
    page.get_by_role("button", name="Remove Artist").click()
    expect(page.locator("#heading")).to_have_text("29 works, most similar first")


@WIDTHS
def test_the_words_that_were_meant_are_a_link(browser, gaps, width):  # noqa: F811
    with visit(browser, gaps, viewport={"width": width, "height": 850}) as page:
        page.goto("/?find=baot+11")
        expect(page.locator("#nothing p")).to_have_text("No work has “baot”; did you mean boat 11?")
        page.get_by_role("link", name="boat 11").click()
        expect(titles(page)).to_have_text(["Boat 11"])
        expect(page.get_by_label("Find in titles")).to_have_value("boat 11")
        page.goto("/?find=zzzz+Baot+%22yyyy+xxxx%22+11")
        expect(page.locator("#nothing a")).to_have_text("boat 11")  # without what no work has
        page.goto("/?find=zzzz")
        expect(page.locator("#nothing")).to_have_text(
            re.compile("^No work has “zzzz”; try another")
        )
        expect(page.locator("#nothing a")).to_have_count(0)


@WIDTHS
def test_the_legend_counts_the_works_that_are_selected(browser, gaps, width):  # noqa: F811
    with visit(browser, gaps, viewport={"width": width, "height": 850}) as page:
        page.goto("/?view=map&color=artist")
        legend = page.locator(".legend li")
        expect(legend).to_have_text(["Ada (5)", "Bob (4)", "no value (3)"])
        page.goto("/?view=map&color=artist&between.year=1604..1609")
        expect(legend).to_have_text(["Ada (1)", "Bob (4)", "no value (1)"])


def test_the_commands_that_the_page_gives_are_of_the_index_that_is_served(browser, gaps):  # noqa: F811
    with visit(browser, gaps) as page:
        page.goto("/?index=no+map&view=map")
        command = page.locator("#map code").text_content()
        assert re.fullmatch(r"artsim map '/.*/gaps0/no map'", command)


def test_a_map_that_is_made_while_the_page_is_open_is_shown_and_made_again(
    browser,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    ids, made = [f"w{place}" for place in range(9)], [1, -1]
    for id_ in ids:
        (tmp_path / f"{id_}.png").write_bytes(png("red"))
    images = [f"{id_}.png" for id_ in ids]
    vectors = {"compass": at(*range(0, 90, 10))}
    store = make_store(tmp_path / "late", ids, vectors, images=images, root=tmp_path)
    monkeypatch.setattr(layout, "_umap", lambda vectors, plan, device: vectors[:, :2] * made.pop())
    shown = Museum([store], lambda _: Colors())
    with serving(make_app(shown)) as address, visit(browser, address) as page:  # noqa: F811
        page.goto("/?view=map")
        expect(page.locator("#map")).to_contain_text("There is no map yet")
        layout.make_layout(store, "compass")
        page.get_by_role("button", name="Map").click()
        expect(page.locator("#map .bar")).to_contain_text("9 works; similar works are close")
        page.get_by_role("button", name="Works").click()
        layout.make_layout(store, "compass")
        with page.expect_response("**/late/map") as drawn:
            page.get_by_role("button", name="Map").click()
        points = layout.read_layout(store, "compass")
        assert drawn.value.json()["x"] == pytest.approx(points[:, 0].tolist(), abs=1e-4)
    shown.close()


def test_an_empty_list_offers_nothing_to_refine_by(page):
    page.goto("/?find=hue+3")
    expect(page.locator("#refine summary")).to_have_text(["Artist", "Year"])
    page.goto("/?find=nowhere")
    expect(page.locator("#nothing")).to_be_visible()
    expect(page.locator("#refine summary")).to_have_count(0)
    expect(page.get_by_role("heading", name="Refine")).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 800})
    expect(page.get_by_role("button", name="Shuffle")).to_be_hidden()
    expect(page.get_by_role("button", name="Refine")).to_be_hidden()
    page.goto("/?find=hue+3")
    expect(page.get_by_role("button", name="Refine")).to_be_visible()


# --- the viewer and the tools -------------------------------------------------------------


@pytest.mark.parametrize(("width", "below"), [(1300, False), (820, True), (390, True)])
def test_pictures_that_are_compared_are_of_one_height_and_wide(page, width, below):
    page.set_viewport_size({"width": width, "height": 1100})
    page.goto("/?q=1:id:h0")
    expect(page.locator("#grid li")).to_have_count(29)
    page.locator("#grid a.picture").first.focus()
    page.keyboard.press("c")
    viewer = page.get_by_role("dialog")
    panes = viewer.locator(".pane")
    expect(panes).to_have_count(2)
    expect(viewer).to_contain_text("1 of 29")
    # The longer caption makes both pictures lower.
    viewer.locator("figcaption").first.evaluate("each => (each.textContent += ' long'.repeat(60))")
    first, second = (panes.nth(place).bounding_box() for place in (0, 1))
    assert (first["y"], first["height"]) == (second["y"], second["height"])
    assert first["width"] == pytest.approx(second["width"], abs=1)
    record = viewer.locator(".record").bounding_box()
    assert (record["y"] >= second["y"] + second["height"]) is below
    assert second["height"] > 150
    if below:
        assert record["width"] == pytest.approx(viewer.bounding_box()["width"], abs=3)


@pytest.mark.parametrize("width", [1300, 1000, 820, 600, 390])
def test_the_tools_are_whole_in_every_window(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    for path in ("/", "/?q=1:id:h0", "/?in.artist=Red+school", "/?view=map&in.artist=Red+school"):
        page.goto(path)
        expect(page.locator("#grid li, canvas").first).to_be_visible()
        for control in page.locator("#tools button:visible, #map .tools button:visible").all():
            expect(control).to_be_in_viewport(ratio=1)
    out, into = (
        page.get_by_role("button", name=f"Zoom {way}").bounding_box() for way in ("out", "in")
    )
    assert out["y"] == into["y"]


def test_a_set_has_no_name_with_a_slash_and_is_emptied_or_deleted_by_name(page):
    page.goto("/")
    collect(page, 0)
    bar = page.get_by_role("region", name="Collected works")
    bar.locator("summary", has_text="▾").click()
    bar.get_by_role("button", name="Rename").click()
    naming = page.get_by_role("dialog", name="Name of the set")
    expect(naming.get_by_role("textbox")).to_be_focused()
    expect(naming.get_by_role("textbox")).to_have_value("My set")
    naming.get_by_role("textbox").fill("boats/")
    page.keyboard.press("Enter")
    expect(bar.locator("summary", has_text="▾")).to_have_text("boats ▾")
    bar.locator("summary", has_text="▾").click()
    bar.get_by_role("button", name="Empty this set").click()
    sure = page.get_by_role("dialog", name="Empty “boats”? It holds 1 work.")
    sure.get_by_role("button", name="Cancel").click()
    expect(bar.get_by_role("button", name="1 work")).to_be_visible()
    bar.locator("summary", has_text="▾").click()
    bar.get_by_role("button", name="Empty this set").click()
    sure.get_by_role("button", name="Empty").click()
    expect(bar).to_be_hidden()
