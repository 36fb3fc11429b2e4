"""The last map of a backbone, pooled to a grid and read by two dense layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from artsim.errors import ModelError


class MapMLP(nn.Module):
    """VGG16's way to end, on any backbone: a 7 x 7 map, 25,088 numbers, two layers of 4,096.

    The embedding is what the second layer gives; the dropout after it is the head's.
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
            backbone: A network whose `forward_features` gives a map, (B, C, H, W).
            size: Side of the square pictures, in pixels.
            grid: Side of the map after pooling.
            hidden: Numbers of each dense layer.
            dropout: Between the two, in training.

        Raises:
            ModelError: If the backbone gives no map.
        """
        super().__init__()
        if hasattr(backbone, "pre_logits"):
            backbone.pre_logits = nn.Identity()  # VGG's own dense layers, which these replace
        self.backbone = backbone
        with torch.no_grad():
            shape = self._maps(torch.zeros(1, 3, size, size)).shape
        if len(shape) != 4:
            raise ModelError(
                f"the backbone gives {' x '.join(map(str, shape[1:]))} numbers, expected a map of "
                "channels x height x width; choose a convolutional one, as lite0"
            )
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.fc6 = nn.Linear(shape[1] * grid * grid, hidden)
        self.dropout = nn.Dropout(dropout)
        self.fc7 = nn.Linear(hidden, hidden)
        self.relu = nn.ReLU()
        self.dim = hidden

    def forward(self, images: Tensor) -> Tensor:
        """Embed pictures: (B, 3, H, W) -> (B, hidden)."""
        maps = self.pool(self._maps(images)).flatten(1)  # (B, C * grid * grid)
        embedding: Tensor = self.relu(self.fc7(self.dropout(self.relu(self.fc6(maps)))))
        return embedding

    def _maps(self, images: Tensor) -> Tensor:
        maps: Tensor = self.backbone.forward_features(images)  # type: ignore[operator]  # as said
        return maps
