"""``artsim similar``: each way to ask, as typed, and each misuse."""

import csv
import hashlib
import json
import os

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from search_toys import WORKS, at, cosine, make_compass, make_store, pretend_gpus
from serving import web

from artsim import fetch, search
from artsim.cli import cli
from artsim.cli.options.computing import choose_gpu, make_encoder
from artsim.errors import FetchError


def run(*args, code=0):
    """Run the command and return what it printed."""
    result = CliRunner().invoke(cli, ["similar", *map(str, args)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def found(*args):
    return [json.loads(line)["id"] for line in run(*args).stdout.splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an index of the compass and its pictures."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "queries").mkdir()
    hashes = []
    for n, id_ in enumerate(WORKS):
        file = folder / "queries" / f"{id_}.png"
        Image.new("RGB", (20, 10), (30 * n, 0, 0)).save(file)
        hashes.append(hashlib.sha256(file.read_bytes()).hexdigest())
    make_compass(folder / "indexes" / "compass", hashes=hashes, root=folder / "queries")
    return folder


@pytest.fixture(autouse=True)
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setenv("ARTSIM_INDEX", "compass")


def test_an_id_a_file_and_several_of_them(here):
    assert found("a0", "-k", "2") == ["a10", "b20"]
    assert found("--id", "a0", "-k", "2") == ["a10", "b20"]
    assert found("queries/a0.png", "-k", "2") == ["a0", "a10"]  # what is not asked by id is found
    assert found("a10", "queries/n60.png", "--exclude", "c40", "-k", "1") == ["b30"]
    assert found("a0", "--id", "n60", "-k", "1") == ["b30"]


def test_two_works_are_said_to_be_as_similar_as_they_are(here):
    # a0 and n60 are 60 degrees apart
    lines = run("a0", "n60", "--table").stdout.splitlines()
    assert lines[1] == "a0 and n60 have the score 0.500 with each other"
    assert "with each other" not in run("a0", "n60", "c90", "--table").stdout


def test_terms_are_weighted_added_and_subtracted(here):
    assert found("3*a0", "c90", "-k", "2") == ["b20", "a10"]
    assert found("3*queries/a0.png", "--plus", "c90", "-k", "2") == ["b20", "a10"]
    assert found("a0", "--plus", ".333*c90", "-k", "2") == ["b20", "a10"]
    assert found("c40", "--minus", "0.5*c90", "-k", "3") == ["a10", "b20", "a0"]
    assert found("a0", "c90", "--any", "-k", "3") == ["a10", "b20", "b30"]
    assert run("a0", "c90", "--any", "--table").stdout.startswith("Similar to a0 or c90 in ")
    assert run("a0", "c90", "--table").stdout.startswith("Similar to a0 + c90 in ")


def test_conditions_relations_and_limits(here):
    assert found("a0", "--where", "year > 1650 and artist = 'Cyd'") == ["c40", "c90"]
    assert found("a0", "--not-same", "artist") == ["b20", "b30", "c40", "c90"]
    assert found("a0", "--earlier-than", "1700") == ["a10", "b20"]
    assert found("a0", "--earlier-than", "n60") == ["a10", "b20", "c40"]


def test_a_number_of_many_digits_is_an_id_or_else_a_year(tmp_path):
    ids, years = ["437980", "1650", "z"], [1700, 1600, 1500]
    make_store(tmp_path / "met", ids, {"compass": at(0, 10, 20)}, {"year": years})
    earlier = ("--index", tmp_path / "met", "--earlier-than")
    assert found("1650", *earlier, "437980") == ["z"]
    assert found("437980", *earlier, "1650") == ["1650", "z"]  # the year: 1600 is earlier
    assert found("z", *earlier, "999999") == ["1650", "437980"]
    assert "no picture has the id '--5'" in run("a0", "--earlier-than=--5", code=1).output
    assert found("a0", "--contemporary", "50", "--years", "year") == ["a10", "b20"]
    assert found("a0", "--max-per", "artist=1") == ["a10", "b20", "c40", "n60"]
    assert found("c90", "--collapse", "object", "-k", "9") == ["n60", "c40", "b30", "b20", "a10"]
    assert found("a0", "--exclude", "a10", "--exclude", "b20", "-k", "1") == ["b30"]


def test_aspects_of_this_index_and_of_another(here, place):
    make_store(place / "indexes" / "other", ["a0", "c90", "a10"], {"hue": at(0, 1, 2)})
    args = ("a0", "--by", "indexes/other:hue=3,east=1", "--json")
    lines = [json.loads(line) for line in run(*args).stdout.splitlines()]
    assert [line["id"] for line in lines] == ["a10", "c90"]
    assert list(lines[0]["shares"]) == ["indexes/other:hue", "east"]
    assert sum(lines[0]["shares"].values()) == pytest.approx(lines[0]["score"], abs=1e-5)
    hue, east = lines[0]["cosines"].values()
    assert (hue, east) == pytest.approx((cosine(2), cosine(10)), abs=1e-5)
    assert 0.75 * hue + 0.25 * east == pytest.approx(lines[0]["score"], abs=1e-5)
    table = run(*args[:-1], "--table").stdout
    assert "(3 of 7 pictures, by indexes/other:hue=3, east=1)\nLeft out, as they" in table
    assert found("a0", "--by", "east", "-k", "1") == ["a10"]


def test_a_table_shows_the_percentile(here):
    output = run("a0", "-k", "1", "--table").stdout
    assert output.startswith("Similar to a0 in indexes/compass (7 pictures, by east)\n")
    assert ">99.99" in output  # as on the page
    assert "100.00" not in output


def test_options_name_columns_in_any_case(here):
    named = ("--not-same", "artist", "--max-per", "object=1", "--years", "year")
    other = ("--not-same", "ARTIST", "--max-per", "Object=1", "--years", "Year")
    last = ("--earlier-than", "1800", "--json")
    found, same = (run("a0", *each, *last).stdout for each in (named, other))
    assert found == same != ""
    lost = CliRunner().invoke(cli, ["similar", "a0", "--not-same", "nope"]).stderr
    assert "no column 'nope'" in lost


def test_no_good_match_is_reported_and_is_no_failure(here):
    result = run("c90", "--min-percentile", "100")
    assert result.stdout == ""
    assert result.stderr.startswith("No good match: the nearest, n60, is at percentile ")
    assert result.stderr.endswith(" of random pairs, below the minimum of 100\n")
    result = run("a0", "--where", "year > 3000", "--table")
    assert result.stdout == (
        "Similar to a0 in indexes/compass (0 of 7 pictures, by east)\n"
        "No match: no other work meets the conditions\n"
    )


def test_a_web_address_is_fetched_under_the_rules_of_fetch(here, place, monkeypatch):
    asked = []

    def fetch_picture(url, settings):
        asked.append((url, settings.allow_private))
        return (place / "queries" / "a0.png").read_bytes()

    monkeypatch.setattr(fetch, "fetch_picture", fetch_picture)
    assert found("https://example.org/a.png", "-k", "1") == ["a0"]
    assert found("2*http://10.0.0.1/a.png", "--allow-private", "-k", "1") == ["a0"]
    assert asked == [("https://example.org/a.png", False), ("http://10.0.0.1/a.png", True)]


def test_a_picture_is_fetched_from_a_server(here, place):
    with web({"/n60.png": (place / "queries" / "n60.png").read_bytes()}) as address:
        assert found(f"{address}/n60.png", "--allow-private", "-k", "2") == ["n60", "c40"]
        assert found(f"{address}/n60.png", "a0", "--allow-private", "-k", "1") == ["b30"]
        result = run(f"{address}/none.png", "--allow-private", code=1)
        assert f"'{address}/none.png' cannot be fetched (http): 404" in result.output


def test_a_private_address_is_refused(here):
    result = run("http://127.0.0.1:9/a.png", code=1)
    assert "127.0.0.1, which is not a public address; pass --allow-private" in result.output


def test_an_address_without_a_picture_gives_a_one_line_error(here):
    with pytest.raises(FetchError, match=r"'ftp://x/a.png' cannot be fetched \(refused\): .*http"):
        fetch.fetch_picture("ftp://x/a.png")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_each_picture_of_a_folder_is_a_query(here, tmp_path, suffix):
    out = tmp_path / f"matches{suffix}"
    result = run("queries", "c90", "-k", "2", "--max-per", "artist=1", "--output", out)
    assert result.stderr.splitlines()[0] == (
        f"16 matches of 8 queries, at most 2 each, written to {out}"
    )
    if suffix == ".csv":
        with out.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
    else:
        rows = pq.read_table(out).to_pylist()
    assert list(rows[0]) == [
        *("query", "rank", "id", "title", "artist", "score", "percentile", "image")
    ]
    assert (rows[0]["artist"], rows[1]["artist"]) == ("Ada", "Bob")
    assert rows[1]["title"] == ("" if suffix == ".csv" else None)
    assert float(rows[1]["score"]) == pytest.approx(round(cosine(20), 6), abs=1e-6)
    assert [(row["query"], row["id"]) for row in rows[:2]] == [
        ("queries/a0.png", "a0"),
        ("queries/a0.png", "b20"),
    ]
    assert [(row["query"], row["id"]) for row in rows[-2:]] == [("c90", "n60"), ("c90", "c40")]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_name_may_be_any_bytes(here, place, tmp_path, suffix):
    folder = tmp_path / "queries"
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes((place / "queries/a0.png").read_bytes())
    out = tmp_path / f"matches{suffix}"
    run(folder, "-k", "1", "--output", out)
    rows = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert list(rows["query"]) == [f"{folder}/caf\\xe9.png"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_cosine_of_each_aspect_has_a_column(tmp_path, suffix):
    # an aspect may have the name of a column, which stays what it is
    index = make_store(tmp_path / "two", ["a", "b"], {"hue": at(0, 60), "rank": at(0, 0)}).path
    out = tmp_path / f"m{suffix}"
    run("a", "--index", index, "--by", "hue,rank", "--output", out, "-k", "1")
    if suffix == ".csv":
        with out.open(newline="") as stream:
            (row,) = csv.DictReader(stream)
    else:
        (row,) = pq.read_table(out).to_pylist()
    assert list(row)[-2:] == ["image", "hue"]
    assert float(row["hue"]) == pytest.approx(cosine(60), abs=1e-6)
    assert float(row["score"]) == pytest.approx((cosine(60) + 1) / 2, abs=1e-6)
    assert int(row["rank"]) == 1


def test_each_id_of_a_file_is_a_query_and_failures_are_listed(here, tmp_path):
    (tmp_path / "ids.txt").write_text("\ufeffa0\n\ngone\nc90\n", encoding="utf-8")
    args = ("--ids", tmp_path / "ids.txt", "-k", "1", "--output", tmp_path / "m.parquet")
    result = run(*args)
    assert "2 matches of 2 queries" in result.stderr
    assert "Failed: gone: no picture has the id 'gone' in 'indexes/compass'" in result.stderr
    assert run(*args, "--strict", code=1)
    rows = pq.read_table(tmp_path / "m.parquet").to_pylist()
    assert [(row["query"], row["id"]) for row in rows] == [("a0", "a10"), ("c90", "n60")]


def test_the_exit_code_reports_that_every_query_failed(here, tmp_path):
    (tmp_path / "ids.txt").write_text("gone\nlost\n", encoding="utf-8")
    result = run("--ids", tmp_path / "ids.txt", "--output", tmp_path / "m.csv", code=1)
    assert "0 matches of 0 queries" in result.stderr
    assert result.stderr.count("Failed: ") == 2


def test_added_terms_apply_to_each_query(here, tmp_path):
    out = tmp_path / "m.csv"
    run("a0", "a10", "--plus", "2*c90", "-k", "1", "--output", out)
    with out.open(newline="") as stream:
        # (1, 0) + 2 (0, 1) points 63 degrees from east
        assert [row["id"] for row in csv.DictReader(stream)] == ["n60", "n60"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "name a picture file, the id of a work, or --text WORDS"),
        (("queries",), "the folder 'queries' holds many queries; write their matches"),
        (("--ids", "x.txt"), "--ids holds many queries; write their matches"),
        (("--ids", "gone.txt", "--output", "m.csv"), "cannot read 'gone.txt'"),
        (("indexes", "--output", "m.csv"), "'indexes' contains no pictures"),
        (
            ("--plus", "a0", "--output", "m.csv"),
            "--output searches with each picture of a folder, or each ID",
        ),
        (("a0", "--output", "m.doc"), "m.doc is neither .csv nor .parquet"),
        (("a0", "--output", "m.csv", "--sheet", "s.png"), "s.png shows one query"),
        (("a0", "a10", "--crop", "0,0,1,1"), "--crop takes a detail of one picture"),
        (("a0", "--output", "m.csv", "--crop", "0,0,1,1"), "--crop takes a detail of one"),
        (("a0", "--max-per", "artist"), "'artist' is not COLUMN=N"),
        (("a0", "--max-per", "artist=x"), "'artist=x' is not COLUMN=N"),
        (("a0", "--by", "east=x"), "'east=x' is not NAME=WEIGHT, as in style=0.7,content=0.3"),
        (("a0", "--by", ""), "'' names no tap"),
        (("a0", "--years", "year"), "--years needs --earlier-than or --contemporary"),
        (("a0", "--strict"), "--strict needs --output FILE"),
        (("a0", "--details", "--by", "east"), "--details compares by one tap; use --tap"),
        (("a0", "--min-percentile", "101"), "is not in the range 0<=x<=100"),
    ],
)
def test_wrong_options_are_explained(here, args, message):
    assert message in run(*args, code=2).output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("gone.jpg",), "no file 'gone.jpg', and no picture has the id 'gone.jpg' in"),
        (("2*gone.jpg",), "no file 'gone.jpg', and no picture"),
        (("\x00",), r"no file '\x00', and no picture"),
        (("a" * 5000,), "and no picture has the id 'aaaa"),
        (("--minus", "a0", "c90", "--any"), "ranking by the closest query takes no weights"),
        (("0*a0",), "the weight of a0 is 0"),
        (("a0", "--crop", "1,2"), "cannot read the box '1,2'; write x,y,width,height"),
        (("a0", "--crop", "90,0,5,5"), "reaches outside the picture"),
        (
            ("a0", "--where", "yeer < 3"),
            "cannot read 'yeer < 3' as a condition (there is no column 'yeer'; text goes in "
            "single quotes)",
        ),
        (("a0", "--where", ""), "cannot read '' as a condition"),
        (("a0", "c90", "--where", "yeer < 3", "--output", "m.csv"), "cannot read 'yeer < 3'"),
        (("a0", "--by", "indexes/none:hue"), "no index at 'indexes/none'"),
        (("a0", "--by", "east=-1"), "the aspect 'east' has the weight -1"),
        (("a0", "--earlier-than", "gone"), "no picture has the id 'gone'"),
    ],
)
def test_an_impossible_query_gives_a_one_line_error(here, toy_network, args, message):
    output = run(*args, code=1).output
    assert output.startswith("Error: ")
    assert message in output
    assert output.count("\n") == 1


@pytest.fixture
def toy_network(toy, monkeypatch):
    """The network of the toy's mean colors, in the place of the index's own."""
    from artsim.search import encoder

    monkeypatch.setattr(encoder, "load_index_extractor", lambda *_, **__: toy)


def test_an_argument_that_is_a_file_and_an_id_is_refused(here, place):
    (place / "a0").write_bytes((place / "queries" / "c90.png").read_bytes())
    try:
        message = "'a0' is both a file and an id of the index; use ./a0 for the file, and --id"
        assert message in run("a0", code=1).output
        assert found("./a0", "-k", "1") == ["c90"]
        assert found("--id", "a0", "-k", "1") == ["a10"]
    finally:
        (place / "a0").unlink()


def test_a_work_is_named_by_its_file_in_the_folder_of_the_collection(tmp_path, monkeypatch):
    names = ["a.png", "b.png", "c.png"]
    for name in names:
        (tmp_path / name).write_bytes(b"no picture: the vector of the work is taken")
    make_store(tmp_path / "i", names, {"t": at(0, 9, 80)}, images=names, root=str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert found("a.png", "--index", "i", "-k", "1", "--json") == ["b.png"]


def test_text_queries_name_the_models_that_read_text(here):
    for args in (("--text", "a halo"), ("a0", "--plus", "text:a halo")):
        assert "Error: " in run(*args, code=1).output


# --- what it is computed by ---------------------------------------------------------------


def test_without_a_gpu_the_cpu_compares_and_says_so_if_a_gpu_was_chosen(here):
    result = run("a0", "-k", "1", "--device", "cuda")
    assert json.loads(result.stdout)["id"] == "a10"
    assert result.stderr == (
        "Note: vectors are compared on the CPU, since the installed faiss sees 0 GPUs "
        "(--device cuda needs a build for CUDA)\n"
    )
    assert run("a0", "-k", "1").stderr == ""


def test_a_gpu_compares_if_chosen_and_many_queries_by_default(here, tmp_path, monkeypatch):
    made = pretend_gpus(monkeypatch, 2)
    assert found("a0", "-k", "2") == ["a10", "b20"]
    assert made == []
    assert found("a0", "-k", "2", "--device", "cuda:1") == ["a10", "b20"]
    assert [(index.device, len(index.rows)) for index in made] == [(1, len(WORKS))]
    run("a0", "c90", "--output", tmp_path / "m.csv", "-k", "1")
    assert [index.device for index in made] == [1, 0]
    found("a0", "--device", "cuda", "--where", "year < 1650")  # those rows alone, on the CPU
    assert len(made) == 2


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda:x", "cuda:2"])
def test_faiss_supports_no_other_devices(device, monkeypatch):
    pretend_gpus(monkeypatch, 2)
    assert choose_gpu(device, many=True) is None


def test_other_indexes_are_encoded_on_the_same_device(here, place, monkeypatch):
    other = make_store(place / "other", ["a0", "a10"], {"hue": at(0, 1)})
    made = []

    class Encoder(search.IndexEncoder):
        def __init__(self, store, **options):
            made.append((store.path.name, options["compute"].device))
            super().__init__(store, **options)

    monkeypatch.setattr(search, "IndexEncoder", Encoder)
    assert found("a0", "--by", f"{other.path}:hue,east", "--device", "cpu") == ["a10"]
    assert sorted(made) == [("compass", "cpu"), ("other", "cpu")]


def test_weights_apply_to_indexes_made_with_them(tmp_path):
    first, same, foreign = (
        make_store(tmp_path / name, ["a"], {"hue": at(0)}, weights=weights)
        for name, weights in (("first", "1"), ("same", "1"), ("foreign", "2"))
    )
    file = tmp_path / "w.pth"
    given = [make_encoder(store, first, file, None)._weights for store in (first, same, foreign)]
    assert given == [file, file, None]
