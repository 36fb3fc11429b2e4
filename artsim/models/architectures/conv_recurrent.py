"""Convolutions whose map a recurrent network reads row by row, as one reads a page."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from artsim.errors import ModelError

Cell = Literal["lstm", "gru"]
Reading = Literal["rows", "columns", "both"]

CELLS: dict[str, type[nn.LSTM | nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}
READINGS = ("rows", "columns", "both")

_LEAST = 16  # pixels, halved four times


class ConvRecurrent(nn.Module):
    """Four blocks ``conv2d`` to ``conv2d_3``, or a backbone and ``conv2d_3``, then LSTM or GRU.

    A block is a 3 x 3 convolution, batch normalization and ReLU; the blocks are pooled by two in
    between. The embedding is the last state of the recurrent network, of both directions and both
    readings where there are two.
    """

    output_fmt = "NCHW"  # how its maps are laid out, told as timm's networks tell it

    def __init__(
        self,
        *,
        size: int = 128,
        channels: tuple[int, int, int, int] = (32, 64, 128, 128),
        cell: Cell = "lstm",
        reading: Reading = "rows",
        bidirectional: bool = False,
        hidden: int = 256,
        backbone: nn.Module | None = None,
    ) -> None:
        """Build it.

        Args:
            size: Side of the square pictures, in pixels.
            channels: Of the four blocks; with a backbone the last one counts.
            cell: Which recurrent network.
            reading: Whether the rows of the map, its columns or both are the sequence.
            bidirectional: Whether it is read backwards too.
            hidden: Numbers of a state.
            backbone: A network whose `forward_features` gives a map, (B, C, H, W), in the place
                of the first three blocks.

        Raises:
            ModelError: If the backbone gives no map, or the pictures are too small.
        """
        super().__init__()
        if backbone is None and size < _LEAST:
            raise ModelError(f"four poolings leave nothing of size {size}; take {_LEAST} or more")
        self.backbone = backbone
        blank = torch.zeros(1, 3, size, size)
        if backbone is None:
            self.conv2d = _block(3, channels[0])
            self.conv2d_1 = _block(channels[0], channels[1])
            self.conv2d_2 = _block(channels[1], channels[2])
            before, side = channels[2], size // 8
        else:
            with torch.no_grad():
                maps = backbone.forward_features(blank)  # type: ignore[operator]  # as said
            if maps.ndim != 4:
                raise ModelError(
                    f"the backbone gives {' x '.join(map(str, maps.shape[1:]))} numbers, expected "
                    "a map of channels x height x width; choose a convolutional one, as lite0"
                )
            before, side = maps.shape[1], maps.shape[2]
        self.conv2d_3 = _block(before, channels[3])
        self.pool = nn.MaxPool2d(2)
        side = side // 2 if backbone is None else side
        recurrent = CELLS[cell]
        self.readers = nn.ModuleDict(
            {
                name: recurrent(
                    side * channels[3], hidden, batch_first=True, bidirectional=bidirectional
                )
                for name in (("rows", "columns") if reading == "both" else (reading,))
            }
        )
        self.dim = hidden * (1 + bidirectional) * len(self.readers)

    def forward(self, images: Tensor) -> Tensor:
        """Embed pictures: (B, 3, size, size) -> (B, dim)."""
        if self.backbone is None:
            maps = self.pool(self.conv2d(images))
            maps = self.pool(self.conv2d_1(maps))
            maps = self.pool(self.conv2d_2(maps))
            maps = self.pool(self.conv2d_3(maps))  # (B, C, size / 16, size / 16)
        else:
            maps = self.conv2d_3(self.backbone.forward_features(images))  # type: ignore[operator]
        states = []
        for name, reader in self.readers.items():
            axes = (0, 2, 3, 1) if name == "rows" else (0, 3, 2, 1)
            sequence = maps.permute(*axes).flatten(2)  # (B, rows, columns * C)
            last = reader(sequence)[1]
            state = last[0] if isinstance(last, tuple) else last  # (directions, B, hidden)
            states.append(state.transpose(0, 1).flatten(1))
        return torch.cat(states, dim=1)


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )
