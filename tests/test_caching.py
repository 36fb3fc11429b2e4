"""What is kept by browsers and proxies, and which other websites may ask."""

import re

import pytest
from click.testing import CliRunner
from test_image_service import WORK
from test_image_service import museum as scans  # noqa: F401 - a fixture
from test_server import ROOM, Visitor, encoder, museum, search, store  # noqa: F401 - fixtures

from artsim.cli import cli
from artsim.server import Limits, iiif, make_app, pages
from artsim.server.pages import PAGE
from artsim.server.pictures import Thumbnails

OTHER = "https://museum.example"
QUERY = {"terms": [{"id": "a0"}], "k": 2}


@pytest.fixture(scope="module")
def visitor(museum):  # noqa: F811 - the fixture
    return Visitor(make_app(museum, limits=Limits(origins=(OTHER,), matches=6)))


# --- kept ---------------------------------------------------------------------------------


def test_a_small_copy_is_sent_once_and_not_made_again(visitor, monkeypatch):
    path = f"{ROOM}/picture?id=a0"
    first = visitor.get(path)
    assert (first.status_code, first.headers["cache-control"]) == (200, "max-age=3600")
    tag = first.headers["etag"]
    monkeypatch.setattr(Thumbnails, "get", lambda *_: pytest.fail("it is made again"))
    for known in (tag, f'"other", W/{tag}'):
        again = visitor.get(path, headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    monkeypatch.undo()
    other = visitor.get(f"{path}&side=1024", headers={"if-none-match": tag})
    assert (other.status_code, other.headers["etag"] == tag) == (200, False)


def test_a_part_of_a_picture_is_sent_once_and_not_decoded_again(scans, monkeypatch):  # noqa: F811
    asks = Visitor(make_app(scans)).get
    path = f"{WORK}/0,0,400,300/200,/0/default.jpg"
    first = asks(path)
    assert first.status_code == 200
    monkeypatch.setattr(iiif, "_decoded", lambda *_: pytest.fail("it is decoded again"))
    again = asks(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    monkeypatch.undo()
    other = asks(
        f"{WORK}/0,0,400,300/100,/0/default.jpg", headers={"if-none-match": first.headers["etag"]}
    )
    assert other.status_code == 200


def test_behind_a_token_pictures_are_kept_by_browsers_alone(museum):  # noqa: F811 - the fixture
    locked = Visitor(make_app(museum, tokens=["t"]), headers={"authorization": "Bearer t"})
    found = locked.get(f"{ROOM}/picture?id=a0")
    assert found.headers["cache-control"] == "private, max-age=3600"


def test_the_files_of_the_page_are_compressed_and_asked_for_each_time(visitor):
    first = visitor.get("/page/app.js")
    assert (first.headers["content-encoding"], first.headers["cache-control"]) == (
        "gzip",
        "no-cache",
    )
    plain = visitor.get("/page/app.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == first.text
    again = visitor.get("/page/app.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"
    some = visitor.get("/page/app.js", headers={"range": "bytes=0-1999"})
    assert (some.status_code, some.content) == (206, plain.content[:2000])


def test_the_page_names_all_its_modules_to_load_them_at_once_and_only_once(visitor):
    named = re.findall(r'<link rel="modulepreload" href="(/page/.+)">', visitor.get("/").text)
    folder = named[0].removesuffix("app.js")
    modules = sorted(file.relative_to(PAGE).as_posix() for file in PAGE.rglob("*.js"))
    assert named == [folder + module for module in modules]
    assert {"app.js", "map/points.js"} <= set(modules)
    for file in ["style.css", *modules]:
        found = visitor.get(folder + file)
        assert found.text == (PAGE / file).read_text()
        assert found.headers["cache-control"] == "max-age=31536000, immutable"


def test_of_another_version_of_the_page_there_are_no_files(visitor):
    assert visitor.get("/page/0123456789abcdef/app.js").status_code == 404


def test_any_change_of_the_page_is_another_version(tmp_path, monkeypatch):
    (tmp_path / "map").mkdir()
    (tmp_path / "map/map.js").write_text("1")
    monkeypatch.setattr(pages, "PAGE", tmp_path)
    first = pages.version.__wrapped__()
    (tmp_path / "map/map.js").write_text("2")
    assert pages.version.__wrapped__() != first
    (tmp_path / "map/map.js").write_text("1")
    assert pages.version.__wrapped__() == first


# --- pages of matches ---------------------------------------------------------------------


def test_pages_of_matches_are_cut_from_one_ranking(visitor):
    whole = search(visitor, {"id": "a0"}, k=6)["matches"]
    pages = [
        match
        for offset in (0, 2, 4)
        for match in search(visitor, {"id": "a0"}, k=2, offset=offset)["matches"]
    ]
    assert pages == whole
    assert [match["rank"] for match in pages] == [1, 2, 3, 4, 5, 6]


def test_a_page_beyond_the_last_match_is_refused(visitor):
    refused = visitor.post(f"{ROOM}/search", json={**QUERY, "offset": 5})
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "at most 6 matches are possible, got offset + k = 7",
    )


# --- other websites -----------------------------------------------------------------------


def test_pages_of_an_allowed_website_may_ask(visitor):
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    before = visitor.request("OPTIONS", f"{ROOM}/search", headers={"origin": OTHER, **asked})
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == OTHER
    assert "content-type" in before.headers["access-control-allow-headers"]
    headers = {"origin": OTHER, "sec-fetch-site": "cross-site"}
    answer = visitor.post(f"{ROOM}/search", json=QUERY, headers=headers)
    assert (answer.status_code, len(answer.json()["matches"])) == (200, 2)
    assert answer.headers["access-control-allow-origin"] == OTHER
    assert answer.headers["vary"] == "Origin"
    refused = visitor.post(f"{ROOM}/search", json={"terms": []}, headers=headers)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (400, OTHER)


def test_pages_of_any_other_website_may_not(visitor):
    for origin in ("https://evil.example", "http://museum.example", "null", f"{OTHER}.evil"):
        headers = {"origin": origin, "sec-fetch-site": "cross-site"}
        answer = visitor.post(f"{ROOM}/search", json=QUERY, headers=headers)
        assert answer.status_code == 403
        read = visitor.get("/api/indexes", headers=headers)
        assert "access-control-allow-origin" not in read.headers


def test_an_allowed_website_sends_the_token_in_a_header(museum):  # noqa: F811 - the fixture
    locked = Visitor(make_app(museum, tokens=["t"], limits=Limits(origins=(OTHER,))))
    headers = {"origin": OTHER, "sec-fetch-site": "cross-site"}
    refused = locked.post(f"{ROOM}/search", json=QUERY, headers=headers)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, OTHER)
    headers["authorization"] = "Bearer t"
    assert locked.post(f"{ROOM}/search", json=QUERY, headers=headers).status_code == 200


@pytest.mark.parametrize("origin", ["*", "museum.example", "https://museum.example/search", "null"])
def test_what_is_no_origin_is_refused(origin):
    said = CliRunner().invoke(cli, ["serve", "--allow-origin", origin])
    assert said.exit_code == 2
    assert "is no origin; give one such as https://museum.example" in " ".join(said.output.split())
