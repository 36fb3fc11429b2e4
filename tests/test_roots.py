"""An index that someone else made reads no file of this machine outside its collection's folder."""

import hashlib
import io
import json
import os
import shutil
import sys
from functools import partial

import httpx2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from search_toys import at, make_store
from serving import serving

import artsim
from artsim.cli import cli
from artsim.errors import StoreError
from artsim.readers import read_collection
from artsim.report import draw_pictures
from artsim.search import IndexEncoder, Works, locate
from artsim.server import Museum, make_app
from artsim.server.pictures import Thumbnails
from artsim.store import Store, sealed, unsealed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes links and pipes")

SECRET, OWN = (250, 0, 200), (0, 120, 0)  # the colors of pictures outside and inside
WORDS = "root:x:0:0:of the owner"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A collection, next to it what no index may show, and in it what is no picture."""
    place = tmp_path_factory.mktemp("owner")
    pictures = place / "pictures"
    pictures.mkdir()
    Image.new("RGB", (40, 20), SECRET).save(place / "secret.png")
    (place / "secret.txt").write_text(WORDS)
    Image.new("RGB", (40, 20), OWN).save(pictures / "own.png")
    (pictures / "notes.png").write_text(WORDS)
    (pictures / "link.png").symlink_to(place / "secret.png")
    (pictures / "inside.png").symlink_to("own.png")
    (pictures / "folder").symlink_to(place)
    os.mkfifo(pictures / "pipe.png")
    return place


def images(place):
    """Return the images of an evil index by id; only the first three are its collection's."""
    return {
        "own": "own.png",
        "inside": "inside.png",
        "own absolute": str(place / "pictures" / "own.png"),
        "notes": "notes.png",
        "absolute": str(place / "secret.png"),
        "up": "../secret.png",
        "up and down": "folder/../../secret.png",
        "link": "link.png",
        "linked folder": "folder/secret.png",
        "text": str(place / "secret.txt"),
        "pipe": "pipe.png",
        "device": "/dev/zero",
        "passwd": "/etc/passwd",
        "itself": ".",
        "zero byte": "a\0b",
        "long": "x" * 5000,
    }


@pytest.fixture(scope="module")
def store(place):
    named = images(place)
    return make_store(
        place / "evil index",
        list(named),
        {"compass": at(*range(len(named)))},
        {"style": ["a", "b"] * (len(named) // 2), "artist": [*"xyz"] * 5 + ["x"]},
        images=list(named.values()),
        root=place / "pictures",
    )


SHOWN = {"own", "inside", "own absolute"}
HIDDEN = {"absolute", "up", "up and down", "link", "linked folder", "text", "pipe", "device"}
HIDDEN |= {"passwd", "itself", "zero byte", "long"}


def colors_of(picture):
    """Return which of the two colors a picture has, somewhere."""
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    return {
        name
        for name, color in (("secret", SECRET), ("own", OWN))
        if (abs(pixels - color).sum(axis=2) < 60).any()
    }


def pictures_in(text):
    """Return the pictures that a page or manifest holds."""
    import base64
    import re

    found = re.findall(r"data:image/(?:png|jpeg);base64,([A-Za-z0-9+/=]+)", text)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_only_regular_files_below_the_root_are_located(store, place):
    found = {id_ for id_, image in images(place).items() if locate(store, image) is not None}
    assert found == SHOWN | {"notes"}  # which is said to be no picture
    assert images(place).keys() - found == HIDDEN
    assert locate(store, "missing.png") == str(place / "pictures" / "missing.png")


def test_the_root_of_the_file_system_is_no_collection(place, tmp_path):
    made = make_store(tmp_path / "i", ["a"], {"compass": at(0)}, images=["etc/passwd"], root="/")
    assert made.roots == ()
    assert locate(made, "etc/passwd") is None
    assert Store.open(made.path, roots=[place]).roots == (place,)


def test_a_server_shows_pictures_of_the_collection_only(store, place):
    with serving(make_app(Museum([store], IndexEncoder))) as address:
        room = f"{address}/api/evil index"
        for id_ in images(place):
            answer = httpx2.get(f"{room}/picture", params={"id": id_}, timeout=20)
            if id_ in SHOWN:
                assert colors_of(Image.open(io.BytesIO(answer.content))) == {"own"}
                continue
            assert (answer.status_code, answer.json()) == (
                404,
                {"error": f"the picture of {id_!r} cannot be shown"},
            )
            body = {"terms": [{"id": id_, "crop": [0, 0, 50, 50]}]}
            detail = httpx2.post(f"{room}/search", json=body, timeout=20)
            assert detail.status_code in (400, 404)
            assert str(place) not in detail.text
            assert WORDS[:6] not in detail.text
        body = {"terms": [{"id": "own"}], "k": 20}
        for kind in ("csv", "html", "iiif"):
            text = httpx2.post(f"{room}/export/{kind}", json=body, timeout=60).text
            assert WORDS[:6] not in text
            assert str(place) not in text
            assert {name for each in pictures_in(text) for name in colors_of(each)} <= {"own"}


def run(*command):
    done = CliRunner().invoke(cli, [str(each) for each in command])
    assert done.exit_code == 0, done.output
    return done


def test_pages_and_sheets_show_pictures_of_the_collection_only(store, tmp_path):
    page, sheet, iiif = (tmp_path / name for name in ("p.html", "s.png", "m.json"))
    shown = ("--html", page, "--sheet", sheet, "--iiif", iiif, "--json")
    done = run("similar", store.path, "--id", "own", "-k", "20", *shown)
    by_id = {row["id"]: row["image"] for row in map(json.loads, done.stdout.splitlines())}
    assert {id_ for id_, image in by_id.items() if image is None} == HIDDEN
    note = "and not shown, such as '" + str(store.path.parent / "secret.png")
    assert note in done.stderr
    assert "name their folder with --root DIR" in done.stderr
    assert colors_of(Image.open(sheet)) == {"own"}
    for file in (page, iiif):
        text = file.read_text()
        assert {name for each in pictures_in(text) for name in colors_of(each)} == {"own"}
        assert WORDS[:6] not in text


def test_a_map_of_pictures_shows_those_of_the_collection_only(store, place, tmp_path):
    named = list(images(place).values())
    points = np.array([(n % 4, n // 4) for n in range(len(named))], dtype=np.float32)
    draw_pictures(tmp_path / "w.png", points, named, find=partial(locate, store))
    assert colors_of(Image.open(tmp_path / "w.png")) == {"own"}


def test_no_thumbnail_is_read_or_written_outside_the_index(place, tmp_path):
    Image.new("RGB", (9, 9), SECRET).save(place / "private.jpg")
    sha256 = hashlib.sha256((place / "pictures" / "own.png").read_bytes()).hexdigest()
    contents = [str(place / "private"), "../../../private", "../../manifest", "0" * 64, sha256]
    made = make_store(
        tmp_path / "i",
        [*"abcde"],
        {"compass": at(*range(5))},
        hashes=contents,
        images=["own.png"] * 5,
        root=place / "pictures",
    )
    small = made.path / "thumbnails" / "320"
    small.mkdir(parents=True)
    (small / f"{'0' * 64}.jpg").symlink_to(place / "private.jpg")
    (small / f"{sha256}.jpg").symlink_to(tmp_path / "new.jpg")
    thumbnails = Thumbnails(Works(made))
    for id_ in "abcde":
        assert colors_of(Image.open(io.BytesIO(thumbnails.get(id_, 320)))) == {"own"}
    assert not (tmp_path / "new.jpg").exists()


def test_dupes_passes_over_what_is_outside_and_waits_for_no_pipe(store, tmp_path):
    run("dupes", store.path, "--threshold", "0.5", "--sheet", tmp_path / "s.png")
    assert colors_of(Image.open(tmp_path / "s.png")) == {"own"}


def test_root_names_the_folders_that_are_shown_and_no_others(store, place, tmp_path):
    sheet, other = tmp_path / "s.png", tmp_path / "other"
    other.mkdir()
    command = ("similar", store.path, "--id", "own", "-k", "20", "--sheet", sheet)
    run(*command, "--root", place)
    assert colors_of(Image.open(sheet)) == {"own", "secret"}
    run(*command, "--root", other)
    assert colors_of(Image.open(sheet)) == set()
    run(*command, "--root", other, "--root", place / "pictures")
    assert colors_of(Image.open(sheet)) == {"own"}
    opened = artsim.open(store.path, roots=[place])
    assert opened.store.reopen().roots == (place.resolve(),)


def test_a_detail_of_a_work_outside_names_the_option(store):
    done = CliRunner().invoke(
        cli, ["similar", str(store.path), "--id", "absolute", "--crop", "0,0,5,5"]
    )
    assert done.exit_code == 1
    assert done.output == (
        "Error: the picture of 'absolute' is outside the collection's folder; name its folder with "
        "--root DIR\n"
    )


def test_a_table_of_absolute_paths_has_the_folder_of_its_pictures_as_root(place, tmp_path):
    pictures = [place / "pictures" / "own.png", place / "secret.png"]
    table = tmp_path / "list.csv"
    table.write_text("id,image\n" + "".join(f"{n},{file}\n" for n, file in enumerate(pictures)))
    assert read_collection(table).root == place
    table.write_text(f"id,image\n1,{pictures[0]}\n2,/etc/passwd\n")
    assert read_collection(table).root == tmp_path


def test_a_manifest_names_no_file_outside_the_index(store, tmp_path):
    shutil.copytree(store.path, tmp_path / "i")
    manifest = tmp_path / "i" / "manifest.json"
    values = unsealed(manifest.read_text())
    values["parts"][0]["file"] = f"../../evil index/parts/{values['parts'][0]['file']}"
    manifest.write_bytes(sealed(values))
    with pytest.raises(StoreError, match="is outside the index"):
        Store.open(tmp_path / "i")


def test_the_page_of_an_inspection_shows_pictures_below_its_folder_only(place, tmp_path):
    pytest.importorskip("matplotlib")
    rows = "".join(
        f"{id_},{image},{'ab'[number % 2]}\n"
        for number, (id_, image) in enumerate(
            {"1": "own.png", "2": "link.png", "3": "folder/secret.png", "4": "inside.png"}.items()
        )
    )
    folder = tmp_path / "collection"
    shutil.copytree(place / "pictures", folder, symlinks=True, ignore=lambda *_: ["pipe.png"])
    (folder / "objects.csv").write_text(f"id,image,style\n{rows}")
    page = tmp_path / "page.html"
    command = ["inspect", str(folder), "--hashes", "--html", str(page)]
    assert CliRunner().invoke(cli, command).exit_code == 0
    shown = pictures_in(page.read_text("utf-8"))
    assert set().union(*map(colors_of, shown)) == {"own"}
