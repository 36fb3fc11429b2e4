"""What the pictures show: each scene draws itself on a sketch and returns a title.

This is one module because a scene is one function, and they are read as a list.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from artsim.sample.sketch import Color, Point, Sketch, at, blend, curve, ellipse, mirrored
from artsim.sample.things import (
    bird,
    boat,
    bottle,
    bowl,
    cat,
    face,
    fish,
    flower,
    fruit,
    gabled_house,
    headgear,
    house,
    jug,
    lighthouse,
    tree,
)

BEYOND = 9  # pixels that fills reach beyond the picture, so that a stray hand leaves no gap

# Colors of faces, besides the palette.
SKINS: tuple[Color, ...] = ((243, 210, 178), (222, 172, 130), (176, 118, 78), (118, 76, 54))


def landscape(s: Sketch) -> str:
    """Hills under a sun or a moon, with trees, sometimes a house or a river."""
    w, h, u, p = s.width, s.height, s.unit, s.palette
    night = s.chance(0.25)
    horizon = h * s.between(0.35, 0.6)
    _sky(s, horizon + 0.2 * h, night)
    bands = s.whole(2, 5)
    for band in range(bands):
        near = (band + 1) / bands
        top = horizon + (h - horizon) * (band / bands) * 0.8
        ground = blend(p.sky, blend(p.land, s.accent(), s.between(0, 0.35)), 0.35 + 0.65 * near)
        _hill(s, top, u * s.between(0.03, 0.11), blend(ground, p.deep, 0.45 if night else 0.0))
        kind = s.whole(0, 3)
        for x in sorted(s.rng.uniform(0.03, 0.97, s.whole(0, 6)).tolist()):
            size = u * (0.06 + 0.17 * near) * s.between(0.7, 1.2)
            tree(s, (x * w, top + u * s.between(0.03, 0.1)), size, kind)
    if s.chance(0.5):
        house(s, (w * s.between(0.2, 0.8), h * s.between(0.68, 0.8)), u * s.between(0.12, 0.2))
        return "The House under the Moon" if night else "House with a Warm Roof"
    if s.chance(0.4):
        _river(s, horizon)
        return "The Little River at Night" if night else "The Little River"
    return "Moonrise over the Hills" if night else "Hills near Pudding Bay"


def seascape(s: Sketch) -> str:
    """Water with boats; gulls, an island with a lighthouse, or one great wave."""
    w, h, u, p = s.width, s.height, s.unit, s.palette
    night = s.chance(0.2)
    horizon = h * s.between(0.35, 0.6)
    _sky(s, horizon, night)
    island = s.chance(0.4)
    if island:
        lighthouse(s, (w * s.between(0.12, 0.85), horizon), u * s.between(0.18, 0.3))
    rows, boats = s.whole(5, 9), s.whole(1, 4)
    water = blend(blend(p.main, p.sky, s.between(0.2, 0.6)), p.deep, 0.4 if night else 0.0)
    for row in range(rows):
        near = row / rows
        top = horizon + (h - horizon) * near**1.3
        color = blend(water, p.deep if row % 2 else p.pale, 0.12 + 0.16 * near)
        swell = u * (0.006 + 0.02 * near) if row else 0.0
        _hill(s, top, swell, color, waves=7 - row / 2)
        if row % 2 and boats:
            boats -= 1
            size = u * (0.14 + 0.3 * near) * s.between(0.8, 1.2)
            boat(s, (w * s.between(0.12, 0.88), top + size * 0.12), size)
    for _ in range(s.whole(0, 5)):
        body = (w * s.between(0.1, 0.9), horizon * s.between(0.2, 0.8))
        s.stroke(at(body, u * 0.03, (-1, 0.5), (0, 0), (1, 0.5)), p.deep, u / 90)
    if s.chance(0.3):
        _great_wave(s)
        return "The Wave that Came to Tea"
    return "Island with a Lighthouse" if island else "Boats, Homeward"


def town(s: Sketch) -> str:
    """Rows of narrow houses with gables and windows, some of them lit."""
    w, h, u, p = s.width, s.height, s.unit, s.palette
    night = s.chance(0.45)
    _sky(s, h, night)
    rows = s.whole(2, 4)
    for row in range(rows):
        x = -u * s.between(0.0, 0.1)
        while x < w:
            wide = u * s.between(0.13, 0.24) * (0.8 + 0.25 * row)
            high = u * s.between(0.2, 0.42)
            gabled_house(s, (x, h * (0.62 + 0.3 * row / (rows - 1))), wide, high, night)
            x += wide * s.between(1.0, 1.06)
    _hill(s, h * 0.93, u * 0.01, blend(p.land, p.deep, 0.6 if night else 0.3), waves=3)
    for index in range(s.whole(0, 4)):
        foot = (w * (0.15 + 0.28 * index), h * 0.96)
        tree(s, foot, u * s.between(0.16, 0.26), index % 2)
    return "The Town, Asleep" if night else "Market Street, Morning"


def portrait(s: Sketch) -> str:
    """A head and shoulders, with hair or a hat, before a wall."""
    w, h, u, p = s.width, s.height, s.unit, s.palette
    skin = blend(SKINS[int(s.rng.integers(len(SKINS)))], p.warm, s.between(0.1, 0.3))
    wall = blend(s.accent(on=skin), p.deep if s.chance(0.6) else p.pale, s.between(0.35, 0.65))
    _wall(s, wall)
    x, y = w * s.between(0.42, 0.58), h * s.between(0.4, 0.46)
    rx = u * s.between(0.15, 0.2)
    ry = rx * s.between(1.2, 1.45)
    hair = blend(s.accent() if s.chance(0.4) else p.warm, p.deep, s.between(0.3, 0.9))
    if s.chance(0.5):
        s.oval((x, y + ry * 0.25), (rx * 1.4, ry * 1.35), hair, shade="down")
    collar = (x, y + ry * 1.45)
    floor = -(h + BEYOND - collar[1]) / rx
    body = mirrored([(-2.3, floor), (-2.0, -0.6), (-0.6, 0.05)])
    s.area(at(collar, rx, *body), s.accent(on=wall), shade="down")
    throat = 0.85 * ry / rx
    neck = [(-0.4, throat), (0.4, throat), (0.45, 0), (0, -0.35), (-0.45, 0)]
    s.area(at(collar, rx, *neck), blend(skin, p.deep, 0.12))
    for button in at(collar, rx, (0, -0.8), (0, -1.25), (0, -1.7)) if s.chance(0.5) else ():
        s.oval(button, rx * 0.09, p.bright)
    s.oval((x, y), (rx, ry), skin, shade="round", strength=0.22)
    face(s, (x, y), rx, ry, skin)
    return headgear(s, (x, y), rx, ry, hair)


def still_life(s: Sketch) -> str:
    """Fruit, a bowl, bottles and jugs on a table."""
    w, h, u, p = s.width, s.height, s.unit, s.palette
    wall = blend(s.accent(), p.pale, s.between(0.3, 0.7))
    _wall(s, wall)
    edge = h * s.between(0.55, 0.68)
    cloth = blend(s.accent(), p.pale if s.chance(0.5) else p.deep, s.between(0.2, 0.6))
    _fill(s, cloth, top=edge)
    if s.chance(0.4):
        _checks(s, edge, blend(cloth, p.pale, 0.45))
    for _ in range(s.whole(1, 4)):
        foot = (w * s.between(0.15, 0.85), edge + u * s.between(0.0, 0.08))
        (bottle if s.chance(0.5) else jug)(s, foot, u * s.between(0.26, 0.46), s.accent(on=wall))
    in_bowl, kind, count = s.chance(0.6), s.whole(0, 3), s.whole(3, 8)
    center = (w * s.between(0.35, 0.65), edge + u * s.between(0.12, 0.18))
    size = u * s.between(0.06, 0.085)
    for index in range(count):
        aside = (index - (count - 1) / 2) * (0.92 if in_bowl else 1.7)
        up = (1.6 if index % 2 else 0.8) if in_bowl else -0.5 * (index % 3)
        fruit(s, at(center, size, (aside, up))[0], size, kind)
    if in_bowl:
        bowl(s, center, size * (count * 0.62 + 1), blend(s.accent(), p.pale, 0.4))
    return ("Still Life with Pears", "Still Life, with Plums", "Lemons for Aunt Polly")[kind]


def flowers(s: Sketch) -> str:
    """A bunch of flowers in a jug."""
    w, h, u, p = s.width, s.height, s.unit, s.palette
    wall = blend(s.accent(), p.deep if s.chance(0.4) else p.pale, s.between(0.4, 0.75))
    _wall(s, wall)
    table = h * s.between(0.76, 0.84)
    _fill(s, blend(p.land, s.accent(), 0.4), top=table)
    x, mouth = w * s.between(0.42, 0.58), h * s.between(0.55, 0.62)
    heads: list[Point] = []
    for _ in range(s.whole(6, 15)):
        turn, reach = s.between(-1.25, 1.25), s.between(0.45, 1.0)
        up = math.cos(turn) * reach * h * 0.44
        heads.append((x + math.sin(turn) * reach * u * 0.36, mouth - up))
    green = blend(p.land, p.deep, 0.25)
    for head in heads:
        bend = ((x + head[0]) / 2 + u * s.between(-0.03, 0.03), (mouth + head[1]) / 2)
        s.stroke([(x, mouth + u * 0.05), bend, head], green, u / 70)
        if s.chance(0.6):
            s.oval(bend, (u * 0.06, u * 0.02), green, turn=s.between(-1, 1), shade="down")
    kind = s.whole(0, 3)
    for head in sorted(heads, key=lambda point: point[1]):
        flower(s, head, u * s.between(0.05, 0.085), kind)
    foot = table + u * 0.08
    jug(s, (x, foot), foot - mouth, blend(s.accent(on=wall), p.pale, 0.25))
    return ("Daisies", "Poppies on the Sill", "A Bunch of Unnamed Flowers")[kind]


def animal(s: Sketch) -> str:
    """A cat, a bird or a few fish, large and pleased with themselves."""
    return (_cat_at_home, _bird_on_branch, _fish_in_water)[s.whole(0, 3)](s)


def discs(s: Sketch) -> str:
    """Circles, rings and lines floating on a field."""
    w, h, u, p = s.width, s.height, s.unit, s.palette
    _fill(s, blend(s.accent(), p.pale, s.between(0.55, 0.85)))
    for _ in range(s.whole(5, 11)):
        center = (w * s.between(0.08, 0.92), h * s.between(0.08, 0.92))
        radius, rings = u * s.between(0.04, 0.22), s.whole(1, 5)
        for ring in range(rings, 0, -1):
            color = p.deep if s.chance(0.12) else s.accent()
            s.oval(center, radius * ring / rings, color)
    for _ in range(s.whole(2, 7)):
        start, turn = (s.between(0, w), s.between(0, h)), s.between(0, math.tau)
        end = (math.cos(turn), math.sin(turn))
        line = at(start, u * s.between(0.2, 0.7), (0, 0), end)
        s.stroke(line, p.deep, u * s.between(0.006, 0.016))
    return f"Improvisation {s.whole(1, 60)}"


def bands(s: Sketch) -> str:
    """Broad horizontal bands of color."""
    w, h, p = s.width, s.height, s.palette
    _fill(s, blend(s.accent(), p.deep if s.chance(0.5) else p.pale, 0.5), strength=0.2)
    count = s.whole(2, 5)
    top, left, gap = h * 0.06, w * s.between(0.04, 0.09), h * 0.025
    for share in s.rng.dirichlet([4.0] * count).cumsum().tolist():
        right, bottom = w - left, h * (0.06 + 0.88 * share)
        band = [(left, top), (right, top), (right, bottom - gap), (left, bottom - gap)]
        s.area(band, s.accent(), shade="up" if s.chance(0.5) else "down", strength=0.25)
        top = bottom
    return f"Untitled (No. {s.whole(2, 90)})"


def grid(s: Sketch) -> str:
    """A grid of squares, triangles, discs and quarter discs."""
    w, h, u, p = s.width, s.height, s.unit, s.palette
    cell = u / s.whole(3, 6)
    columns, rows = math.ceil(w / cell), math.ceil(h / cell)
    for y, x in ((row * cell, column * cell) for row in range(rows) for column in range(columns)):
        corners = [(x, y), (x + cell, y), (x + cell, y + cell), (x, y + cell)]
        s.area(corners, s.accent() if s.chance(0.6) else blend(p.pale, p.sky, s.between(0, 0.8)))
        color, corner = p.deep if s.chance(0.25) else s.accent(), s.whole(0, 4)
        kind = s.between(0, 1)
        if kind < 0.35:
            s.area([*corners[:corner], *corners[corner + 1 :]], color)
        elif kind < 0.6:
            s.oval((x + cell / 2, y + cell / 2), cell * 0.36, color)
        elif kind < 0.8:
            round_ = ellipse(corners[corner], cell)
            s.area([(min(max(a, x), x + cell), min(max(b, y), y + cell)) for a, b in round_], color)
    return f"Composition in {columns} by {rows}"


SCENES: dict[str, Callable[[Sketch], str]] = {
    "landscape": landscape,
    "seascape": seascape,
    "town": town,
    "portrait": portrait,
    "still life": still_life,
    "flowers": flowers,
    "animal": animal,
    "discs": discs,
    "bands": bands,
    "grid": grid,
}


def _fill(s: Sketch, color: Color, *, top: float = -BEYOND, **style: Any) -> None:
    """Fill the picture from ``top`` down, a little darker below."""
    s.area(_across(s, top, s.height + BEYOND), color, shade="down", lined=top > 0, **style)


def _across(s: Sketch, top: float, bottom: float) -> list[Point]:
    right = s.width + BEYOND
    return [(-BEYOND, top), (right, top), (right, bottom), (-BEYOND, bottom)]


def _sky(s: Sketch, bottom: float, night: bool) -> None:
    w, u, p = s.width, s.unit, s.palette
    color = blend(p.sky, p.deep, 0.62 if night else 0.0)
    s.area(_across(s, -BEYOND, bottom), color, shade="up", strength=0.28, lined=False)
    center = (w * s.between(0.12, 0.88), bottom * s.between(0.15, 0.5))
    radius, glow = u * s.between(0.05, 0.1), blend(color, p.bright, 0.25)
    s.oval(center, radius * 1.7, glow, lined=False)
    s.oval(center, radius, blend(p.pale, p.bright, 0.2 if night else 0.85))
    if not night:
        _clouds(s, bottom, blend(color, p.pale, 0.75))
        return
    if s.chance(0.5):  # the moon is a crescent
        s.oval(at(center, radius, (0.5, 0.2))[0], radius * 0.85, glow, lined=False)
    for _ in range(s.whole(5, 22)):
        star = (s.between(0, w), s.between(0, bottom * 0.8))
        s.oval(star, u / 110, p.pale, lined=False)


def _clouds(s: Sketch, bottom: float, color: Color) -> None:
    for _ in range(s.whole(0, 4)):
        center = (s.between(0, s.width), bottom * s.between(0.1, 0.6))
        size = s.unit * s.between(0.05, 0.1)
        for puff in at(center, size, (-1.1, 0), (1.0, 0), (-0.2, 0.4)):
            s.oval(puff, (size * 1.2, size * 0.6), color, lined=False)


def _hill(s: Sketch, top: float, swing: float, color: Color, waves: float = 1.4) -> None:
    first, second = s.between(0, math.tau), s.between(0, math.tau)
    points: list[Point] = []
    for step in range(-1, 42):
        turn = math.tau * waves * step / 40
        y = top + swing * (math.sin(turn + first) + 0.4 * math.sin(2.3 * turn + second))
        points.append((s.width * step / 40, y))
    foot = [(points[place][0], s.height + BEYOND) for place in (-1, 0)]
    s.area([*points, *foot], color, shade="down", strength=0.22)


def _river(s: Sketch, horizon: float) -> None:
    w, h = s.width, s.height
    source = w * s.between(0.3, 0.7)
    left, right = [], []
    for near in (step / 20 for step in range(21)):
        x = source + w * 0.18 * math.sin(5 * near) * (0.3 + near)
        half = w * (0.008 + 0.16 * near * near)
        y = horizon + (h + BEYOND - horizon) * (0.12 + 0.88 * near)
        left.append((x - half, y))
        right.append((x + half, y))
    s.area([*left, *reversed(right)], blend(s.palette.sky, s.palette.main, 0.3), shade="up")


def _great_wave(s: Sketch) -> None:
    w, h, u, p = s.width, s.height, s.unit, s.palette
    left = s.chance(0.5)

    def spots(*shares: Point) -> list[Point]:
        return [(w * (x if left else 1 - x), h * y) for x, y in shares]

    crest = spots((-0.05, 0.5), (0.05, 0.38), (0.18, 0.3), (0.32, 0.29), (0.44, 0.35), (0.5, 0.44))
    inside = spots((0.42, 0.42), (0.34, 0.42), (0.27, 0.48), (0.25, 0.58), (0.3, 0.72))
    foot = spots((0.42, 0.86), (0.62, 0.97), (0.8, 1.05), (-0.05, 1.05))
    s.area([*crest, *inside, *foot], blend(p.main, p.deep, 0.25), shade="down")
    for d in (0.03, 0.07, 0.11):
        rib = spots((2 * d, 0.98), (d, 0.6 + d), (0.12 + d, 0.42 + d / 2), (0.3, 0.33 + d / 2))
        s.stroke(curve(rib), blend(p.main, p.pale, 0.75), u / 75)
    for point in curve(crest)[::3]:
        size = u * s.between(0.02, 0.04)
        s.oval(point, size, p.pale)


def _wall(s: Sketch, color: Color) -> None:
    """Paint a wall, sometimes with stripes or dots."""
    _fill(s, color, strength=0.22)
    if s.chance(0.6):
        return
    w, h = s.width, s.height
    step, dots = s.unit * s.between(0.1, 0.16), s.chance(0.5)
    pattern = blend(color, s.palette.pale if s.chance(0.5) else s.accent(), 0.3)
    for column in range(math.ceil(w / step)):
        x = (column + 0.5) * step
        if not dots:
            s.stroke([(x, -BEYOND), (x, h + BEYOND)], pattern, step * 0.25, lined=False)
            continue
        for row in range(math.ceil(h / step)):
            center = (x + step / 2 * (row % 2), (row + 0.5) * step)
            s.oval(center, step * 0.14, pattern, lined=False)


def _checks(s: Sketch, edge: float, color: Color) -> None:
    """Draw the checks of a tablecloth, running away from us."""
    w, h, width = s.width, s.height, s.unit / 90
    for line in range(-10, 11):
        run = [(w * (0.5 + line * 0.09), edge), (w * (0.5 + line * 0.2), h + BEYOND)]
        s.stroke(run, color, width, lined=False)
    for line in range(1, 6):
        y = edge + (h - edge) * (line / 5) ** 1.5
        s.stroke([(-BEYOND, y), (w + BEYOND, y)], color, width, lined=False)


def _cat_at_home(s: Sketch) -> str:
    w, h, u, p = s.width, s.height, s.unit, s.palette
    wall = blend(s.accent(), p.pale, s.between(0.35, 0.75))
    _wall(s, wall)
    floor = h * s.between(0.7, 0.8)
    _fill(s, blend(s.accent(), p.deep, 0.25), top=floor)
    if s.chance(0.5):
        s.oval((w / 2, h * 0.88), (w * 0.42, h * 0.08), blend(p.warm, p.pale, 0.2))
    cat(s, (w * s.between(0.42, 0.58), h * 0.86), u * s.between(0.62, 0.8), wall)
    return "Cat, Waiting" if s.chance(0.5) else "The Cat who Owned the Museum"


def _bird_on_branch(s: Sketch) -> str:
    w, h, u, p = s.width, s.height, s.unit, s.palette
    _sky(s, h + BEYOND, s.chance(0.2))
    size, center = u * s.between(0.55, 0.72), (w * 0.5, h * s.between(0.5, 0.56))
    y = center[1] + size * 0.4
    end = (w + BEYOND, y - size * s.between(-0.1, 0.2))
    branch = curve([(-BEYOND, y), (w * 0.4, y), (w * 0.6, y), end])
    s.stroke(branch, blend(p.warm, p.deep, 0.6), u / 26)
    for leaf in range(7):
        tip = (w * (0.06 + leaf * 0.15), y + size * s.between(-0.1, 0.1))
        s.oval(tip, (u * 0.055, u * 0.022), p.land, turn=s.between(-1.2, 1.2))
    bird(s, center, size)
    return "Bird on a Branch"


def _fish_in_water(s: Sketch) -> str:
    w, h, u, p = s.width, s.height, s.unit, s.palette
    _fill(s, blend(p.main, p.sky, s.between(0.3, 0.7)))
    for weed in range(s.whole(2, 6)):
        steps = range(s.whole(5, 14))
        x = w * (0.1 + 0.18 * weed)
        stem = [(x + u * 0.03 * math.sin(step), h * (1.02 - 0.04 * step)) for step in steps]
        s.stroke(stem, p.land, u / 45)
    count = s.whole(1, 4)
    for index in range(count):
        size = u * (0.42, 0.3, 0.22)[count - 1] * s.between(0.85, 1.1)
        fish(s, (w * s.between(0.4, 0.6), h * (index + 0.5) / count), size)
    for _ in range(s.whole(3, 9)):
        radius = u * s.between(0.008, 0.022)
        s.oval((w * s.between(0.1, 0.9), h * s.between(0.05, 0.7)), radius, p.pale)
    return ("Fish, Alone", "Two Fish, not Speaking", "Three Fishes")[count - 1]
