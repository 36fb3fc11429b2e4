"""Works of the National Gallery's layout with real pictures: what shares a term, by which way."""

import csv
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from recipe_runs import TINY, embedded, metrics, page_of, real_paintings, run

from artsim.cli import cli
from artsim.errors import TrainingError
from artsim.labels import multiclass, multilabel
from artsim.metrics.retrieval import score_hits
from artsim.readers import read_collection
from artsim.recipes import load_recipe
from artsim.recipes.faces import find_faces
from artsim.recipes.nga_similarity import (
    _count_copies,
    _count_related,
    _share,
    _without_copies,
)
from artsim.recipes.ranking import MEASURES, rank

NGA = "nga-similarity"
SMALL = {"networks": f"{TINY}@layer2/gram+embedding", "ks": "1,5"}

OBJECTS = "objectid,title,beginyear,endyear,medium,attribution,classification"
IMAGES = "uuid,iiifurl,iiifthumburl,viewtype,sequence,width,height,maxpixels,depictstmsobjectid"


@pytest.fixture(scope="module")
def nga(museum_data, tmp_path_factory):
    """Real paintings as the gallery's tables: artists as attributions, styles as schools."""
    folder = tmp_path_factory.mktemp("nga")
    paintings = real_paintings(museum_data, 4, 8)
    terms = []
    with (
        (folder / "objects.csv").open("w", newline="") as objects,
        (folder / "published_images.csv").open("w", newline="") as images,
    ):
        objects.write(f"{OBJECTS}\n")
        images.write(f"{IMAGES}\n")
        for i, row in enumerate(paintings):
            kind = "Print" if i % 4 == 3 else "Painting"
            work = [i, row["title"], 1880, 1881, "oil", row["artist"], kind]
            csv.writer(objects).writerow(work)
            address = f"https://api.nga.gov/iiif/u{i}"
            csv.writer(images).writerow([f"u{i}", address, "", "primary", 0, 9, 9, "", i])
            terms += [(i, "School", row["style"]), (i, "Theme", row["genre"])]
            terms += [(i, "Theme", "people")] if i % 2 else []
    with (folder / "objects_terms.csv").open("w", newline="") as stream:
        stream.write("termid,objectid,termtype,term\n")
        csv.writer(stream).writerows((n, *term) for n, term in enumerate(terms))
    catalog = read_collection(f"nga:{folder}")
    rows = [row for batch in catalog.batches() for row in batch.to_pylist()]
    assert all(row["image"].startswith("https://api.nga.gov/iiif/u") for row in rows)
    return embedded(_fetched(catalog, paintings, museum_data, folder), folder / "index")


def _fetched(catalog, paintings, museum_data, folder):
    """The catalog as 'artsim fetch' leaves it: objects.parquet beside the pictures."""
    table = pa.Table.from_batches(catalog.batches())
    local = [paintings[int(id_)]["image"] for id_ in table.column("id").to_pylist()]
    table = table.set_column(1, "image", pa.array(local))
    pq.write_table(table, folder / "fetched.parquet")
    (folder / "images").symlink_to(museum_data / "paintings" / "images")
    return read_collection(f"table:{folder / 'fetched.parquet'}")


@pytest.fixture(scope="module")
def compared(nga, tmp_path_factory):
    settings = SMALL | {"face": "true", "face_network": TINY, "pixels": "true"}
    return run(tmp_path_factory.mktemp("runs") / "run", NGA, nga, **settings)


# --- rankings -----------------------------------------------------------------------------


@pytest.mark.parametrize("measure", MEASURES)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**16), n=st.integers(3, 40), dim=st.integers(2, 6))
def test_rankings_are_those_of_the_whole_matrix_of_distances(measure, seed, n, dim):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, dim)).astype(np.float32) + 3
    queries = np.arange(0, n, 2)
    exact = x.astype(np.float64)
    unit = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    apart = exact[:, None] - exact[None]
    distances = {
        "cosine": 1 - unit @ unit.T,
        "euclidean": np.sqrt((apart**2).sum(axis=2)),
        "manhattan": np.abs(apart).sum(axis=2),
    }[measure]
    found = rank(x, queries, n - 1, measure)
    for query, row in zip(queries, found, strict=True):
        assert sorted(row) == [each for each in range(n) if each != query]
        assert (np.diff(distances[query, row]) > -1e-4).all()


def test_related_works_share_a_class_or_any_of_several():
    rows = np.array([0, 1, 2, 4])
    one = multiclass("x", ["a", "a", "b", "a", "a"])
    assert _count_related(one, rows).tolist() == [2, 2, 0, 2]
    assert _share(one, rows, np.array([0, 2]), np.array([[1, 2], [0, 1]])).tolist() == [
        [True, False], [False, False]]  # fmt: skip
    several = multilabel("x", [["p", "q"], ["q"], ["r"], ["q"], ["p", "r"]])
    assert _count_related(several, rows).tolist() == [2, 1, 1, 2]
    assert _share(several, rows, np.array([0]), np.array([[1, 2, 3]])).tolist() == [
        [True, False, True]]  # fmt: skip


def test_copies_of_a_query_are_no_results_and_not_related():
    rows, groups = np.arange(5), np.array([0, -1, 0, -1, 0])
    one = multiclass("x", ["a", "a", "a", "b", "b"])
    assert _count_copies(one, rows, groups).tolist() == [1, 0, 1, 0, 0]
    results = np.array([[2, 1, 4, 3], [0, 2, 3, 4]])
    assert _without_copies(results, np.array([0, 1]), groups).tolist() == [
        [1, 3, 2, 4], [0, 2, 3, 4]]  # fmt: skip


def test_scores_of_hits_by_hand():
    hits = np.array([[False, True, True], [False, False, False]])
    found = score_hits(hits, np.array([2, 1]), ks=(1, 3))
    assert found["P@3"].tolist() == pytest.approx([2 / 3, 0])
    assert found["HitRate@1"].tolist() == [0, 0]
    assert found["HitRate@3"].tolist() == [1, 0]
    assert found["mAP@3"].tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2, 0])
    assert found["MRR@3"].tolist() == [0.5, 0]


# --- the recipe ---------------------------------------------------------------------------


def test_every_tap_and_distance_is_compared_on_the_gallerys_terms(compared):
    found = metrics(compared)
    assert found["works"] == 32
    vectors = ["index: rgb", f"{TINY}: layer2/gram", f"{TINY}: embedding",
               f"face, {TINY}: embedding"]  # fmt: skip
    asked = [(way["label"], way["vectors"], way["measure"]) for way in found["methods"]]
    assert asked == [
        (label, way, measure)
        for label in ("classification", "attribution", "school", "theme")
        for way in vectors
        for measure in ("cosine", "euclidean", "manhattan")
    ]
    for way in found["methods"]:
        scores = ("P@1", "HitRate@5", "mAP@5", "MRR@5", "chance")
        assert all(0 <= way[name] <= 1 for name in scores)
        assert way["P@1"] == way["HitRate@1"] == way["mAP@1"]
    looked = [way for way in found["methods"] if "SSIM@5" in way]
    assert [way["vectors"] for way in looked] == vectors
    assert {(way["label"], way["measure"]) for way in looked} == {("classification", "cosine")}
    assert all(-1 <= way["SSIM@5"] <= 1 and 0 < way["RMSE@5"] < 255 for way in looked)
    attribution = next(way for way in found["methods"] if way["label"] == "attribution")
    assert attribution["queries"] == 32
    assert attribution["chance"] == pytest.approx(7 / 31)


def test_the_report_has_chance_levels_and_the_number_of_faces(compared):
    report = (compared / "report.md").read_text()
    assert "Retrieve works that share attribution, 32 queries; two random works share it " in report
    assert "of 32 works; the others are embedded whole." in report
    assert "| index: rgb | manhattan | 0." in report


def test_the_page_has_the_same_tables(compared):
    found, page = page_of(compared)
    assert (found.tasks, found.curves) == ((), {"": []})
    assert found.facts == "32 works, seed 0."
    assert "<h3>Similarity search by attribution</h3>" in page
    assert "32 queries; two random works share their attribution with probability 0.226" in page
    first = metrics(compared)["methods"][0]
    cell = f'<td class="n">{first["P@1"]:.3f}</td>'
    assert f'<tr><th scope="row">index: rgb</th><td>cosine</td>{cell}' in page


def test_the_same_run_again_gives_the_same_figures(compared, nga):
    before = (compared / "metrics.json").read_bytes()
    run(compared, NGA, nga)
    assert (compared / "metrics.json").read_bytes() == before


@pytest.mark.parametrize(
    "args", [["compare", "{run}", "{run}"], ["predict", "a", "--run", "{run}"]]
)
def test_a_run_without_a_network_cannot_compare_or_embed(compared, args):
    done = CliRunner().invoke(cli, [each.format(run=compared) for each in args])
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: {str(compared)!r} is a run of nga-similarity, which trains no network; its "
        f"results are in {str(compared / 'report.md')!r}\n"
    )


def test_the_comparison_can_be_limited_to_one_class(nga, tmp_path):
    settings = {"only": "classification=Print", "networks": "", "labels": "attribution", "ks": "1"}
    found = metrics(run(tmp_path / "run", NGA, nga, **settings))
    assert (found["works"], found["only"]) == (8, "classification=Print")
    with pytest.raises(TrainingError, match="0 works have 'classification=Vase'"):
        run(tmp_path / "no", NGA, nga, only="classification=Vase")


def test_a_label_that_all_works_share_is_refused_or_left_out_with_its_class(nga, tmp_path):
    settings = {"only": "classification=Print", "networks": "", "ks": "1"}
    labels = "classification,attribution"
    path = run(tmp_path / "run", NGA, nga, **settings, labels=labels)
    assert {each["label"] for each in metrics(path)["methods"]} == {"attribution"}
    note = "classification is not compared: all works have classification=Print."
    assert note in metrics(path)["notes"]
    with pytest.raises(TrainingError, match="all 8 works that have 'same' share it"):
        run(tmp_path / "no", NGA, nga, **settings, labels="same = upper(classification)")


def test_copies_are_left_out_counted_and_kept_on_request(tmp_path, paint):
    for i in range(8):
        paint(tmp_path / "c" / ("red" if i % 2 else "blue") / f"{i}.png", (60 * (i // 2), 0, 0))
    for name in ("red/1.png", "blue/copy.png"):
        (tmp_path / "c" / name).write_bytes((tmp_path / "c/blue/0.png").read_bytes())
    index = embedded(read_collection(tmp_path / "c"), tmp_path / "index")
    changes = {"networks": "", "labels": "class", "ks": "1", "measures": "cosine,euclidean"}
    found = metrics(run(tmp_path / "run", NGA, index, **changes))
    kept = metrics(run(tmp_path / "kept", NGA, index, **changes, keep_copies="true"))
    assert (found["copies_left_out"], kept["copies_left_out"]) == (9, 0)
    assert "which never count as neighbors" in found["notes"][0]
    assert "the scores are too high" in kept["notes"][0]


def test_the_default_labels_and_distances():
    config = load_recipe(NGA).Config()
    assert config.labels == ("classification", "attribution", "school", "theme")
    assert config.measures == ("cosine", "euclidean", "manhattan")


# --- faces --------------------------------------------------------------------------------


def test_blank_and_broken_pictures_have_no_face(tmp_path):
    Image.new("RGB", (200, 200), "gray").save(tmp_path / "gray.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert find_faces({1: tmp_path / "gray.png", 2: tmp_path / "broken.png"}) == {}


def test_a_face_is_found_where_it_is(museum_data, tmp_path):
    astronaut = pytest.importorskip("skimage.data").astronaut()  # comes with scikit-image
    Image.fromarray(astronaut).save(tmp_path / "portrait.png")
    (box,) = find_faces({7: tmp_path / "portrait.png"}).values()
    left, top, right, bottom = box.edges(512, 512)
    assert left < 190 < 260 < right  # her eyes
    assert top < 90 < 150 < bottom
    assert right - left < 256


def test_without_opencv_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(TrainingError, match=r"pip install 'artsim\[faces\]'"):
        find_faces({})
