"""Duplicates kept in an index, over the interface, and on the page in a real browser."""

import csv
import io
import pickle
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from conftest import noise_picture, wait_until
from PIL import Image
from serving import serving
from test_explain import Pixels, extractor_of
from test_page import _patient, browser, expect, visit  # noqa: F401 - fixtures
from test_server import Visitor

from artsim.cli import cli
from artsim.datatypes import Field, FieldType, Tap
from artsim.duplicates import (
    SAME_WORK,
    DuplicateKind,
    Group,
    KeptGroups,
    Pair,
    groups_file,
    keep_groups,
    kept_groups,
    pack_groups,
    read_decisions,
)
from artsim.embedding import embed_collection
from artsim.errors import EvaluationError, StoreError
from artsim.labels import group_codes, label_columns
from artsim.readers import read_collection
from artsim.search import IndexEncoder, Works
from artsim.server import Museum, looking, make_app
from artsim.server import duplicates as searched
from artsim.server.facets import facet_columns
from artsim.store import PREDICTION, Store, write_added

ROOM = "/api/twice"
NEAR, EXACT, SERIES = DuplicateKind.NEAR, DuplicateKind.EXACT, DuplicateKind.SERIES


@pytest.fixture
def store(tmp_path):
    """Twelve pictures; p0 has a copy, and p1 a smaller and a gray one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    names = [f"p{n:02}" for n in range(12)]
    for seed, name in enumerate(names):
        noise_picture(folder / f"{name}.png", (120, 90), seed=seed)
    shutil.copy(folder / "p00.png", folder / "same.png")
    with Image.open(folder / "p01.png") as picture:
        picture.resize((60, 45)).save(folder / "small.png")
        picture.convert("L").convert("RGB").save(folder / "gray.png")
    with (folder / "objects.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["object_id", "image", "title", "artist"])
        table.writerows(
            [name, f"{name}.png", f"Title {name}", "Ada"]
            for name in [*names, "same", "small", "gray"]
        )
    embed_collection(
        read_collection(folder), tmp_path / "twice", extractor_of(Pixels(), Tap("map", "avg"))
    )
    return Store.open(tmp_path / "twice")


@pytest.fixture
def app(store, monkeypatch):
    """Serve the pictures; duplicates are found in this process, as another is slow to start."""

    def find_here(store, device, report):
        return KeptGroups(looking._find(store, store.fingerprint, device, report))

    monkeypatch.setattr(searched, "find_apart", find_here)
    museum = Museum([store], IndexEncoder)
    yield make_app(museum)
    museum.close()


@pytest.fixture
def apart(app, monkeypatch):
    """Find them in a process of its own, as `artsim serve` does."""
    monkeypatch.setattr(searched, "find_apart", looking.find_apart)


def wait(visitor, *, look=False, **wanted):
    """Ask, and then until the search is over."""
    visitor.post(f"{ROOM}/duplicates", json={**wanted, "look": look})

    def over():  # to look again would begin again after a failure
        time.sleep(0.2)  # the search has a lower priority than who asks for it
        found = visitor.post(f"{ROOM}/duplicates", json=wanted).json()
        return found if found["state"] != "looking" else None

    return wait_until("the search is over", over, seconds=280)


GROUPS = [
    Group(EXACT, (3, 7), (Pair(3, 7, EXACT, 0, 1.0),), 1.0, 1.0),
    Group(NEAR, (1, 2, 5), (Pair(1, 2, NEAR, 4, None), Pair(2, 5, EXACT, 0, 1.0)), None, None),
    Group(SERIES, (0, 9), (Pair(0, 9, DuplicateKind.SAME_WORK, 30, 0.5),), 0.25, 0.5),
]


def test_groups_are_kept_as_they_were_found(store):
    assert kept_groups(store) is None
    keep_groups(store, pack_groups(GROUPS))
    kept = kept_groups(store)
    assert [kept.group(number) for number in range(len(kept))] == GROUPS
    assert kept.numbers().tolist() == [0, 1, 2]
    assert kept.numbers(NEAR).tolist() == [1]
    assert [kept.with_work(row) for row in range(11)] == [
        2,
        1,
        1,
        0,
        None,
        1,
        None,
        0,
        None,
        2,
        None,
    ]
    assert kept.works == 7


def test_an_index_without_duplicates_keeps_that_there_are_none(store):
    keep_groups(store, pack_groups([]))
    kept = kept_groups(store)
    assert (len(kept), kept.works, kept.with_work(0)) == (0, 0, None)
    assert kept.numbers().tolist() == []


def test_what_was_found_in_other_rows_or_is_damaged_is_not_known(store, tmp_path):
    keep_groups(store, pack_groups(GROUPS))
    noise_picture(tmp_path / "pictures" / "p03.png", (120, 90), seed=77)
    embed_collection(
        read_collection(tmp_path / "pictures"),
        store.path,
        extractor_of(Pixels(), Tap("map", "avg")),
    )
    assert kept_groups(store.reopen()) is None
    assert kept_groups(store) is not None
    groups_file(store).write_bytes(b"PAR1")
    assert kept_groups(store) is None


@pytest.mark.usefixtures("apart")
def test_nothing_is_looked_for_until_a_visitor_wants_it_and_then_it_is_kept(app, store):
    visitor = Visitor(app)
    first = visitor.post(f"{ROOM}/duplicates", json={}).json()
    assert (first["state"], first["groups"]) == ("none", [])
    refused = visitor.post(f"{ROOM}/duplicates/csv", json={})
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "nobody has looked for duplicates yet; open them on the page first",
    )
    found = wait(visitor, look=True)
    assert (found["state"], found["total"], found["works"], found["rows"]) == ("ready", 2, 5, 15)
    assert found["kinds"] == {"exact": 1, "near": 1}
    one, other = found["groups"]
    assert [work["id"] for work in one["works"]] == ["p00", "same"]
    assert sorted(work["id"] for work in other["works"]) == ["gray", "p01", "small"]
    assert (one["number"], one["kind"], one["size"], one["pairs"][0]["kind"]) == (
        1,
        "exact",
        2,
        "exact",
    )
    assert len(kept_groups(store)) == 2
    second = visitor.post(
        f"{ROOM}/duplicates", json={"kind": "near", "offset": 0, "limit": 1}
    ).json()
    assert [group["number"] for group in second["groups"]] == [2]


def test_a_work_names_its_other_pictures_where_they_are_known(app):
    visitor = Visitor(app)
    ask = lambda id_: visitor.get(f"{ROOM}/work", params={"id": id_}).json()["others"]  # noqa: E731
    assert ask("p00") == []
    wait(visitor, look=True)
    assert ask("p00") == [
        {"id": "same", "title": "Title same", "artist": "Ada", "date": "", "kind": "exact"}
    ]
    assert ask("p05") == []


def test_decisions_are_a_column_of_the_pairs(app):
    visitor = Visitor(app)
    wait(visitor, look=True)
    body = {"keep": ["p00", "p01"], "different": ["gray"]}
    rows = list(csv.DictReader(io.StringIO(visitor.post(f"{ROOM}/duplicates/csv", json=body).text)))
    decided = {
        frozenset((row["id"], row["other_id"])): (row["decision"], row["keep"]) for row in rows
    }
    assert decided[frozenset(("p00", "same"))] == ("duplicate", "p00")
    assert decided[frozenset(("p01", "small"))] == ("duplicate", "p01")
    assert decided[frozenset(("p01", "gray"))] == ("not a duplicate", "")
    assert (rows[0]["title"], rows[0]["other_title"]) == ("Title p00", "Title same")
    assert (rows[0]["index"], rows[0]["image"]) == ("twice", "p00.png")  # no folder of the server


def test_decisions_are_read_back_as_a_column_that_groups(app, store, tmp_path):
    visitor = Visitor(app)
    wait(visitor, look=True)
    body = {"keep": ["p00", "small"], "different": ["gray"]}
    file = tmp_path / "decisions.csv"
    file.write_text(visitor.post(f"{ROOM}/duplicates/csv", json=body).text)
    read = ["dupes", "--decisions", str(file), "--index", str(store.path)]
    found = CliRunner().invoke(cli, [*read, "--table"])
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines()[0] == (
        f"same_work in {store}: 4 pictures of 2 works; not duplicates: 1 pair; "
        "still to decide: 0 pairs"
    )
    store = store.reopen()
    names = {row["id"]: row[SAME_WORK] for row in store.read(["id", SAME_WORK]).to_pylist()}
    assert {id_: name for id_, name in names.items() if name} == {
        **dict.fromkeys(("p00", "same"), "p00"),
        **dict.fromkeys(("p01", "small"), "small"),
    }
    codes = dict(zip(names, group_codes(store, SAME_WORK).tolist(), strict=True))
    assert codes["p00"] == codes["same"] != codes["p01"] == codes["small"] != codes["gray"] == -1
    assert label_columns(store)[1][SAME_WORK] == (
        "it says which pictures are of one work; name it with --group"
    )
    assert facet_columns(Works(store)) == []  # the artist is one for all
    file.write_text("id,other_id,decision,keep\np00,same,not a duplicate,\n")
    assert CliRunner().invoke(cli, read).exit_code == 0
    assert SAME_WORK not in store.reopen().added


def test_decisions_are_joined_in_chains_and_what_cannot_be_read_is_said(store, tmp_path):
    file = tmp_path / "decisions.csv"
    file.write_text(
        "id,other_id,decision,keep\n"
        "p02,p03,duplicate,\np03,p04,Duplicate,p03\n"  # as a person may write it
        "p05,p06,duplicate,\np07,p08,,\np07,none,duplicate,\np08,p09,perhaps,\n"
    )
    found = read_decisions(store, file)
    assert (found.works, found.groups, found.different, found.open) == (5, 2, 0, 1)
    assert found.problems == (
        f"no work has the id 'none' in '{store}'",
        "'p08' and 'p09': decision 'perhaps'; expected 'duplicate' or 'not a duplicate'",
    )
    values = store.reopen().read([SAME_WORK]).column(0).to_pylist()
    assert values[2:8] == ["p03", "p03", "p03", "p05", "p05", None]
    assert (
        CliRunner().invoke(cli, ["dupes", "--decisions", str(file), str(store.path)]).exit_code == 1
    )
    file.write_text("id,other_id,decision,keep\nq1,q2,duplicate,q1\n")  # of another index
    read_decisions(store, file)
    assert store.reopen().read([SAME_WORK]).column(0).to_pylist() == values
    both = ["dupes", "--decisions", str(file), str(store.path), "-o", str(tmp_path / "o.csv")]
    assert "run it without the options of a search" in CliRunner().invoke(cli, both).output
    file.write_text("id,other_id\np02,p03\n")
    with pytest.raises(EvaluationError, match="lacks the column 'decision'; export it from"):
        read_decisions(store, file)


@pytest.mark.usefixtures("apart")
def test_a_search_that_fails_says_why_and_is_tried_again(app, store):
    visitor = Visitor(app)
    (store.path / "manifest.json").rename(store.path / "away")
    found = wait(visitor, look=True)
    (store.path / "away").rename(store.path / "manifest.json")
    assert found["state"] == "failed"
    assert found["reason"] == "'twice/manifest.json' is missing; run 'artsim repair twice'"
    assert wait(visitor, look=True)["total"] == 2


def test_a_read_only_index_keeps_them_in_memory(app, monkeypatch):
    def refuse(*_):
        raise StoreError("read-only")

    monkeypatch.setattr(searched, "keep_groups", refuse)
    assert wait(Visitor(app), look=True)["total"] == 2
    assert wait(Visitor(app))["total"] == 2


def test_many_works_are_left_to_the_command_line_whose_duplicates_are_shown(store, monkeypatch):
    monkeypatch.setattr(searched, "MOST", 14)
    museum = Museum([store], IndexEncoder)
    visitor = Visitor(make_app(museum))
    assert wait(visitor, look=True)["state"] == "too many"
    keep_groups(store, pack_groups(GROUPS))
    assert wait(visitor)["total"] == 3
    museum.close()


def test_one_search_serves_all_visitors_and_a_reopened_index(store, monkeypatch):
    begun, may_end = [], threading.Event()
    find = searched.find_apart

    def slow(*values, **options):
        begun.append(1)
        assert may_end.wait(60)
        return find(*values, **options)

    monkeypatch.setattr(searched, "find_apart", slow)
    museum = Museum([store], IndexEncoder)
    room = museum.room("twice")
    assert room.duplicates.look().state == "looking"
    assert room.duplicates.look().state == "looking"
    museum.rooms = museum._open({"twice": store}, museum.rooms)
    again = museum.room("twice")
    assert again is not room
    assert again.duplicates.look().state == "looking"
    may_end.set()
    wait_until("it is found", lambda: again.duplicates.progress().state != "looking")
    assert (len(again.duplicates.groups), len(begun)) == (2, 1)
    room.batcher.close()
    museum.close()


# --- in a process of its own --------------------------------------------------------------


@pytest.mark.usefixtures("apart")
def test_a_search_that_is_killed_says_so_and_the_next_one_finds(app, monkeypatch):
    begun = []
    start = subprocess.Popen

    def killed_once(*values, **options):
        begun.append(start(*values, **options))
        if len(begun) == 1:
            begun[0].kill()
        return begun[-1]

    monkeypatch.setattr(looking.subprocess, "Popen", killed_once)
    visitor = Visitor(app)
    failed = wait(visitor, look=True)
    assert (failed["state"], failed["reason"]) == (
        "failed",
        "the search was broken off; try again",
    )
    assert (wait(visitor, look=True)["total"], len(begun)) == (2, 2)
    assert all(each.poll() is not None for each in begun)


def test_an_index_that_was_embedded_again_meanwhile_has_no_groups_of_other_rows(store, monkeypatch):
    steps = []
    monkeypatch.setattr(Store, "fingerprint", "another")
    with pytest.raises(StoreError, match="was embedded again meanwhile; look once more"):
        looking.find_apart(store, "cpu", lambda *step: steps.append(step))
    assert steps == []


def test_a_search_ends_with_its_server(store):
    program = (
        "import threading; from artsim.server import looking; "
        "looking.picture_looks = lambda *_, **__: threading.Event().wait(); looking.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        wanted = (store.path, store.roots, store.fingerprint, "cpu", 1 << 30)
        pickle.dump(wanted, process.stdin)
        process.stdin.close()
        assert process.wait(120) == 1


# --- on the page --------------------------------------------------------------------------


@pytest.fixture
def page(browser, app):  # noqa: F811 - the fixture
    with serving(app) as address, visit(browser, address) as page:
        yield page


def test_duplicates_are_found_compared_decided_and_exported(page):
    page.goto("/")
    page.get_by_role("button", name="Duplicates").click()
    expect(page.locator("#duplicates")).to_contain_text(
        "5 of 15 works in 2 groups, the most certain kind first, and of each kind the most similar."
    )
    expect(page).to_have_title("Duplicates · twice")
    expect(page.locator("#duplicates .bar")).to_contain_text(
        re.compile(r"cropped, mirrored or rotated .*artsim dupes \S+ --transformed")
    )
    groups = page.locator(".groups > li")
    expect(groups).to_have_count(2)
    expect(groups.first).to_contain_text("1. Exact copies")
    expect(groups.first).to_contain_text("the same file")
    groups.first.get_by_role("button", name="Compare").click()
    viewer = page.locator("#viewer")
    expect(viewer.locator(".pane")).to_have_count(2)
    expect(viewer.locator("h2")).to_have_text("Title same")
    expect(viewer.locator(".viewer-top")).to_contain_text("2 of 2 in the group")
    captions = viewer.locator("figcaption")
    expect(captions.nth(0)).to_contain_text("Title p00, Ada · p00")
    expect(captions.nth(1)).to_contain_text("Title same, Ada · same")
    differ = viewer.get_by_role("region", name="Differences")
    expect(differ.get_by_role("columnheader")).to_have_text(["p00", "same"])
    expect(differ.locator("tbody tr")).to_have_text(["TitleTitle p00Title same"])
    viewer.get_by_role("button", name="Keep: Title p00").click()
    pressed = viewer.locator("[aria-pressed=true]")
    named = re.compile("^Keep: Title p00, Ada · p00$")
    expect(pressed.and_(viewer.locator("figcaption button"))).to_have_attribute("aria-label", named)
    viewer.get_by_role("button", name="Keep: Title same").click()
    expect(viewer.get_by_role("button", name=named)).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Escape")
    keep = groups.first.get_by_role("button", name="Keep")
    expect(keep.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#duplicates .bar")).to_contain_text("1 of 2 decided")
    keep.nth(0).click()
    expect(keep.nth(0)).to_be_focused()
    expect(page.locator("#duplicates .bar")).to_contain_text("1 of 2 decided")
    keep.nth(1).click()  # one of a group
    expect(keep.nth(0)).to_have_attribute("aria-pressed", "false")
    groups.nth(1).locator("ul > li").filter(has_text="Title gray").get_by_role(
        "button", name="Not a duplicate"
    ).click()
    page.reload()
    expect(keep.nth(1)).to_have_attribute("aria-pressed", "true")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export as CSV").click()
    rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text())))
    assert [(row["decision"], row["keep"]) for row in rows if row["group"] == "1"] == [
        ("duplicate", "same")
    ]
    assert {row["decision"] for row in rows if "gray" in (row["id"], row["other_id"])} == {
        "not a duplicate"
    }
    page.get_by_role("button", name="Forget decisions").click()
    sure = page.get_by_role("dialog", name="Forget all decisions about duplicates?")
    sure.get_by_role("button", name="Forget").click()
    expect(page.locator(".groups [aria-pressed=true]")).to_have_count(0)
    expect(page.locator("#duplicates .bar")).not_to_contain_text("decided")


def _exported(page):
    """Export on the page; return the decisions about each group, and what is to keep."""
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export as CSV").click()
    found = {}
    for row in csv.DictReader(io.StringIO(saved.value.path().read_text())):
        pair = "-".join(sorted((row["id"], row["other_id"])))
        found.setdefault(row["group"], {})[pair] = f"{row['decision']} {row['keep']}".strip()
    return found


def test_of_a_pair_the_last_decision_is_shown_and_exported(page):
    page.goto("/?view=duplicates")
    group = page.locator(".groups > li").first
    differ = group.get_by_role("button", name="Not a duplicate")
    keep, pressed = group.get_by_role("button", name="Keep"), group.locator("[aria-pressed=true]")
    differ.click()
    keep.nth(1).click()
    expect(pressed).to_have_text(["Keep"])
    assert _exported(page)["1"] == {"p00-same": "duplicate same"}
    page.reload()
    expect(pressed).to_have_text(["Keep"])
    assert _exported(page)["1"] == {"p00-same": "duplicate same"}
    differ.click()
    expect(pressed).to_have_text(["Not a duplicate"])
    assert _exported(page)["1"] == {"p00-same": "not a duplicate"}
    group.get_by_role("button", name="Compare").click()
    viewer = page.locator("#viewer figcaption")
    viewer.get_by_role("button", name="Keep: Title p00").click()
    expect(viewer.locator("[aria-pressed=true]")).to_have_text(["Keep"])
    page.keyboard.press("Escape")
    expect(pressed).to_have_text(["Keep"])
    assert _exported(page)["1"] == {"p00-same": "duplicate p00"}
    group.get_by_role("button", name="Compare").click()
    viewer.get_by_role("button", name="Not a duplicate").click()
    expect(viewer.locator("[aria-pressed=true]")).to_have_text(["Not a duplicate"])
    page.keyboard.press("Escape")
    expect(pressed).to_have_text(["Not a duplicate"])
    assert _exported(page)["1"] == {"p00-same": "not a duplicate"}
    expect(page.locator("#duplicates .bar")).to_contain_text("1 of 2 decided")
    differ.click()
    expect(pressed).to_have_count(0)
    assert _exported(page)["1"] == {"p00-same": ""}
    expect(page.locator("#duplicates .bar")).not_to_contain_text("decided")


# A group of three, of which each is a copy of each: clicks, what is pressed then, and the pairs
# gray-p01, gray-small and p01-small as they are exported.
_NO, _OPEN = "not a duplicate", ""
_CLICKS = {
    "one is none, and one of the others is kept": (
        ["differ gray", "keep p01"],
        ["keep p01", "differ gray"],
        [_NO, _NO, "duplicate p01"],
    ),
    "the same in the other order": (
        ["keep p01", "differ gray"],
        ["keep p01", "differ gray"],
        [_NO, _NO, "duplicate p01"],
    ),
    "none are, then one is kept": (
        ["differ 2", "keep gray"],
        ["keep gray"],
        ["duplicate gray"] * 3,
    ),
    "each but one is none, then that is kept": (
        ["differ gray", "differ small", "keep p01"],
        ["keep p01"],
        ["duplicate p01"] * 3,
    ),
    "one is kept, then each other is none": (
        ["keep p01", "differ gray", "differ small"],
        ["differ 2", "differ gray", "differ small"],
        [_NO] * 3,
    ),
    "one is kept, then is none": (
        ["keep p01", "differ p01"],
        ["differ p01"],
        [_NO, _OPEN, _NO],
    ),
    "one is kept, then none are, and that is taken back": (
        ["keep p01", "differ 2", "differ 2"],
        [],
        [_OPEN] * 3,
    ),
}


@pytest.mark.parametrize(("clicks", "pressed", "rows"), _CLICKS.values(), ids=_CLICKS)
def test_of_three_works_what_is_shown_is_what_is_exported(page, store, clicks, pressed, rows):
    ids = store.read(["id"]).column("id").to_pylist()
    three = sorted(ids.index(name) for name in ("gray", "p01", "small"))
    pairs = [(three[0], three[1]), (three[0], three[2]), (three[1], three[2])]
    exact = Group(EXACT, (0, 12), (Pair(0, 12, EXACT, 0, 1.0),), 1.0, 1.0)
    near = Group(NEAR, tuple(three), tuple(Pair(*pair, NEAR, 4, 0.9) for pair in pairs), 0.9, 0.9)
    keep_groups(store, pack_groups([exact, near]))
    page.goto("/?view=duplicates")
    group = page.locator(".groups > li").nth(1)
    for click in clicks:
        group.locator(f'[data-keep="{click}"]').click()
    expect(group.locator("[aria-pressed=true]")).to_have_count(len(pressed))
    shown = group.locator("[aria-pressed=true]").evaluate_all("all => all.map(e => e.dataset.keep)")
    assert sorted(shown) == sorted(pressed)
    found = _exported(page)["2"]
    assert [found[pair] for pair in ("gray-p01", "gray-small", "p01-small")] == rows
    is_decided = _OPEN not in rows
    counted = page.locator("#duplicates .bar").get_by_text("1 of 2 decided")
    expect(counted).to_have_count(int(is_decided))


def test_a_kind_is_chosen_and_back_returns_to_the_works(page):
    page.goto("/")
    page.get_by_role("button", name="Duplicates").click()
    page.get_by_label("Show", exact=True).select_option("near")
    expect(page.locator(".groups > li")).to_have_count(1)
    expect(page.locator(".groups h3")).to_have_text("2. Near copies")
    expect(page.locator("#duplicates .bar")).to_contain_text("in 2 groups, the most similar first.")
    page.go_back()
    expect(page.locator("#grid li")).to_have_count(15)
    expect(page.locator("#duplicates")).to_be_hidden()


def test_what_the_command_finds_meanwhile_is_shown_before_it_is_exported(page, store):
    page.goto("/?view=duplicates")
    expect(page.locator(".groups > li")).to_have_count(2)
    found = kept_groups(store)
    turned = Pair(2, 3, DuplicateKind.TRANSFORMED, 3, 0.5, "mirrored")
    more = Group(DuplicateKind.TRANSFORMED, (2, 3), (turned,), 0.5, 0.5)
    keep_groups(store, pack_groups([*map(found.group, range(2)), more]))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export as CSV").click()
    rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text())))
    assert {row["group"] for row in rows} == {"1", "2", "3"}
    expect(page.locator(".groups > li")).to_have_count(3)
    expect(page.locator("#duplicates .bar")).not_to_contain_text("--transformed")


def test_two_copies_of_one_work_differ_by_their_files_not_by_what_was_predicted(page, store):
    ids = pa.array([f"p{n:02}" for n in range(12)] + ["same", "small", "gray"])
    scores = pa.array(np.linspace(0, 1, 15))
    table = pa.table({"id": ids, "boats": scores})
    write_added(store.path, Field("boats", FieldType.NUMBER), table, {"kind": PREDICTION})
    page.goto("/?view=duplicates")
    groups = page.locator(".groups > li")
    groups.nth(1).get_by_role("button", name="Compare").click()
    differ = page.get_by_role("region", name="Differences")
    expect(differ.get_by_role("rowheader").first).to_have_text("Pixels")
    assert differ.get_by_role("rowheader").all_text_contents() == ["Pixels", "File", "Title"]
    expect(differ.locator("tbody tr").nth(1)).to_have_text(
        re.compile(r"^FilePNG, \d+ kBPNG, \d+ kB$")
    )


def test_the_viewer_leads_from_a_work_to_its_other_picture(page):
    page.goto("/?view=duplicates")
    expect(page.locator(".groups > li")).to_have_count(2)
    page.get_by_role("button", name="Works", exact=True).click()
    page.goto("/#work=p00")
    viewer = page.locator("#viewer")
    expect(viewer.locator(".record")).to_contain_text("Another picture of this work")
    # What stands above is not repeated.
    assert viewer.get_by_role("rowheader").all_text_contents() == ["ID", "Pixels", "File"]
    viewer.get_by_role("button", name="Compare with Title same").click()
    expect(viewer.locator(".pane")).to_have_count(2)
    expect(viewer.locator("h2")).to_have_text("Title same")
    expect(page).to_have_url(re.compile("#work=same$"))


def test_the_viewer_asks_about_a_picture_that_only_vectors_find(page):
    page.goto("/?view=duplicates")
    expect(page.locator(".groups > li")).to_have_count(2)
    page.route(
        re.compile(r"/work\?"),
        lambda route: route.fulfill(
            response=(got := route.fetch()),
            body=re.sub(r'"kind":\s*"(exact|near)"', '"kind":"same-work"', got.text()),
        ),
    )
    page.goto("/#work=p00")
    expect(page.locator("#viewer .record")).to_contain_text("Another picture of this work?")


@pytest.mark.parametrize(("width", "scheme"), [(1300, "dark"), (820, "light"), (390, "light")])
def test_duplicates_fit_every_window(browser, app, width, scheme):  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python")
    script = (Path(axe.__file__).parent / "axe.min.js").read_text()
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    with serving(app) as address, visit(browser, address, **options) as page:
        page.goto("/?view=duplicates")
        expect(page.locator(".groups > li")).to_have_count(2)
        page.get_by_role("button", name="Keep").first.click()
        page.get_by_role("button", name="Compare").first.click()
        buttons = page.locator("#viewer figcaption button")
        expect(buttons).to_have_count(3)  # of two, "Not a duplicate" is said once
        for button in buttons.all():
            expect(button).to_be_in_viewport(ratio=1)
        expect(page.get_by_role("region", name="Differences")).to_be_visible()
        page.keyboard.press("Escape")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate(script)
        found = page.evaluate("axe.run()")
        assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []


def test_what_the_command_finds_appears_on_the_page_that_is_open(page, store):
    page.goto("/?view=duplicates")
    expect(page.locator(".groups > li")).to_have_count(2)
    found = kept_groups(store)
    part = Pair(2, 3, DuplicateKind.TRANSFORMED, None, 0.5, "uncropped")
    more = Group(DuplicateKind.TRANSFORMED, (2, 3), (part,), 0.5, 0.5)
    keep_groups(store, pack_groups([*map(found.group, range(2)), more]))
    expect(page.locator(".groups > li")).to_have_count(3)
    expect(page.locator("#duplicates .bar")).not_to_contain_text("--transformed")
    expect(page.locator(".groups > li").last.locator(".group-head")).to_contain_text(
        "similarity 0.500 · the first is a part of the second"
    )
