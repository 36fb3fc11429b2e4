"""What ``import artsim`` offers: the names, that they load nothing, and that they work together."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image

import artsim

NAMES = [
    *("ArtsimError", "Box", "Compute", "EmbedSettings", "Estimate", "EvaluationError"),
    *("FetchError", "ImageError", "Index", "ModelError", "Passport", "PassportError"),
    *(
        "ReaderError",
        "ReaderOptions",
        "SearchError",
        "SearchRequest",
        "SearchResult",
        "StoreError",
        "Table",
    ),
    *("Term", "TrainingError", "TrainingResult", "add_label", "draw_split", "embed"),
    *(
        "fetch_pictures",
        "find_duplicates",
        "find_leaks",
        "find_motifs",
        "import_vectors",
        "inspect",
    ),
    *("knn_eval", "leaderboard", "list_models", "make_map", "make_report", "make_sample"),
    *("open", "predict", "probe", "read_collection", "retrieval_eval", "teach"),
    *("train", "zero_shot"),
]


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    folder = tmp_path_factory.mktemp("front-door")
    artsim.make_sample(folder / "museum", pictures=60)
    return artsim.embed(folder / "museum", folder / "index")


def test_the_public_names_are_listed():
    assert sorted(artsim.__all__) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_documented(name):
    thing = getattr(artsim, name)
    assert inspect.getdoc(thing)


def test_importing_artsim_loads_nothing_heavy():
    code = (
        "import sys, artsim; "
        "print([m for m in ('torch', 'pandas', 'pyarrow', 'sklearn', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_index_is_opened_read_and_described(museum):
    index = artsim.open(museum.path)
    assert len(index) == 60
    assert index.taps == ["embedding"]
    assert "artist" in index.columns
    table = index.to_pandas()
    assert list(table.columns[:2]) == ["id", "image"]
    assert index.vectors().shape == (60, 1280)
    assert len(index.failures) == 0
    assert repr(index).startswith(f"<artsim.Index {str(museum.path)!r}: 60 pictures by timm:")


def test_all_forms_of_a_query_find_the_same_works(museum):
    id_, image = museum.to_pandas().loc[3, ["id", "image"]]
    file = f"{museum.store.manifest.root}/{image}"
    by_id = museum.similar(id_, k=4)
    assert museum.similar(file, k=5).ids == [id_, *by_id.ids]  # a file is no work of the index
    assert by_id.ids == museum.similar(artsim.Term(id=id_), k=4).ids
    assert museum.similar(Path(file).read_bytes(), k=5).ids == [id_, *by_id.ids]
    with Image.open(file) as picture:
        assert museum.similar(picture, k=1).ids == [id_]  # the work itself: a copy of its pixels
    vector = museum.vectors()[3]
    assert museum.similar(vector, k=5).ids == [id_, *by_id.ids]
    two = museum.similar([id_, by_id.ids[0]], k=3)
    assert id_ not in two.ids


def test_a_search_becomes_a_table_and_a_contact_sheet(museum):
    id_ = museum.to_pandas().loc[0, "id"]
    found = museum.similar(id_, k=3, where="year < 1950", max_per={"artist": 1})
    table = found.to_pandas()
    assert list(table.columns[:5]) == ["rank", "id", "score", "percentile", "image"]
    assert table["id"].tolist() == found.ids
    assert (table["year"] < 1950).all()
    assert table["artist"].is_unique
    assert found._repr_html_().startswith('<img alt="')
    assert f"3 works similar to {id_}" in repr(found)


def test_an_invalid_query_lists_the_valid_forms(museum):
    with pytest.raises(artsim.SearchError, match="no file 'nothing', and no picture has the id"):
        museum.similar("nothing")
    with pytest.raises(artsim.SearchError, match="a query cannot be int"):
        museum.similar(5)


def test_evaluations_become_tables(museum):
    knn = artsim.knn_eval(museum, labels=["style"])
    assert set(knn.to_pandas()["label"]) == {"style"}
    assert {"k", "top1", "top1_low", "top1_high"} <= set(knn.to_pandas())
    probe = artsim.probe(museum, label="style", seed=1)
    assert probe.to_pandas()["probe"].between(0, 1).all()
    assert "<table" in probe._repr_html_()
    assert "style" in repr(probe)
    (repeated,) = artsim.probe(museum, label="style", seed=range(2), device="cpu").rows
    assert (repeated["splits"], repeated["seeds"]) == (2, [0, 1])
    with pytest.raises(artsim.EvaluationError, match="got 2 seeds; leave out save"):
        artsim.probe(museum, label="style", seed=[3, 4], save="mean")
    with pytest.raises(artsim.EvaluationError, match="no seed"):
        artsim.probe(museum, label="style", seed=[])
    retrieval = artsim.retrieval_eval(museum, labels="style")
    assert isinstance(retrieval.to_pandas(), pd.DataFrame)
    assert len(artsim.leaderboard([museum], labels="style").to_pandas()) == 1


def test_labels_splits_and_leaks(museum):
    artsim.add_label(museum, "early = year < 1930")
    split = artsim.draw_split(museum, "honest", stratify="style", fractions=(0.6, 0.2, 0.2))
    assert split.to_pandas()["rows"].sum() == 60
    assert len(artsim.knn_eval(museum, labels="early", split="honest")) >= 1
    leaks = artsim.find_leaks(museum, "honest")
    assert set(leaks.to_pandas().columns) >= {"part", "other", "leaks"}


def test_duplicates_of_an_index(museum):
    assert list(artsim.find_duplicates(museum).to_pandas().columns) in (
        [],
        ["group", "kind", "id", "other", "score"],
    )


def test_a_saved_probe_predicts(museum):
    artsim.probe(museum, label="style", save="by-style")
    id_ = museum.to_pandas().loc[0, "id"]
    found = artsim.predict(museum, [id_], head="by-style").to_pandas()
    assert found["id"].tolist() == [id_]
    assert np.isin(found["predicted"], museum.to_pandas()["style"]).all()


def test_a_taught_concept_is_a_column(museum):
    ids = museum.find(k=6)["id"].tolist()
    first = artsim.teach(museum, "dots", positive=ids[:4], k=3, ask=2)
    assert first.to_pandas()["use"].tolist() == ["likely"] * 3 + ["ask"] * 2
    assert not set(first.to_pandas()["id"]) & set(ids[:4])
    artsim.teach(museum, "dots", negative=ids[4:])
    table = artsim.open(museum.path).to_pandas().set_index("id")
    assert table.loc[ids[:4], "dots"].tolist() == ["yes"] * 4
    assert table["dots_score"].between(0, 1).all()
    with pytest.raises(artsim.SearchError, match="no picture has the id 'none'"):
        artsim.teach(museum, "dots", positive=["none"])


def test_the_example_of_the_readme_runs(museum, tmp_path, monkeypatch):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) <= 8
    assert [line for line in lines if "import" in line] == ["import artsim"]
    (tmp_path / "museum").symlink_to(museum.store.manifest.root)
    image = museum.to_pandas().loc[3, "image"]
    (tmp_path / "query.jpg").write_bytes((museum.path.parent / "museum" / image).read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
