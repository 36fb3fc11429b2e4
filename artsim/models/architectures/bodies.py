"""The bodies: AlexNet, a small convolutional network, and two that stand on a backbone's map."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from artsim.errors import ModelError

Cell = Literal["lstm", "gru"]
Reading = Literal["rows", "columns", "both"]

CELLS: dict[str, type[nn.LSTM | nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


def build_alexnet() -> nn.Module:
    """Build torchvision's AlexNet with random weights; timm has none.

    It maps (B, 3, H, W), usually 224 x 224, to the 1,000 classes of ImageNet, (B, 1000).
    """
    from torchvision.models import AlexNet  # slow to import

    module: nn.Module = AlexNet()
    return module


class LithographCNN(nn.Module):
    """Two convolutions with pooling and a dense layer: 813,088 parameters at 64 x 64.

    The small network that separated MoMA's lithographs from other prints. With a head of one output
    it has the 813,217 parameters of the original, whose convolutions do not pad and whose weights
    begin as Keras draws them: Glorot's uniform, biases 0.
    """

    dim = 128
    output_fmt = "NCHW"  # the layout of its maps, by timm's attribute

    def __init__(self, size: int = 64) -> None:
        """Build it for square pictures of this side, in pixels.

        Raises:
            ModelError: If they are too small for its convolutions and pools.
        """
        super().__init__()
        if size < 10:  # the last map is then empty
            raise ModelError(f"the pools leave nothing of size {size}; take 10 or more")
        side = ((size - 2) // 2 - 2) // 2  # 14 for 64: a 3 x 3 takes two pixels, a pool half
        self.conv2d = nn.Conv2d(3, 32, 3)
        self.pool = nn.MaxPool2d(2)
        self.conv2d_1 = nn.Conv2d(32, 32, 3)
        self.pool_1 = nn.MaxPool2d(2)
        self.dense = nn.Linear(32 * side * side, self.dim)
        self.relu = nn.ReLU()
        for each in self.parameters():
            nn.init.zeros_(each) if each.ndim == 1 else nn.init.xavier_uniform_(each)

    def forward(self, images: Tensor) -> Tensor:
        """Embed pictures: (B, 3, size, size) -> (B, 128)."""
        maps = self.pool(self.relu(self.conv2d(images)))  # (B, 32, 31, 31)
        maps = self.pool_1(self.relu(self.conv2d_1(maps)))  # (B, 32, 14, 14)
        embedding: Tensor = self.relu(self.dense(maps.flatten(1)))
        return embedding


class MapMLP(nn.Module):
    """VGG16's classifier on any backbone: its last map pooled to 7 x 7, two layers of 4,096.

    The embedding is the output of the second layer; the dropout after it is the head's.
    """

    def __init__(
        self,
        *,
        backbone: nn.Module,
        size: int = 224,
        grid: int = 7,
        hidden: int = 4096,
        dropout: float = 0.5,
    ) -> None:
        """Build it.

        Args:
            backbone: A network whose `forward_features` returns a map, (B, C, H, W).
            size: Side of the square pictures, in pixels.
            grid: Side of the map after pooling.
            hidden: Outputs of each dense layer.
            dropout: Between the two, in training.

        Raises:
            ModelError: If the backbone returns no map.
        """
        super().__init__()
        if hasattr(backbone, "pre_logits"):
            backbone.pre_logits = nn.Identity()  # VGG's own dense layers, which these replace
        self.backbone = backbone
        channels, _ = _map_of(backbone, size)
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.fc6 = nn.Linear(channels * grid * grid, hidden)
        self.dropout = nn.Dropout(dropout)
        self.fc7 = nn.Linear(hidden, hidden)
        self.relu = nn.ReLU()
        self.dim = hidden

    def forward(self, images: Tensor) -> Tensor:
        """Embed pictures: (B, 3, H, W) -> (B, hidden)."""
        maps = self.backbone.forward_features(images)  # type: ignore[operator]  # as documented
        maps = self.pool(maps).flatten(1)  # (B, C * grid * grid)
        embedding: Tensor = self.relu(self.fc7(self.dropout(self.relu(self.fc6(maps)))))
        return embedding


class ConvRecurrent(nn.Module):
    """Four blocks ``conv2d`` to ``conv2d_3``, or a backbone and ``conv2d_3``, then LSTM or GRU.

    A block is a 3 x 3 convolution, batch normalization and ReLU, with a pooling by two after it.
    The recurrent network reads the last map row by row, as one reads a page. The embedding is its
    last state, concatenated over directions and readings.
    """

    output_fmt = "NCHW"  # the layout of its maps, by timm's attribute

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
            channels: Of the four blocks; with a backbone only the last one is used.
            cell: Which recurrent network.
            reading: Whether the rows of the map, its columns or both are the sequence.
            bidirectional: Whether it is also read backwards.
            hidden: Size of a state.
            backbone: A network whose `forward_features` returns a map, (B, C, H, W), instead of
                the first three blocks.

        Raises:
            ModelError: If the backbone returns no map, or the pictures are too small.
        """
        super().__init__()
        if backbone is None and size < 16:
            raise ModelError(f"four poolings leave nothing of size {size}; take 16 or more")
        self.backbone = backbone
        if backbone is None:
            self.conv2d = _block(3, channels[0])
            self.conv2d_1 = _block(channels[0], channels[1])
            self.conv2d_2 = _block(channels[1], channels[2])
            before, side = channels[2], size // 16
        else:
            before, side = _map_of(backbone, size)
        self.conv2d_3 = _block(before, channels[3])
        self.pool = nn.MaxPool2d(2)
        self.readers = nn.ModuleDict(
            {
                name: CELLS[cell](
                    side * channels[3], hidden, batch_first=True, bidirectional=bidirectional
                )
                for name in (("rows", "columns") if reading == "both" else (reading,))
            }
        )
        self.dim = hidden * (1 + bidirectional) * len(self.readers)

    def forward(self, images: Tensor) -> Tensor:
        """Embed pictures: (B, 3, size, size) -> (B, dim)."""
        if self.backbone is None:
            maps = images
            for block in (self.conv2d, self.conv2d_1, self.conv2d_2, self.conv2d_3):
                maps = self.pool(block(maps))  # at last (B, C, size / 16, size / 16)
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


def _map_of(backbone: nn.Module, size: int) -> tuple[int, int]:
    """Return the channels and the height of a backbone's map for pictures of this size."""
    with torch.no_grad():
        maps = backbone.forward_features(torch.zeros(1, 3, size, size))  # type: ignore[operator]
    if maps.ndim != 4:
        raise ModelError(
            f"the backbone returns {' x '.join(map(str, maps.shape[1:]))} numbers, expected a map "
            "of channels x height x width; choose a convolutional one, such as lite0"
        )
    return maps.shape[1], maps.shape[2]
