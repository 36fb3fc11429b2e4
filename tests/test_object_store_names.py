"""Every command names an index in an object store by its address, never by the copy here."""

import csv
import json
import shutil

import pytest
from buckets import serving_bucket
from click.testing import CliRunner
from conftest import without_umap
from PIL import Image

from artsim.cli import cli
from artsim.places import upload_object
from artsim.recipes.runner import open_run_index
from artsim.training import read_curves, read_plan

pytestmark = pytest.mark.slow

COLORS = [(200, 30, 30), (30, 160, 60), (40, 60, 190)]
WORKS = 36
CACHE = "cache-of-artsim"
MODEL = "timm:test_resnet.random"  # small: nothing here is about the network
# Of an index, {i}; what they write is in the folder {o}.
COMMANDS = """
info {i}
info {i} --check
info {i} --failures
find {i} work
find {i} work --html {o}/found.html
similar {i} w01
similar {i} {o}/c/w02.png --html {o}/s.html --iiif {o}/s.json --csv {o}/s.csv --sheet {o}/s.png
similar {i} no-such-work
similar {i} w01 --tap none
similar {i} w01 --where none=1
dupes {i} --sheet {o}/d.png --output {o}/d.csv
motifs {i} --html {o}/m.html
label {i} hue=artist
label {i}
label {i} artist=title
label {i} --remove hue
split {i} --name honest --stratify artist
split {i} --name honest --folds 2
split {i}
leaks {i} --split honest
index {i}
knn-eval {i} --label artist -k 3
knn-eval {i} --label none
probe {i} --label artist
retrieval-eval {i} --label artist
leaderboard {i} --label artist
train finetune --index {i} -o {o}/run {TINY}
predict {i} {o}/c/w02.png
predict {i} {o}/c/w02.png --head none
map {i} --png {o}/map.png
zero-shot {i} --label artist
teach {i} red --positive w00,w03 --negative w01,w02
teach {i}
teach {i} red --apply {i}
teach {i} nothing --delete
review {i}
report {i} --output {o}/r.html --markdown {o}/r.md --label artist
migrate {i}
migrate {i} -m {MODEL}@layer3
migrate {i} --switch
migrate {i} --drop-old
repair {i}
compact {i}
publish {i}
publish {i} lance:{o}/published
similar lance:{o}/published w01
embed {o}/c -o {i} -m {MODEL} --tiles 2
embed {o}/empty -o {i} -m {MODEL}
serve {i} --host 192.0.2.1 --token x
info {i}-none
"""

SAY_IT = {
    *("compact", "dupes", "embed", "find", "index", "info", "knn-eval", "label", "leaks", "map"),
    *("migrate", "predict", "probe", "publish", "repair", "report", "retrieval-eval", "similar"),
    *("split", "teach", "r.md", "r.html", "s.html", "s.json"),
}
TINY = f"--set label=artist --set backbone={MODEL} --set batch_size=8 --set epochs=1"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index in a bucket, and a folder for what commands write."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "c").mkdir()
    (folder / "empty").mkdir()
    with (folder / "c" / "objects.csv").open("w") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "image", "title", "artist"])
        for n in range(WORKS):
            Image.effect_noise((40, 40), n + 1).convert("RGB").save(folder / "c" / f"w{n:02}.png")
            picture = Image.new("RGB", (40, 40), COLORS[n % 3])
            picture.paste(Image.effect_noise((20, 20), n + 2).convert("RGB"), (n % 20, 5))
            picture.save(folder / "c" / f"w{n:02}.png")
            table.writerow([f"w{n:02}", f"w{n:02}.png", f"work {n}", "abc"[n % 3]])
        table.writerow(["gone", "gone.png", "gone", "a"])
    with serving_bucket() as bucket, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / CACHE))
        address = f"{bucket.address}/an/index"
        done = CliRunner().invoke(cli, ["embed", str(folder / "c"), "-o", address, "-m", MODEL])
        assert done.exit_code == 0, done.output
        assert f"{address}: {WORKS} pictures" in done.output
        yield address, folder


def test_no_output_of_any_command_names_the_copy(made, monkeypatch):
    address, folder = made
    monkeypatch.chdir(folder)
    without_umap(monkeypatch)
    outputs = {}
    for line in COMMANDS.strip().splitlines():
        words = line.format(i=address, o=folder, TINY=TINY, MODEL=MODEL).split()
        has_table = any("--table" in option.opts for option in cli.commands[words[0]].params)
        for more in ([], ["--table"])[: 1 + has_table]:
            done = CliRunner().invoke(cli, [*words, *more])
            assert "No such option" not in done.output, line
            assert isinstance(done.exception, SystemExit | None), line
            outputs[" ".join((line, *more))] = done.output
    for file in folder.iterdir():
        if file.is_file():
            outputs[file.name] = file.read_bytes().decode("utf-8", "replace")
    assert [name for name, text in outputs.items() if CACHE in text] == []
    named = {line.partition(" ")[0] for line, text in outputs.items() if address in text}
    silent = {
        name: text for name, text in outputs.items() if name.partition(" ")[0] in SAY_IT - named
    }
    assert silent == {}


def asked(*words):
    """Run a command; give its rows, or its error."""
    done = CliRunner().invoke(cli, [*map(str, words)])
    if done.exit_code:
        assert done.output.count("\n") == 1
        return done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_picture_in_a_store_is_a_query_as_its_file_is(made, monkeypatch):
    address, folder = made
    here = folder / "c" / "w02.png"
    there = "s3://museum/queries/w02.png"
    upload_object(here, there)
    for command in (["similar", "-k", "4"], ["predict"]):
        if command == ["predict"]:
            asked("probe", address, "--label", "artist")
        answers = [asked(*command, each, "--index", address) for each in (here, there)]
        assert len(answers[0]) == 4 if "-k" in command else 1
        for row in answers[0] + answers[1]:
            for name in ("id", "image") if command == ["predict"] else ():
                row.pop(name, None)
        assert answers[0] == answers[1]
    several = asked("similar", there, "--index", address, "--plus", there, "-k", "4")
    assert [row["id"] for row in several] == [
        row["id"] for row in asked("similar", here, "--index", address, "-k", "4")
    ]
    none = "s3://museum/queries/none.png"
    assert asked("similar", none, "--index", address) == (
        f"Error: no picture at {none}; check the address\n"
    )
    assert none in asked("predict", none, "--index", address)

    def missing(*_, **__):
        raise ImportError

    monkeypatch.setattr("fsspec.filesystem", missing)
    for name, extra in (("gs://b/a.jpg", "gcs"), ("hf://datasets/a/b.jpg", "hf")):
        for command in ("similar", "predict"):
            said = asked(command, name, "--index", made_here(folder))
            assert said.startswith(f"Error: {name} needs ")
            assert f"'artsim[{extra}]'" in said


def test_a_network_is_trained_on_an_index_in_a_store_as_on_its_folder(made, monkeypatch):
    address, folder = made
    monkeypatch.chdir(folder)
    runs = {"there": address, "here": made_here(folder)}
    for name, index in runs.items():
        words = ["train", "finetune", "--index", str(index), "-o", name, *TINY.split()]
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, done.output
    assert read_curves(folder / "there") == read_curves(folder / "here")
    assert read_plan(folder / "there").index == address
    shutil.rmtree(folder / CACHE)  # another machine
    assert str(open_run_index(folder / "there", read_plan(folder / "there"))) == address


def made_here(folder):
    """Return the same index as a folder."""
    (copy,) = (folder / CACHE / "artsim" / "indexes").glob("*/index")
    return copy
