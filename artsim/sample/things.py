"""Things that stand in the scenes: trees, houses, boats, jugs, fruit, faces, animals."""

from __future__ import annotations

import math
from functools import partial

from artsim.sample.sketch import Color, Point, Sketch, at, blend, curve, ellipse, mirrored

# Sizes are in pixels; a thing stands on its ``foot`` or surrounds its ``center``.


def tree(s: Sketch, foot: Point, size: float, kind: int) -> None:
    """Plant a poplar (0), a round tree (1) or a fir (2)."""
    p = s.palette
    leaves = blend(blend(p.land, s.accent(), s.between(0, 0.5)), p.deep, s.between(0.1, 0.4))
    trunk = at(foot, size, (0, 0), (s.between(-0.05, 0.05), 0.7))
    s.stroke(trunk, blend(p.warm, p.deep, 0.6), size * 0.1)
    if kind == 0:
        s.oval(at(foot, size, (0, 0.95))[0], (size * 0.2, size * 0.7), leaves, shade="round")
    elif kind == 1:
        for half, crown in zip((0.32, 0.38), at(foot, size, (-0.2, 0.8), (0.12, 1.0)), strict=True):
            s.oval(crown, (size * half, size * (half - 0.02)), leaves, shade="round")
    else:
        for step in (0.25, 0.6, 0.95):
            left, right = (-0.42 + 0.25 * step, step), (0.42 - 0.25 * step, step)
            s.area(at(foot, size, left, (0, step + 0.6), right), leaves, shade="down")


def house(s: Sketch, foot: Point, size: float) -> None:
    """Build a cottage with a door, two windows and a chimney."""
    p = s.palette
    roof = blend(p.warm, p.deep, s.between(0, 0.3))
    s.area(_box(foot, size, (-0.5, 0.5), (0, 0.6)), blend(p.pale, s.accent(), 0.2), shade="down")
    s.area(_box(foot, size, (0.2, 0.33), (0.7, 1.15)), roof)
    s.area(at(foot, size, (-0.62, 0.6), (0, 1.1), (0.62, 0.6)), roof, shade="down")
    s.area(_box(foot, size, (-0.1, 0.1), (0, 0.36)), p.deep)
    for left in (-0.4, 0.22):
        s.area(_box(foot, size, (left, left + 0.18), (0.24, 0.46)), p.bright)


def gabled_house(s: Sketch, foot: Point, wide: float, high: float, night: bool) -> None:
    """Build a narrow town house down to the foot of the picture, its windows lit at random."""
    (x, y), p = foot, s.palette
    color = blend(blend(s.accent(), p.pale, s.between(0, 0.35)), p.deep, 0.45 if night else 0.0)
    s.area(_box((x, s.height + 9), 1, (0, wide), (0, s.height + 9 - y + high)), color, shade="down")
    roof = blend(p.warm if s.chance(0.6) else p.deep, p.deep, s.between(0.1, 0.6))
    eaves, peak = high / wide, high / wide + s.between(0.35, 0.75)
    s.area(at(foot, wide, (-0.05, eaves), (0.5, peak), (1.05, eaves)), roof, shade="down")
    columns, pane, dark = (2 if wide < s.unit * 0.2 else 3), wide / 6, blend(p.deep, p.sky, 0.25)
    for column in range(columns):
        left = wide * (column + 0.5) / columns - pane / 2
        for level in range(int(high // (pane * 2.4)) + 1):
            top = high - pane * (0.6 + 2.4 * level)
            window = _box(foot, 1, (left, left + pane), (top - pane * 1.2, top))
            s.area(window, p.bright if s.chance(0.55 if night else 0.15) else dark)


def lighthouse(s: Sketch, foot: Point, size: float) -> None:
    """Build a striped lighthouse on its island."""
    p = s.palette
    s.oval(foot, (size * 0.9, size * 0.28), blend(p.land, p.deep, 0.3), shade="down")
    for step in range(5):
        low, high, up = 0.15 - 0.015 * step, 0.135 - 0.015 * step, 0.1 + 0.2 * step
        ring = at(foot, size, (-low, up), (low, up), (high, up + 0.2), (-high, up + 0.2))
        s.area(ring, p.warm if step % 2 else p.pale)
    s.oval(at(foot, size, (0, 1.15))[0], size * 0.1, p.bright)


def boat(s: Sketch, foot: Point, size: float) -> None:
    """Launch a boat with two sails."""
    p = s.palette
    mast, lean = s.between(0.8, 1.1), s.between(-0.04, 0.04)
    s.stroke(at(foot, size, (0, 0), (lean, mast)), p.deep, size * 0.05)
    sail = blend(p.pale, s.accent(), s.between(0, 0.9))
    s.area(at(foot, size, (lean, mast), (0.5, 0.22), (0.03, 0.22)), sail, shade="down")
    jib = at(foot, size, (lean, mast * 0.85), (-0.38, 0.22), (-0.03, 0.22))
    s.area(jib, blend(sail, p.pale, 0.4), shade="down")
    hull = at(foot, size, (-0.5, 0.18), (0.58, 0.18), (0.38, -0.06), (-0.36, -0.06))
    s.area(hull, blend(s.accent(), p.deep, s.between(0.1, 0.7)), shade="down")


def bottle(s: Sketch, foot: Point, size: float, color: Color) -> None:
    """Stand a bottle with a label."""
    half, neck = 0.17, 0.055
    side = [(half, 0.0), (half, 0.5), (half * 0.9, 0.58), (neck, 0.7), (neck, 1.0)]
    glass = blend(color, s.palette.deep, 0.35)
    s.area(at(foot, size, *mirrored(side)), glass, shade="down")
    s.area(_box(foot, size, (-0.13, 0.13), (0.15, 0.4)), s.palette.pale)
    s.stroke(at(foot, size, (-0.1, 0.45), (-0.1, 0.53)), s.palette.pale, size / 40, lined=False)


def jug(s: Sketch, foot: Point, size: float, color: Color) -> None:
    """Stand a jug, plain or with two painted rings."""
    belly = s.between(0.26, 0.38)
    turns = [math.pi * (0.1 + 0.75 * step / 12) for step in range(13)]
    side = [(belly * (0.55 + 0.45 * math.sin(turn)), step / 12) for step, turn in enumerate(turns)]
    s.area(at(foot, size, *mirrored(side)), color, shade="round")
    for up in (0.35, 0.45) if s.chance(0.5) else ():
        ring = at(foot, size, (-belly * 0.93, up), (0, up - 0.03), (belly * 0.93, up))
        s.stroke(ring, s.palette.deep, size / 30)
    mouth, inside = at(foot, size, (0, 1))[0], blend(color, s.palette.deep, 0.6)
    s.oval(mouth, (size * belly * 0.75, size * 0.045), inside)


def bowl(s: Sketch, center: Point, half: float, color: Color) -> None:
    """Set a bowl, seen from the front; its rim is at the center."""
    turns = [math.pi * step / 24 for step in range(25)]
    rim = at(center, half, *((math.cos(turn), -0.5 * math.sin(turn)) for turn in turns))
    s.area(rim, color, shade="down", strength=0.4)
    s.stroke(at(center, half, (-1, -0.06), (0, -0.12), (1, -0.06)), s.palette.main, half / 18)


def fruit(s: Sketch, center: Point, size: float, kind: int) -> None:
    """Lay a pear (0), a plum (1) or a lemon (2)."""
    p = s.palette
    if kind == 0:
        color, top = blend(p.bright, p.land, s.between(0.1, 0.6)), at(center, size, (0, 0.8))[0]
        s.oval(top, (size * 0.55, size * 0.8), color, turn=s.between(-0.3, 0.3))
        s.oval(center, (size, size * 0.9), color, shade="round")
        s.stroke(at(center, size, (0, 1.4), (0.2, 1.9)), p.deep, size * 0.15)
    elif kind == 1:
        color = blend(p.warm, p.main, s.between(0, 0.5))
        s.oval(center, size, color, shade="round", strength=0.45)
        s.stroke(at(center, size, (0, 0.8), (0.2, 1.3)), p.deep, size * 0.15)
    else:
        turn = s.between(-0.6, 0.6)
        s.oval(center, (size * 1.25, size * 0.8), p.bright, turn=turn, shade="round", strength=0.4)


def flower(s: Sketch, center: Point, size: float, kind: int) -> None:
    """Open a daisy (0), a poppy (1) or a flower without a name (2)."""
    p = s.palette
    petals, width, paleness = ((9, 0.25, 0.6), (4, 0.55, 0.0), (6, 0.4, 0.25))[kind]
    color = blend(s.accent(), p.pale, paleness)
    start = s.between(0, math.tau)
    for petal in range(petals):
        turn = start + math.tau * petal / petals
        tip = at(center, size, (0.7 * math.cos(turn), -0.7 * math.sin(turn)))[0]
        s.oval(tip, (size * 0.65, size * width), color, turn=turn)
    s.oval(center, size * 0.36, (p.bright, p.deep, p.warm)[kind], shade="round")


def face(s: Sketch, center: Point, rx: float, ry: float, skin: Color) -> None:
    """Draw eyes, brows, a nose, a mouth and red cheeks on a head that is there already."""
    (x, y), p = center, s.palette
    gaze = s.between(-0.06, 0.06) * rx
    for side in (-1, 1):
        cheek = (x + side * rx * 0.55, y + ry * 0.3)
        s.oval(cheek, (rx * 0.2, rx * 0.16), blend(skin, p.warm, 0.4), lined=False)
        eye = (x + side * rx * 0.4, y - ry * 0.05)
        s.oval(eye, (rx * 0.19, rx * 0.13), p.pale)
        s.oval((eye[0] + gaze, eye[1]), (rx * 0.09, rx * 0.11), p.deep)
        up = ry / rx * s.between(0.2, 0.25)
        s.stroke(at(eye, rx, (-0.22, up), (0, up + 0.07), (0.22, up)), p.deep, rx * 0.08)
    side = s.side()
    nose = [(x, y - ry * 0.05), (x + side * rx * 0.16, y + ry * 0.28), (x, y + ry * 0.31)]
    s.stroke(nose, blend(skin, p.deep, 0.45), rx * 0.07)
    smile, mouth = s.between(-0.02, 0.14), (x, y + ry * 0.54)
    lips = at(mouth, rx, (-0.3, smile / 2), (0, -smile), (0.3, smile / 2))
    s.stroke(curve(lips), blend(p.warm, p.deep, 0.3), rx * 0.11)


def headgear(s: Sketch, center: Point, rx: float, ry: float, hair: Color) -> str:
    """Dress a head with hair and a hat, a beret, a crown or nothing more; return the title."""
    (x, y), p = center, s.palette
    skull = ellipse((x, y - ry * 0.1), (rx * 1.12, ry * 1.05))
    top = sorted(point for point in skull if point[1] < y - ry * 0.3)
    parting = [(x + rx * 0.5, y - ry * 0.42), (x - rx * s.between(0.0, 0.4), y - ry * 0.55)]
    s.area([*top, *parting], hair, shade="down")
    color, kind, up = s.accent(), s.whole(0, 4), ry / rx
    if kind == 0:
        s.oval((x, y - ry * 0.62), (rx * 1.7, ry * 0.2), color, shade="down")
        top = [(-1, 0.65 * up), (-0.8, 1.4 * up), (0.8, 1.4 * up), (1, 0.65 * up)]
        s.area(at(center, rx, *top), color, shade="down")
        s.stroke(at(center, rx, (-1, 0.76 * up), (1, 0.76 * up)), p.deep, rx * 0.16)
        return "Aunt Polly in her Hat"
    if kind == 1:
        s.oval((x + rx * 0.25, y - ry * 0.88), (rx * 1.15, ry * 0.34), color, turn=-0.2)
        return "Self-portrait, Aged Nine and a Half"
    if kind == 2:
        teeth = [(step / 4 - 1, up * (1.45 if step % 2 else 1.05)) for step in range(9)]
        crown = at(center, rx, (-1, 0.66 * up), *teeth, (1, 0.66 * up))
        s.area(crown, p.bright, shade="down")
        return "The Queen of Puddings"
    return "Portrait of a Person Thinking"


def cat(s: Sketch, foot: Point, size: float, wall: Color) -> None:
    """Seat a cat before a wall, facing us."""
    p = s.palette
    fur = blend(s.accent(on=wall), p.deep if s.chance(0.5) else p.pale, s.between(0.1, 0.4))
    side = s.side()
    tail = at(foot, size, (0.2, 0.06), (0.5, 0.05), (0.52, 0.35), (0.36, 0.5), side=side)
    s.stroke(curve(tail), fur, size * 0.09)
    body, head = at(foot, size, (0, 0.3), (-side * 0.04, 0.72))
    s.oval(body, (size * 0.27, size * 0.34), fur, shade="round")
    for ear in (-1, 1):
        s.area(at(head, size, (ear * 0.05, 0.14), (ear * 0.2, 0.33), (ear * 0.23, 0.05)), fur)
    s.oval(head, (size * 0.24, size * 0.2), fur, shade="round", strength=0.2)
    for stripe in (-0.08, 0.0, 0.08) if s.chance(0.6) else ():
        s.stroke(at(head, size, (stripe, 0.18), (stripe * 0.7, 0.09)), p.deep, size / 40)
        flank = 0.05 + stripe * 1.3
        s.stroke(at(body, size, (-0.24, flank), (-0.1, flank - 0.02)), p.deep, size / 35)
    for eye in (-1, 1):
        center, paw = at(head, size, (eye * 0.09, 0))[0], at(foot, size, (eye * 0.11, 0.02))[0]
        s.oval(center, (size * 0.045, size * 0.05), p.bright)
        s.oval(center, (size * 0.015, size * 0.045), p.deep)
        for drop in (0.08, 0.12):
            s.stroke(at(head, size, (eye * 0.1, -0.09), (eye * 0.34, -drop)), p.deep, size / 90)
        s.oval(paw, (size * 0.1, size * 0.05), blend(fur, p.pale, 0.3))
    s.area(at(head, size, (-0.03, -0.06), (0.03, -0.06), (0, -0.1)), p.warm)


def bird(s: Sketch, center: Point, size: float) -> None:
    """Perch a bird, looking left or right."""
    p = s.palette
    side = s.side()
    color = s.accent(on=p.sky)
    spots = partial(at, center, size, side=side)

    for leg in (-0.04, 0.08):
        s.stroke(spots((leg, -0.2), (leg, -0.4)), p.deep, size / 45)
    tail = spots((-0.25, 0), (-0.75, -0.3), (-0.68, -0.42), (-0.1, -0.24))
    s.area(tail, blend(color, p.deep, 0.4))
    s.oval(center, (size * 0.4, size * 0.3), color, turn=side * -0.5, shade="round")
    breast, wing, head, eye = spots((0.08, -0.08), (-0.12, -0.04), (0.3, 0.3), (0.35, 0.33))
    s.oval(breast, (size * 0.22, size * 0.18), blend(p.pale, p.warm, 0.25), lined=False)
    feathers = blend(s.accent(), p.deep, 0.25)
    s.oval(wing, (size * 0.28, size * 0.14), feathers, turn=side * -0.5, shade="down")
    s.area(spots((0.42, 0.35), (0.66, 0.27), (0.42, 0.22)), p.bright)
    s.oval(head, (size * 0.19, size * 0.18), color, shade="round")
    s.oval(eye, size * 0.045, p.pale)
    s.oval(eye, size * 0.022, p.deep)


def fish(s: Sketch, center: Point, size: float) -> None:
    """Float a fish, striped or plain."""
    p = s.palette
    side = s.side()
    color = blend(s.accent(on=p.main), p.bright, s.between(0, 0.5))
    spots = partial(at, center, size, side=side)

    fin = blend(color, p.deep, 0.35)
    s.area(spots((-0.7, 0), (-1.15, 0.36), (-1, 0), (-1.15, -0.36)), fin)
    s.area(spots((-0.3, 0.3), (0, 0.68), (0.3, 0.3)), fin)
    s.oval(center, (size * 0.85, size * 0.45), color, shade="round")
    for band in range(s.whole(0, 5)):
        x = 0.25 - 0.22 * band
        s.stroke(spots((x, 0.36), (x - 0.08, 0), (x, -0.36)), p.deep, size / 16)
    eye, pupil = spots((0.52, 0.1), (0.54, 0.1))
    s.oval(eye, size * 0.09, p.pale)
    s.oval(pupil, size * 0.045, p.deep)


def _box(foot: Point, size: float, across: Point, up: Point) -> list[Point]:
    (left, right), (low, high) = across, up
    return at(foot, size, (left, low), (left, high), (right, high), (right, low))
