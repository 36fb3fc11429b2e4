"""The server behind a proxy that shows it under a path of its own."""

import re

import pytest
from click.testing import CliRunner
from conftest import wait_until
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
from test_server import Visitor

from artsim.cli import cli
from artsim.server import Limits, make_app

PREFIX = "/en/search"


@pytest.fixture(scope="module")
def app(museum):  # noqa: F811 - the fixture
    return make_app(museum, prefix=PREFIX, limits=Limits(iiif=True))


@pytest.fixture(scope="module")
def address(app):
    with serving(app) as address:
        yield address


@pytest.mark.parametrize("kept", ["", PREFIX], ids=["taken away by the proxy", "kept"])
def test_every_address_answers_with_and_without_the_prefix(app, kept):
    visitor = Visitor(app)
    assert visitor.get(f"{kept}/health").json() == {"status": "ok"}
    assert visitor.get(f"{kept}/api/indexes").json()[0]["name"] == "colors"
    found = visitor.post(f"{kept}/api/colors/search", json={"terms": [{"id": "h60"}], "k": 1})
    assert found.json()["matches"][0]["id"] in ("h48", "h72")
    assert visitor.get(f"{kept}/page/app.js").status_code == 200
    described = visitor.get(f"{kept}/iiif/colors/h60/info.json")
    assert described.json()["id"] == f"http://127.0.0.1{PREFIX}/iiif/colors/h60"
    assert described.headers["access-control-allow-origin"] == "*"


def test_another_path_is_not_taken_for_the_prefix(app):
    assert Visitor(app).get("/en/searching/api/indexes").status_code == 404
    page = Visitor(app).get("/nowhere", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert re.findall(r'href="([^"]*)"', page.text)[:3] == [
        f"{PREFIX}/page/icon.svg",
        f"{PREFIX}/page/style.css",
        f"{PREFIX}/",
    ]


def test_a_token_leads_to_the_page_under_the_prefix(museum):  # noqa: F811 - the fixture
    locked = make_app(museum, prefix=PREFIX, tokens=["secret"])
    answer = Visitor(locked).get(f"{PREFIX}/?token=secret")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PREFIX}/")


@pytest.mark.parametrize("opened", ["/en/search", "/en/search/?q=1:id:h60"])
def test_the_page_stays_under_the_prefix(browser, address, opened):  # noqa: F811 - the fixture
    with visit(browser, address) as page:
        page.goto(opened)
        card(page, "Hue 72").locator("a.picture").click()
        expect(page.locator("#tray .name")).to_have_text("Hue 72")
        shown = page.evaluate("location.pathname + decodeURIComponent(location.search)")
        assert shown == f"{opened.partition('?')[0]}?index=colors&q=1:id:h72"
        picture = page.locator("#grid img").first
        wait_until("a picture is drawn", lambda: picture.evaluate("it => it.naturalWidth > 0"))
        page.reload()
        expect(page.locator("#tray .name")).to_have_text("Hue 72")
        page.go_back()
        expect(page.locator("#grid li")).not_to_have_count(0)
        page.locator("#home").click()
        expect(page.locator("#heading")).to_have_text("30 works")


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/api/x", "/api is the server's own"), ("../x", "no path"), ("/a b", "no path")],
)
def test_a_path_that_cannot_be_a_prefix_is_refused(path, reason):
    said = CliRunner().invoke(cli, ["serve", "--prefix", path])
    assert said.exit_code == 2
    assert reason in said.output
