"""``artsim find``, and what a query that is no id says."""

import csv
import json
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from search_toys import YEARS, at, make_store

import artsim
from artsim.cli import cli
from artsim.datatypes import Field, FieldType, listed_texts
from artsim.search import Works, find_works
from artsim.search.folding import Phrase, read_phrases
from artsim.store import Failure, Store, write_added
from artsim.store.failures import failure_table

WORKS = {  # id: title, maker, tags, years, page
    "a1": ("The Birth of the Virgin", "Giotto", ["Mary", "Anne"], 1305, "https://x.org/1"),
    "a2": ("Virgin of the Rocks", "Leonardo", ["Mary"], 1483, "https://x.org/2"),
    "a3": ("Birth of Venus", "Botticelli", None, 1485, "https://x.org/virgin"),
    "a4": ("Self-portrait", "Albrecht Dürer", ["fur, coat", "Virginia"], 1500, None),
    "a5": ("Virgin", "Émile Œuvre", [], None, None),
    "a6": (None, None, ["the virgin's birth, a copy"], 1305, None),
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARTSIM_INDEX", raising=False)
    titles, makers, tags, years, pages = zip(*WORKS.values(), strict=True)
    spans = pa.array([None if y is None else {"begin": y, "end": y + 1} for y in years], YEARS)
    columns = {"Title": titles, "maker": makers, "tags": tags, "date": spans, "page": pages}
    vectors = {"east": at(0, 10, 20, 30, 40, 50)}
    return make_store(tmp_path / "indexes" / "church", list(WORKS), vectors, columns)


def found(store, text, **options):
    works = Works(store)
    rows = find_works(works, text, **({"k": 9} | options)).rows
    return [id_ for id_, _, _ in works.known(rows.tolist())]


def run(*args, code=0):
    result = CliRunner().invoke(cli, [*args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_all_words_must_match_and_titles_come_first(store):
    assert found(store, "virgin") == ["a5", "a2", "a1", "a6", "a4"]
    assert found(store, "birth virgin") == ["a1", "a6"]
    assert found(store, "birth of") == ["a3", "a1"]
    assert found(store, "Virgin, of?") == ["a2", "a1"]
    assert found(store, "virgin birth of") == ["a1"]
    assert found(store, "") == list(WORKS)
    assert found(store, "virgin", k=1) == ["a5"]


@pytest.mark.parametrize("text", ["dürer", "DURER", "Duerer", "Du\u0308rer albrecht", "durer 1500"])
def test_case_accents_and_umlauts_are_folded(store, text):
    assert found(store, text) == ["a4"]


def test_ligatures_lists_dates_and_ids_are_searched_and_web_addresses_are_not(store):
    assert found(store, "oeuvre") == found(store, "ŒUVRE emile") == ["a5"]
    assert found(store, "1305") == ["a6", "a1"]
    assert found(store, "coat fur") == ["a4"]
    assert found(store, "A3") == ["a3"]
    assert found(store, "https") == []


def test_words_of_any_script_and_signs_are_no_patterns(store):
    words = [phrase.words for phrase in read_phrases("Straße (日本)  d'été *x_1 %")]
    assert words == [("strasse",), ("日本",), ("d",), ("ete",), ("x", "1")]
    assert found(store, "日本") == found(store, "'; drop table works --") == []
    assert found(store, "[virgin (of") == found(store, "virgin of")


def test_words_in_quotes_follow_each_other(store):
    assert read_phrases('self-portrait "of a" -“by the sea” -mary-ann') == [
        *(Phrase(("self",)), Phrase(("portrait",)), Phrase(("of", "a"), is_quoted=True)),
        *(
            Phrase(("by", "the", "sea"), wanted=False, is_quoted=True),
            Phrase(("mary", "ann"), wanted=False),
        ),
    ]
    assert found(store, '"birth of"') == ["a3", "a1"]
    assert found(store, '"of birth"') == []
    assert found(store, '"VIRGIN, of the" rocks') == ["a2"]
    assert found(store, '"birth') == found(store, "birth")


def test_the_parts_of_a_number_follow_each_other_and_its_work_comes_first(tmp_path):
    ids = ["P.1900.21", "P.1900.2", "P.2.1900", "X.1"]
    columns = {"title": ["A", "Much longer", "B", "After P. 1900-2"]}
    store = make_store(tmp_path / "i", ids, {"t": at(0, 1, 2, 3)}, columns)
    assert found(store, "P.1900.2") == ["P.1900.2", "X.1", "P.1900.21"]
    assert found(store, "p-1900-2") == ["P.1900.2", "X.1", "P.1900.21"]
    assert found(store, "P 1900 2") == ["P.1900.2", "X.1", "P.2.1900", "P.1900.21"]
    assert found(store, "1900.2 -after") == ["P.1900.2", "P.1900.21"]
    assert found(store, "2.1900") == ["P.2.1900"]
    nothing = find_works(Works(store), "P1900.21", k=9)
    assert nothing.ids == ("P.1900.21",)
    assert nothing.why_nothing(conditions=False).endswith("; did you mean 'P.1900.21'?")
    apart = find_works(Works(store), "P.1900.21 after", k=9)  # each is in a work, both in none
    assert (apart.count, apart.ids) == (0, ())
    assert apart.why_nothing(conditions=False) == "No work has all of these words; try fewer"


def test_a_number_that_no_work_has_leads_only_to_what_there_is(tmp_path):
    columns = {"title": ["Room 900", "Boat"]}
    works = Works(make_store(tmp_path / "i", ["W 2590", "W 2591"], {"t": at(0, 1)}, columns))
    lost = find_works(works, "W 9001", k=9)
    assert (lost.unknown, lost.meant, lost.instead_of("W 9001")) == (("9001",), {}, "")
    near = find_works(works, "W 2599", k=9)
    assert near.why_nothing(conditions=False).endswith("did you mean 'W 2591' or 'W 2590'?")
    assert near.instead_of("W 2599") == "W 2591"
    assert find_works(works, near.instead_of("W 2599"), k=9).rows.tolist() == [1]


def test_a_work_whose_picture_could_not_be_embedded_is_named(store):
    lost = [Failure(id_, None, "read", "is missing") for id_ in ("W 900 b", "W 900", "torn.png")]
    pq.write_table(failure_table(lost), store.path / "failures.parquet")
    said = "is in the collection, but its picture could not be embedded"
    command = "artsim info indexes/church --failures"
    assert f"W 900 {said} (see '{command}')" in run("find", "w-900").output
    assert f"W 900 b {said}" in run("find", "900 b", "--json").stderr
    assert f"torn.png {said}" in run("find", "torn.png").output
    assert "No work has 'torn'" in run("find", "torn").output  # a word, not its id
    nothing = find_works(Works(store), "W 900", k=9)
    assert (nothing.failed, nothing.instead_of("W 900")) == ("W 900", "")
    on_page = "W 900 is in the collection, but its picture is missing or damaged"
    assert nothing.why_nothing(conditions=False) == on_page


def test_a_word_with_a_minus_outside_of_quotes_is_explained(store):
    output = run("find", "virgin", "-birth", code=2).output
    assert "Words with a minus go into quotes with the others: 'Goya -portrait'" in output


def test_columns_that_were_added_are_not_searched(store, tmp_path):
    copied = shutil.copytree(store.path, tmp_path / "i")
    decided = pa.table({"id": ["a2"], "same_work": ["zebra"], "confidence": pa.nulls(1, "float")})
    write_added(copied, Field("same_work", FieldType.TEXT), decided, {})
    assert found(Store.open(copied), "zebra") == []
    assert len(Works(Store.open(copied)).filter.rows("same_work = 'zebra'", ())) == 1


def test_a_word_with_a_minus_is_in_no_work_that_is_found(store):
    assert found(store, "virgin -birth") == ["a5", "a2", "a4"]
    assert found(store, "-virgin") == ["a3"]
    assert found(store, '-"of the virgin" birth') == ["a3", "a6"]


def test_a_word_that_no_work_has_is_said_with_one_that_is_spelled_alike(store):
    looked = find_works(Works(store), "birht virgin", k=9)
    assert (looked.count, looked.unknown, looked.meant) == (0, ("birht",), {"birht": "birth"})
    assert looked.instead_of("Birht virgin") == "birth virgin"
    lost = find_works(Works(store), 'xyzzy birht "plugh quux" virgin', k=9)
    assert lost.instead_of('xyzzy birht "plugh quux" virgin') == "birth virgin"
    nothing = find_works(Works(store), "xyzzy", k=9)
    assert (nothing.meant, nothing.instead_of("xyzzy")) == ({}, "")
    assert "No work has 'birht'; did you mean 'birth'?" in run("find", "birht").output
    assert "No work has 'xyzzy'; try another spelling" in run("find", "xyzzy").output


def test_chosen_works_are_written_as_a_page_and_a_sheet(store, tmp_path):
    page, sheet = tmp_path / "page.html", tmp_path / "sheet.png"
    where = "id in ('a1', 'a4')"
    run("find", "--where", where, "--html", str(page), "--sheet", str(sheet))
    text = page.read_text(encoding="utf-8")
    assert ("The Birth of the Virgin" in text, "Self-portrait" in text) == (True, True)
    assert "Birth of Venus" not in text
    with Image.open(sheet) as drawn:
        assert drawn.width > 100


def test_the_column_that_sorts_is_shown(store):
    lines = run("find", "--sort", "-tags_count", "--table", code=1).output
    assert "no column 'tags_count'" in lines
    lines = run("find", "birth", "--sort", "page", "--table").stdout.splitlines()
    assert lines[2].split() == ["id", "Title", "maker", "date", "page"]
    assert "https://x.org/1" in lines[4]


def test_a_condition_limits_what_is_found(store):
    assert found(store, "birth", where="date.begin > 1400") == ["a3"]
    assert found(store, "", where="maker = 'Giotto'") == ["a1"]
    with pytest.raises(artsim.SearchError, match="there is no column 'gone'"):
        found(store, "birth", where="gone = 1")


def test_rows_of_json_name_their_index(store):
    (line,) = run("find", "venus").stdout.splitlines()
    assert json.loads(line) == {
        "rank": 1,
        "id": "a3",
        "image": "/museum/a3.png",
        "Title": "Birth of Venus",
        "maker": "Botticelli",
        "tags": None,
        "date": {"begin": 1485, "end": 1486},
        "page": "https://x.org/virgin",
        "index": "indexes/church",
    }


def test_the_table_has_title_artist_and_date(store):
    lines = run("find", "church", "birth", "-k", "2", "--table").stdout.splitlines()
    assert lines[0] == "3 works with 'birth' in indexes/church (6 pictures)"
    assert lines[2].split() == ["id", "Title", "maker", "date"]
    assert lines[4].split() == ["a3", "Birth", "of", "Venus", "Botticelli", "1485-1486"]
    assert lines[-1] == "and 1 more; show them with -k"


def test_a_table_of_works_has_no_empty_column_and_others_instead():
    ids = ["f1", "f2"]
    finds = [
        {"no": "f1", "title": "Jar", "artist": None, "site": "", "period": "Late", "kind": ["jar"]},
        {"no": "f2", "title": None, "artist": None, "site": None, "period": None, "kind": None},
    ]
    columns, texts = listed_texts(ids, finds)
    assert columns == ["title", "period", "kind"]
    assert texts == [["Jar", "Late", "jar"], ["", "", ""]]
    assert listed_texts(ids[1:], finds[1:]) == ([], [[]])


def test_a_table_of_works_of_several_museums_has_their_titles_in_one_column():
    works = [{"title": "Sea", "year": 1850, "room": 3}, {"Title": "Oak", "Artist": "Ada"}]
    columns, texts = listed_texts(["a", "b"], works)
    assert columns == ["title", "Artist", "year"]
    assert texts == [["Sea", "", "1850"], ["Oak", "Ada", ""]]


def test_what_no_work_has_is_named_as_it_was_typed(tmp_path):
    ids = [f"F1-{n:02}" for n in range(60)]
    store = make_store(tmp_path / "i", ids, {"t": at(*range(60))})
    nothing = find_works(Works(store), '"F1-5"', k=9)
    assert nothing.unknown == ("F1-5",)
    assert nothing.ids == ("F1-05", "F1-50", "F1-51")  # a zero before, then digits after
    assert find_works(Works(store), "Ça -F1", k=9).unknown == ("Ça",)
    assert Works(store).similar_ids("f01-005") == ["F1-05"]
    assert Works(store).similar_ids("F1-040")[0] == "F1-40"


def test_what_no_work_has_is_named(store):
    assert (
        "No work has 'zebra' or 'stripes'; try another spelling, or fewer words"
        in run("find", "zebra birth stripes", "--table").output
    )
    assert (
        "No work has all of these words; try fewer"
        in run("find", "venus", "rocks", "--json").stderr
    )
    nothing = run("find", "--where", "date.begin > 1900", "--table").output
    assert "No work meets all of this" in nothing
    assert (
        "name some words to find in the index 'church', a condition"
        in run("find", "church", code=2).output
    )


def test_long_words_are_searched_for_or_refused(store):
    assert found(store, " ".join(["aeoeuessao"[n:] + "ness" * 3 for n in range(9)])) == []
    with pytest.raises(artsim.SearchError, match="have 5,000 letters; give 200 or fewer"):
        found(store, "o" * 5000)


def test_an_index_as_object_finds_works(store):
    table = artsim.open(store.path).find("birth virgin")
    assert list(table.columns) == ["id", "image", "Title", "maker", "tags", "date", "page"]
    assert list(table["id"]) == ["a1", "a6"]
    assert list(artsim.open(store.path).find("zebra").columns) == list(table.columns)


def test_files_without_all_works_are_noted_unless_their_number_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ids = [f"w{number}" for number in range(21)]
    make_store(tmp_path / "indexes" / "i", ids, {"t": at(*range(21))}, {"title": ["Boat"] * 21})
    cut = "Note: only the first 20 of 21 works are in a.csv; -k 21 writes all\n"
    assert cut in run("find", "boat", "--csv", "a.csv").stderr
    assert "Note:" not in run("find", "boat", "--csv", "a.csv", "-k", "20").stderr
    cut = "Note: only the first 10 of 21 works are in a.csv; a larger -k writes more\n"
    assert cut in run("similar", "w0", "--csv", "a.csv").stderr
    assert "Note:" not in run("similar", "w0", "--csv", "a.csv", "-k", "10").stderr


def test_works_are_sorted_by_a_column_and_written(store, tmp_path):
    dated = artsim.open(store.path).find(where="date is not null", sort="date")
    begins = [date["begin"] for date in dated["date"]]
    assert begins == sorted(begins)
    reverse = artsim.open(store.path).find(sort="-Title")
    titles = reverse["Title"].dropna().tolist()
    assert titles == sorted(titles, reverse=True)
    assert list(reverse["Title"])[: len(titles)] == titles  # those without come last
    written = run("find", "--sort", "-Title", "-k", "2", "--csv", str(tmp_path / "two.csv"))
    assert "only the first" not in written.output  # -k was typed
    every = run("find", "--sort", "-Title", "--csv", str(tmp_path / "all.csv"))
    assert "only the first" not in every.output
    rows = list(csv.DictReader((tmp_path / "two.csv").read_text("utf-8-sig").splitlines()))
    assert [row["Title"] for row in rows] == titles[:2]
    assert list(artsim.open(store.path).find(sort="-TITLE")["Title"].dropna()) == titles
    assert "Title" in run("find", "--sort", "title", "--table").output.splitlines()[2]
    assert "no column 'nope'" in run("find", "--sort", "nope", code=1).output
    assert "'tags', which has lists" in run("find", "--sort", "tags", code=1).output


def test_works_without_a_value_are_noted_where_a_condition_leaves_them_out(store):
    missing = sum(date is None for date in artsim.open(store.path).find()["date"])
    assert missing
    note = f"{missing} picture has no value in 'date', so conditions on that leave it out"
    assert note in run("find", "--where", "date.begin > 1500").output
    assert "have no date" not in run("find", "--where", "date is null").output
    assert "have no date" not in run("find", "birth").output


def test_a_query_that_is_a_title_lists_the_works(store):
    lines = run("similar", "birth of the virgin", code=1).output.splitlines()
    assert lines == [
        "Error: 'birth of the virgin' is no file, id or URL; this work of 'indexes/church' has "
        "the words, name it by its id:",
        "  a1  The Birth of the Virgin, Giotto, 1305-1306",
    ]
    lines = run("similar", "of the", code=1).output.splitlines()
    assert lines[0].endswith("these works of 'indexes/church' have the words, name one by its id:")
    assert [line.split()[0] for line in lines[1:]] == ["a2", "a1"]
    assert "no picture has the id 'zebra'" in run("similar", "zebra", code=1).output


def test_a_model_that_takes_words_is_advised_for_what_no_title_has(store, tmp_path):
    make_store(tmp_path / "indexes" / "met", ["x9"], {"embedding": at(0)}, spec="open_clip:RN50")
    output = run("similar", "red boat", "--index", "indexes/met", code=1).output
    command = 'artsim similar --index indexes/met --text "red boat"'
    assert output.splitlines()[1:] == [f"To search for what pictures show: {command!r}"]
    assert "--text" not in run("similar", "no.jpg", "--index", "indexes/met", code=1).output


@pytest.mark.parametrize(
    "words",
    [["x9"], ["--id", "x9"], ["a1", "--minus", "x9"], ["a1", "--exclude", "x9"],
     ["a1", "--earlier-than", "x9"]],
)  # fmt: skip
def test_an_unknown_id_names_the_index_that_has_it(store, tmp_path, words):
    make_store(tmp_path / "indexes" / "met", ["x9"], {"east": at(0)})
    output = run("similar", *words, "--index", "church", code=1).output
    assert "no picture has the id 'x9' in 'indexes/church'" in output
    assert output.splitlines()[-1] == "That id is in indexes/met; name it with --index"


def test_find_loads_neither_torch_nor_a_network(store):
    code = (
        "import sys; from artsim.cli import cli; "
        "cli(['find', 'venus', '--json'], standalone_mode=False); "
        "print([name for name in ('torch', 'timm', 'openvino', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_plural_finds_the_singular_and_other_languages_keep_their_words(tmp_path):
    titles = [
        "Fishing Boats",
        "A Boat",
        "Two Ladies",
        "Lady",
        "Madonna",
        "Les flores",
        "Paris",
        "Venu",
    ]
    titles += ["Woman", "Church", "Lifeboats", "Flower"]
    store = make_store(
        tmp_path / "numbers",
        [f"n{place}" for place in range(len(titles))],
        {"east": at(*range(len(titles)))},
        {"title": titles},
    )

    def named(text):
        return [titles[int(id_[1:])] for id_ in found(store, text, k=99)]

    assert named("boats") == ["Fishing Boats", "A Boat", "Lifeboats"]  # as written first
    assert named("BOAT") == ["A Boat", "Fishing Boats", "Lifeboats"]  # then the plural
    assert named("madonnas") == ["Madonna"]
    assert named("lady") == ["Lady", "Two Ladies"]
    assert named("ladies") == ["Two Ladies", "Lady"]
    assert (named("women"), named("churches")) == (["Woman"], ["Church"])
    assert named("flores") == ["Les flores"]
    assert (named("venus"), named("paris")) == ([], ["Paris"])
    assert named('"fishing boat"') == []  # in quotes it is what it says
    assert named("fishing -boat") == []
    assert "Madonna" not in named("-madonnas")


BOATS = {  # id: title, note
    "b1": ("Rowboat at Rest", None),
    "b2": ("Boats", None),
    "b3": ("Sailboats and a Boat", None),
    "b4": ("Boat", None),
    "b5": ("The Boatman", "two rowboats"),
    "b6": ("A Servant", "an elephant, ants"),
    "b7": ("Education of Saint Catherine", None),
    "b8": ("A Cat", "a portrait of the cat"),
    "b9": ("Two Cats", None),
    "c1": ("Bôat Builders", None),
}


@pytest.fixture
def harbor(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    titles, notes = zip(*BOATS.values(), strict=True)
    vectors = {"east": at(*range(len(BOATS)))}
    columns = {"title": titles, "note": notes}
    return make_store(tmp_path / "indexes" / "harbor", list(BOATS), vectors, columns)


def test_a_plural_finds_the_singular_at_the_end_of_a_longer_word(harbor):
    # the word, then its singular, then longer words, shorter titles first
    assert found(harbor, "boats") == ["b2", "b4", "c1", "b3", "b1", "b5"]
    assert found(harbor, "boat") == ["b4", "c1", "b3", "b2", "b5", "b1"]
    assert found(harbor, "rowboats") == ["b1", "b5"]
    assert found(harbor, "ants") == ["b6"]  # 'ant' is too short to end 'servant' or 'elephant'
    assert found(harbor, "servants") == ["b6"]


def test_a_single_word_in_quotes_is_found_only_as_it_is(harbor):
    assert found(harbor, "cat") == ["b8", "b9", "b7"]
    assert found(harbor, '"cat"') == ["b8"]
    assert found(harbor, '"boat"') == ["b4", "c1", "b3"]
    assert found(harbor, 'cat -"cat"') == ["b9", "b7"]
    assert read_phrases('"cat" -"dog" sea') == [
        Phrase(("cat",), is_quoted=True),
        Phrase(("dog",), wanted=False, is_quoted=True),
        Phrase(("sea",)),
    ]


def test_the_words_that_works_were_found_by_are_said_where_they_are_others(harbor):
    def forms(text, **options):
        return dict(find_works(Works(harbor), text, k=2, explained=True, **options).forms)

    assert forms("cat") == {"cat": 1, "catherine": 1, "cats": 1, "education": 1}
    assert list(forms("boats")) == ["boats", "boat", "bôat", "rowboat", "rowboats", "sailboats"]
    assert forms("boats", where="title = 'Boats'") == {}
    assert forms("saint") == forms('"cat"') == forms("") == forms("-cat") == {}
    assert forms("cat education") == {"education": 1, "catherine": 1}
    assert find_works(Works(harbor), "cat", k=2).forms == {}
    assert forms("cat", sort="title") == forms("cat")
    lines = run("find", "harbor", "cat", "--table").stdout.splitlines()
    assert lines[:2] == [
        "3 works with 'cat' in indexes/harbor (10 pictures)",
        "by cat (1), catherine (1), cats (1), education (1); '\"cat\"' finds the word alone",
    ]
    lines = run("find", "harbor", '"cat"', "--table").stdout.splitlines()
    assert lines[0] == '1 work with "cat" in indexes/harbor (10 pictures)'
    assert "by cat" not in "".join(lines)
