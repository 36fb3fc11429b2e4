"""Who made the pictures: ten invented artists, their palettes, subjects and hands."""

from __future__ import annotations

from dataclasses import dataclass

from artsim.sample.sketch import Hand, Palette


@dataclass(frozen=True, kw_only=True)
class Artist:
    """One artist; ``subjects`` and ``media`` map names to how often they are chosen."""

    name: str
    style: str
    years: tuple[int, int]  # of work, first and last
    palette: Palette
    subjects: dict[str, int]
    media: dict[str, int]
    hand: Hand


ARTISTS = (
    Artist(
        name="Odo Pepperdot",
        style="Confettism",
        years=(1884, 1911),
        palette=Palette.of("f7efd2 8fc1d9 7fa650 3f7cac e2725b f6c445 2f3e63"),
        subjects={"landscape": 4, "seascape": 3, "flowers": 2, "still life": 1, "portrait": 1},
        media={"oil": 7, "watercolor": 1, "etching": 2},
        hand=Hand(mark="dot", size=0.9, stray=0.3, needle="dot"),
    ),
    Artist(
        name="Tova Tessellata",
        style="Confettism",
        years=(1899, 1931),
        palette=Palette.of("f2e3b6 5fa3a3 4d7c5f 2b5d8c c8553d e9b44c 2a2438"),
        subjects={"portrait": 4, "animal": 4, "flowers": 2, "seascape": 1},
        media={"oil": 6, "gouache": 2, "woodcut": 2},
        hand=Hand(mark="tile", size=1.0, stray=0.16, angle=0.2, gouge="ring"),
    ),
    Artist(
        name="Wilma Windwhistle",
        style="Swirlism",
        years=(1887, 1902),
        palette=Palette.of("f5ecc1 5b9bd0 5f8f4a 2d5fa6 d9772b f2c230 1c2a4f"),
        subjects={"landscape": 5, "town": 2, "flowers": 2, "portrait": 2},
        media={"oil": 7, "etching": 2, "watercolor": 1},
        hand=Hand(mark="swirl", size=1.0, stray=0.2, angle=0.2, needle="curve", wobble=0.7),
    ),
    Artist(
        name="Søren Kringlebæk",
        style="Swirlism",
        years=(1895, 1928),
        palette=Palette.of("efe6da 9aa7b8 6b7f59 7a3b3b cf4a30 e8a33d 26222c"),
        subjects={"portrait": 3, "seascape": 3, "town": 2, "animal": 2},
        media={"oil": 4, "woodcut": 4, "woodcut|gouache": 2},
        hand=Hand(mark="swirl", size=1.5, stray=0.14, angle=1.2, gouge="wave", wobble=1.0),
    ),
    Artist(
        name="Baldur Blockmann",
        style="Cubbyism",
        years=(1908, 1926),
        palette=Palette.of("e9e0cd a9b0a6 8a8356 6f7d86 a9683f d2a95c 2c2a26"),
        subjects={"still life": 4, "town": 3, "portrait": 4, "animal": 1},
        media={"oil": 7, "etching": 3},
        hand=Hand(mark="facet", stray=0.1, angle=0.9, needle="parallel", wobble=0.2),
    ),
    Artist(
        name="Pernilla Prisma",
        style="Cubbyism",
        years=(1912, 1948),
        palette=Palette.of("f6f1e4 a8d0db 5a9367 2f6690 e4572e f3a712 29335c"),
        subjects={"grid": 4, "town": 3, "discs": 2, "seascape": 2},
        media={"oil": 4, "gouache": 4, "woodcut|gouache": 2},
        hand=Hand(mark="facet", size=0.8, stray=0.06, angle=0.2, wobble=0.15),
    ),
    Artist(
        name="Élodie Brindeciel",
        style="Mistism",
        years=(1871, 1909),
        palette=Palette.of("fbf7ee a9cbe0 93ad7c 6c8ebf d99a8b efcf8e 4a5470"),
        subjects={"seascape": 4, "flowers": 4, "landscape": 3, "still life": 1},
        media={"watercolor": 7, "oil": 2, "etching|watercolor": 2},
        hand=Hand(mark="dab", size=1.1, stray=0.12, angle=0.3, needle="parallel", wobble=0.6),
    ),
    Artist(
        name="Barnaby Quillfeather",
        style="Mistism",
        years=(1833, 1860),
        palette=Palette.of("f1e5c9 c2b48f 7d7a4a 8a6d4b a4552f d9a441 33271f"),
        subjects={"landscape": 4, "portrait": 3, "animal": 2, "town": 2},
        media={"etching": 5, "oil": 4, "etching|watercolor": 2},
        hand=Hand(mark="glaze", size=1.0, stray=0.12, angle=0.8, needle="cross", wobble=0.4),
    ),
    Artist(
        name="Mimi Pamplemousse",
        style="Plainism",
        years=(1936, 1954),
        palette=Palette.of("fdf3e7 7cc6e8 3aa76d 2451a4 e63946 ffb703 1d1d3b"),
        subjects={"animal": 4, "still life": 3, "flowers": 3, "discs": 2},
        media={"gouache": 7, "woodcut": 2, "watercolor": 1},
        hand=Hand(mark="dab", size=1.4, stray=0.05, gouge="straight", angle=0.0, wobble=0.9),
    ),
    Artist(
        name="Kasimir Stillström",
        style="Plainism",
        years=(1941, 1969),
        palette=Palette.of("f3e9dc 8fa9b8 586f4c 34568b b23a2e e08e2b 2b1d2a"),
        subjects={"bands": 6, "landscape": 2, "seascape": 1, "discs": 1},
        media={"oil": 7, "gouache": 2, "watercolor": 1},
        hand=Hand(mark="stripe", size=1.2, stray=0.1, angle=0.0, wobble=0.4),
    ),
)
