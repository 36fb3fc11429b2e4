"""Manifests of both versions, as small as the specification allows."""

import json

import pytest

from artsim.errors import ReaderError
from artsim.readers import ReaderOptions, read_collection
from artsim.readers.markup import plain_text

HOST = "https://museum.example/iiif"


def manifest3(name="m", *canvases, **more):
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": f"{HOST}/{name}/manifest.json",
        "type": "Manifest",
        "label": {"nl": ["Melkmeisje"], "en": ["The Milkmaid"]},
        "items": list(canvases),
        **more,
    }


def canvas3(name, *bodies, **more):
    annotations = [
        {"type": "Annotation", "motivation": "painting", "body": body} for body in bodies
    ]
    return {
        "id": f"{HOST}/canvas/{name}",
        "type": "Canvas",
        "items": [{"type": "AnnotationPage", "items": annotations}],
        **more,
    }


def image3(name, width=3000, height=2000, **service):
    service = {
        "id": f"{HOST}/image/{name}",
        "type": "ImageService3",
        "profile": "level2",
        **service,
    }
    return {
        "id": f"{HOST}/image/{name}/full/max/0/default.jpg",
        "type": "Image",
        "width": width,
        "height": height,
        "service": [service],
    }


def manifest2(name="m", *canvases, **more):
    return {
        "@context": "http://iiif.io/api/presentation/2/context.json",
        "@id": f"{HOST}/{name}/manifest.json",
        "@type": "sc:Manifest",
        "label": "The Milkmaid",
        "sequences": [{"@type": "sc:Sequence", "canvases": list(canvases)}],
        **more,
    }


def canvas2(name, *resources, **more):
    return {
        "@id": f"{HOST}/canvas/{name}",
        "@type": "sc:Canvas",
        "images": [{"@type": "oa:Annotation", "resource": resource} for resource in resources],
        **more,
    }


def image2(name, width=3000, height=2000, **service):
    service = {
        "@id": f"{HOST}/image/{name}",
        "@context": "http://iiif.io/api/image/2/context.json",
        "profile": "http://iiif.io/api/image/2/level1.json",
        **service,
    }
    return {
        "@id": f"{HOST}/image/{name}/full/full/0/default.jpg",
        "@type": "dctypes:Image",
        "width": width,
        "height": height,
        "service": service,
    }


def rows(folder, *documents, source=None, **settings):
    for number, document in enumerate(documents):
        (folder / f"{number}.json").write_text(json.dumps(document), encoding="utf-8")
    options = ReaderOptions(settings=settings)
    catalog = read_collection(source or folder, options=options)
    assert catalog.reader == "iiif"
    return [row for batch in catalog.batches() for row in batch.to_pylist()]


def test_version_3_with_metadata(tmp_path):
    document = manifest3(
        "m",
        canvas3("1", image3("a"), label={"none": ["recto"]}),
        canvas3("2", image3("b", 1000, 4000)),
        metadata=[
            {"label": {"en": ["Maker"], "nl": ["Maker"]}, "value": {"none": ["Johannes Vermeer"]}},
            {"label": {"en": ["Material used"]}, "value": {"en": ["canvas", "oil paint"]}},
            {"label": {"en": ["Title"]}, "value": {"nl": ["<i>Het</i> Melkmeisje &amp; meer"]}},
            {"label": {"en": ["Date"]}, "value": {"none": ["1660"]}},
            {"label": {"none": ["Nothing"]}, "value": {"none": [" "]}},
        ],
        requiredStatement={"label": {"en": ["Credit"]}, "value": {"en": ["The museum"]}},
        rights="http://creativecommons.org/publicdomain/zero/1.0/",
    )
    shared = {
        "object": f"{HOST}/m/manifest.json",
        "title": "The Milkmaid",
        "attribution": "The museum",
        "rights": "http://creativecommons.org/publicdomain/zero/1.0/",
        "maker": "Johannes Vermeer",
        "material_used": ["canvas", "oil paint"],
        "title_catalog": "Het Melkmeisje & meer",
        "date": 1660,
        "nothing": None,
    }
    assert rows(tmp_path, document) == [
        {
            "id": f"{HOST}/canvas/1",
            "image": f"{HOST}/image/a/full/512,/0/default.jpg",
            "canvas": "recto",
            **shared,
        },
        {
            "id": f"{HOST}/canvas/2",
            "image": f"{HOST}/image/b/full/,512/0/default.jpg",
            "canvas": None,
            **shared,
        },
    ]


def test_version_2_with_metadata(tmp_path):
    document = manifest2(
        "m",
        canvas2("1", image2("a"), label="front"),
        label=[
            {"@value": "Melkmeisje", "@language": "nl"},
            {"@value": "Milkmaid", "@language": "en"},
        ],
        metadata=[
            {"label": "Material", "value": ["canvas", "oil paint"]},
            {"label": [{"@value": "Maker", "@language": "en"}], "value": "Vermeer"},
        ],
        attribution="The museum",
        license=f"{HOST}/license",
        description="A maid.",
    )
    assert rows(tmp_path, document) == [
        {
            "id": f"{HOST}/canvas/1",
            "image": f"{HOST}/image/a/full/512,/0/default.jpg",
            "object": f"{HOST}/m/manifest.json",
            "canvas": "front",
            "title": "Milkmaid",
            "summary": "A maid.",
            "attribution": "The museum",
            "rights": f"{HOST}/license",
            "material": ["canvas", "oil paint"],
            "maker": "Vermeer",
        }
    ]


@pytest.mark.parametrize(
    ("language", "title"), [("en", "The Milkmaid"), ("nl", "Melkmeisje"), ("fr", "Melkmeisje")]
)
def test_the_language_can_be_chosen(tmp_path, language, title):
    (row,) = rows(tmp_path, manifest3("m", canvas3("1", image3("a"))), language=language)
    assert row["title"] == title


def test_several_pictures_of_a_canvas_are_numbered(tmp_path):
    document = manifest3("m", canvas3("1", image3("a"), image3("b")))
    assert [row["id"] for row in rows(tmp_path, document)] == [
        f"{HOST}/canvas/1",
        f"{HOST}/canvas/1#2",
    ]


def test_the_first_of_several_alternatives_is_used(tmp_path):
    choice3 = {"type": "Choice", "items": [image3("visible"), image3("infrared")]}
    choice2 = {"@type": "oa:Choice", "default": image2("visible"), "item": [image2("infrared")]}
    part = {"type": "SpecificResource", "source": image3("whole")}
    found = rows(
        tmp_path,
        manifest3("a", canvas3("1", choice3)),
        manifest2("b", canvas2("2", choice2)),
        manifest3("c", canvas3("3", part, {"type": "TextualBody", "value": "a note"})),
    )
    assert [row["image"].split("/")[5] for row in found] == ["visible", "visible", "whole"]


SERVICE_KNOWS_MORE = image3("a", 100, 80)
SERVICE_KNOWS_MORE["service"][0] |= {"width": 900, "height": 720}
VERSION_1 = image2(
    "a",
    **{"@context": "http://library.stanford.edu/iiif/image-api/1.1/context.json"},
    profile="http://library.stanford.edu/iiif/image-api/1.1/compliance.html#level1",
)


def level0(picture, **changes):
    """Return the picture of a server that has files of three sizes and computes none."""
    (service,) = (
        picture["service"] if isinstance(picture["service"], list) else [picture["service"]]
    )
    sizes = [{"width": 4 * side, "height": 3 * side} for side in (200, 25, 100)]
    profile = "http://iiif.io/api/image/2/level0.json" if "@id" in picture else "level0"
    changed = {**picture, **changes, "service": [{**service, "profile": profile, "sizes": sizes}]}
    return {key: value for key, value in changed.items() if value is not None}


def limited(picture, **limits):
    """Return the picture of a server that makes no larger ones."""
    (service,) = picture["service"]
    return {**picture, "service": [{**service, **limits}]}


@pytest.mark.parametrize(
    ("picture", "size", "address"),
    [
        (image3("a"), "224", "a/full/224,/0/default.jpg"),
        (image3("a"), "max", "a/full/max/0/default.jpg"),
        (image2("a"), "max", "a/full/full/0/default.jpg"),
        (image3("a", 100, 80), "512", "a/full/100,/0/default.jpg"),  # never more than there is
        (SERVICE_KNOWS_MORE, "512", "a/full/512,/0/default.jpg"),
        (image3("a", None, None), "512", "a/full/!512,512/0/default.jpg"),
        (image3("a", profile="level0"), "512", "a/full/max/0/default.jpg"),
        (
            image2("a", profile=["http://iiif.io/api/image/2/level0.json", {"formats": ["jpg"]}]),
            "512",
            "a/full/full/0/default.jpg",
        ),
        (VERSION_1, "512", "a/full/512,/0/native.jpg"),
        # level 0 has the whole and some fixed sizes: the smallest that is large enough
        (level0(image3("a")), "224", "a/full/400,300/0/default.jpg"),
        (level0(image3("a")), "512", "a/full/800,600/0/default.jpg"),
        (level0(image3("a")), "1600", "a/full/max/0/default.jpg"),
        (level0(image3("a")), "max", "a/full/max/0/default.jpg"),
        (level0(image2("a")), "512", "a/full/800,/0/default.jpg"),
        (level0(image3("a"), id=None), "1600", "a/full/max/0/default.jpg"),
        # a limit of the width is one of the height too
        (limited(image3("a"), maxWidth=400), "512", "a/full/400,/0/default.jpg"),
        (limited(image3("a", 800, 1000), maxWidth=400), "512", "a/full/,400/0/default.jpg"),
        (limited(image3("a"), maxArea=90_000), "512", "a/full/300,/0/default.jpg"),
        (limited(image3("a"), maxWidth=2_000), "512", "a/full/512,/0/default.jpg"),
        (
            image2("a", profile=["http://iiif.io/api/image/2/level2.json", {"maxWidth": 400}]),
            "512",
            "a/full/400,/0/default.jpg",
        ),
    ],
)
def test_images_are_requested_as_their_server_supports(tmp_path, picture, size, address):
    is_3 = "id" in picture
    document = (
        manifest3("m", canvas3("1", picture)) if is_3 else manifest2("m", canvas2("1", picture))
    )
    (row,) = rows(tmp_path, document, size=size)
    assert row["image"] == f"{HOST}/image/{address}"


def test_pictures_without_a_service_keep_their_address(tmp_path):
    plain = {"id": f"{HOST}/a.png", "type": "Image", "service": [{"type": "AuthProbeService2"}]}
    (row,) = rows(tmp_path, manifest3("m", canvas3("1", plain)))
    assert row["image"] == f"{HOST}/a.png"


class TestCollections:
    def collection3(self, name, *members):
        return {
            "@context": "http://iiif.io/api/presentation/3/context.json",
            "id": f"{HOST}/{name}",
            "type": "Collection",
            "items": [{"id": f"{HOST}/{member}", "type": kind} for member, kind in members],
        }

    def test_the_order_of_a_collection_is_kept_and_unlisted_manifests_come_last(self, tmp_path):
        found = rows(
            tmp_path,
            manifest3("a", canvas3("1", image3("a"))),
            manifest3("b", canvas3("2", image3("b"))),
            manifest2("c", canvas2("3", image2("c"))),
            self.collection3("top", ("c/manifest.json", "Manifest"), ("inner", "Collection")),
            self.collection3("inner", ("b/manifest.json", "Manifest"), ("top", "Collection")),
        )
        assert [row["id"][-1] for row in found] == ["3", "2", "1"]

    def test_a_collection_named_alone_reads_what_it_lists(self, tmp_path):
        documents = (
            self.collection3("top", ("b/manifest.json", "Manifest")),
            manifest3("a", canvas3("1", image3("a"))),
            manifest3("b", canvas3("2", image3("b"))),
        )
        found = rows(tmp_path, *documents, source=tmp_path / "0.json")
        assert [row["id"][-1] for row in found] == ["2"]

    def test_version_2_lists_manifests_and_members(self, tmp_path):
        top = {
            "@context": "http://iiif.io/api/presentation/2/context.json",
            "@id": f"{HOST}/top",
            "@type": "sc:Collection",
            "manifests": [{"@id": f"{HOST}/b/manifest.json", "@type": "sc:Manifest"}],
            "collections": [
                {
                    "@id": f"{HOST}/inner",
                    "@type": "sc:Collection",
                    "members": [{"@id": f"{HOST}/a/manifest.json", "@type": "sc:Manifest"}],
                }
            ],
        }
        documents = (
            top,
            manifest3("a", canvas3("1", image3("a"))),
            manifest3("b", canvas3("2", image3("b"))),
        )
        found = rows(tmp_path, *documents, source=tmp_path / "0.json")
        assert sorted(row["id"][-1] for row in found) == ["1", "2"]

    def test_missing_manifests_are_named(self, tmp_path):
        top = self.collection3("top", ("b/manifest.json", "Manifest"), ("c", "Manifest"))
        with pytest.raises(ReaderError, match=r"lists 2 manifests .* first .*/b/manifest\.json;"):
            rows(tmp_path, top)


def test_a_manifest_can_be_named(tmp_path):
    document = manifest3("m", canvas3("1", image3("a")))
    found = rows(tmp_path, document, manifest3("n"), source=tmp_path / "0.json")
    assert len(found) == 1


def test_manifests_of_one_id_are_all_read(tmp_path):
    first, second = (manifest3("m", canvas3(name, image3(name))) for name in "ab")
    nameless = manifest3("m", canvas3("c", image3("c")), id=None)
    found = rows(tmp_path, first, second, nameless)
    assert [row["id"][-1] for row in found] == ["a", "b", "c"]


def test_manifests_without_pictures_are_reported(tmp_path):
    with pytest.raises(ReaderError, match="no picture in the IIIF manifests of"):
        rows(tmp_path, manifest3("m"))
    (tmp_path / "0.json").write_text("[]")
    with pytest.raises(ReaderError, match=r"0\.json is not an IIIF manifest"):
        read_collection(f"iiif:{tmp_path / '0.json'}")


def test_folders_without_manifests_are_reported(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ReaderError, match=r"no IIIF manifest in .*; expected \.json files"):
        read_collection(f"iiif:{tmp_path}")


@pytest.mark.parametrize("value", [None, 7, "x", [], [7], {}, {"en": None}, [{"@value": None}]])
def test_values_of_unexpected_shape_are_missing(tmp_path, value):
    document = manifest3(
        "m",
        canvas3("1", image3("a"), metadata=value, label=value),
        label=value,
        metadata=[{"label": value, "value": value}, value],
        requiredStatement=value,
    )
    assert len(rows(tmp_path, document)) == 1


def _manifest(id_, body):
    canvas = {"id": f"{id_}/c", "type": "Canvas"}
    annotation = {"type": "Annotation", "motivation": "painting", "body": body}
    canvas["items"] = [{"type": "AnnotationPage", "items": [annotation]}]
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": id_,
        "type": "Manifest",
        "items": [canvas],
    }


def _picture(width, height):
    service = {"id": "https://img.example/p", "type": "ImageService3", "profile": "level1"}
    return {"id": "x.jpg", "type": "Image", "width": width, "height": height, "service": [service]}


@pytest.mark.parametrize(
    ("region", "path"),
    [
        ("1768,2423,1768,2080", "1768,2423,1768,2080/,512"),
        ("0,0,300,100", "0,0,300,100/300,"),  # never more pixels than the part has
        ("full", "full/,512"),
    ],
)
def test_only_the_part_that_a_selector_cuts_is_requested(region, path, tmp_path):
    selector = {"type": "ImageApiSelector", "region": region}
    body = {"type": "SpecificResource", "source": _picture(3536, 4999), "selector": selector}
    (tmp_path / "m.json").write_text(json.dumps(_manifest("https://m.example/1", body)))
    (batch,) = read_collection(tmp_path).batches()
    assert batch["image"].to_pylist() == [f"https://img.example/p/{path}/0/default.jpg"]


def test_a_size_of_zero_is_unknown(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(_manifest("https://m.example/1", _picture(0, 0))))
    (batch,) = read_collection(tmp_path).batches()
    assert batch["image"].to_pylist() == ["https://img.example/p/full/!512,512/0/default.jpg"]


def test_a_collection_with_a_manifest_missing_reads_the_others(tmp_path):
    listed = [{"id": f"https://m.example/{n}", "type": "Manifest"} for n in (1, 2)]
    collection = {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": "https://m.example/all",
        "type": "Collection",
        "items": listed,
    }
    (tmp_path / "all.json").write_text(json.dumps(collection))
    (tmp_path / "m.json").write_text(json.dumps(_manifest("https://m.example/1", _picture(9, 9))))
    catalog = read_collection(tmp_path)
    (batch,) = catalog.batches()
    assert batch["object"].to_pylist() == ["https://m.example/1"]
    (note,) = catalog.notes
    assert "lists 1 manifests or collections that are not" in note
    assert "first https://m.example/2" in note


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<1642>", "<1642>"),
        ("<unknown> <Rembrandt>", "<unknown> <Rembrandt>"),
        ("h < 30 cm, w > 20 cm", "h < 30 cm, w > 20 cm"),
        ("h <b 30 cm", "h <b 30 cm"),
        ("a < b & c", "a < b & c"),
        ("<?> 1642", "<?> 1642"),
        ("<i>Het</i> Melk<b>meisje</b> &amp; &lt;meer&gt;", "Het Melkmeisje & <meer>"),
        ('<span class="x > y">1642</span><br/>Delft<p>oil', "1642 Delft oil"),
        ("<a href='https://x.org'>Ada</a> <Bo/>", "Ada <Bo/>"),
        ("AT&amp;T &copy; 1990", "AT&T © 1990"),
        ("<i> </i>", ""),
    ],
)
def test_tags_are_stripped_and_other_angle_brackets_stay(markup, text):
    assert plain_text(markup) == text


def without_type(value=None):
    picture = image2("a")
    del picture["@type"]
    return picture | ({} if value is None else {"@type": value})


@pytest.mark.parametrize(
    "resource",
    [
        without_type(),
        without_type("image/jpeg"),
        without_type(["dctypes:Image"]),
        without_type("http://purl.org/dc/dcmitype/Image"),
        {"@type": "oa:Choice", "item": [image2("a")]},
    ],
)
def test_a_picture_is_known_without_its_usual_type(tmp_path, resource):
    found = rows(tmp_path, manifest2("m", canvas2("1", resource)))
    assert [row["image"] for row in found] == [f"{HOST}/image/a/full/512,/0/default.jpg"]


@pytest.mark.parametrize("resource", [{"@id": f"{HOST}/a.jpg"}, f"{HOST}/a.jpg?x=1"])
def test_a_picture_is_known_by_its_suffix(tmp_path, resource):
    found = rows(tmp_path, manifest2("m", canvas2("1", resource)))
    assert [row["image"].partition("?")[0] for row in found] == [f"{HOST}/a.jpg"]


def test_canvases_without_a_picture_are_counted(tmp_path):
    video = {"id": f"{HOST}/a.mp4", "type": "Video", "format": "video/mp4"}
    text = {"@id": f"{HOST}/a.jpg", "format": "text/html"}
    document = manifest3("m", canvas3("1", image3("a")), canvas3("2", video), canvas3("3", text))
    rows(tmp_path, document, manifest3("n"))
    assert read_collection(tmp_path).notes == (
        f"canvases without a picture are left out: 3, first {HOST}/canvas/2",
    )


def test_a_canvas_without_an_id_is_named_by_its_picture(tmp_path):
    document = manifest2("m", canvas2("1", image2("a")) | {"@id": ""})
    assert rows(tmp_path, document)[0]["id"] == f"{HOST}/image/a/full/full/0/default.jpg"


def test_the_address_of_a_service_may_name_its_description(tmp_path):
    picture = image2("a", **{"@id": f"{HOST}/image/a/info.json"})
    found = rows(tmp_path, manifest2("m", canvas2("1", picture)))
    assert found[0]["image"] == f"{HOST}/image/a/full/512,/0/default.jpg"


def test_http_and_https_are_one_address(tmp_path):
    collection = {
        "@context": "http://iiif.io/api/presentation/2/context.json",
        "@id": f"{HOST}/top",
        "@type": "sc:Collection",
        "manifests": [f"{HOST}/m/manifest.json/".replace("https", "http")],
    }
    rows(tmp_path, collection, manifest2("m", canvas2("1", image2("a"))))
    for source in (tmp_path, tmp_path / "0.json"):
        assert read_collection(source).notes == ()


def test_a_manifest_without_its_context_is_read(tmp_path):
    document = manifest3("m", canvas3("1", image3("a")))
    del document["@context"]
    assert len(rows(tmp_path, document)) == 1


def test_manifests_that_cannot_be_read_are_listed_and_the_others_read(tmp_path):
    good = manifest2("m", canvas2("1", image2("a")))
    (tmp_path / "bad.json").write_text(json.dumps(good)[:-20])
    (tmp_path / "error.json").write_text("<!doctype html><title>504</title>")
    (tmp_path / "info.json").write_text('{"@context": "http://iiif.io/api/image/2/context.json"}')
    assert [row["id"] for row in rows(tmp_path, good)] == [f"{HOST}/canvas/1"]
    first, second = read_collection(tmp_path).notes
    assert first.startswith(f"a manifest is left out: {tmp_path / 'bad.json'}, line 1, column")
    assert second == f"a manifest is left out: {tmp_path / 'error.json'} is not JSON; save it again"
    with pytest.raises(ReaderError, match=r"a manifest is left out: .*bad\.json, line 1"):
        read_collection(tmp_path, options=ReaderOptions(strict=True))


def test_many_manifests_that_cannot_be_read_are_counted(tmp_path):
    for number in range(8):
        (tmp_path / f"bad-{number}.json").write_text("<html>")
    rows(tmp_path, manifest2("m", canvas2("1", image2("a"))))
    notes = read_collection(tmp_path).notes
    assert len(notes) == 6
    assert notes[-1] == "manifests that cannot be read and are left out, besides: 3"
