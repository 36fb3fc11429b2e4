"""Parts of pictures by the IIIF Image API: the right pixels, level 1, and only of works."""

import io

import httpx2
import pytest
from PIL import Image
from serving import serving
from test_explain import Pixels, extractor_of

from artsim.datatypes import Tap
from artsim.embedding import embed_collection
from artsim.errors import SearchError
from artsim.readers import read_collection
from artsim.search import IndexEncoder
from artsim.server import Limits, Museum, make_app
from artsim.server.iiif import read_region, read_size
from artsim.store import Store

COLORS = RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)
WORK = "/iiif/scans/a%20b%2Ffour.jpg"


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    """One picture of four colors, 800 x 600, with a name that must be quoted."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "pictures" / "a b").mkdir(parents=True)
    four = Image.new("RGB", (2, 2))
    four.putdata(COLORS)
    large = four.resize((800, 600), Image.Resampling.NEAREST)
    large.save(folder / "pictures" / "a b" / "four.jpg", quality=95)
    embed_collection(
        read_collection(folder / "pictures"), folder / "scans", extractor_of(Pixels(), Tap())
    )
    return Museum([Store.open(folder / "scans")], IndexEncoder)


@pytest.fixture(scope="module")
def address(museum):
    with serving(make_app(museum)) as address:
        yield address


def part(address, path):
    answer = httpx2.get(f"{address}{WORK}/{path}/0/default.jpg", timeout=60)
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def test_a_part_has_the_pixels_of_that_place_at_that_size(address):
    for path, size, colors in (
        ("full/max", (800, 600), COLORS),
        ("full/200,", (200, 150), COLORS),
        ("full/,60", (80, 60), COLORS),
        ("350,250,100,100/50,50", (50, 50), COLORS),
        ("square/max", (600, 600), COLORS),
        ("400,0,400,300/40,", (40, 30), (GREEN,) * 4),
    ):
        image = part(address, path)
        assert image.size == size
        width, height = size
        corners = [(x, y) for y in (height // 5, -height // 5) for x in (width // 5, -width // 5)]
        found = [image.getpixel((x % width, y % height)) for x, y in corners]
        for color, expected in zip(found, colors, strict=True):
            assert color == pytest.approx(expected, abs=16)


def test_a_picture_is_described_for_viewers_and_its_address_leads_there(address):
    answer = httpx2.get(f"{address}{WORK}", follow_redirects=True)
    assert answer.headers["content-type"].startswith("application/ld+json;profile=")
    described = answer.json()
    assert described["id"] == f"{address}{WORK}"
    assert (described["profile"], described["width"], described["height"]) == ("level1", 800, 600)
    assert described["tiles"] == [{"width": 512, "height": 512, "scaleFactors": [1, 2]}]


def test_what_is_not_offered_is_refused(address):
    for path, status in (
        ("full/max/90/default.jpg", 400),
        ("full/max/0/gray.jpg", 400),
        ("full/max/0/default.png", 400),
        ("full/900,/0/default.jpg", 400),
        ("900,0,5,5/max/0/default.jpg", 400),
    ):
        answer = httpx2.get(f"{address}{WORK}/{path}")
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
    for path in ("/iiif/scans/none/info.json", "/iiif/none/x/info.json", "/iiif/scans/none"):
        assert httpx2.get(address + path).status_code == 404


def test_other_websites_read_pictures_only_where_they_are_shared(museum, address):
    own = httpx2.get(f"{address}{WORK}/info.json").headers
    assert "access-control-allow-origin" not in own
    assert own["cross-origin-resource-policy"] == "same-origin"
    with serving(make_app(museum, limits=Limits(iiif=True))) as shared:
        headers = httpx2.get(f"{shared}{WORK}/full/80,/0/default.jpg").headers
        assert headers["access-control-allow-origin"] == "*"
        assert headers["cross-origin-resource-policy"] == "cross-origin"
        assert "access-control-allow-origin" not in httpx2.get(f"{shared}/api/indexes").headers


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("full", (0, 0, 800, 600)),
        ("square", (100, 0, 600, 600)),
        ("700,500,200,200", (700, 500, 100, 100)),
    ],
)
def test_a_region_is_a_part_of_the_picture(text, box):
    assert read_region(text, 800, 600) == box


@pytest.mark.parametrize("text", ["800,0,5,5", "0,0,0,5", "pct:1,1,1,1", "-1,0,5,5", "a"])
def test_a_region_outside_the_picture_is_refused(text):
    with pytest.raises(SearchError, match="is no part of a picture of 800 x 600"):
        read_region(text, 800, 600)


@pytest.mark.parametrize("text", ["0,", ",0", ",", "9,9,9", "81,", ",61", "^100,", "a"])
def test_a_size_larger_than_the_part_is_refused(text):
    with pytest.raises(SearchError, match="is no size for 80 x 60"):
        read_size(text, (0, 0, 80, 60))


def test_no_more_is_sent_than_4096_pixels_of_a_side():
    assert read_size("max", (0, 0, 8192, 2048)) == (4096, 1024)
