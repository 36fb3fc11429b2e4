"""Labels predicted from words by a tiny CLIP that is trained here, stored, and reviewed."""

from __future__ import annotations

import csv
import io
import json
import shutil

import numpy as np
import open_clip
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import artsim
from artsim.cli import cli
from artsim.datatypes import parse_spec
from artsim.errors import EvaluationError
from artsim.metrics import METRICS
from artsim.models import load_text_tower
from artsim.prediction import TextClasses, make_prompts, read_prompts, read_templates, templates_for
from artsim.store import Store

COLORS = {"red": (230, 30, 30), "green": (30, 200, 40), "blue": (30, 50, 220)}
TEMPLATES = ("a {} painting", "{} art")


def config(**more):
    vision = {"image_size": 16, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16}
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    return {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text, **more}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Weights of a CLIP that knows three colors by their names, and of an untrained SigLIP."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "TinyCLIP.json").write_text(json.dumps(config()))
    (folder / "TinySigmoid.json").write_text(json.dumps(config(init_logit_bias=-3)))
    open_clip.add_model_config(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name in ("TinyCLIP", "TinySigmoid"):
            model = open_clip.create_model(name)
            if name == "TinyCLIP":
                teach(model.train(), open_clip.get_tokenizer(name))
            torch.save(model.state_dict(), folder / f"{name}.pth")
    return folder


def teach(model, tokenize):
    """Teach a CLIP that 'a red painting' is red."""
    rng = np.random.default_rng(0)
    texts = tokenize([t.replace("{}", name) for name in COLORS for t in (*TEMPLATES, "{}")])
    steps = torch.optim.Adam(model.parameters(), lr=3e-3)
    config_ = open_clip.get_model_preprocess_cfg(model)
    mean, std = (torch.tensor(config_[name]).view(3, 1, 1) for name in ("mean", "std"))
    for _ in range(60):
        classes = rng.integers(0, 3, 16)
        pixels = np.array(list(COLORS.values()))[classes] + rng.normal(0, 20, (16, 3))
        pictures = torch.tensor(pixels / 255, dtype=torch.float32)[:, :, None, None]
        pictures = (pictures.expand(-1, -1, 16, 16) - mean) / std
        words = model.encode_text(texts, normalize=True).view(3, 3, -1)
        logits = model.encode_image(pictures, normalize=True) @ words.mean(dim=1).T / 0.07
        steps.zero_grad()
        torch.nn.functional.cross_entropy(logits, torch.tensor(classes)).backward()
        steps.step()


@pytest.fixture(scope="module")
def index(clips, tmp_path_factory):
    """An index of 60 pictures in three colors, four of them of an unknown one."""
    folder = tmp_path_factory.mktemp("museum")
    rng = np.random.default_rng(1)
    with (folder / "objects.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "image", "title", "color", "tags"])
        for number in range(60):
            name = list(COLORS)[number % 3]
            tint = np.clip(np.array(COLORS[name]) + rng.normal(0, 15, 3), 0, 255).astype(int)
            Image.new("RGB", (20, 20), tuple(map(int, tint))).save(folder / f"{number}.png")
            color = "" if number >= 56 else name
            tags = f"{name}|{'warm' if name == 'red' else 'cold'}"
            table.writerow([f"w{number}", f"{number}.png", f"=Work {number}", color, tags])
    weights = ["-m", "open_clip:TinyCLIP", "--weights", str(clips / "TinyCLIP.pth")]
    run("embed", str(folder), "-o", str(folder / "index"), *weights)
    return folder / "index"


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output if code else result.stdout


def read_csv(file):
    return list(csv.reader(io.StringIO(file.read_text("utf-8-sig"), newline="")))


def rows(*arguments):
    return [json.loads(line) for line in run(*arguments, "--json").splitlines()]


@pytest.mark.parametrize("name", ["TinyCLIP", "TinySigmoid"])
def test_probabilities_are_those_of_open_clip(clips, name):
    weights = clips / f"{name}.pth"
    tower = load_text_tower(parse_spec(f"open_clip:{name}"), weights=weights)
    classes = TextClasses.of(tower, "color", make_prompts(list(COLORS), TEMPLATES))
    vectors = np.random.default_rng(2).standard_normal((7, 16)).astype(np.float32)
    model = open_clip.create_model(name, pretrained=str(weights)).eval()
    with torch.inference_mode():
        weight = open_clip.build_zero_shot_classifier(
            model,
            open_clip.get_tokenizer(name),
            list(COLORS),
            [lambda color, text=text: text.replace("{}", color) for text in TEMPLATES],
        )
        pictures = torch.nn.functional.normalize(torch.from_numpy(vectors), dim=-1)
        logits = model.logit_scale.exp() * pictures @ weight
        if name == "TinyCLIP":
            expected = logits.softmax(dim=-1)
        else:
            assert float(model.logit_bias) == -3
            expected = (logits + model.logit_bias).sigmoid()
    np.testing.assert_allclose(classes.probabilities(vectors), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("name", ["TinyCLIP", "TinySigmoid"])
def test_pictures_are_classified_as_by_the_loop_of_open_clip(clips, tmp_path, name):
    """From files to probabilities, with open_clip's own preprocessing and classifier."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(8):
        mixed = rng.dirichlet([1, 1, 1]) @ np.array(list(COLORS.values()))
        pixels = np.clip(mixed + rng.normal(0, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    weights = clips / f"{name}.pth"
    arguments = ("-m", f"open_clip:{name}", "--weights", weights, "--exact", "-o", tmp_path / "i")
    run("embed", folder, *arguments)
    store = Store.open(tmp_path / "i")
    tower = load_text_tower(parse_spec(f"open_clip:{name}"), weights=weights)
    classes = TextClasses.of(tower, "color", make_prompts(list(COLORS), TEMPLATES))
    model, _, prepare = open_clip.create_model_and_transforms(name, pretrained=str(weights))
    files = [folder / image for image in store.read(["image"]).column(0).to_pylist()]
    with torch.inference_mode():
        classifier = open_clip.build_zero_shot_classifier(
            model.eval(),
            open_clip.get_tokenizer(name),
            list(COLORS),
            [lambda color, text=text: text.replace("{}", color) for text in TEMPLATES],
        )
        pictures = torch.stack([prepare(Image.open(file)) for file in files])
        logits = model.logit_scale.exp() * model.encode_image(pictures, normalize=True) @ classifier
        if name == "TinyCLIP":
            expected = logits.softmax(dim=-1)
        else:
            expected = (logits + model.logit_bias).sigmoid()
    found = classes.probabilities(store.vectors("embedding"))
    assert np.ptp(found, axis=0).min() > 1e-2  # the pictures differ
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_words_are_evaluated_beside_what_learns_from_labels(index):
    (found,) = rows("zero-shot", index, "--label", "color")
    assert found["classes"] == ["blue", "green", "red"]
    assert found["prompts"]["red"][0] == "red"
    assert found["top1"] == found["knn"] == found["probe"] == 1.0
    assert found["n_test"] == 11
    assert found["baseline"] == pytest.approx(3 / 11)
    assert {"top5", "macro_f1", "kappa", "ece", "brier"} <= {*found} & {*METRICS}
    assert "pictures without a usable color are left out: 4" in found["notes"]
    shown = run("zero-shot", index, "--label", "color", "--table")
    assert "zero-shot" in shown
    assert "majority" in shown


def test_classes_without_words_count_as_wrong_and_other_words_may_be_chosen(index):
    (found,) = rows(
        *("zero-shot", index, "--label", "color", "--template", "{}"),
        *("--classes", "red,blue,purple"),
    )
    assert found["classes"] == ["red", "blue", "purple"]
    assert found["unprompted_classes"] == ["green"]
    n_green = round((1 - found["top1"]) * found["n_test"])
    assert n_green >= 3  # every green one
    arguments = ("--label", "color", "--template", "{}", "--classes", "red,blue", "--table")
    result = CliRunner().invoke(cli, ["zero-shot", str(index), *arguments])
    assert "color: no prompt describes 1 class of the test pictures ('green'), which" in (
        result.stderr.replace("\n", " ")
    )


def test_several_classes_a_picture_are_ranked_by_their_probabilities(index):
    names = ["red", "green", "blue"]
    (found,) = rows("zero-shot", index, "--label", "tags", "--classes", ",".join(names), "--save")
    assert (found["kind"], found["metric"]) == ("multilabel", "mAP")
    assert found["unprompted_classes"] == ["cold", "warm"]
    # Three classes are ranked perfectly; those without words come at random.
    assert 0.6 < found["mAP"] < found["probe"] == 1.0
    (column,) = Store.open(index).read(["tags_predicted"]).columns
    assert column.to_pylist()[:4] == [["red"], ["green"], ["blue"], ["red"]]


def test_prompts_and_templates_may_come_from_files(index, tmp_path):
    file = tmp_path / "prompts.csv"
    file.write_text("label;class;prompt\ncolor;red;a red painting\ncolor;blue;blue art\n")
    (found,) = rows("zero-shot", index, "--prompts", file)
    assert found["prompts"] == {"red": ["a red painting"], "blue": ["blue art"]}
    assert found["unprompted_classes"] == ["green"]
    (found,) = rows("zero-shot", index, "--label", "color", "--templates", "style")
    assert found["prompts"]["red"][0] == "a painting, red"
    said = run("zero-shot", index, "--label", "tags", "--prompts", file, code=2)
    assert "has no label 'tags'; it has color" in said


def test_a_label_that_the_catalog_lacks_is_predicted_and_stored(index):
    (found,) = rows(
        *("zero-shot", index, "--label", "paint", "--classes", "red,green,blue", "--save")
    )
    assert found["column"] == "paint_predicted"
    assert found["predicted"] == {"red": 20, "green": 20, "blue": 20}
    assert "top1" not in found
    store = Store.open(index)
    table = store.read(["paint_predicted", "id"])
    assert table.column_names == ["paint_predicted", "id"]
    assert (
        dict(zip(*(column.to_pylist() for column in reversed(table.columns)), strict=True))["w4"]
        == "green"
    )
    taken = store.take([59, 0], ["id", "paint_predicted"]).to_pylist()
    assert [row["paint_predicted"] for row in taken] == ["blue", "red"]
    made = store.added["paint_predicted"].made
    assert made["by"] == "predicted by zero-shot with open_clip:TinyCLIP"
    assert made["prompts"]["red"][0] == "red"
    near = rows("similar", index, "--id", "w0", "--where", "paint_predicted = 'blue'", "-k", "3")
    assert {match["color"] for match in near} == {"blue"}
    labels = {row["label"] for row in rows("knn-eval", index, "-k", "1")}
    assert labels == {"color"}  # no prediction is evaluated by default
    assert rows("knn-eval", index, "--label", "paint_predicted", "-k", "1")[0]["top1"] == 1.0


def test_unsure_predictions_are_not_stored(index):
    (found,) = rows(
        *("zero-shot", index, "--label", "mood", "--classes", "calm,wild", "--save"),
        *("--min-confidence", "1"),
    )
    assert found["predicted"] == {}
    assert found["missing"] == 60


def test_a_review_makes_labels_with_who_and_when(index, tmp_path):
    run("zero-shot", index, "--label", "tint", "--classes", "red,green,blue", "--save")
    file = tmp_path / "review.csv"
    run("review", f"--index={index}", "tint_predicted", "-o", file)
    said = run("review", f"--index={index}", "tint_predicted", "--read", file, "--table")
    assert said.startswith(f"No row of {file} has a decision; write accept or reject")
    assert "tint_predicted_reviewed" not in Store.open(index).added
    header, *cells = read_csv(file)
    assert header == ["id", "image", "title", "predicted", "confidence", "decision", "correction"]
    confidences = [float(row[4]) for row in cells]
    assert confidences == sorted(confidences)
    assert len(cells) == 60
    assert cells[0][2].startswith("'=Work")
    place = {row[0]: row for row in cells}
    place["w0"][5] = "accept"
    place["w1"][5] = "Rejected"
    place["w2"][6] = "'=navy"  # as the spreadsheet keeps it from running
    place["w3"][5] = "correct"  # without the right value
    place["w4"][5] = "maybe"
    cells.append(["w99", "", "", "red", "1", "accept", ""])
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=";").writerows([header, *cells])
    again = ("review", f"--index={index}", "tint_predicted")
    said = run(*again, "--read", file, "--reviewer", "A. Curator", code=1)
    assert "Note: 'w99' has no prediction 'tint_predicted'" in said
    assert "Note: 'w4': decision 'maybe' with correction ''; expected accept, reject" in said
    assert said.count("Note: ") == 3
    counts = json.loads(said[said.index('{"name"') :].splitlines()[0])
    assert [counts[each] for each in ("accepted", "corrected", "rejected", "open")] == [1, 1, 1, 55]
    column = Store.open(index).added["tint_predicted_reviewed"]
    kept = {row["id"]: row for row in column.read().to_pylist()}
    assert [kept[id_]["tint_predicted_reviewed"] for id_ in ("w0", "w1", "w2")] == [
        *("red", None, "=navy")
    ]
    assert {row["by"] for row in kept.values()} == {"A. Curator"}
    assert all(row["at"].startswith("20") for row in kept.values())
    for id_, decision in (("w1", "accept"), ("w5", "accept"), ("w3", ""), ("w4", "")):
        place[id_][5] = decision
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *cells[:-1]])
    (done,) = rows(*again, "--read", file, "--reviewer", "B")
    assert (done["accepted"], done["corrected"], done["rejected"]) == (3, 1, 0)
    (column,) = Store.open(index).read(["tint_predicted_reviewed"]).columns
    by = {
        row["id"]: row["by"]
        for row in Store.open(index).added["tint_predicted_reviewed"].read().to_pylist()
    }
    # Of w0 and w2 B read again what the curator had decided.
    assert by == {"w0": "A. Curator", "w1": "B", "w2": "A. Curator", "w5": "B"}
    assert column.to_pylist()[:6] == ["red", "green", "=navy", None, None, "blue"]
    run(*again, "-o", file)
    shown = {row[0]: row[5:] for row in read_csv(file)}
    assert shown["w0"] == ["accept", ""]
    assert shown["w2"] == ["correct", "'=navy"]
    assert shown["w9"] == ["", ""]
    listed = {row["column"]: row["by"] for row in rows("review", f"--index={index}")}
    assert listed["tint_predicted"] == "predicted by zero-shot with open_clip:TinyCLIP"
    assert "tint_predicted_reviewed" not in listed


def test_added_columns_follow_their_ids_through_embed(index, clips, tmp_path, paint):
    folder = tmp_path / "museum"
    shutil.copytree(index.parent, folder)
    again = ("embed", folder, "-o", folder / "index", "-m", "open_clip:TinyCLIP")
    again += ("--weights", clips / "TinyCLIP.pth")
    run("zero-shot", folder / "index", "--label", "c", "--classes", "red,green,blue", "--save")
    lines = (folder / "objects.csv").read_text().splitlines()
    paint(folder / "new.png", (230, 30, 30))
    changed = [lines[0], "new,new.png,New,red,red|warm", *lines[2:]]  # w0 is gone
    (folder / "objects.csv").write_text("\n".join(changed))
    run(*again)
    table = Store.open(folder / "index").read(["id", "c_predicted"])
    values = dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert values["new"] is None
    assert values["w1"] == "green"
    assert "w0" not in values


def test_python_gives_the_same_table(index):
    prompts = {"color": {name: [f"a {name} painting"] for name in COLORS}}
    table = artsim.zero_shot(str(index), "color", prompts=prompts)
    (row,) = table.rows
    assert (row["metric"], row["zero_shot"], row["knn"]) == ("top1", 1.0, 1.0)
    assert row["prompts"] == prompts["color"]


def test_a_column_can_be_removed_even_if_damaged(index):
    run("zero-shot", index, "--label", "gone", "--classes", "red,blue", "--save")
    assert "gone_predicted" in [each["name"] for each in rows("info", index)[0]["fields"]]
    file = index / "added" / "gone_predicted.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    said = run("info", index, code=1)
    assert "damaged" in said
    assert f"artsim label --index {index} --remove gone_predicted" in said
    run("label", f"--index={index}", "--remove", "gone_predicted")
    assert not file.exists()
    assert "gone_predicted" not in str(rows("info", index))


def test_a_name_that_is_taken_is_refused(index):
    run("label", f"--index={index}", "x_predicted = color")
    said = run("zero-shot", index, "--label", "x", "--classes", "red,blue", "--save", code=1)
    assert "has a column or label 'x_predicted' already; choose another name" in said
    run("label", f"--index={index}", "--remove", "x_predicted")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--classes", "red,blue"], "--classes are those of one label; name it with --label"),
        (["--label", "nothing"], "no column 'nothing'; choose from color"),
        (["--label", "color", "--classes", "red"], "'color' has the classes 'red'; expected two"),
        (["--label", "color", "--template", "red"], "template 'red' has no {}"),
        (["--label", "color", "--templates", "no"], "no templates 'no'; choose from style, genre"),
    ],
)
def test_wrong_words_are_refused_in_one_line(index, arguments, said):
    output = run("zero-shot", index, *arguments, code=2 if "--label" not in arguments else 1)
    assert said in output
    assert "Traceback" not in output


def test_a_model_without_words_is_refused(tmp_path, paint):
    for name, color in COLORS.items():
        paint(tmp_path / "pictures" / f"{name}.png", color)
    model = ["-m", "timm:test_resnet.random"]
    run("embed", tmp_path / "pictures", "-o", tmp_path / "index", *model)
    said = run("zero-shot", tmp_path / "index", "--label", "a", "--classes", "b,c", code=1)
    assert "timm:test_resnet.random cannot read text; embed the collection with a model" in said


def test_prompts_are_read_from_a_spreadsheet(tmp_path):
    file = tmp_path / "prompts.csv"
    file.write_text('\ufeffLabel,Class,Prompt\nc,red,a red one\nc,red,red\nc,blue,"blue, deep"\n')
    assert read_prompts(file) == {"c": {"red": ("a red one", "red"), "blue": ("blue, deep",)}}
    file.write_text("class,prompt\nred,\n")
    with pytest.raises(EvaluationError, match=r"row 2 of .* lacks a class or a prompt"):
        read_prompts(file)
    file.write_text("name\nred\n")
    with pytest.raises(EvaluationError, match="has the columns name; expected class and prompt"):
        read_prompts(file)


@pytest.mark.parametrize(
    ("label", "name", "sentences"),
    [
        (
            "style",
            "Impressionism",
            (
                "a painting, Impressionism",
                "a painting whose style is Impressionism",
                "the style of this work of art is Impressionism",
                "Impressionism, a style of art",
            ),
        ),
        (
            "movement",
            "Baroque",
            (
                "a painting, Baroque",
                "a painting whose style is Baroque",
                "the style of this work of art is Baroque",
                "Baroque, a style of art",
            ),
        ),
        (
            "genre",
            "religious_painting",
            (
                "religious painting",
                "a work of art, religious painting",
                "a picture of the genre religious painting",
                "the genre religious painting in art",
            ),
        ),
        (
            "medium",
            "Woven fabric ",
            (
                "Woven fabric",
                "a work of art, Woven fabric",
                "a museum object, Woven fabric",
                "the medium of this work of art is Woven fabric",
            ),
        ),
        (
            "object_type",
            "Reliefs",
            (
                "Reliefs",
                "a museum object, Reliefs",
                "an object of the type Reliefs",
                "a photograph, Reliefs",
            ),
        ),
        (
            "period",
            "Middle Kingdom",
            (
                "Middle Kingdom",
                "a work of art, Middle Kingdom",
                "a museum object, Middle Kingdom",
                "a photograph, Middle Kingdom",
            ),
        ),
    ],
)
def test_bundled_templates_read_well_with_names_of_real_catalogs(label, name, sentences):
    assert make_prompts([name], templates_for(label)) == {name: sentences}


@pytest.mark.parametrize("template", ["a {} painting", "an {} painting"])
def test_an_article_before_the_class_is_the_one_that_it_needs(template):
    names = ["Impressionist", "Baroque", "Art_Nouveau", "Ukiyo_e", "European", "Umbrian"]
    assert [prompts[0] for prompts in make_prompts(names, [template]).values()] == [
        "an Impressionist painting",
        "a Baroque painting",
        "an Art Nouveau painting",
        "a Ukiyo e painting",
        "a European painting",
        "an Umbrian painting",
    ]
    assert make_prompts(["icon"], ["A {}, not a copy of an {}"]) == {
        "icon": ("An icon, not a copy of an icon",)
    }
    assert make_prompts(["icon"], ["drama {}, a picture"]) == {"icon": ("drama icon, a picture",)}


def test_templates_are_read_from_a_file(tmp_path):
    file = tmp_path / "templates.txt"
    file.write_text("a {} vase\n\n  {} ware  \n")
    assert read_templates(str(file)) == ("a {} vase", "{} ware")
    assert make_prompts(["Post_Impressionism"], ["a {} work"]) == {
        "Post_Impressionism": ("a Post Impressionism work",)
    }
