"""The small network that told MoMA's lithographs from the rest."""

from __future__ import annotations

from torch import Tensor, nn

from artsim.errors import ModelError

_LEAST = 10  # pixels of which the last map has one


class LithographCNN(nn.Module):
    """Two convolutions with pooling and a dense layer: 813,088 parameters at 64 x 64.

    With a head of one output the 813,217 of the original, whose convolutions do not pad and whose
    weights begin as Keras draws them: Glorot's uniform, biases 0.
    """

    dim = 128
    output_fmt = "NCHW"  # how its maps are laid out, told as timm's networks tell it

    def __init__(self, size: int = 64) -> None:
        """Build it for square pictures of this side, in pixels.

        Raises:
            ModelError: If they are too small for its convolutions and pools.
        """
        super().__init__()
        if size < _LEAST:
            raise ModelError(f"the pools leave nothing of size {size}; take {_LEAST} or more")
        side = ((size - 2) // 2 - 2) // 2  # 14 of 64: each 3 x 3 takes two pixels, each pool half
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
