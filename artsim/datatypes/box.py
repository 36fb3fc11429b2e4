"""A box in a picture: a detail to search for, or one that was found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self

from artsim.errors import SearchError

_DIGITS = 9  # of percents that are compared, as 0.7 + 0.3 is not quite 1


@dataclass(frozen=True)
class Box:
    """A rectangle in the upright picture, measured from its upper left corner."""

    x: float  # pixels, or percent of the width
    y: float  # pixels, or percent of the height
    width: float
    height: float
    percent: bool = False
    strict: bool = field(default=False, compare=False)  # refused if a part is outside the picture

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``x,y,width,height`` in pixels, in percent with ``%``, or in fractions up to 1.

        Raises:
            SearchError: If it is none of these, or mixes them.
        """
        parts = [part.strip() for part in text.split(",")]
        percent = all(part.endswith("%") for part in parts)
        try:
            x, y, width, height = (
                float(part.removesuffix("%" if percent else "")) for part in parts
            )
        except ValueError:
            raise SearchError(
                f"cannot read the box {text!r}; write x,y,width,height in pixels, such as "
                "120,80,300,200, or in percent: 10%,20%,30%,40%"
            ) from None
        numbers = (x, y, width, height)
        if percent or max(numbers) > 1:
            if not percent and any(0 < abs(number) < 1 for number in numbers):
                raise SearchError(
                    f"the box {text!r} mixes fractions and pixels; write all of it in fractions up "
                    "to 1, such as 0.1,0.2,0.3,0.4, in pixels, or in percent"
                )
            return cls(*numbers, percent, strict=True)
        x, y, width, height = (round(number * 100, _DIGITS) for number in numbers)
        return cls(x, y, width, height, percent=True, strict=True)

    def edges(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom in a picture of that size, in whole pixels.

        Parts outside the picture are cut off, if the box is not strict.

        Raises:
            SearchError: If the box is outside the picture.
        """
        # Multiplied before divided: 50% of 224 is 112, and no pixel more.
        across, down, per = (width, height, 100) if self.percent else (1, 1, 1)
        numbers = (self.x, self.y, self.width, self.height)
        right, bottom = self.x + self.width, self.y + self.height
        over = max(right - width * per / across, bottom - height * per / down)
        if self.strict and (min(numbers) < 0 or over > 10**-_DIGITS):
            raise SearchError(
                f"the box {self} reaches outside the picture, which is {width} x {height} pixels; "
                "give x,y,width,height within it"
            )
        if all(map(math.isfinite, numbers)) and self.width > 0 and self.height > 0:
            # Clipped before rounding: infinity has no integer.
            left = math.floor(min(max(self.x * across / per, 0), width))
            top = math.floor(min(max(self.y * down / per, 0), height))
            right = math.ceil(max(min((self.x + self.width) * across / per, width), 0))
            bottom = math.ceil(max(min((self.y + self.height) * down / per, height), 0))
            if left < right and top < bottom:
                return left, top, right, bottom
        raise SearchError(
            f"the box {self} holds nothing of a picture of {width} x {height} pixels; give "
            "x,y,width,height within it"
        )

    def __str__(self) -> str:
        numbers = (self.x, self.y, self.width, self.height)
        return ",".join(f"{number:g}{'%' if self.percent else ''}" for number in numbers)


def tile_boxes(side: int) -> tuple[Box, ...]:
    """Divide a picture into side x side tiles, row by row; neighbors overlap by half.

    One of them holds any detail no larger than half a tile. With 3 per side, tiles are half as wide
    and high as the picture.
    """
    size = 200 / (side + 1)  # percent
    return tuple(
        Box(column * size / 2, row * size / 2, size, size, percent=True)
        for row in range(side)
        for column in range(side)
    )
