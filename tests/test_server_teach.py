"""Concepts and sets on the server: what visitors may learn, export and, with a token, save."""

import csv
import io
import json
import re
import zipfile

import pytest
from PIL import Image
from search_toys import WORKS, at, make_store
from test_server import Colors, Visitor, png

from artsim.errors import EvaluationError
from artsim.labels import delete_set, read_label, read_sets, save_set
from artsim.prediction import load_concept
from artsim.server import Limits, Museum, make_app

ROOM = "/api/compass"
TOKEN = {"authorization": "Bearer key"}
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def store(tmp_path):
    (tmp_path / "pictures").mkdir()
    for id_ in WORKS:
        if id_ != "b20":  # its picture is gone
            (tmp_path / "pictures" / f"{id_}.png").write_bytes(png("red"))
    degrees, artists, years, _, _ = zip(*WORKS.values(), strict=True)
    columns = {"title": [SCRIPT, "=1+1", None, "b", "c", "n", "ü"]}
    columns |= {"artist": artists, "year": years}
    return make_store(
        tmp_path / "compass",
        list(WORKS),
        {"compass": at(*degrees)},
        columns,
        images=[f"{id_}.png" for id_ in WORKS],
        root=tmp_path / "pictures",
    )


@pytest.fixture
def museum(store):
    museum = Museum([store], lambda _: Colors())
    yield museum
    museum.close()


@pytest.fixture
def visitor(museum):
    return Visitor(make_app(museum, limits=Limits(matches=5)))


@pytest.fixture
def curator(museum):
    return Visitor(make_app(museum, tokens=["key"]), headers=TOKEN)


def ids(works):
    return [work["id"] for work in works]


# --- concepts -----------------------------------------------------------------------------


def test_marks_rank_all_works_and_some_are_to_be_marked_next(visitor):
    wanted = {"positive": ["a0"], "negative": ["c90"], "k": 3, "ask": 2}
    found = visitor.post(f"{ROOM}/teach", json=wanted).json()
    assert ids(found["matches"]) == ["a10", "b20", "b30"]
    assert (found["rows"], found["searched"], len(found["ask"])) == (7, 5, 2)
    assert found["matches"][0]["title"] == "=1+1"
    scores = [match["score"] for match in found["matches"]]
    assert scores == sorted(scores, reverse=True)
    condition = {"column": "artist", "op": "in", "value": ["Bob"]}
    narrowed = visitor.post(f"{ROOM}/teach", json=wanted | {"conditions": [condition]}).json()
    assert ids(narrowed["matches"]) == ["b20", "b30"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"positive": []}, 400, "no work is marked as positive"),
        ({"positive": ["zz"]}, 404, "no picture has the id 'zz' in 'compass'"),
        ({"positive": ["a0"], "negative": ["a0"]}, 400, "as positive and as negative"),
        ({"positive": ["a0"], "k": 6}, 400, "at most 5 works are possible"),
        ({"positive": ["a0"] * 1001}, 422, "positive"),
        ({"positive": ["a0"], "name": "x"}, 422, "name"),
    ],
)
def test_marks_that_make_no_sense_are_one_line(visitor, store, body, status, said):
    answer = visitor.post(f"{ROOM}/teach", json={"k": 3} | body)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert str(store.path.parent) not in answer.text


def test_a_visitor_without_a_token_exports_but_saves_nothing(visitor, store):
    answer = visitor.post(f"{ROOM}/teach/csv", json={"positive": ["a0"], "negative": ["c90"]})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == list(WORKS)
    assert [row["mark"] for row in rows] == ["positive", *[""] * 5, "negative"]
    body = {"positive": ["a0"], "negative": ["c90"], "k": 2}
    body["conditions"] = [{"column": "artist", "op": "in", "value": ["Ada", "Cyd"]}]
    some = list(csv.DictReader(io.StringIO(visitor.post(f"{ROOM}/teach/csv", json=body).text)))
    assert [(row["rank"], row["id"], row["mark"]) for row in some] == [
        ("1", "a10", ""),
        ("2", "c40", ""),
    ]
    marked = body | {"marked": True}
    some = list(csv.DictReader(io.StringIO(visitor.post(f"{ROOM}/teach/csv", json=marked).text)))
    assert [(row["id"], row["mark"]) for row in some] == [("a0", "positive"), ("a10", "")]
    page = visitor.post(f"{ROOM}/teach/html", json=marked | {"name": "easts"}).text
    assert '<h1 dir="auto">easts</h1>' in page
    assert page.count("<article>") == 2
    assert "learned from works that were marked (1 yes, 1 no)" in page
    scores = re.findall(r'<p class="count">score (\d\.\d{3})(.*)</p>', page)
    assert [
        (f"{float(row['score']):.3f}", mark)
        for row, mark in zip(some, (", marked yes", ""), strict=True)
    ] == scores
    too_many = visitor.post(f"{ROOM}/teach/html", json={"positive": ["a0"]})
    assert (too_many.status_code, "at most 5 works" in too_many.text) == (400, True)
    assert not visitor.get("/api/indexes").json()[0]["saves"]
    for what, body in (("concepts", {"positive": ["a0"]}), ("sets", {"ids": ["a0"]})):
        refused = visitor.post(f"{ROOM}/{what}", json={"name": "east", **body})
        assert refused.status_code == 403
        assert "it has no token; export instead" in refused.json()["error"]
        assert visitor.request("DELETE", f"{ROOM}/{what}?name=east").status_code == 403
    assert not store.reopen().added


def test_a_saved_concept_is_a_facet_at_once_and_goes_on(curator, museum, store):
    marks = {"positive": ["a0"], "negative": ["c90"]}
    saved = curator.post(f"{ROOM}/concepts", json={"name": "east", **marks})
    assert saved.json() == {
        "name": "east",
        "score": "east_score",
        "yes": saved.json()["yes"],
        "rows": 7,
        "held_out": None,
    }
    (index,) = curator.get("/api/indexes").json()
    assert index["saves"]
    assert {"name": "east", "type": "text"} in index["fields"]
    condition = {"column": "east", "op": "in", "value": ["yes"]}
    found = curator.post(f"{ROOM}/browse", json={"conditions": [condition], "seed": None}).json()
    assert ids(found["works"]) == list(WORKS)[: saved.json()["yes"]]
    (concept,) = curator.get(f"{ROOM}/concepts").json()
    assert concept["name"] == "east"
    assert {key: concept[key] for key in marks} == marks
    again = {"name": "east", "positive": ["a0", "a10"]}
    refused = curator.post(f"{ROOM}/concepts", json=again)
    assert refused.status_code == 400
    assert "there is a concept 'east' already" in refused.json()["error"]
    assert curator.post(f"{ROOM}/concepts", json=again | {"replaces": True}).status_code == 200
    assert load_concept(store, "east").marks.of(True) == ["a0", "a10"]
    assert curator.request("DELETE", f"{ROOM}/concepts?name=east").status_code == 200
    assert "east" not in museum.room("compass").works.fields


def test_saving_takes_the_token_and_the_servers_own_page(museum):
    app = make_app(museum, tokens=["key"])
    body = {"name": "east", "positive": ["a0"]}
    assert Visitor(app).post(f"{ROOM}/concepts", json=body).status_code == 401
    elsewhere = Visitor(app, headers=TOKEN | {"origin": "http://evil.example"})
    assert elsewhere.post(f"{ROOM}/concepts", json=body).status_code == 403
    assert elsewhere.request("DELETE", f"{ROOM}/concepts?name=east").status_code == 403


@pytest.mark.parametrize("name", ["artist", "id", "confidence", "../x", ".x", "x" * 91, ""])
def test_a_name_that_is_taken_or_no_file_is_refused(curator, store, name):
    for what, body in (("concepts", {"positive": ["a0"]}), ("sets", {"ids": ["a0"]})):
        answer = curator.post(f"{ROOM}/{what}", json={"name": name, **body})
        assert answer.status_code in (400, 404, 422)
        assert str(store.path.parent) not in answer.text
    assert not store.reopen().added
    assert not (store.path / "heads").exists()


# --- sets ---------------------------------------------------------------------------------


def export(visitor, kind, *works):
    body = {"name": "Two reds", "ids": list(works)}
    answer = visitor.post(f"{ROOM}/sets/export/{kind}", json=body)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_set_is_exported_as_a_table_a_page_a_manifest_and_pictures(visitor, store):
    table = export(visitor, "csv", "a10", "a0")
    rows = list(csv.DictReader(io.StringIO(table.text.removeprefix("\ufeff"))))
    assert [(row["id"], row["image"]) for row in rows] == [("a10", "a10.png"), ("a0", "a0.png")]
    assert rows[0]["title"] == "'=1+1"
    assert 'filename="Two-reds.csv"' in table.headers["content-disposition"]
    page = export(visitor, "html", "a0").text
    assert '<h1 dir="auto">Two reds</h1>' in page
    assert SCRIPT not in page
    manifest = json.loads(export(visitor, "iiif", "a10", "a0").text)
    assert manifest["label"] == {"en": ["Two reds"]}
    assert [canvas["label"]["none"] for canvas in manifest["items"]] == [["=1+1"], [SCRIPT]]
    with zipfile.ZipFile(io.BytesIO(export(visitor, "zip", "a0", "b20").content)) as archive:
        assert archive.namelist() == ["001-a0.jpg", "works.csv"]
        with Image.open(archive.open("001-a0.jpg")) as picture:
            assert picture.size == (40, 20)
        rows = list(csv.DictReader(archive.read("works.csv").decode("utf-8-sig").splitlines()))
    assert [(row["id"], row["file"]) for row in rows] == [("a0", "001-a0.jpg"), ("b20", "")]
    assert str(store.path.parent) not in table.text + page + json.dumps(manifest)


def test_an_export_has_limits(visitor):
    for ids_, status, said in (
        (["a0", "a10", "b20", "b30", "c40", "n60"], 400, "at most 5 works can be exported, got 6"),
        (["zz"], 404, "no picture has the id 'zz'"),
    ):
        answer = visitor.post(f"{ROOM}/sets/export/zip", json={"name": "x", "ids": ids_})
        assert answer.status_code == status
        assert said in answer.json()["error"]
    assert visitor.post(f"{ROOM}/sets/export/exe", json={"name": "x", "ids": []}).status_code == 422


def test_a_saved_set_is_a_facet_and_a_label(curator, store):
    saved = curator.post(f"{ROOM}/sets", json={"name": "reds", "ids": ["a10", "a0"]})
    assert saved.json() == {"name": "reds", "works": 2}
    assert curator.get(f"{ROOM}/sets").json() == [{"name": "reds", "ids": ["a0", "a10"]}]
    facets = {each["column"]: each for each in curator.post(f"{ROOM}/facets", json={}).json()}
    assert [(v["value"], v["count"]) for v in facets["reds"]["values"]] == [("no", 5), ("yes", 2)]
    assert read_label(store.reopen(), "reds").counts.tolist() == [5, 2]
    refused = curator.post(f"{ROOM}/sets", json={"name": "reds", "ids": ["c90"]})
    assert "there is a set 'reds' already" in refused.json()["error"]
    assert curator.request("DELETE", f"{ROOM}/sets?name=reds").json() == {"deleted": "reds"}
    assert curator.get(f"{ROOM}/sets").json() == []


def test_a_set_of_nothing_or_of_strangers_is_refused(store):
    with pytest.raises(EvaluationError, match="the set 'reds' is empty; add a work"):
        save_set(store, "reds", [])
    with pytest.raises(EvaluationError, match="no work has the id 'zz'"):
        save_set(store, "reds", ["a0", "zz"])
    with pytest.raises(EvaluationError, match="no set 'reds'; there are: none"):
        delete_set(store, "reds")
    save_set(store, "reds", ["a0"])
    save_set(store.reopen(), "reds", ["a10"])
    assert read_sets(store.reopen()) == {"reds": ["a10"]}
    with pytest.raises(EvaluationError, match="there is a set 'reds' already"):
        save_set(store, "reds", ["a0"], replaces=False)  # by an index that has not seen it
    assert read_sets(store.reopen()) == {"reds": ["a10"]}
