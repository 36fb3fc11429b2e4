"""The colors of a picture: a histogram in CIELAB, without a network.

A pixel counts in every bin around it, by a normal distribution of its distance: colors that
look similar share bins, so a red is nearer to a dark red than to a blue. The square root of the
histogram has length 1, and the cosine of two is the Bhattacharyya coefficient, 1 for the same
colors and 0 for colors that have nothing in common. Two pictures of a single color each have
exp(-(distance / 42) ** 2), with the distance of CIE76.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

# In units of CIELAB; a just noticeable difference is 2.3.
_STEP = 20  # from one bin's center to the next
_SPREAD = 15.0  # the standard deviation of a pixel's distribution along each axis
# Lightness, green to red, blue to yellow: the range of sRGB, to within half a step.
_RANGES = ((0, 100), (-80, 100), (-100, 100))
_CENTERS = [torch.arange(low, high + 1, _STEP).float() for low, high in _RANGES]
PALETTE_DIM = int(torch.tensor([len(centers) for centers in _CENTERS]).prod())  # 6 x 10 x 11

# Linear sRGB to CIE XYZ under D65, IEC 61966-2-1.
_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
_LINEAR_BELOW = 0.04045  # of sRGB, whose curve is a line there
_CUBE_ABOVE = (6 / 29) ** 3  # of CIELAB's lightness curve, which is a line below


class ColorHistogram(nn.Module):
    """The square root of a picture's color histogram: (B, 3, H, W) in 0..255 -> (B, 660)."""

    def __init__(self) -> None:
        super().__init__()
        for name, centers in zip("lab", _CENTERS, strict=True):
            self.register_buffer(f"centers_{name}", centers)
        self.register_buffer("xyz", torch.tensor(_XYZ))
        self.xyz: Tensor

    def forward(self, pixels: Tensor) -> Tensor:
        """Count the colors of every picture."""
        # Four pixels are averaged, as the eye does; it takes a quarter of the time.
        small = avg_pool2d(pixels, 2, ceil_mode=True, count_include_pad=False)
        axes = lab(small, self.xyz).flatten(2)  # (B, 3, N)
        lightness, red, yellow = (
            _share_out(axes[:, place], self.get_buffer(f"centers_{name}"))
            for place, name in enumerate("lab")
        )  # (B, bins, N) each
        histogram = torch.stack(
            [
                (red * lightness[:, level, None]) @ yellow.transpose(1, 2)  # (B, 10, 11)
                for level in range(lightness.shape[1])
            ],
            dim=1,
        )
        return (histogram.flatten(1) / axes.shape[2]).sqrt()


def lab(pixels: Tensor, xyz: Tensor | None = None) -> Tensor:
    """Turn sRGB into CIELAB under D65.

    Args:
        pixels: In 0..255, shape (B, 3, H, W), float.
        xyz: Linear sRGB to XYZ, on the pixels' device; (3, 3).

    Returns:
        L* in 0..100, a* and b*: shape (B, 3, H, W).
    """
    xyz = torch.tensor(_XYZ) if xyz is None else xyz
    values = pixels / 255
    linear = torch.where(
        values <= _LINEAR_BELOW, values / 12.92, ((values.clamp(min=0) + 0.055) / 1.055) ** 2.4
    )
    # White has red, green and blue of 1, so that every gray has a* = b* = 0.
    to_white = xyz / xyz.sum(dim=1, keepdim=True)
    relative = (to_white @ linear.flatten(2)).reshape(pixels.shape)  # (B, 3, H, W)
    curved = torch.where(
        relative > _CUBE_ABOVE,
        relative.clamp(min=_CUBE_ABOVE) ** (1 / 3),
        relative * (29 / 6) ** 2 / 3 + 4 / 29,
    )
    x, y, z = curved.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _share_out(values: Tensor, centers: Tensor) -> Tensor:
    """Distribute each value over the bins of an axis: (B, N) -> (B, bins, N), adding up to 1."""
    distances = (values[:, None] - centers[:, None]) / _SPREAD  # (B, bins, N)
    return torch.softmax(-distances.square() / 2, dim=1)
