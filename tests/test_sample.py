"""The sample museum: the same every time, whole, and as varied as real ones."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artsim.errors import StoreError
from artsim.images import decode, read_bytes
from artsim.sample import make_sample
from artsim.sample.artists import ARTISTS, Artist
from artsim.sample.media import MEDIA
from artsim.sample.museum import DEPARTMENTS, TRANSLATED
from artsim.sample.scenes import SCENES
from artsim.sample.sketch import Hand, Sketch

PICTURES = 40


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "museum"
    assert make_sample(folder, pictures=PICTURES) == PICTURES
    return folder


def rows_of(museum: Path) -> list[dict[str, str]]:
    with (museum / "objects.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pixels_of(museum: Path, row: dict[str, str]) -> np.ndarray:
    return decode(read_bytes(museum / row["image"])).pixels


def test_every_row_is_filled_and_has_its_picture(museum: Path) -> None:
    rows = rows_of(museum)
    assert [row["object_id"] for row in rows] == [f"msw-{n:04d}" for n in range(1, PICTURES + 1)]
    assert {row["image"] for row in rows} == {
        f"images/{file.name}" for file in (museum / "images").iterdir()
    }
    assert sorted(path.name for path in museum.iterdir()) == ["images", "objects.csv"]
    for row in rows:
        assert [name for name, value in row.items() if not value] in ([], ["year"])
        height, width, _ = pixels_of(museum, row).shape
        assert 200 <= min(width, height) <= max(width, height) <= 460


def test_rows_match_their_artist(museum: Path) -> None:
    artists = {artist.name: artist for artist in ARTISTS}
    for row in rows_of(museum):
        artist = artists[row["artist"]]
        assert row["style"] == artist.style
        assert row["medium"] in artist.media
        assert row["department"] == DEPARTMENTS[row["medium"].split("|")[0]]
        if row["year"]:
            assert artist.years[0] <= int(row["year"]) <= artist.years[1]


def test_files_are_as_varied_as_in_a_museum(museum: Path) -> None:
    rows = rows_of(museum)
    pictures = [Image.open(museum / row["image"]) for row in rows]
    orientations = {picture.getexif().get(274) for picture in pictures}
    for picture in pictures:
        picture.close()
    assert {picture.format for picture in pictures} == {"JPEG", "PNG"}
    assert {picture.mode for picture in pictures} == {"RGB", "L"}
    assert orientations == {None, 3, 6, 8}
    assert any("|" in row["medium"] for row in rows)
    assert any(not row["title"].isascii() for row in rows)
    assert len({row["artist"] for row in rows}) == len(ARTISTS)


def test_a_turned_picture_is_upright_when_decoded(museum: Path) -> None:
    row = rows_of(museum)[21]  # picture 22 lies on its side in the file
    with Image.open(museum / row["image"]) as stored:
        assert stored.getexif()[274] == 6
        lying = stored.size
    height, width, _ = pixels_of(museum, row).shape
    assert (width, height) == lying[::-1]


def test_the_same_seed_makes_the_same_museum_at_any_size(museum: Path, tmp_path: Path) -> None:
    make_sample(tmp_path, pictures=5)
    start = (tmp_path / "objects.csv").read_bytes()
    assert (museum / "objects.csv").read_bytes().startswith(start)
    for row in rows_of(tmp_path):
        np.testing.assert_array_equal(pixels_of(tmp_path, row), pixels_of(museum, row))


def test_another_seed_makes_another_museum(museum: Path, tmp_path: Path) -> None:
    make_sample(tmp_path, pictures=5, seed=1)
    titles = [row["title"] for row in rows_of(tmp_path)]
    assert titles != [row["title"] for row in rows_of(museum)[:5]]


def test_colors_predict_artists_but_not_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artsim.sample.museum.LONG_SIDE", (70, 100))
    monkeypatch.setattr("artsim.sample.museum.SHORT_SIDE_MIN", 50)
    make_sample(tmp_path, pictures=100)
    rows = rows_of(tmp_path)
    names = np.array([row["artist"] for row in rows])
    features = np.stack([_colors(pixels_of(tmp_path, row)) for row in rows])
    distances = np.linalg.norm(features[:, None] - features[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    accuracy = np.mean(names[distances.argmin(1)] == names)
    majority = np.unique(names, return_counts=True)[1].max() / len(names)
    assert 2 * majority < accuracy < 0.9


def _colors(pixels: np.ndarray) -> np.ndarray:
    """How often each of 4 x 4 x 4 colors occurs, as square roots."""
    red, green, blue = (pixels // 64).reshape(-1, 3).T.astype(int)
    return np.sqrt(np.bincount(16 * red + 4 * green + blue, minlength=64) / red.size)


def test_prints_in_black_have_no_color_and_paintings_do(museum: Path) -> None:
    spread = {
        row["object_id"]: np.ptp(pixels_of(museum, row).astype(int), axis=-1).mean()
        for row in rows_of(museum)
        if row["medium"] in ("etching", "woodcut", "gouache")
    }
    for row in rows_of(museum):
        if row["medium"] in ("etching", "woodcut"):
            assert spread[row["object_id"]] < 30
        if row["medium"] == "gouache":
            assert spread[row["object_id"]] > 30


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_can_be_made_in_every_medium(scene: str, medium: str) -> None:
    sketch = Sketch(140, 100, ARTISTS[0].palette, Hand(), np.random.default_rng(0))
    assert SCENES[scene](sketch)
    assert MEDIA[medium](sketch).size == (70, 50)


@pytest.mark.parametrize("artist", ARTISTS, ids=lambda artist: artist.name)
def test_every_hand_works_in_every_medium(artist: Artist) -> None:
    for medium in ("oil", "etching", "woodcut"):
        sketch = Sketch(100, 140, artist.palette, artist.hand, np.random.default_rng(1))
        SCENES["portrait"](sketch)
        assert MEDIA[medium](sketch).size == (50, 70)


@pytest.mark.parametrize("artist", ARTISTS, ids=lambda artist: artist.name)
def test_artists_use_known_scenes_and_media(artist: Artist) -> None:
    assert set(artist.subjects) <= set(SCENES)
    assert set(artist.media) <= set(MEDIA)
    assert artist.years[0] < artist.years[1]


def test_translated_titles_belong_to_scenes() -> None:
    titles = set()
    for seed in range(20):
        for scene in SCENES.values():
            sketch = Sketch(40, 40, ARTISTS[0].palette, Hand(), np.random.default_rng(seed))
            titles.add(scene(sketch))
    assert set(TRANSLATED) <= titles


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError) as caught:
        make_sample(tmp_path)
    assert str(caught.value) == f"'{tmp_path}' is not empty; name a new folder for the sample"
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_interrupted_sample_is_drawn_again(tmp_path: Path) -> None:
    make_sample(tmp_path / "whole", pictures=2)
    make_sample(tmp_path / "m", pictures=3)
    (tmp_path / "m/objects.csv").rename(tmp_path / "m/.objects.csv.0a1b2c3d.tmp")
    (tmp_path / "m/images/msw-0001.jpg").write_bytes(b"torn")
    make_sample(tmp_path / "m", pictures=2)
    whole, again = (
        {file.relative_to(root): file.read_bytes() for file in root.rglob("*.*")}
        for root in (tmp_path / "whole", tmp_path / "m")
    )
    assert again == whole


def test_a_folder_of_other_pictures_is_no_interrupted_sample(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("msw-0001.jpg", "mine.jpg"):
        (tmp_path / "images" / name).write_bytes(b"a picture")
    with pytest.raises(StoreError, match="is not empty"):
        make_sample(tmp_path)
    assert len(list((tmp_path / "images").iterdir())) == 2


def test_a_folder_that_cannot_be_created_gives_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        make_sample(tmp_path / "file" / "museum")
    assert str(caught.value) == (
        f"cannot write a sample to '{tmp_path / 'file' / 'museum'}': Not a directory; "
        "name another folder"
    )


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"pictures": 0}, "a sample cannot have 0 pictures; ask for at least 1"),
        ({"seed": -1}, "the seed of a sample cannot be -1; use 0 or more"),
    ],
)
def test_numbers_out_of_range_say_what_is_allowed(
    numbers: dict[str, int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(StoreError) as caught:
        make_sample(tmp_path / "museum", **numbers)
    assert str(caught.value) == message
    assert not (tmp_path / "museum").exists()
