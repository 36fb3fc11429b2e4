"""How the page looks and reacts in windows of several widths; see `test_page`."""

import re

import pytest
from test_page import (  # noqa: F401 - fixtures
    _patient,
    address,
    browser,
    card,
    color_of,
    expect,
    museum,
    png,
    titles,
    visit,
)

from artsim.server.pages import PAGE


@pytest.fixture
def page(browser, address):  # noqa: F811 - the fixture
    with visit(browser, address) as page:
        yield page


def test_no_question_is_a_box_of_the_browser():
    for file in PAGE.rglob("*.js"):
        assert re.findall(r"(?<![\w.])(?:confirm|prompt|alert)\(", file.read_text()) == []


def test_the_query_is_not_among_the_works_that_are_counted(page):
    page.goto("/?q=1:id:h60&in.artist=Red+school")
    expect(page.locator("#heading")).to_have_text("9 works, most similar first")
    expect(page.locator("#summary")).to_have_text(
        "Among the 9 other works of 30 that meet the conditions; compared by map/avg. "
    )
    page.locator("#grid a.picture").first.focus()
    page.keyboard.press("d")
    expect(page.locator(".viewer-top")).to_contain_text("1 of 9")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("#work"))  # which is a step back
    page.goto("/?q=1:id:h60&k=12")
    expect(page.locator("#more")).to_have_text(re.compile("^Showing (12|24|29) of 29|all 29"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("d")
    expect(page.locator(".viewer-top")).to_contain_text("1 of 29")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("#work"))  # which is a step back
    page.goto("/?q=1:id:h60&in.artist=Blue+school")  # the query is none of them
    expect(page.locator("#summary")).to_contain_text("among the 10 works of 30 that meet")


def test_the_values_of_a_column_are_counted_among_the_works_that_match(page):
    schools = page.locator("#refine details").filter(has_text="Artist").locator("label")
    page.goto("/?q=1:id:h60&exclude=h180")
    expect(page.locator("#summary")).to_contain_text("Among 28 other works")
    expect(schools).to_have_text(["Blue school10", "Green school9", "Red school9"])
    page.locator("#grid a.picture").first.focus()
    hidden = titles(page).first.text_content()
    assert hidden in ("Hue 48", "Hue 72")
    page.keyboard.press("x")
    expect(schools).to_have_text(["Blue school10", "Green school9", "Red school8"])
    schools.filter(has_text="Red").locator("input").check()
    expect(page.locator("#heading")).to_have_text("8 works, most similar first")
    expect(schools).to_have_text(["Blue school10", "Green school9", "Red school8"])
    page.get_by_role("button", name="Map").click()  # which has no query
    expect(page.locator("#map")).to_be_visible()
    expect(schools).to_have_text(["Blue school10", "Green school10", "Red school10"])


def test_a_double_click_is_one_click_where_a_second_one_would_undo_it(page):
    page.goto("/")
    card(page, "Hue 0").hover()
    star = card(page, "Hue 0").locator(".star")
    star.dblclick()
    expect(star).to_have_attribute("aria-pressed", "true")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Teach").click()
    yes = card(page, "Hue 0").get_by_role("button", name="Yes:")
    yes.dblclick()
    expect(yes).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#teach")).to_contain_text("1 work marked yes, 0 no")


@pytest.mark.parametrize("width", [1300, 820, 390])
def test_nothing_moves_while_an_area_is_drawn_and_the_bar_of_a_set_hides_no_map(page, width):
    page.set_viewport_size({"width": width, "height": 860})
    page.goto("/?view=map&color=artist")
    area = page.get_by_role("button", name="Select an area")
    before = [area.bounding_box(), page.locator(".map-frame").bounding_box()]
    area.click()
    expect(page.locator("#map .bar")).to_contain_text("Draw around the works")
    assert [area.bounding_box(), page.locator(".map-frame").bounding_box()] == before
    area.click()
    page.goto("/?in.artist=Red+school")
    page.get_by_role("button", name="Collect all 10").click()
    page.get_by_role("button", name="Map").click()
    frame = page.locator(".map-frame").bounding_box()
    bar = page.get_by_role("region", name="Collected works").bounding_box()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    end = page.locator(".map-frame").bounding_box()
    assert end["y"] + end["height"] <= bar["y"]
    if width > 400:  # it is seen at once
        assert frame["y"] + frame["height"] <= bar["y"]


@pytest.mark.parametrize("width", [1300, 390])
def test_what_is_opened_in_refine_comes_into_sight(page, width):
    page.set_viewport_size({"width": width, "height": 460})
    page.goto("/")
    expect(titles(page).first).to_be_visible()
    page.locator("#grid .star").first.evaluate("each => each.click()")
    if width == 390:
        page.get_by_role("button", name="Refine").click()
    year = page.locator("#refine details").filter(has_text="Year").locator("summary")
    year.click()  # closed
    ends = page.get_by_label("Year from", exact=True)
    expect(ends).to_be_hidden()
    place = "each => { const box = each.getBoundingClientRect(); return [box.top, box.bottom]; }"
    year.evaluate("each => each.scrollIntoView({ block: 'end' })")
    year.focus()
    page.keyboard.press("Enter")
    expect(ends).to_be_in_viewport(ratio=1)
    bar = page.get_by_role("region", name="Collected works").bounding_box()
    assert ends.evaluate(place)[1] <= bar["y"]


def test_on_a_phone_words_are_whole_and_two_indexes_look_different(browser, address):  # noqa: F811
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with visit(browser, address, **options) as page:
        page.goto("/")
        expect(page.locator("#summary")).to_have_text(
            "Choose a work to see similar ones, or upload a picture."
        )
        select = page.locator("#index")
        wide = select.evaluate(
            """each => {
                const pen = document.createElement("canvas").getContext("2d");
                pen.font = getComputedStyle(each).font;
                return pen.measureText(each.selectedOptions[0].text).width;
            }"""
        )
        assert select.bounding_box()["width"] > wide + 50  # with the room around its text
        # Each word of a caption is on one line.
        broken = page.locator("#grid .caption .by").evaluate_all(
            r"""all => all.flatMap(({ firstChild: text }) =>
                [...text.data.matchAll(/\S+/g)].filter(({ 0: word, index }) => {
                    const range = document.createRange();
                    range.setStart(text, index);
                    range.setEnd(text, index + word.length);
                    return range.getClientRects().length > 1;
                }).map(([word]) => word))"""
        )
        assert broken == []


def test_the_legend_says_how_many_values_are_gray_and_how_they_get_colors(page):
    def with_others(route):
        found = route.fetch().json()
        route.fulfill(json=found | {"others": 3, "values": [-2, -2, *found["values"][2:]]})

    page.route("**/api/colors/map", with_others)
    page.goto("/?view=map&color=artist")
    expect(page.locator(".legend li").last).to_have_text(
        "3 other values (2 works), gray: choose some in Refine to color them"
    )


def test_the_works_before_do_not_pass_for_an_answer_that_is_coming(page):
    page.goto("/?q=1:id:h60")
    expect(page.locator("#heading")).to_have_text("29 works, most similar first")
    coming = []
    page.route("**/search", lambda route: coming.append(route))
    page.locator("#grid a.picture").first.click()
    expect(page.locator("#heading")).to_have_text("Searching…")
    coming[0].continue_()
    expect(page.locator("#heading")).to_have_text("29 works, most similar first")


GROUPS = [
    {"name": f"A name of group {place}", "x": x, "y": y, "works": 9 - place}
    for place, (x, y) in enumerate(
        [(0, 0), (0.1, 0), (0, 0.05), (-0.1, 0.02), (0.9, -0.9), (-1, 1)]
    )
]


def boxes(page):
    """Return the boxes of the names that are seen on the map."""
    names = page.locator(".names:not(.faded) span:not(.away)")
    return [name.bounding_box() for name in names.all()]


@pytest.mark.parametrize("width", [1300, 390])
def test_names_of_groups_lie_over_nothing_and_go_where_pictures_are_large(page, width):
    page.route("**/groups", lambda route: route.fulfill(json=GROUPS))
    page.set_viewport_size({"width": width, "height": 860})
    page.goto("/?view=map")
    expect(page.locator(".names span").first).to_have_text("A name of group 0")
    expect(page.locator(".names span:not(.away)").first).to_be_visible()
    page.wait_for_timeout(300)
    found = boxes(page)
    assert 2 <= len(found) < len(GROUPS) or width > 400
    frame = page.locator(".map-frame").bounding_box()
    for at, one in enumerate(found):
        assert one["x"] >= frame["x"]
        assert one["x"] + one["width"] <= frame["x"] + frame["width"]
        for other in found[at + 1 :]:
            beside = max(one["x"], other["x"]) >= min(
                one["x"] + one["width"], other["x"] + other["width"]
            )
            below = max(one["y"], other["y"]) >= min(
                one["y"] + one["height"], other["y"] + other["height"]
            )
            assert beside or below
    taken = sum(box["width"] * box["height"] for box in found)
    assert taken < 0.14 * frame["width"] * frame["height"]
    # No picture is drawn below a name: there the canvas is empty.
    drawn = page.locator("canvas").last.evaluate(
        """(canvas, boxes) => {
            const { left, top } = canvas.getBoundingClientRect();
            const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const place = (x, y) => Math.round(y) * all.width + Math.round(x);
            const isOn = (x, y) => all.data[4 * place(x, y) + 3] > 0;
            const under = ({ x, y, width, height }) => {
                for (let across = 2; across < width - 2; across += 3) {
                    for (let down = 2; down < height - 2; down += 3) {
                        if (isOn(x - left + across, y - top + down)) return true;
                    }
                }
                return false;
            };
            return [all.data.some(Boolean), boxes.some(under)];
        }""",
        found,
    )
    assert drawn == [True, False]
    for _ in range(8):
        page.get_by_role("button", name="Zoom in").click()
    expect(page.locator(".names")).to_have_class(re.compile("faded"))
    page.get_by_role("button", name="Reset").click()
    expect(page.locator(".names")).not_to_have_class(re.compile("faded"))


def test_on_a_phone_the_picture_of_the_query_opens_like_any_other(browser, address):  # noqa: F811
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with visit(browser, address, **options) as page:
        page.goto("/?q=1:id:h60")
        page.locator("#querybar").get_by_role("button", name="About this work: Hue 60").tap()
        expect(page.locator("#viewer-title")).to_have_text("Hue 60")
        page.get_by_role("button", name="Close").tap()
        expect(page).not_to_have_url(re.compile("#work"))
        page.get_by_role("button", name="Options").tap()
        page.locator(".stage").tap()  # in the query itself, too
        expect(page.locator("#viewer-title")).to_have_text("Hue 60")
        page.get_by_role("button", name="Close").tap()
        expect(page.locator("#tray")).not_to_contain_text("Similar to a detail of")
        page.get_by_label("Picture to search with").set_input_files(
            {"name": "own.png", "mimeType": "image/png", "buffer": png(color_of(0))}
        )
        expect(page.locator("#querybar")).to_contain_text("own.png")
        page.get_by_role("button", name="Options").tap()
        expect(page.locator(".stage")).to_be_hidden()
        page.get_by_role("button", name="Look at the query").tap()  # it has no record
        expect(page.locator(".stage")).to_be_visible()


def test_more_works_come_though_a_busy_browser_reports_late_what_is_near(page):
    page.goto("/")
    called = page.evaluate(
        """async () => {
            let report;
            const usual = globalThis.IntersectionObserver;
            globalThis.IntersectionObserver = class {
                constructor(call) { report = call; }
                observe() {}
            };
            const app = document.querySelector("script").src;
            const { whenNear } = await import(app.replace("app", "basics/scrolling"));
            let called = 0;
            whenNear(document.body, async () => { called += 1; return false; });
            globalThis.IntersectionObserver = usual;
            report([{ isIntersecting: true }, { isIntersecting: false }]);
            const away = called;
            report([{ isIntersecting: false }, { isIntersecting: true }]);
            return [away, called];
        }"""
    )
    assert called == [0, 1]


@pytest.mark.parametrize("touched", [False, True])
def test_a_card_at_rest_has_few_positioned_elements(browser, address, touched):  # noqa: F811
    with visit(browser, address, has_touch=touched, is_mobile=touched) as page:
        page.goto("/?q=1:id:h60")
        expect(page.locator("#grid li")).to_have_count(29)
        page.mouse.move(1, 1)
        positioned = """card => [card, ...card.querySelectorAll("*")].filter(each =>
            each.checkVisibility() && getComputedStyle(each).position !== "static").length"""
        last = page.locator("#grid li").last
        assert last.evaluate(positioned) == (3 if touched else 2)  # its frame and menu, and a star
        if touched:
            return
        last.hover()
        for name in ("Collect", "Add to the query", "More for"):
            expect(last.get_by_label(name).first).to_be_visible()
        last.get_by_role("button", name="Collect").click()
        page.mouse.move(1, 1)
        expect(last.get_by_role("button", name="Collect")).to_be_visible()


def test_the_buttons_below_a_card_are_nearer_to_it_than_to_the_next_row(browser, address):  # noqa: F811
    with visit(browser, address, viewport={"width": 1300, "height": 900}) as page:
        page.goto("/?q=1:id:h60")
        expect(page.locator("#grid li")).to_have_count(29)
        cards = page.locator("#grid > li")
        boxes = cards.evaluate_all("all => all.map(each => each.getBoundingClientRect().toJSON())")
        first, row = (
            boxes[0]["top"],
            min(box["top"] for box in boxes[1:] if box["top"] > boxes[0]["bottom"]),
        )
        lowest = max(
            range(len(boxes)), key=lambda at: (boxes[at]["top"] == first, boxes[at]["bottom"])
        )
        cards.nth(lowest).hover()
        button = cards.nth(lowest).locator(".weigh button").first.bounding_box()
        above = button["y"] - boxes[lowest]["bottom"]
        below = row - button["y"] - button["height"]
        assert 0 <= above < below / 3
        assert below >= 12


@pytest.mark.parametrize("width", [1300, 390])
def test_a_label_where_works_differ_is_broken_only_between_words(browser, address, width):  # noqa: F811
    with visit(browser, address, viewport={"width": width, "height": 844}) as page:
        page.goto("/?q=1:id:h60#work=h72")
        page.get_by_role("button", name="Compare with the query").click()
        differ = page.get_by_role("region", name="Differences")
        expect(differ.get_by_role("rowheader").first).to_be_visible()
        lines = differ.locator("tbody th").evaluate_all(
            """all => all.map((each, at) => {
                const names = ["Movement", "Classification", "Reproduction rights"];
                each.textContent = names[at] ?? "Title";
                each.nextElementSibling.textContent = `https://museum.example/${"long".repeat(30)}`;
                return each;
            }).map((each) => each.textContent.split(" ").map((word) => {
                const range = document.createRange();
                const start = each.textContent.indexOf(word);
                range.setStart(each.firstChild, start);
                range.setEnd(each.firstChild, start + word.length);
                return range.getClientRects().length;
            }))"""
        )
        assert lines[:3] == [[1], [1], [1, 1]]
        record = page.locator("#viewer .record")
        assert record.evaluate("each => each.scrollWidth - each.clientWidth") <= 0
        differ.locator("tbody th").first.evaluate("each => (each.textContent = 'long'.repeat(20))")
        assert record.evaluate("each => each.scrollWidth - each.clientWidth") <= 0


# --- every state, in windows of three widths ------------------------------------------------

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
WIDE = (1300, 820, 390)


def box(locator):
    """Return where an element is, in pixels."""
    return locator.evaluate("each => each.getBoundingClientRect().toJSON()")


@pytest.mark.parametrize("width", WIDE)
def test_tools_start_below_their_heading_or_end_beside_it(browser, address, width):  # noqa: F811
    with visit(browser, address, viewport={"width": width, "height": 900}) as page:
        for view, place in (("wall", "#results"), ("map", "#map")):
            page.goto(f"/?view={view}")
            bar = page.locator(f"{place} .bar")
            tools = bar.locator("#tools, .tools")
            expect(tools).to_be_visible()
            whole, heading, own = box(bar), box(bar.locator("h2")), box(tools)
            if own["top"] >= heading["bottom"]:
                assert own["left"] == whole["left"]
            else:
                assert own["right"] == pytest.approx(whole["right"], abs=1)
            if width != 820:
                assert (own["top"] >= heading["bottom"]) is (width == 390)


@pytest.mark.parametrize("width", WIDE)
def test_what_belongs_together_in_the_options_is_in_line(browser, address, width):  # noqa: F811
    with visit(browser, address, viewport={"width": width, "height": 900}) as page:
        page.goto("/?q=1:id:h60&q=1:id:h72&max-per.artist=2")
        if width == 390:
            page.get_by_role("button", name="Options").click()
        sliders = page.locator(".aspects input")
        expect(sliders).to_have_count(2)
        first, second = box(sliders.first), box(sliders.last)
        assert (first["left"], first["width"]) == (second["left"], second["width"])
        assert second["top"] >= first["bottom"]
        number, column = (
            box(page.get_by_label("Limit per artist")),
            box(page.get_by_label("Per column").first),
        )
        assert column["left"] >= number["right"]
        assert abs(column["top"] - number["top"]) < 4
        expect(page.locator(".first")).to_have_text(" It is enough to be similar to one of them")


def test_a_filter_is_said_as_a_person_would(page):
    page.goto(
        "/?q=1:id:h60&not-same=title&max-per.artist=1&max-per.title=2&earlier-than=1700"
        "&contemporary=100&min-percentile=1&contains.title=hue"
    )
    said = [
        "Title contains “hue”",
        "Not the same title",
        "Only one per artist",
        "Up to 2 per title",
        "Made before 1700",
        "Made within 100 years of the query",
        "More similar than 1% of random pairs",
    ]
    expect(page.locator("#chips .filter > span")).to_have_text(said)
    page.get_by_role("button", name="Remove Only one per artist").click()
    expect(page.locator("#chips .filter > span")).to_have_text([*said[:2], *said[3:]])


def test_a_line_of_the_server_is_a_sentence_on_the_page(page):
    page.goto("/")
    lines = [
        "no work has 'a b'; see 'artsim find'",
        "the file's header isn't there",
        "No work has 'x'; did you mean y?",
    ]
    said = page.evaluate(
        """async (lines) => {
            const { src } = document.querySelector("script[type=module]");
            const { asSentence } = await import(new URL("basics/dom.js", src));
            return lines.map(asSentence);
        }""",
        lines,
    )
    assert said == [
        "No work has “a b”; see “artsim find”.",
        "The file's header isn't there.",
        "No work has “x”; did you mean y?",
    ]


def test_the_numbers_of_a_work_come_first_in_its_record_and_are_copied(page):
    def with_number(route):
        found = route.fetch().json()
        found["metadata"]["inventory_no"] = "P.1900.2"
        route.fulfill(json=found | {"accession": "P.1900.2", "captioned": ["inventory_no"]})

    page.route("**/work?id=h60", with_number)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/#work=h60")
    rows = page.locator(".record tr")
    expect(rows.first).to_contain_text("Inventory no")
    expect(rows).to_have_count(7)
    assert [each.split()[0] for each in rows.all_text_contents()[1:]] == [
        "IDh60", "TitleHue", "ArtistRed", "Year1560", "Pixels90", "FilePNG,"
    ]  # fmt: skip
    for row, number in ((rows.nth(0), "P.1900.2"), (rows.nth(1), "h60")):
        row.get_by_role("button", name="Copy").click()
        expect(row.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == number


def test_what_teach_asks_about_has_its_title_and_artist(page):
    page.goto("/?view=teach")
    for hue in (0, 12):
        card(page, f"Hue {hue}").locator(".marks .yes").click()
    asked = page.locator(".ask li")
    expect(asked).to_have_count(6)
    for each in asked.all():
        hue = int(each.locator(".title").text_content().removeprefix("Hue "))
        made = each.locator(".by").text_content()
        assert re.fullmatch(rf"(Red|Green|Blue) school, {1500 + hue}", made)


def test_the_card_of_a_point_lies_over_the_names_of_groups(page):
    group = {"name": "Frans Hals, portrait", "x": 0, "y": 0, "works": 5}
    page.route("**/groups", lambda route: route.fulfill(json=[group]))
    page.goto("/?view=map")
    expect(page.locator(".names span")).to_have_text(group["name"], use_inner_text=True)
    page.locator("canvas[role=application]").press("ArrowRight")
    expect(page.locator(".tip")).to_be_visible()
    level = "each => Number(getComputedStyle(each).zIndex)"
    assert page.locator(".tip").evaluate(level) > page.locator(".names span").first.evaluate(level)


def test_on_a_phone_menus_are_as_high_as_a_finger_and_names_of_sets_are_read(browser, address):  # noqa: F811
    with visit(browser, address, **PHONE) as page:
        page.goto("/")
        for hue in (0, 12, 24):
            card(page, f"Hue {hue}").locator(".star").tap()
        bar = page.locator("#collection")
        bar.locator("summary", has_text="▾").tap()
        bar.get_by_role("button", name="New set").tap()
        page.get_by_role("dialog").get_by_role("textbox").fill("Harbors at dawn")
        page.get_by_role("button", name="Create").tap()
        page.get_by_label("Set", exact=True).select_option("My set")
        assert box(page.get_by_label("Set", exact=True))["width"] > 110
        expect(bar.get_by_role("button", name="Compare", exact=True)).to_be_hidden()
        bar.locator("summary", has_text="▾").tap()
        entries = bar.locator(".menu[open] div button")
        expect(entries.nth(1)).to_have_text("Compare two works")
        assert min(box(each)["height"] for each in entries.all()) > 40
        entries.nth(1).tap()
        expect(bar.get_by_role("status")).to_have_text("Choose two works to compare.")
        page.locator("#tools [data-keep=export]").tap()
        entries = page.locator("#tools .menu[open] div button")
        assert min(box(each)["height"] for each in entries.all()) > 40


def test_on_a_phone_both_fields_for_words_can_be_read(browser, address):  # noqa: F811
    with visit(browser, address, **PHONE) as page:
        for query in ("", "&q=1:id:h60"):
            page.goto(f"/?index=words{query}")
            expect(page.locator("#heading")).to_contain_text("works")
            find, words = box(page.locator("#find")), box(page.locator("#words"))
            assert words["top"] >= find["bottom"]
            assert min(find["width"], words["width"]) > 250


@pytest.mark.parametrize("width", [1500, 1300, 1210, 820])
def test_beside_several_collections_both_fields_for_words_can_be_read(browser, address, width):  # noqa: F811
    with visit(browser, address, viewport={"width": width, "height": 700}) as page:
        for query in ("", "&q=1:id:h60"):
            page.goto(f"/?index=words{query}")
            expect(page.locator("#heading")).to_contain_text("works")
            for field in (page.locator("#find"), page.locator("#words")):
                assert said_whole(field)


def said_whole(field):
    """Return whether a field is wide enough for what stands in it while it is empty."""
    return field.evaluate(
        """each => {
            const { font, paddingLeft, paddingRight } = getComputedStyle(each);
            const context = document.createElement("canvas").getContext("2d");
            context.font = font;
            const room = each.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
            return context.measureText(each.placeholder).width <= room;
        }"""
    )


@pytest.mark.parametrize("width", [1300, 1000])
def test_refine_stays_below_the_top_of_the_page_to_the_end(browser, address, width):  # noqa: F811
    with visit(browser, address, viewport={"width": width, "height": 500}) as page:
        for path in ("/", "/?index=words"):
            page.goto(path)
            expect(page.locator("#grid li")).to_have_count(30)
            page.locator("#grid a.picture").first.focus()
            for star in ("", "s"):
                page.keyboard.press(star or "Shift")
                expect(page.locator("#collection")).to_be_visible(visible=bool(star))
                page.evaluate("each => scrollTo(0, document.body.scrollHeight)")
                top, refine = box(page.locator(".top")), box(page.locator("#refine"))
                assert page.evaluate("scrollY") > 300
                assert refine["top"] >= top["bottom"]
                page.evaluate("scrollTo(0, 0)")
            page.keyboard.press("s")
            expect(page.locator("#collection")).to_be_hidden()


@pytest.mark.parametrize("width", [820, 390])
def test_a_menu_without_room_to_the_left_starts_where_its_button_starts(browser, address, width):  # noqa: F811
    with visit(browser, address, viewport={"width": width, "height": 844}) as page:
        for path, works in (("/?q=1:id:h60", 29), ("/?q=1:id:h60&in.artist=Red+school", 9)):
            page.goto(path)
            expect(page.locator("#grid li")).to_have_count(works)
            page.locator("#tools [data-keep=export]").click()
            menu = page.locator("#tools .menu[open]")
            entries = menu.locator(":scope > div")
            expect(entries).to_have_attribute("style", re.compile("translate"))
            button, panel = box(menu), box(entries)
            assert panel["left"] == pytest.approx(button["left"], abs=1)
            assert box(page.locator("main"))["left"] < panel["left"] < panel["right"] < width


def test_no_card_lies_over_an_area_that_is_drawn(page):
    page.goto("/?view=map")
    page.get_by_role("button", name="Select an area").click()
    frame, tip = box(page.get_by_role("application")), page.locator(".tip")
    steps = [(across, down) for down in range(20, 400, 20) for across in range(20, 900, 20)]
    for across, down in steps:
        x, y = frame["left"] + across, frame["top"] + down
        page.mouse.move(x, y)
        if tip.is_visible():
            break
    expect(tip).to_be_visible()
    page.mouse.down()
    expect(tip).to_be_hidden()
    page.mouse.move(x + 60, y)
    page.mouse.move(x + 60, y + 60)
    expect(tip).to_be_hidden()
    page.mouse.up()


def test_the_title_in_place_of_a_lost_picture_is_no_underlined_link(page):
    page.route("**/picture?*", lambda route: route.abort())
    page.goto("/")
    lost = page.locator("#grid .picture .gone")
    expect(lost).to_have_count(30)
    line = lost.first.evaluate("each => getComputedStyle(each.parentElement).textDecorationLine")
    assert line == "none"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chosen_size_is_told_by_more_than_the_color_of_a_line(browser, address, scheme):  # noqa: F811
    with visit(browser, address, color_scheme=scheme) as page:
        page.goto("/")
        expect(page.locator("#grid li")).to_have_count(30)
        filled = page.locator(".sizes button").evaluate_all(
            """all => all.map((each) => {
                const { backgroundColor, borderTopColor } = getComputedStyle(each, "::before");
                return backgroundColor === borderTopColor;
            })"""
        )
        assert filled == [False, True, False]


@pytest.mark.parametrize("width", WIDE)
def test_every_size_puts_another_number_of_pictures_into_a_row(browser, address, width):  # noqa: F811
    with visit(browser, address, viewport={"width": width, "height": 844}) as page:
        page.goto("/")
        expect(page.locator("#grid li")).to_have_count(30)
        in_a_row = []
        for size in page.locator(".sizes button").all():
            size.click()
            expect(size).to_have_attribute("aria-pressed", "true")
            tops = [box(card)["top"] for card in page.locator("#grid li").all()]
            in_a_row.append(len(tops) / len(set(tops)))
        small, medium, large = in_a_row
        assert small > 1.55 * medium
        assert medium > 1.4 * large
