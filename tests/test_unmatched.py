"""Sets, marks, decisions and splits whose works have other ids now: kept, and said."""

import csv

import pytest
from click.testing import CliRunner
from conftest import noise_picture

from artsim.cli import cli
from artsim.duplicates import read_decisions
from artsim.labels import read_sets, save_set
from artsim.prediction import Teacher, load_concept, save_concept
from artsim.search import Works
from artsim.splits import SplitPlan, make_split, read_stored_split
from artsim.store import Store
from artsim.study import find_unmatched

MODEL = ("-m", "timm:test_resnet.random")


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    """Eight pictures with two columns that may be ids, and an index with what people made."""
    folder = tmp_path_factory.mktemp("unmatched") / "museum"
    folder.mkdir()
    rows = [{"sheet": f"s{n}", "number": f"n{n}", "image": f"{n}.jpg"} for n in range(8)]
    for n in range(8):
        noise_picture(folder / f"{n}.jpg", (60, 60), seed=n, quality=90)
    with (folder / "objects.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    index = folder.parent / "index"
    run("embed", folder, "-o", index, *MODEL, "--id-column", "sheet")
    store = Store.open(index)
    save_set(store, "favorites", ["s1", "s2", "s7"])
    teacher = Teacher(Works(store))
    save_concept("bright", teacher, teacher.learn(teacher.mark(["s3", "s4"], ["s0"])), None)
    make_split(store, "honest", SplitPlan(fractions=(0.5, 0.5)))
    decided = folder.parent / "decided.csv"
    decided.write_text("id,other_id,decision,keep\ns5,s6,duplicate,s5\n")
    assert read_decisions(store, decided).works == 2
    return folder, index


def test_what_people_made_is_kept_and_named_when_works_have_other_ids(museum):
    folder, index = museum
    assert find_unmatched(Store.open(index)) == []
    assert "no work has the ids" not in run("info", index, "--table").output
    changed = ("embed", folder, "-o", index, *MODEL, "--id-column", "number", "--allow-loss")
    line = (
        "Note: no work has the ids of 3 of 3 works of the set 'favorites', 2 of 2 works decided "
        "to be duplicates, 3 of 3 marks of the concept 'bright', 8 of 8 works of the split "
        "'honest'; they are kept: to have them back, embed again with the ids of before "
        "(--id-column)\n"
    )
    assert line in run(*changed).stderr
    store = Store.open(index)
    assert read_sets(store)["favorites"] == ["s1", "s2", "s7"]  # nothing is lost
    assert load_concept(store, "bright").marks.ids == ("s3", "s4", "s0")
    assert line in run("info", index, "--table").stderr
    assert "no work has" not in run(*changed[:-1]).stderr  # nothing is dropped by this one
    back = ("embed", folder, "-o", index, *MODEL, "--id-column", "sheet", "--allow-loss")
    assert "no work has" not in run(*back).stderr
    store = Store.open(index)
    assert len(Works(store).filter.rows("favorites = 'yes'", ())) == 3
    assert read_stored_split(store, "honest").gone == 0


def test_works_that_are_gone_are_counted_one_by_one(museum, tmp_path):
    folder, index = museum
    table = (folder / "objects.csv").read_text().splitlines()
    (folder / "objects.csv").write_text("\n".join(table[:3]))  # s0 and s1
    run("embed", folder, "-o", index, *MODEL, "--id-column", "sheet", "--allow-loss")
    found = {each.what: (each.count, each.of) for each in find_unmatched(Store.open(index))}
    assert found == {
        "works of the set 'favorites'": (2, 3),
        "works decided to be duplicates": (2, 2),
        "marks of the concept 'bright'": (2, 3),
        "works of the split 'honest'": (6, 8),
    }
