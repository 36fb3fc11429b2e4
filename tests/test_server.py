"""The server: it answers as the library does, shows works of its indexes only, and keeps limits."""

import asyncio
import errno
import hashlib
import io
import json
import os
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import unquote

import httpx2
import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import MeanColor, toy_passport, wait_until, without_umap
from PIL import Image
from pydantic import TypeAdapter
from search_toys import WORKS, at, make_store
from serving import serving, web

from artsim.cli import cli
from artsim.datatypes import Field, FieldType
from artsim.embedding import embed_collection
from artsim.errors import ImageError, ModelError, ResourcesError, SearchError, StoreError
from artsim.index.layout import LayoutPlan, layout_file, make_layout
from artsim.labels import add_label
from artsim.models import Extractor
from artsim.readers import read_collection
from artsim.search import (
    Condition,
    IndexEncoder,
    Op,
    PreparedPicture,
    Searcher,
    SearchRequest,
    Term,
    Works,
)
from artsim.server import Limits, Museum, make_app
from artsim.server.batching import Batcher
from artsim.server.collecting import collecting
from artsim.server.duplicating import duplicating
from artsim.server.facets import count_values
from artsim.server.mapping import color_by
from artsim.server.messages import BrowseIn
from artsim.server.pictures import Thumbnails, Uploads
from artsim.server.remembering import RememberingEncoder
from artsim.server.room import Room
from artsim.server.routes import api
from artsim.server.teaching import teaching
from artsim.store import Store, write_added

SCRIPT = "<script>alert(1)</script>"


class Colors:
    """Sends a red picture east and a blue one north; a text goes where it says."""

    def __init__(self):
        self.batches = []

    def prepare(self, data, box):
        from artsim.images import decode

        picture = decode(data)
        pixels = picture.pixels
        if box is not None:
            left, top, right, bottom = box.edges(pixels.shape[1], pixels.shape[0])
            pixels = pixels[top:bottom, left:right]
        mean = pixels.reshape(-1, 3).mean(axis=0)
        return PreparedPicture(mean, picture.width, picture.height)

    def embed(self, pixels):
        self.batches.append(len(pixels))
        time.sleep(0.05)
        return {"compass": np.array([[p[0], p[2]] for p in pixels], dtype=np.float32)}

    def embed_texts(self, texts):
        degrees = [float(text) if text.isdecimal() else 10 * len(text) for text in texts]
        return {"compass": at(*degrees)}


def png(color, size=(40, 20)):
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("museum")
    (folder / "pictures").mkdir()
    for id_ in WORKS:
        if id_ != "b20":  # its picture is gone
            (folder / "pictures" / f"{id_}.png").write_bytes(png("red"))
    (folder / "secret.png").write_bytes(png("blue"))
    degrees, artists, years, _, media = zip(*WORKS.values(), strict=True)
    return make_store(
        folder / "compass index",
        list(WORKS),
        {"compass": at(*degrees)},
        {
            "title": [SCRIPT, "=1+1", None, "b", "c", "n", "ü"],
            "artist": list(artists),
            "year": list(years),
            "medium": list(media),
        },
        images=[f"{id_}.png" for id_ in WORKS],
        root=folder / "pictures",
    )


@pytest.fixture(scope="module")
def encoder():
    return Colors()


@pytest.fixture(scope="module")
def museum(store, encoder):
    museum = Museum([store], lambda _: encoder)
    yield museum
    museum.close()


def check_as_described(method, answer):
    """Compare an answer with what the interface's description says of it."""
    path = unquote(answer.request.url.path)
    for router in (api, teaching, collecting, duplicating):
        for route in router.routes:
            model = route.responses.get(200, {}).get("model")
            is_asked = method in route.methods and route.path_regex.match(path)
            if model and is_asked and answer.status_code == 200:
                TypeAdapter(model).validate_python(answer.json())


class Visitor:
    """Asks an application without a network between."""

    def __init__(self, app, host="127.0.0.1", headers=None):
        self.app = app
        self.base = f"http://{host}"
        self.headers = headers or {}

    def request(self, method, path, **more):
        async def send():
            transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url=self.base) as client:
                return await client.request(
                    method, path, headers=self.headers | more.pop("headers", {}), **more
                )

        answer = asyncio.run(send())
        check_as_described(method, answer)
        return answer

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, **more):
        return self.request("POST", path, **more)


ROOM = "/api/compass index"


@pytest.fixture(scope="module")
def visitor(museum):
    return Visitor(make_app(museum, limits=Limits(matches=50, terms=4, upload_bytes=4096)))


def search(visitor, *terms, **options):
    answer = visitor.post(f"{ROOM}/search", json={"terms": list(terms), **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(found):
    return [match["id"] for match in found["matches"]]


# --- questions ----------------------------------------------------------------------------


def test_an_index_lists_the_queries_it_takes(visitor):
    (index,) = visitor.get("/api/indexes").json()
    assert index["name"] == "compass index"
    assert index["rows"] == 7
    assert index["taps"] == [{"name": "compass", "title": "Overall", "pooling": "none", "dim": 2}]
    assert {"name": "medium", "type": "list"} in index["fields"]
    assert index["years"] == ["year"]
    assert (index["words"], index["map"], index["urls"]) == (False, None, False)


def test_a_search_by_id_answers_as_the_library_does(visitor, store):
    found = search(visitor, {"id": "a0"}, k=3)
    said = Searcher(store).search(SearchRequest(terms=(Term(id="a0"),), k=3))
    assert ids(found) == [match.id for match in said.matches] == ["a10", "b20", "b30"]
    assert [m["score"] for m in found["matches"]] == pytest.approx([m.score for m in said.matches])
    assert [m["percentile"] for m in found["matches"]] == [m.percentile for m in said.matches]
    assert found["matches"][0] | {"metadata": None, "percentile": None, "score": None} == {
        "rank": 1,
        "id": "a10",
        "score": None,
        "percentile": None,
        "shares": {},
        "box": None,
        "evidence": None,
        "width": 20,
        "height": 10,
        "title": "=1+1",
        "artist": "Ada",
        "date": "1610",
        "metadata": None,
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"conditions": [{"column": "artist", "op": "in", "value": ["Cyd"]}]}, ["c40", "c90"]),
        ({"conditions": [{"column": "medium", "op": "=", "value": "oil"}]}, ["a10", "n60"]),
        ({"not_same": ["artist"]}, ["b20", "b30", "c40", "c90"]),
        ({"contemporary": 50}, ["a10", "b20"]),
        ({"earlier_than": 1620}, ["a10"]),
        ({"max_per": {"artist": 1}}, ["a10", "b20", "c40", "n60"]),
        ({"exclude": ["a10", "b20"], "k": 1}, ["b30"]),
    ],
)
def test_every_option_of_the_command_line_is_accepted(visitor, options, expected):
    assert ids(search(visitor, {"id": "a0"}, **options)) == expected


def test_plus_and_minus_move_the_query(visitor):
    more = search(visitor, {"id": "b20"}, {"id": "c90"}, k=1)
    less = search(visitor, {"id": "b20"}, {"id": "c90", "weight": -0.5}, k=1)
    assert (ids(more), ids(less)) == (["n60"], ["a0"])


def test_the_closest_term_counts_on_request(visitor):
    assert set(ids(search(visitor, {"id": "a0"}, {"id": "c90"}, any=True, k=2))) == {"a10", "b20"}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"terms": [{"id": "a0"}], "details": True}, 400, "--tiles"),
        ({"terms": [{"id": "a00"}]}, 404, "no picture has the id 'a00' in 'compass index'"),
        ({"terms": []}, 400, "the query is empty"),
        ({"terms": [{"id": "a0", "text": "b"}]}, 400, "exactly one"),
        ({"terms": [{"id": "a0"}], "k": 51}, 400, "at most 50 matches are possible, got k = 51"),
        ({"terms": [{"id": "a0"}] * 5}, 400, "a query has at most 4 terms, got 5"),
        ({"terms": [{"id": "a0"}], "where": "1 = 1"}, 422, "where"),
        ({"terms": [{"url": "http://127.0.0.1/"}]}, 400, "does not fetch pictures from the web"),
        (
            {"terms": [{"upload": "0" * 64}]},
            400,
            "the uploaded picture has expired; upload it again",
        ),
        ({"terms": [{"file": "/etc/passwd"}]}, 422, "file"),
        (
            {"terms": [{"id": "a0"}], "conditions": [{"column": "1; drop", "op": "="}]},
            400,
            "1; drop",
        ),
    ],
)
def test_an_impossible_query_gives_a_one_line_error(visitor, store, body, status, said):
    answer = visitor.post(f"{ROOM}/search", json=body)
    assert answer.status_code == status
    assert said in answer.text
    assert str(store.path.parent) not in answer.text


def test_an_unknown_index_lists_the_known_ones(visitor):
    answer = visitor.post("/api/other/search", json={"terms": [{"id": "a0"}]})
    assert answer.status_code == 404
    assert answer.json() == {"error": "no index 'other'; choose from compass index"}


# --- uploads ------------------------------------------------------------------------------


def send(visitor, data, kind="image/png"):
    return visitor.post(f"{ROOM}/uploads", content=data, headers={"content-type": kind})


def test_an_uploaded_picture_is_a_query_and_is_cropped(visitor):
    half = Image.new("RGB", (40, 20), "red")
    half.paste((0, 0, 255), (20, 0, 40, 20))
    out = io.BytesIO()
    half.save(out, "PNG")
    sent = send(visitor, out.getvalue()).json()
    assert (sent["width"], sent["height"]) == (40, 20)
    term = {"upload": sent["upload"], "name": "mine.png"}
    assert ids(search(visitor, term, k=2)) == ["c40", "b30"]  # 45 degrees: both equally similar
    assert ids(search(visitor, term | {"crop": [50, 0, 50, 100]}, k=1)) == ["c90"]
    assert search(visitor, term, k=1)["queries"][0]["name"] == "mine.png"


def test_a_picture_on_the_web_is_a_query_if_allowed(museum, monkeypatch):
    visitor = Visitor(make_app(museum, limits=Limits(fetch=True)))
    with web({"/blue.png": png("blue"), "/page": b"<html>"}) as address:
        named = address.replace("127.0.0.1", "localhost") + "/blue.png"
        private = visitor.post(f"{ROOM}/search", json={"terms": [{"url": named}]}).json()
        assert private == {
            "error": f"'{named}' cannot be fetched (refused): give a public http or https "
            "address of a picture"
        }
        monkeypatch.setattr("artsim.fetch.network.is_public", lambda _: True)
        found = search(visitor, {"url": f"{address}/blue.png"}, k=2)
        assert ids(found) == ["c90", "n60"]
        assert found["queries"][0]["name"] == f"{address}/blue.png"
        assert ids(search(visitor, {"url": f"{address}/blue.png"}, {"id": "a0"}, k=1)) == ["c40"]
        for path, said in (("/page", "not a picture"), ("/none", "404")):
            answer = visitor.post(f"{ROOM}/search", json={"terms": [{"url": address + path}]})
            assert answer.status_code == 400
            assert said in answer.json()["error"]


def test_a_slow_download_times_out_and_delays_no_other_visitor(museum, monkeypatch):
    monkeypatch.setattr("artsim.fetch.network.is_public", lambda _: True)
    app = make_app(museum, limits=Limits(fetch=True, answer_seconds=3))
    over = threading.Event()
    with web({"/slow.png": over}) as address, ThreadPoolExecutor(2) as pool:
        body = {"terms": [{"url": f"{address}/slow.png"}]}
        slow = [pool.submit(Visitor(app).post, f"{ROOM}/search", json=body) for _ in range(2)]
        by_id = Visitor(app).post(f"{ROOM}/search", json={"terms": [{"id": "a0"}]})
        assert by_id.status_code == 200
        for answer in slow:
            assert answer.result(timeout=20).status_code == 503
            assert answer.result().json() == {"error": "no answer within 3 s; try again"}
        over.set()


@pytest.mark.parametrize(
    ("data", "kind", "status", "said"),
    [
        (b"<html>no picture</html>", "image/png", 400, "picture"),
        (png("red")[:60], "image/png", 400, ""),
        (b"", "image/png", 400, "the file is empty"),
        (png("red"), "text/plain", 400, "content type image/*"),
        (b"0" * 5000, "image/png", 413, "the request is larger than the limit of 4,096 bytes"),
    ],
)
def test_an_upload_that_is_no_picture_is_refused(visitor, data, kind, status, said):
    answer = send(visitor, data, kind)
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_the_oldest_uploads_make_room_for_new_ones():
    uploads = Uploads(Limits(kept_bytes=2 * len(png("red"))))
    colors = RememberingEncoder(Colors())
    first, second, third = (uploads.add(png((n, 0, 0)), colors)[0] for n in (1, 2, 3))
    assert uploads.get(third) == png((3, 0, 0))
    assert uploads.get(second) == png((2, 0, 0))
    with pytest.raises(SearchError, match="has expired"):
        uploads.get(first)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded():
    uploads = Uploads(Limits(upload_pixels=799))
    with pytest.raises(ImageError, match="pixels"):
        receive(uploads, png("red"))
    uploads.close()


def receive(uploads, data):
    """Receive a visitor's picture, and return what is said of it."""

    async def body():
        return data

    return asyncio.run(uploads.receive(body, RememberingEncoder(Colors())))


def test_large_pictures_wait_for_each_other_and_small_ones_for_none():
    """Two large ones at once would take twice the memory; bombs are large."""
    large = png("red", size=(4_500, 4_500))

    async def send_all(uploads):
        ends = []

        async def send(name, data):
            async def body():
                return data

            await uploads.receive(body, RememberingEncoder(Colors()))
            ends.append(name)

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(send("large", large + b"%d" % number))
            while not uploads._lanes[1]._turns.locked():
                await asyncio.sleep(0.01)
            group.create_task(send("small", png("blue")))
        return ends

    uploads = Uploads(Limits())
    assert asyncio.run(send_all(uploads))[:2].count("small") == 1
    uploads.close()


def test_a_picture_that_takes_too_much_memory_is_refused_for_good():
    uploads = Uploads(Limits(decode_bytes=64 << 20))
    with pytest.raises(ImageError, match="more than the 34 MB that may be used") as caught:
        receive(uploads, png("red", size=(4_000, 4_000)))
    assert not isinstance(caught.value, ResourcesError)
    uploads.close()


# --- works and pictures -------------------------------------------------------------------


def test_browsing_shows_every_work_once_in_random_order(visitor):
    def page(offset, **more):
        body = {"offset": offset, "limit": 3, "seed": 5} | more
        return visitor.post(f"{ROOM}/browse", json=body).json()

    pages = [page(offset) for offset in (0, 3, 6)]
    assert {work["id"] for each in pages for work in each["works"]} == set(WORKS)
    assert page(0)["total"] == 7
    assert page(0) == pages[0]
    kept = page(0, seed=None)
    assert [work["id"] for work in kept["works"]] == ["a0", "a10", "b20"]


def test_facets_count_values_under_the_conditions_on_other_columns(visitor):
    body = {"conditions": [{"column": "artist", "op": "=", "value": "Ada"}]}
    by_column = {f["column"]: f for f in visitor.post(f"{ROOM}/facets", json=body).json()}
    counts = {v["value"]: v["count"] for v in by_column["artist"]["values"]}
    assert counts == {"Ada": 2, "Bob": 2, "Cyd": 2}
    counts = {v["value"]: v["count"] for v in by_column["medium"]["values"]}
    assert counts == {"oil": 2, "canvas": 1}
    assert {name: facet["missing"] for name, facet in by_column.items()} == {
        "artist": 1,  # of all works, those of other artists too
        "year": 0,
        "medium": 0,
    }


def test_a_chosen_value_stays_visible(visitor, monkeypatch):
    monkeypatch.setattr("artsim.server.facets._SHOWN", 1)
    chosen = {"column": "artist", "op": "in", "value": ["Cyd"]}
    facets = visitor.post(f"{ROOM}/facets", json={"conditions": [chosen]}).json()
    (artists,) = [facet for facet in facets if facet["column"] == "artist"]
    assert [each["value"] for each in artists["values"]] == ["Ada", "Cyd"]


def test_a_chosen_value_without_works_stays_at_zero(visitor):
    body = {
        "conditions": [
            {"column": "artist", "op": "in", "value": ["Cyd", "Ada"]},
            {"column": "year", "op": "between", "value": [1600, 1605]},
        ]
    }
    (artists,) = [f for f in visitor.post(f"{ROOM}/facets", json=body).json() if "values" in f][:1]
    counts = {each["value"]: each["count"] for each in artists["values"]}
    assert counts["Cyd"] == 0
    assert counts["Ada"] > 0


def test_numbers_are_a_histogram_between_the_ends_of_all_works(visitor):
    body = {"conditions": [{"column": "artist", "op": "=", "value": "Ada"}]}
    (years,) = [f for f in visitor.post(f"{ROOM}/facets", json=body).json() if "bars" in f]
    low, high = years["low"], years["high"]
    assert years["whole"]
    assert sum(years["bars"]) == 2
    assert years["bars"][0] == 1  # 1600, and 1610
    everything = [row[2] for row in WORKS.values() if row[2] is not None]
    assert (low, high) == (min(everything), max(everything))


def test_values_of_a_facet_are_found_by_a_part_of_them(visitor):
    body = {"column": "artist", "containing": "D"}
    found = visitor.post(f"{ROOM}/values", json=body).json()
    assert {each["value"] for each in found} == {"Ada", "Cyd"}
    answer = visitor.post(f"{ROOM}/values", json=body | {"column": "nothing"})
    assert (answer.status_code, "no column 'nothing'" in answer.json()["error"]) == (400, True)


def test_derived_labels_and_stored_predictions_are_facets_and_colors(tmp_path):
    years = [1500 + 10 * n for n in range(20)]
    ids = [f"w{n}" for n in range(20)]
    make_store(tmp_path / "index", ids, {"east": at(*range(20))}, {"year": years})
    add_label(tmp_path / "index", "century = floor(year / 100) + 1")
    predicted = pa.table({"id": ids, "school": ["north", "south"] * 10})
    field = Field("school", FieldType.TEXT)
    write_added(tmp_path / "index", field, predicted, {"kind": "prediction"})
    works = Works(Store.open(tmp_path / "index"))
    facets = {each["column"]: each for each in count_values(works, [])}
    assert list(facets) == ["year", "school", "century"]
    counts = {each["value"]: each["count"] for each in facets["century"]["values"]}
    assert {float(value): count for value, count in counts.items()} == {16: 10, 17: 10}
    one = Condition("century", Op.IN, (min(counts),))
    schools = count_values(works, [one])[1]["values"]
    assert {each["value"]: each["count"] for each in schools} == {"north": 5, "south": 5}
    assert len(color_by(works, "century", np.arange(20))["classes"]) == 2
    is_known = count_values(works, [Condition("school", Op.KNOWN)])[1]["values"]
    assert {each["value"]: each["count"] for each in is_known} == {"north": 10, "south": 10}


def test_words_are_found_in_any_text_of_a_work_and_narrow_every_list(visitor):
    body = {"find": "ada"}
    found = visitor.post(f"{ROOM}/browse", json=body).json()
    assert found["total"] == 2
    answer = visitor.post(f"{ROOM}/search", json=body | {"terms": [{"id": "b20"}]}).json()
    assert answer["searched"] == 2
    assert {match["metadata"]["artist"] for match in answer["matches"]} == {"Ada"}
    none = visitor.post(f"{ROOM}/browse", json={"find": "nowhere at all"}).json()
    assert none["total"] == 0
    assert none["nothing"].startswith("No work has 'nowhere'")
    meant = visitor.post(f"{ROOM}/browse", json={"find": "adda"}).json()
    assert meant["nothing"] == "No work has 'adda'; did you mean 'ada'?"
    near = visitor.post(f"{ROOM}/browse", json={"find": "b21"}).json()
    assert near["nothing"] == "No work has 'b21'; did you mean 'b20'?"
    assert near["instead"] == "b20"


def test_the_facets_of_an_answer_count_what_is_related_to_the_query_as_asked(visitor):
    body = {"terms": [{"id": "b20"}], "not_same": ["artist"]}
    answer = visitor.post(f"{ROOM}/search", json=body).json()
    ((artist,),) = [each["value"] for each in answer["relations"]]
    (facet,) = [
        each
        for each in visitor.post(f"{ROOM}/facets", json={"relations": answer["relations"]}).json()
        if each["column"] == "artist"
    ]
    assert artist not in {each["value"] for each in facet["values"] if each["count"]}
    assert sum(each["count"] for each in facet["values"]) == answer["searched"]


@pytest.mark.parametrize("name", ["conditions", "relations"])
def test_a_condition_that_only_the_library_makes_is_refused(visitor, name):
    body = {name: [{"column": "artist", "op": "among", "value": "Ada"}]}
    answer = visitor.post(f"{ROOM}/browse", json=body)
    assert answer.status_code == 400
    assert "cannot be compared with 'among'" in answer.json()["error"]


def test_a_work_is_described_with_its_caption(visitor):
    work = visitor.get(f"{ROOM}/work", params={"id": "a0"}).json()
    assert (work["title"], work["artist"], work["date"]) == (SCRIPT, "Ada", "1600")
    assert work["metadata"]["medium"] == ["oil"]


@pytest.fixture
def twice(tmp_path):
    """Small copies of two works whose pictures are byte for byte the same."""
    for id_ in ("a", "b"):
        (tmp_path / f"{id_}.png").write_bytes(png("red"))
    hashes = [hashlib.sha256(png("red")).hexdigest()] * 2
    made = make_store(
        tmp_path / "index", ["a", "b"], {"compass": at(0, 0)}, hashes=hashes, root=tmp_path
    )
    return Thumbnails(Searcher(made).works)


def test_a_thumbnail_is_a_jpeg(visitor):
    copy = visitor.get(f"{ROOM}/picture", params={"id": "a0"})
    assert copy.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(copy.content)).size == (40, 20)


def test_a_thumbnail_is_made_once_and_cached(twice, tmp_path):
    twice.get("a", 320)
    (kept,) = (tmp_path / "index" / "thumbnails" / "320").glob("*")
    kept.write_bytes(b"kept")
    assert twice.get("a", 320) == twice.get("b", 320) == b"kept"


def test_a_changed_picture_gets_a_new_thumbnail(twice, tmp_path):
    (tmp_path / "a.png").write_bytes(png("blue"))

    def color(id_):
        return Image.open(io.BytesIO(twice.get(id_, 320))).getpixel((5, 5))

    assert color("a")[2] > 200  # what is there now
    assert color("b")[0] > 200  # never that of another work
    assert color("a")[0] > 200  # what the index knows, once it is kept


def test_two_visitors_never_write_one_thumbnail_at_once(twice, monkeypatch):
    writing, written = threading.Lock(), []

    def write(file, _, clear):
        assert writing.acquire(blocking=False)
        time.sleep(0.05)
        writing.release()
        written.append(file)

    monkeypatch.setattr("artsim.server.pictures.write_whole", write)
    with ThreadPoolExecutor(2) as pool:
        copies = set(pool.map(lambda id_: twice.get(id_, 320), ["a", "b"]))
    assert (len(copies), len(set(written)), len(written)) == (1, 1, 2)


@pytest.mark.parametrize(
    "id_", ["b20", "secret", "../secret.png", "/etc/passwd", "..%2fsecret.png", "a0\0", ""]
)
def test_only_works_of_the_index_are_served(visitor, store, id_):
    answer = visitor.get(f"{ROOM}/picture", params={"id": id_})
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]
    assert str(store.path.parent) not in answer.text


@pytest.mark.parametrize(
    "path", ["/page/../app.py", "/page/%2e%2e/app.py", "/page//etc/passwd", "/../app.py"]
)
def test_the_page_does_not_lead_out_of_its_folder(visitor, path):
    assert visitor.get(path).status_code == 404


def test_a_map_gives_each_work_its_place_and_class(visitor, store, monkeypatch):
    without_umap(monkeypatch)
    missing = visitor.post(f"{ROOM}/map", json={})
    assert missing.status_code == 404
    assert "run 'artsim map'" in missing.json()["error"]
    points = make_layout(store, "compass", LayoutPlan(neighbors=3))
    found = visitor.post(f"{ROOM}/map", json={"label": "artist"}).json()
    assert found["ids"] == list(WORKS)
    assert np.allclose(found["x"], points[:, 0], atol=1e-4)
    names = [found["classes"][v] if v >= 0 else None for v in found["values"]]
    assert names == [artist for _, artist, *_ in WORKS.values()]
    assert found["met"] is None
    file = layout_file(store, "compass")
    file.write_bytes(file.read_bytes()[:50])
    damaged = visitor.post(f"{ROOM}/map", json={})
    assert damaged.status_code == 404
    assert "is damaged" in damaged.json()["error"]
    assert str(store.path) not in damaged.json()["error"]


def test_a_map_marks_works_that_meet_conditions_and_shows_them_first(visitor, store, monkeypatch):
    without_umap(monkeypatch)
    make_layout(store, "compass", LayoutPlan(neighbors=3))
    request = {"conditions": [{"column": "artist", "op": "=", "value": "Cyd"}]}
    found = visitor.post(f"{ROOM}/map", json=request).json()
    assert found["ids"] == list(WORKS)
    assert found["met"] == [0, 0, 0, 0, 1, 0, 1]
    monkeypatch.setattr("artsim.server.room._POINTS", 3)
    fewer = visitor.post(f"{ROOM}/map", json=request).json()
    assert len(fewer["ids"]) == 3
    assert {"c40", "c90"} == {
        id_ for id_, met in zip(fewer["ids"], fewer["met"], strict=True) if met
    }


def test_an_area_of_the_map_narrows_every_list(visitor, store, monkeypatch):
    without_umap(monkeypatch)
    points = make_layout(store, "compass", LayoutPlan(neighbors=3))
    right = float(np.sort(points[:, 0])[3:5].mean())
    area = {"lasso": [[right, -9], [9, -9], [9, 9], [right, 9]]}
    within = {id_ for id_, (x, _) in zip(WORKS, points, strict=True) if x > right}
    found = visitor.post(f"{ROOM}/browse", json=area).json()
    assert {work["id"] for work in found["works"]} == within
    assert sum(visitor.post(f"{ROOM}/map", json=area).json()["met"]) == len(within)
    assert visitor.get(f"{ROOM}/groups").json() == []  # of seven works none are named


# --- files --------------------------------------------------------------------------------


def export(visitor, kind):
    body = {"terms": [{"id": "a0"}], "k": 2}
    answer = visitor.post(f"{ROOM}/export/{kind}", json=body)
    assert answer.status_code == 200, answer.text
    assert "attachment" in answer.headers["content-disposition"]
    return answer.content.decode("utf-8-sig")


def test_an_answer_is_exported_as_a_spreadsheet_a_page_and_a_manifest(visitor, store):
    rows = export(visitor, "csv").splitlines()
    assert rows[0] == "rank,score,percentile,id,image,title,artist,year,medium"
    assert rows[1].split(",")[3:6] == ["a10", "a10.png", "'=1+1"]
    assert "Similar to a0" in export(visitor, "html")
    manifest = json.loads(export(visitor, "iiif"))
    assert manifest["type"] == "Manifest"
    for kind in ("csv", "html", "iiif"):
        assert str(store.path.parent) not in export(visitor, kind)


# --- the guard ----------------------------------------------------------------------------


def test_every_answer_carries_the_policy(visitor):
    for path in ("/", "/api/indexes", "/api/none/work?id=1", "/nowhere"):
        headers = visitor.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script-src 'self';" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_only_visitors_with_the_token_are_answered(museum):
    app = make_app(museum, tokens=["open sesame"])
    assert Visitor(app).get("/api/indexes").status_code == 401
    assert Visitor(app).get("/?token=wrong").status_code == 401
    page = Visitor(app).get("/?token=wrong", headers={"accept": "text/html,*/*"})
    assert (page.status_code, page.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "Open the address that you were given" in page.text
    for address in re.findall('href="([^"]+)"', page.text):  # it looks as the others do
        assert Visitor(app).get(address).status_code == 200
    assert Visitor(app).get("/page/app.js").status_code == 401
    assert "default-src 'none'" in page.headers["content-security-policy"]
    shown = Visitor(app, headers={"authorization": "Bearer open sesame"})
    assert shown.get("/api/indexes").status_code == 200
    entered = Visitor(app).get("/", params={"token": "open sesame"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    visitor = Visitor(app, headers={"cookie": cookie.partition(";")[0]})
    assert visitor.get("/api/indexes").status_code == 200


def test_servers_on_one_host_have_separate_cookies(museum):
    apps = {token: make_app(museum, tokens=[token]) for token in ("one", "two")}
    jar = httpx2.Cookies()  # as of a browser, which knows hosts and no ports
    for token, app in apps.items():
        said = Visitor(app).get("/", params={"token": token}).headers["set-cookie"]
        name, _, value = said.partition(";")[0].partition("=")
        jar.set(name, value)
    both = "; ".join(f"{name}={value}" for name, value in jar.items())
    for app in apps.values():
        assert Visitor(app, headers={"cookie": both}).get("/api/indexes").status_code == 200


@pytest.mark.parametrize("token", ["a+b/c=", "ł&#é", 'open; "sesame"'])
def test_a_token_can_be_any_text(museum, token):
    app = make_app(museum, tokens=[token])
    shown = Visitor(app, headers={"authorization": f"Bearer {token}".encode()})
    assert shown.get("/api/indexes").status_code == 200
    entered = Visitor(app).get("/", params={"token": token})
    cookie = entered.headers["set-cookie"].partition(";")[0]
    assert Visitor(app, headers={"cookie": cookie}).get("/api/indexes").status_code == 200


@pytest.mark.parametrize("other", ["a@b/c=1", 'x={"a": 1}', b"\xff=\xfe", "=;;", "artsim2"])
def test_other_cookies_of_the_machine_are_ignored(museum, other):
    app = make_app(museum, tokens=["sesame"])
    cookie = Visitor(app).get("/?token=sesame").headers["set-cookie"].partition(";")[0].encode()
    other = other if isinstance(other, bytes) else other.encode()
    both = Visitor(app, headers={"cookie": other + b"; " + cookie})
    assert both.get("/api/indexes").status_code == 200
    assert Visitor(app, headers={"cookie": other}).get("/api/indexes").status_code == 401


def test_an_empty_token_is_refused(museum, store):
    from click.testing import CliRunner

    app = make_app(museum, tokens=[""])
    assert Visitor(app).get("/api/indexes").status_code == 401
    assert Visitor(app).get("/?token=").status_code == 401
    bearer = Visitor(app, headers={"authorization": "Bearer "})
    assert bearer.get("/api/indexes").status_code == 401
    command = ["serve", str(store.path), "--host", "0.0.0.0", "--token", ""]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 2
    assert "the token is empty" in done.output


def test_the_printed_address_gives_access(store, monkeypatch):
    from click.testing import CliRunner

    ports = []

    def listen(_, sockets):
        ports.extend(each.getsockname()[1] for each in sockets)

    monkeypatch.setattr("uvicorn.Server.run", listen)
    command = ["serve", str(store.path), "--port", "0", "--token", "a+b= &é"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0
    assert f"http://127.0.0.1:{ports[0]}/?token=a%2Bb%3D%20%26%C3%A9 " in done.output


def test_a_port_in_use_is_reported_in_one_line_before_any_address(store):
    from click.testing import CliRunner

    with web({}) as address:
        port = address.rpartition(":")[2]
        done = CliRunner().invoke(cli, ["serve", str(store.path), "--port", port])
    assert done.exit_code == 1
    assert done.output == (
        f"Error: cannot listen on port {port} of 127.0.0.1 (Address already in use); "
        "choose another --port or --host\n"
    )


def test_a_head_is_answered_as_a_get(visitor):
    for path in ("/", "/api/indexes", "/page/app.js"):
        assert visitor.request("HEAD", path).status_code == 200


def test_a_name_that_is_not_the_servers_is_refused(museum):
    app = make_app(museum, hosts=["127.0.0.1", "localhost"])
    assert Visitor(app, host="localhost:8000").get("/api/indexes").status_code == 200
    of_six = Visitor(make_app(museum, hosts=["[::1]"]))
    for host in ("[::1]", "[::1]:8000"):
        assert of_six.get("/api/indexes", headers={"host": host}).status_code == 200
    refused = Visitor(app, host="evil.example").get("/api/indexes")
    assert refused.status_code == 421
    assert "evil.example" in refused.json()["error"]


def test_a_query_that_is_too_long_is_refused(visitor):
    answer = visitor.post(f"{ROOM}/search", content=b"[" * (1 << 20) + b"[")
    assert answer.status_code == 413


def test_a_request_sent_too_slowly_times_out(museum):
    app = make_app(museum, limits=Limits(upload_seconds=0.05))

    async def slow():
        yield png("red")[:10]
        await asyncio.sleep(5)

    answer = Visitor(app).post(
        f"{ROOM}/uploads", content=slow(), headers={"content-type": "image/png"}
    )
    assert answer.status_code == 408


def test_an_answer_that_takes_too_long_times_out(museum, monkeypatch):
    app = make_app(museum, limits=Limits(answer_seconds=0.01))
    monkeypatch.setattr(Searcher, "search_many", lambda *_: time.sleep(0.2) or [])
    answer = Visitor(app).post(f"{ROOM}/search", json={"terms": [{"id": "a0"}]})
    assert answer.status_code == 503
    time.sleep(0.3)  # the batcher is done before another test uses it


def test_the_interface_has_an_openapi_description(visitor):
    paths = visitor.get("/api/openapi.json").json()["paths"]
    assert {"/api/{index}/search", "/api/{index}/uploads", "/api/indexes"} <= set(paths)
    search = paths["/api/{index}/search"]["post"]
    assert (search["operationId"], search["tags"]) == ("search_search", ["search"])
    for code in ("400", "404", "422", "429", "503"):  # as they are answered
        schema = search["responses"][code]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Refused"}
    assert list(paths["/api/{index}/uploads"]["post"]["requestBody"]["content"]) == ["image/*"]
    schema = search["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/FoundOut"}
    untyped = [
        path
        for path, methods in paths.items()
        for method in methods.values()
        if path.startswith("/api/")
        and method["responses"]["200"].get("content", {}).get("application/json", {}).get("schema")
        in ({}, {"type": "object", "additionalProperties": True})
    ]
    assert untyped == []
    operations = [each["operationId"] for path in paths.values() for each in path.values()]
    assert len(set(operations)) == len(operations)


def test_the_description_of_the_interface_says_that_a_token_is_needed(museum):
    described = Visitor(make_app(museum, tokens=["t"]), headers={"authorization": "Bearer t"})
    found = described.get("/api/openapi.json").json()
    assert found["components"]["securitySchemes"] == {
        "HTTPBearer": {"type": "http", "scheme": "bearer"}
    }
    assert found["paths"]["/api/indexes"]["get"]["security"] == [{"HTTPBearer": []}]


def test_a_work_that_is_not_there_is_404_wherever_it_is_named(visitor):
    for answer in (
        visitor.get(f"{ROOM}/work", params={"id": "zz"}),
        visitor.post(f"{ROOM}/search", json={"terms": [{"id": "zz"}]}),
    ):
        assert answer.status_code == 404
        assert "'zz'" in answer.json()["error"]


# --- many visitors ------------------------------------------------------------------------


def test_pictures_of_waiting_visitors_are_embedded_together(store):
    encoder = Colors()
    batcher = Batcher(Searcher(store, encoder=encoder))
    data = [png((250 - n, 0, n * 20)) for n in range(9)]
    waiting = [batcher.search(SearchRequest(terms=(Term(data=each),), k=1)) for each in data]
    found = [each.result(timeout=20).matches[0].id for each in waiting]
    batcher.close()
    alone = Searcher(store, encoder=Colors())
    assert found == [
        alone.search(SearchRequest(terms=(Term(data=d),), k=1)).matches[0].id for d in data
    ]
    assert sum(encoder.batches) == 9
    assert len(encoder.batches) < 9


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_what_needs_the_network_gives_way_to_queries_by_id(store, monkeypatch):
    niceness = {}
    answer = Searcher.search_many

    def watched(self, requests):
        niceness[requests[0].k] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return answer(self, requests)

    monkeypatch.setattr(Searcher, "search_many", watched)
    batcher = Batcher(Searcher(store, encoder=Colors()))
    for k, term in ((1, Term(id="a0")), (2, Term(data=png("red")))):
        batcher.search(SearchRequest(terms=(term,), k=k)).result(timeout=20)
    batcher.close()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert niceness == {1: own, 2: max(own, 10)}


def test_a_wrong_query_does_not_spoil_the_rest_of_its_batch(store):
    batcher = Batcher(Searcher(store))
    waiting = [
        batcher.search(SearchRequest(terms=(Term(id=id_),), k=1)) for id_ in ("a0", "zz", "c90")
    ]
    assert waiting[0].result(timeout=20).matches[0].id == "a10"
    with pytest.raises(SearchError, match="'zz'"):
        waiting[1].result(timeout=20)
    assert waiting[2].result(timeout=20).matches[0].id == "n60"
    batcher.close()


def test_a_query_that_fails_as_a_whole_does_not_spoil_the_rest_of_its_batch(store):
    class NoWords(Colors):
        def embed_texts(self, texts):
            raise ModelError("the network knows no words")

    encoder = NoWords()
    batcher = Batcher(Searcher(store, encoder=encoder))
    first = SearchRequest(terms=(Term(data=png("red")),), k=1)  # the others come while it is asked
    words = SearchRequest(terms=(Term(text="gold"),), k=1)
    waiting = [batcher.search(each) for each in (first, first, words, first)]
    with pytest.raises(ModelError, match="no words"):
        waiting[2].result(timeout=20)
    assert [waiting[n].result(timeout=20).matches[0].id for n in (0, 1, 3)] == ["a0"] * 3
    batcher.close()


def test_a_network_never_embeds_and_explains_at_once(store, monkeypatch):
    class Network:
        busy, met = threading.Lock(), 0

        def embed_batch(self, pixels):
            if not self.busy.acquire(blocking=False):
                self.met += 1
                return {}
            time.sleep(0.02)
            self.busy.release()
            return {}

    network = Network()
    monkeypatch.setattr(IndexEncoder, "extractor", network)
    monkeypatch.setattr(
        "artsim.explain.explain_answer",
        lambda _, encoder: [encoder.extractor.embed_batch([]) or ()],
    )
    encoder = IndexEncoder(store)
    room = Room(store, RememberingEncoder(encoder), {})
    answer = room.searcher.search(SearchRequest(terms=(Term(id="a0"),)))
    with ThreadPoolExecutor(4) as pool:
        explained = [pool.submit(room.explain, answer, "a10") for _ in range(4)]
        embedded = [pool.submit(encoder.embed, [torch.zeros(3, 2, 2)]) for _ in range(4)]
    assert [each.result() for each in (*explained, *embedded)] == [[]] * 4 + [{}] * 4
    assert network.met == 0
    room.batcher.close()


def test_an_index_that_others_are_compared_by_keeps_its_network(tmp_path):
    stores = [
        make_store(tmp_path / name, ["a", "b", "c"], {"compass": at(*degrees)})
        for name, degrees in (("one", (0, 10, 20)), ("two", (0, 90, 5)))
    ]
    encoders = []

    def encode(_):
        encoders.append(Colors())
        return encoders[-1]

    museum = Museum(stores, encode)
    visitor = Visitor(make_app(museum))
    kind = {"content-type": "image/png"}
    key = visitor.post("/api/one/uploads", content=png("blue"), headers=kind).json()["upload"]
    request = {"terms": [{"upload": key}], "by": [{"name": "compass"}, {"name": "two:compass"}]}
    found = visitor.post("/api/one/search", json=request).json()["matches"]
    assert [match["id"] for match in found] == list("bca")
    assert [encoder.batches for encoder in encoders] == [[1], [1]]
    museum.close()


@pytest.mark.parametrize(
    "made_by",
    [
        {"weights_source": "file:/home/ada/weights/vgg.pth"},
        {"weights_source": "vectors in /home/ada/vectors/clip.npy"},
        {"spec": "run:/home/ada/runs/paintings-1@conv2d_3"},
    ],
)
def test_visitors_do_not_see_the_folder_of_a_network(store, made_by):
    passport = replace(store.manifest.passport, **made_by)
    museum = Museum(
        [Store(store.path, replace(store.manifest, passport=passport))], lambda _: Colors()
    )
    visitor = Visitor(make_app(museum))
    said = visitor.get("/api/indexes").text
    said += visitor.post(f"{ROOM}/export/html", json={"terms": [{"id": "a0"}]}).text
    assert made_by.popitem()[1].rpartition("/")[2] in said
    assert "/home/ada" not in said
    museum.close()


def test_an_open_index_is_served_unchanged_during_an_embed(tmp_path):
    made = make_store(tmp_path / "index", ["a", "b"], {"compass": at(0, 5)}, {"title": ["A", "B"]})
    room = Room(made, RememberingEncoder(Colors()), {})
    for file in (tmp_path / "index" / "parts").iterdir():
        file.unlink()
    assert [each["title"] for each in room.browse(BrowseIn(limit=9, seed=None))["works"]] == [
        "A",
        "B",
    ]
    room.batcher.close()


SHADES = {"red": (250, 20, 10), "rose": (240, 60, 60), "blue": (10, 20, 250), "sky": (60, 90, 240)}


@pytest.fixture
def growing(tmp_path):
    """A folder of pictures that is embedded to an index, again and again."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()

    def embed(**shades):
        for file in pictures.iterdir():
            file.unlink()
        for name, shade in shades.items():
            (pictures / f"{name}.png").write_bytes(png(SHADES[shade]))
        toy = Extractor(MeanColor(), toy_passport())
        embed_collection(read_collection(pictures), tmp_path / "index", toy)
        return Store.open(tmp_path / "index")

    return embed


def saved(visitor):
    """Return all that a server shows of its works: similar ones, best first, by id."""
    works = visitor.post("/api/index/browse", json={"seed": None}).json()["works"]
    return {
        work["id"]: ids(
            visitor.post("/api/index/search", json={"terms": [{"id": work["id"]}]}).json()
        )
        for work in works
    }


def test_an_index_that_is_embedded_again_is_reopened(growing):
    museum = Museum([growing(a="red", b="blue", c="sky")], lambda _: Colors())
    visitor = Visitor(make_app(museum))
    assert saved(visitor) == {
        "a.png": ["c.png", "b.png"],
        "b.png": ["c.png", "a.png"],
        "c.png": ["b.png", "a.png"],
    }
    assert museum.refresh() == []  # nothing has changed
    growing(a="red", b="blue", new="rose", gone_from_c="sky")
    before = saved(visitor)
    assert set(before) == {"a.png", "b.png", "c.png"}  # as it was opened, until it is looked at
    assert museum.refresh() == ["index"]
    assert saved(visitor) == {
        "a.png": ["new.png", "gone_from_c.png", "b.png"],
        "b.png": ["gone_from_c.png", "new.png", "a.png"],
        "gone_from_c.png": ["b.png", "new.png", "a.png"],
        "new.png": ["a.png", "gone_from_c.png", "b.png"],
    }
    for name in ("a.png", "new.png"):
        picture = visitor.get("/api/index/picture", params={"id": name})
        assert picture.headers["content-type"] == "image/jpeg"
    growing(new="rose", b="sky")  # one is gone, one is another picture
    assert museum.refresh() == ["index"]
    assert saved(visitor) == {"b.png": ["new.png"], "new.png": ["b.png"]}
    fresh = Museum([Store.open(museum.rooms["index"].store.path)], lambda _: Colors())
    assert saved(Visitor(make_app(fresh))) == saved(visitor)
    for each in (museum, fresh):
        each.close()


def test_an_index_is_not_reopened_before_embed_is_finished(growing, monkeypatch):
    museum = Museum([growing(a="red", b="blue")], lambda _: Colors())
    found = []
    finish = Store.finish

    def looked_at(store):
        found.append(museum.refresh())  # with every part, but not complete
        finish(store)
        found.append(museum.refresh())  # without a search index

    monkeypatch.setattr(Store, "finish", looked_at)
    growing(a="red", b="blue", c="sky")
    assert found == [[], []]
    assert museum.refresh() == ["index"]
    museum.close()


def test_an_index_damaged_later_is_served_as_opened(growing):
    store = growing(a="red", b="blue")
    museum = Museum([store], lambda _: Colors())
    visitor = Visitor(make_app(museum))
    before = saved(visitor)
    growing(a="red", b="blue", c="sky")
    for part in (store.path / "parts").iterdir():
        part.write_bytes(b"torn")
    assert museum.refresh() == []
    assert saved(visitor) == before
    (store.path / "manifest.json").write_text("torn")
    assert museum.refresh() == []
    assert saved(visitor) == before
    museum.close()


def test_an_index_that_could_not_be_reopened_is_tried_again(growing, monkeypatch):
    museum = Museum([growing(a="red", b="blue")], lambda _: Colors())
    growing(a="red", b="blue", c="sky")
    opens = Museum._open
    for error in (MemoryError(), OSError("Too many open files"), StoreError("torn")):
        monkeypatch.setattr(Museum, "_open", raising(error))
        assert museum.refresh() == []
    monkeypatch.setattr(Museum, "_open", opens)
    assert museum.refresh() == ["index"]
    assert museum.rooms["index"].store.rows == 3
    museum.close()


def test_the_watch_for_changes_outlives_an_error(growing, monkeypatch):
    monkeypatch.setattr("artsim.server.app._LOOK_SECONDS", 0.01)
    museum = Museum([growing(a="red", b="blue")], lambda _: Colors())
    looks, refresh, again = [], museum.refresh, threading.Event()

    def looked():
        looks.append(1)
        if len(looks) == 1:
            raise MemoryError
        again.set()
        return refresh()

    monkeypatch.setattr(museum, "refresh", looked)
    with serving(make_app(museum)):
        assert again.wait(60), "it does not look again"


def raising(error):
    def fail(*_):
        raise error

    return fail


def test_a_network_that_is_loaded_is_kept_for_the_same_index(growing):
    made = []

    def encode(_):
        made.append(Colors())
        return made[-1]

    museum = Museum([growing(a="red", b="blue")], encode)
    growing(a="red", b="blue", c="sky")
    assert museum.refresh() == ["index"]
    assert len(made) == 1
    museum.close()


def test_a_running_server_reloads_without_interrupting_queries(growing, monkeypatch):
    monkeypatch.setattr("artsim.server.app._LOOK_SECONDS", 0.02)
    museum = Museum([growing(a="red", b="blue", c="sky")], lambda _: Colors())
    with (
        serving(make_app(museum)) as address,
        httpx2.Client(base_url=address, timeout=60) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        answers, over = [], threading.Event()

        def ask():
            while not over.is_set():
                body = {"terms": [{"id": "a.png"}]}
                answers.append(client.post("/api/index/search", json=body))

        asking = [pool.submit(ask) for _ in range(3)]
        try:
            wait_until("an answer before it grows", lambda: answers)
            growing(a="red", b="blue", d="rose", e="sky")
            wait_until("an answer after it", lambda: ids(answers[-1].json())[0] == "d.png")
        finally:
            over.set()
        assert [each.result(timeout=60) for each in asking] == [None] * 3
    assert {answer.status_code for answer in answers} == {200}
    orders = list(dict.fromkeys(tuple(ids(answer.json())) for answer in answers))
    assert sorted(orders) == [("c.png", "b.png"), ("d.png", "e.png", "b.png")]


def test_a_query_by_id_does_not_wait_for_a_picture(store):
    class Slow(Colors):
        def __init__(self):
            super().__init__()
            self.go_on = threading.Event()

        def embed(self, pixels):
            assert self.go_on.wait(20)
            return super().embed(pixels)

    encoder = Slow()
    batcher = Batcher(Searcher(store, encoder=encoder))
    picture = batcher.search(SearchRequest(terms=(Term(data=png("red")),), k=1))
    by_id = batcher.search(SearchRequest(terms=(Term(id="a0"),), k=1))
    assert by_id.result(timeout=20).matches[0].id == "a10"
    assert not picture.done()
    encoder.go_on.set()
    assert picture.result(timeout=20).matches[0].id == "a0"
    batcher.close()


def test_many_visitors_at_once_get_their_own_answers(visitor):
    def ask(id_):
        return ids(search(visitor, {"id": id_}, k=6))

    expected = {id_: ask(id_) for id_ in WORKS}
    with ThreadPoolExecutor(8) as pool:
        queries = list(WORKS) * 6
        assert list(pool.map(ask, queries)) == [expected[id_] for id_ in queries]


# --- the command --------------------------------------------------------------------------


def test_two_indexes_of_one_name_are_refused(store, encoder):
    with pytest.raises(StoreError, match="the same name"):
        Museum([store, store], lambda _: encoder)


def test_other_machines_need_a_token(store):
    from click.testing import CliRunner

    done = CliRunner().invoke(cli, ["serve", str(store.path), "--host", "0.0.0.0"])
    assert done.exit_code == 2
    assert (
        "--host 0.0.0.0 gives other machines access; protect the server with --token" in done.output
    )


def test_without_fastapi_the_error_names_the_extra(store, monkeypatch):
    import sys

    from click.testing import CliRunner

    for name in [name for name in sys.modules if name.startswith("artsim.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    done = CliRunner().invoke(cli, ["serve", str(store.path)])
    assert done.exit_code == 1
    assert "pip install 'artsim[web]'" in done.output


# ---- bombs ----


def test_many_bombs_at_once_harm_nobody(museum):
    bomb = io.BytesIO()
    Image.new("L", (3_000, 3_000)).save(bomb, "PNG", compress_level=1)
    limits = Limits(decode_bytes=32 << 20, answer_seconds=60, uploads=4)
    with serving(make_app(museum, limits=limits)) as address:

        def visit(number):
            if number % 10 == 0:
                return "search", httpx2.post(
                    f"{address}/api/{quote_name(museum)}/search",
                    json={"terms": [{"id": "a0"}]},
                    timeout=60,
                ).status_code
            return "bomb", httpx2.post(
                f"{address}/api/{quote_name(museum)}/uploads",
                content=bomb.getvalue(),
                headers={"content-type": "image/png"},
                timeout=60,
            ).status_code

        with ThreadPoolExecutor(20) as visitors:
            answers = list(visitors.map(visit, range(20)))
    assert {status for kind, status in answers if kind == "bomb"} == {400, 503}
    assert {status for kind, status in answers if kind == "search"} <= {200}


def quote_name(museum):
    return next(iter(museum.rooms)).replace(" ", "%20")


def test_a_visitors_picture_is_decoded_once_and_never_in_the_server(tmp_path, monkeypatch):
    from conftest import PREPROCESSING

    def prepare(self, data, box):
        from artsim.loader import preprocess

        found, picture = preprocess(data, PREPROCESSING, box=box)
        calls.append((picture.width, box is not None))
        return PreparedPicture(
            found.mean(axis=(1, 2), dtype=np.float32), picture.width, picture.height
        )

    calls = []
    monkeypatch.setattr(Colors, "prepare", prepare)
    (tmp_path / "a.png").write_bytes(png("red", size=(90, 60)))
    made = make_store(
        tmp_path / "index", ["a"], {"compass": at(0)}, images=["a.png"], root=tmp_path
    )
    here = []
    monkeypatch.setattr("artsim.images.apart.decode_here", lambda *_, **__: here.append(1))
    monkeypatch.setattr("artsim.fetch.network.is_public", lambda _: True)
    museum = Museum([made], lambda _: Colors())
    app = make_app(museum, limits=Limits(fetch=True))
    with serving(app) as address, web({"/blue.png": png("blue")}) as other:
        room, kind = f"{address}/api/index", {"content-type": "image/png"}
        sent = httpx2.post(f"{room}/uploads", content=png("blue"), headers=kind, timeout=60).json()
        assert (sent["width"], sent["height"]) == (40, 20)
        for term in (
            {"upload": sent["upload"]},
            {"upload": sent["upload"], "crop": [0, 0, 50, 50]},
            {"url": f"{other}/blue.png"},
            {"id": "a", "crop": [0, 0, 50, 50]},
        ):
            for _ in range(2):
                found = httpx2.post(f"{room}/search", json={"terms": [term]}, timeout=60)
                assert found.status_code == 200, found.text
        assert httpx2.get(f"{room}/picture", params={"id": "a"}, timeout=60).status_code == 200
        page = httpx2.post(f"{room}/export/html", json={"terms": [{"id": "a"}]}, timeout=60)
        assert page.status_code == 200
    assert here == []
    assert calls == [(40, False), (40, True), (90, True)]


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.EMFILE, "Too many open files"), "file descriptors"),
        (RuntimeError("can't start new thread"), "threads"),
    ],
)
def test_a_shortage_is_answered_by_try_again(store, monkeypatch, error, short):
    def fail(*_, **__):
        raise error

    museum = Museum([store], lambda _: Colors())
    monkeypatch.setattr(Searcher, "search_many", fail)
    answer = Visitor(make_app(museum)).post(f"{ROOM}/search", json={"terms": [{"id": "a0"}]})
    assert answer.status_code == 503
    assert answer.json() == {"error": f"not enough {short} at the moment; try again"}
    assert answer.headers["retry-after"] == "10"
    museum.close()


def test_a_thumbnail_that_cannot_be_made_now_may_be_requested_again(twice, monkeypatch):
    def fail(*_, **__):
        raise ResourcesError("no memory for /home/ada/a.png")

    monkeypatch.setattr("artsim.server.pictures.small_copy", fail)
    with pytest.raises(ResourcesError) as caught:
        twice.get("a", 320)
    assert str(caught.value) == "the picture of 'a' cannot be shown now; try again"
