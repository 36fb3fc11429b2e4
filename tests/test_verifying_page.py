"""The matches of a detail checked by where their parts lie: on the page, in a real browser."""

import json
import re
import threading
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from serving import serving
from test_motifs import planted  # noqa: F401 - fixtures
from test_page import _patient, browser, expect, visit  # noqa: F401 - fixtures

from artsim.search import IndexEncoder, SearchRequest, Term, Works
from artsim.server import Museum, make_app, verifying
from artsim.server.remembering import RememberingEncoder
from artsim.server.verifying import Verifier
from artsim.store import Store

QUERY = "/?q=1@8.33,8.33,54.17,54.17:id:a.png&details=1"  # what was pasted, mirrored, into b


@pytest.fixture(scope="module")
def museum(planted):  # noqa: F811 - the fixture
    return Museum([Store.open(planted)], IndexEncoder)


@pytest.fixture(scope="module")
def address(museum):
    with serving(make_app(museum)) as address:
        yield address


@pytest.fixture
def page(browser, address):  # noqa: F811 - the fixture
    with visit(browser, address) as page:
        yield page


def body(**changes):
    term = {"id": "a.png", "crop": [8.33, 8.33, 54.17, 54.17]}
    return {"terms": [term], "details": True, "k": 100} | changes


def send(address, path, data=None, kind="application/json"):
    """Send a message; return status and answer."""
    data = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
    request = Request(f"{address}/api/{path}", data, {"content-type": kind})
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def answered(address, wanted):
    """Ask until it is ready."""
    for _ in range(600):
        _, found = send(address, "index/verify", wanted)
        if found.get("state") != "looking":
            return found
        assert 0 <= found["done"] <= found["works"] <= 4
        assert found["answer"] is None
        time.sleep(0.1)
    pytest.fail("never ready")


def test_matches_that_have_the_detail_are_first_with_its_place(address):
    assert send(address, "indexes")[1][0]["verifies"] is True
    found = answered(address, body())
    assert found["state"] == "ready"
    best, *others = found["answer"]["matches"]
    assert best["id"] == "b.png"
    assert best["evidence"] > 3 * others[0]["evidence"]
    x, y, width, height = (float(each.rstrip("%")) for each in best["box"].split(","))
    assert 30 <= x <= 52  # pasted from 37.5% to 91.7%, and 25% to 79.2%
    assert 18 <= y <= 40
    assert x + width <= 98
    assert y + height <= 86
    assert [each["rank"] for each in (best, *others)] == [1, 2, 3]


def test_an_upload_is_checked_as_the_picture_of_a_work_is(address, planted):  # noqa: F811
    data = (planted.parent / "made" / "a.png").read_bytes() + b"\0"  # no file of the index
    _, sent = send(address, "index/uploads", data, "image/png")
    term = {"upload": sent["upload"], "name": "mine", "crop": [8.33, 8.33, 54.17, 54.17]}
    first, second, *others = answered(address, body(terms=[term]))["answer"]["matches"]
    assert [first["id"], second["id"]] == ["a.png", "b.png"]
    assert second["evidence"] > 3 * others[0]["evidence"]


@pytest.mark.parametrize("wanted", [body(details=False), body(k=101)])
def test_only_so_many_matches_for_details_are_checked(address, wanted):
    reason = "at most 100 matches are checked, for details and in an index with tiles"
    assert send(address, "index/verify", wanted) == (400, {"error": reason})


def test_what_nobody_waits_for_is_given_up(museum, monkeypatch):
    (room,) = museum.rooms.values()
    answer = room.searcher.search(SearchRequest(terms=(Term(id="a.png"),), details=True, k=3))
    verifier = Verifier(room.works, room.encoder)
    monkeypatch.setattr(verifying, "_PATIENCE", -1.0)
    verifier.start("left", answer, [None])
    for thread in threading.enumerate():
        if thread.name == "artsim-verify":
            thread.join(60)
    assert verifier.find("left") is None


def test_a_failure_is_reported_once_and_tried_again(museum, monkeypatch):
    (room,) = museum.rooms.values()
    answer = room.searcher.search(SearchRequest(terms=(Term(id="a.png"),), details=True, k=3))
    verifier = Verifier(room.works, room.encoder)

    def fail(*args, **more):
        raise MemoryError

    monkeypatch.setattr("artsim.motifs.verify_matches", fail)
    job = verifier.start("a", answer, [None])
    for thread in threading.enumerate():
        if thread.name == "artsim-verify":
            thread.join(60)
    assert (job.state, job.reason) == ("failed", "not enough memory at the moment")
    assert verifier.find("a") is job
    assert verifier.find("a") is None


def test_an_index_without_tiles_or_feature_maps_offers_no_check(planted, tmp_path):  # noqa: F811
    import artsim
    from artsim.errors import ModelError

    index = artsim.embed(planted.parent / "made", output=tmp_path / "whole")
    store = Store.open(index.path)
    assert Verifier(Works(store), RememberingEncoder(IndexEncoder(store))).is_possible is False
    store = Store.open(planted)
    verifier = Verifier(Works(store), RememberingEncoder(IndexEncoder(store)))
    verifier.warm()
    assert verifier.is_possible is True
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*args, **more):
            raise ModelError("'' has no feature map")

        patch.setattr("artsim.motifs.FeatureMaps", refuse)
        verifier.warm()
    assert verifier.is_possible is False


def test_the_page_checks_details_and_shows_where_they_are(page):
    page.goto(QUERY)
    check = page.get_by_role("button", name="Check the details of all")
    with page.expect_response("**/index/verify"):
        check.click()
    expect(page).to_have_url(re.compile("verified=1"))
    expect(page.locator("#summary")).to_contain_text(
        "Among 3 other works. Of 3 matches that were checked, 1 has parts"
    )
    expect(page.locator("#heading")).to_have_text("Works with the detail")
    best = page.locator("#grid li").first
    expect(best.locator("img")).to_have_attribute("alt", re.compile("detail at the .*"))
    expect(best).to_contain_text(", checked")
    expect(page.locator("#more")).to_have_text("Showing all 3 works")
    # The others stand apart with the reason, and no detail of one is shown, or percentile.
    items = page.locator("#grid > li")
    expect(items.nth(1)).to_have_text(
        "Without the detail"
        "Their parts do not lie as in the detail, so no part is marked and no percentile is shown."
    )
    assert [items.nth(at).locator(".found").count() for at in (0, 2, 3)] == [1, 0, 0]
    for at in (2, 3):
        expect(items.nth(at)).not_to_contain_text("detail")
    expect(page.locator("#grid .figures")).to_have_count(0)
    items.nth(2).locator("a.picture").focus()
    page.keyboard.press("d")  # the keys mean the work that has the focus
    expect(page.locator("#viewer .quiet").first).to_have_text("2 of 3")
    expect(page.locator("#viewer .found")).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Undo the check").click()
    expect(check).to_be_visible()
    expect(page.locator("#grid li").first).not_to_contain_text(", checked")
    page.go_back()
    expect(page.locator("#heading")).to_have_text("Works with the detail")
    page.get_by_label("Find works that contain it as a detail").uncheck()
    expect(page.locator("#summary")).to_contain_text("compared with whole pictures")
    expect(page.get_by_role("button", name=re.compile("check", re.I))).to_have_count(0)


def test_where_none_has_the_detail_it_is_said_why_marks_and_percentiles_are_gone(page):
    def without(route):
        found = (got := route.fetch()).json()
        for match in (found["answer"] or {"matches": []})["matches"]:
            match["evidence"] = 1.0
        route.fulfill(response=got, json=found)

    page.route("**/index/verify", without)
    page.goto(f"{QUERY}&verified=1")
    expect(page.locator("#heading")).to_have_text("None has the detail")
    expect(page.locator("#summary")).to_contain_text(
        "Of 3 matches that were checked, none has parts that lie as in the detail, "
        "so no part is marked and no percentile is shown."
    )
    expect(page.locator("#grid").locator(".figures, .found, .below")).to_have_count(0)


def test_a_check_shows_how_far_it_is_and_can_be_stopped(page):
    def looking(route):
        route.fulfill(json={"state": "looking", "done": 34, "works": 100, "answer": None})

    page.route("**/index/verify", looking)
    page.goto(f"{QUERY}&verified=1")
    said = "Checking the details of the best matches: 34 of 100. "
    expect(page.locator("#summary")).to_contain_text(said)
    assert page.get_by_role("progressbar").evaluate("bar => bar.value / bar.max") == 0.34
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Check the details of all")).to_be_visible()
    expect(page.locator("#grid li")).to_have_count(3)


def test_a_check_that_fails_leaves_the_matches_as_they_were(page):
    failed = {"state": "failed", "reason": "not enough memory at the moment", "answer": None}
    page.route("**/index/verify", lambda route: route.fulfill(json=failed))
    page.goto(f"{QUERY}&verified=1")
    expect(page.locator("#error")).to_contain_text("not enough memory at the moment")
    expect(page.locator("#grid li")).to_have_count(3)
    expect(page.get_by_role("button", name="Check the details of all")).to_be_visible()
    assert "verified" not in page.url
