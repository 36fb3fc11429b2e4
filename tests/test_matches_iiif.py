"""The IIIF manifest: held against the rules of Presentation 3, and read back by our own reader."""

import base64
import io
import json
import re

import pytest
from citations import cited, found
from PIL import Image

from artsim.datatypes import Box
from artsim.errors import StoreError
from artsim.readers import ReaderOptions, iiif
from artsim.report import manifest, save_manifest
from artsim.search import Query

ADDRESS = re.compile(r"https?://\S+")


def check_language_map(value):
    """Section 4.2: languages or none, each with a list of texts."""
    assert value
    for language, texts in value.items():
        assert re.fullmatch(r"none|[a-z]{2,3}(-\w+)*", language)
        assert texts
        assert all(isinstance(text, str) for text in texts)


def check_pair(pair):
    assert set(pair) == {"label", "value"}
    check_language_map(pair["label"])
    check_language_map(pair["value"])


def check_resource(resource, allowed):
    """What sections 3 and 5 require and allow of any resource."""
    assert set(resource) <= {"id", "type", *allowed}
    assert ADDRESS.fullmatch(resource["id"])
    if "label" in resource:
        check_language_map(resource["label"])
    for pair in resource.get("metadata", ()):
        check_pair(pair)
    if "requiredStatement" in resource:
        check_pair(resource["requiredStatement"])
    if "rights" in resource:
        assert re.match(r"http://(creativecommons|rightsstatements)\.org/", resource["rights"])
    for page in resource.get("homepage", ()):
        assert {"id", "type", "label"} <= set(page)
        check_language_map(page["label"])


DESCRIBED = ("label", "metadata", "requiredStatement", "rights", "homepage", "summary")


def check_manifest(values):
    """Rules of https://iiif.io/api/presentation/3.0/ for what we write."""
    assert values["@context"] == "http://iiif.io/api/presentation/3/context.json"
    assert values["type"] == "Manifest"
    check_resource(values, ("@context", *DESCRIBED, "behavior", "items"))
    assert values["label"]
    assert values["items"]
    ids = []
    for canvas in values["items"]:
        assert canvas["type"] == "Canvas"
        check_resource(canvas, (*DESCRIBED, "width", "height", "items", "annotations"))
        assert "#" not in canvas["id"]
        assert canvas["width"] > 0
        assert canvas["height"] > 0
        ids.append(canvas["id"])
        for page in canvas.get("items", ()):
            assert page["type"] == "AnnotationPage"
            check_resource(page, ("items",))
            for annotation in page["items"]:
                check_resource(annotation, ("motivation", "body", "target"))
                assert annotation["type"] == "Annotation"
                assert annotation["motivation"] == "painting"
                assert annotation["target"] == canvas["id"]
                check_body(annotation["body"])
        for page in canvas.get("annotations", ()):
            assert page["type"] == "AnnotationPage"
            check_resource(page, ("items",))
            for annotation in page["items"]:
                check_resource(annotation, ("motivation", "body", "target"))
                assert annotation["type"] == "Annotation"
                assert annotation["motivation"] == "commenting"
                assert set(annotation["body"]) == {"type", "value", "format", "language"}
                check_region(annotation["target"], canvas)
                ids.append(annotation["id"])
    assert len(set(ids)) == len(ids)
    json.dumps(values, allow_nan=False)


def check_region(target, canvas):
    """A media fragment in pixels of its canvas, and within it."""
    id_, _, fragment = target.partition("#xywh=")
    assert id_ == canvas["id"]
    x, y, width, height = map(int, fragment.split(","))
    assert min(x, y) >= 0
    assert min(width, height) > 0
    assert x + width <= canvas["width"]
    assert y + height <= canvas["height"]


def check_body(body):
    assert set(body) <= {"id", "type", "format", "width", "height", "service"}
    assert body["type"] == "Image"
    assert ("width" in body) == ("height" in body)
    for service in body.get("service", ()):
        kind = service.get("type", service.get("@type"))
        assert kind in ("ImageService2", "ImageService3")
        assert ADDRESS.fullmatch(service["id" if kind == "ImageService3" else "@id"])
        assert service["profile"]


@pytest.fixture
def pictures(tmp_path, paint):
    return tmp_path / "pictures", paint(
        tmp_path / "pictures" / "a b" / "é.png", (250, 0, 0), (40, 20)
    )


def test_a_manifest_is_valid_for_any_record(pictures):
    root, file = pictures
    records = (
        {"title": "Sea", "rights": "https://creativecommons.org/publicdomain/zero/1.0/"},
        {"title": "", "years": {"begin": 1, "end": 2}, "tags": ["a", "b"], "credit_line": "Gift"},
        {"title": "<script>", "url": "https://example.org/1", "rights": "CC0", "n": 2.0},
    )
    matches = [
        found(rank, image=image, metadata=record, percentile=99.0, cosines={"style": 0.5})
        for rank, (image, record) in enumerate(
            zip((str(file), "https://x.org/2.jpg", str(root / "gone.jpg")), records, strict=True), 1
        )
    ]
    for base in (None, "https://museum.example/iiif"):
        check_manifest(manifest(cited(*matches), root=root, base=base))


def body_of(values, place=1):
    return values["items"][place]["items"][0]["items"][0]["body"]


def test_a_detail_is_marked_on_its_canvas_in_pixels(pictures):
    root, file = pictures  # 40 x 20
    match = found(image=str(file), box=Box(25, 50, 50, 50, percent=True))
    query = Query("a.jpg", image=str(file), box=Box(0, 0, 10, 10, percent=True))
    values = manifest(cited(match, queries=(query,)), root=root)
    check_manifest(values)
    query, canvas = values["items"]
    ((region,),) = (page["items"] for page in canvas["annotations"])
    assert region["target"] == f"{canvas['id']}#xywh=10,10,20,10"
    assert region["body"]["value"] == "The detail found"
    assert query["annotations"][0]["items"][0]["target"] == f"{query['id']}#xywh=0,0,4,2"
    assert query["annotations"][0]["items"][0]["body"]["value"] == "The detail searched for"
    assert {"label": {"en": ["Detail"]}, "value": {"none": ["25%,50%,50%,50%"]}} in (
        canvas["metadata"]
    )


def test_the_detail_of_an_image_of_unknown_size_is_named_but_not_marked(tmp_path):
    match = found(image="https://x.org/2.jpg", box=Box(25, 50, 50, 50, percent=True))
    values = manifest(cited(match), root=tmp_path)
    check_manifest(values)
    assert "annotations" not in values["items"][1]
    assert "25%,50%,50%,50%" in str(values["items"][1]["metadata"])


def test_a_file_goes_into_the_manifest_as_a_small_jpeg(pictures):
    root, file = pictures
    values = manifest(cited(found(image=str(file))), root=root)
    canvas, body = values["items"][1], body_of(values)
    assert (canvas["width"], canvas["height"]) == (40, 20)
    kind, data = body["id"].split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (40, 20) == (body["width"], body["height"])


def test_with_a_base_files_are_referred_to_below_it(pictures):
    root, file = pictures
    values = manifest(cited(found(image=str(file))), root=root, base="https://museum.example/x/")
    assert values["id"] == "https://museum.example/x/manifest.json"
    assert body_of(values)["id"] == "https://museum.example/x/a%20b/%C3%A9.png"


def test_a_base_that_is_not_a_url_is_refused(pictures):
    root, _ = pictures
    with pytest.raises(StoreError, match="'out/' cannot be the base of a IIIF manifest"):
        manifest(cited(), root=root, base="out/")


@pytest.mark.parametrize(
    ("image", "metadata", "service"),
    [
        (
            "https://api.nga.gov/iiif/1f/full/!200,200/0/default.jpg",
            {},
            {"@id": "https://api.nga.gov/iiif/1f", "@type": "ImageService2"},
        ),
        (
            "https://x.org/iiif/3/1/full/max/0/default.jpg",
            {},
            {"id": "https://x.org/iiif/3/1", "type": "ImageService3"},
        ),
        (
            "https://x.org/small.jpg",
            {"iiifurl": "https://x.org/iiif/9/info.json"},
            {"@id": "https://x.org/iiif/9", "@type": "ImageService2"},
        ),
    ],
)
def test_an_image_service_is_referred_to(image, metadata, service, tmp_path):
    values = manifest(cited(found(image=image, metadata=metadata)), root=tmp_path)
    check_manifest(values)
    (written,) = body_of(values)["service"]
    assert written.items() >= service.items()
    address = service.get("id") or service["@id"]
    assert body_of(values)["id"].startswith(f"{address}/full/")


def test_our_own_reader_reads_it_back(pictures, tmp_path):
    root, file = pictures
    matches = (
        found(
            image=str(file),
            metadata={"artist": "B", "tags": ["x", "y"]},
            box=Box(0, 0, 50, 50, percent=True),
        ),
        found(
            2, image="https://x.org/iiif/2/7/full/full/0/default.jpg", metadata={"artist": "<b>"}
        ),
    )
    save_manifest(
        manifest(cited(*matches), root=root, base="https://m.example"), tmp_path / "out.json"
    )
    catalog = iiif.read(tmp_path / "out.json", ReaderOptions())
    rows = [row for batch in catalog.batches() for row in batch.to_pylist()]
    assert [row["id"] for row in rows] == [f"https://m.example/canvas/{n}" for n in (1, 2)]
    assert [row["image"] for row in rows] == [
        "https://m.example/a%20b/%C3%A9.png",
        "https://x.org/iiif/2/7/full/!512,512/0/default.jpg",  # the size that it reads by default
    ]
    assert [row["artist"] for row in rows] == ["B", "<b>"]
    assert rows[0]["tags"] == ["x", "y"]
    assert rows[0]["score"] == 0.9
    assert rows[0]["detail"] == "0%,0%,50%,50%"
    assert rows[0]["command"] == "artsim similar a.jpg"


def test_a_file_that_cannot_be_written_gives_a_one_line_error(tmp_path):
    with pytest.raises(StoreError, match=r"cannot write '.*': Is a directory; what is fin"):
        save_manifest({}, tmp_path)
