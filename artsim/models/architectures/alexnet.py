"""AlexNet, which timm does not have: torchvision's, with its 1,000 classes of ImageNet."""

from __future__ import annotations

from torch import nn


def build_alexnet() -> nn.Module:
    """Build it, its weights drawn at random: (B, 3, H, W) -> (B, 1000), 224 x 224 as a rule."""
    from torchvision.models import AlexNet  # slow to import

    module: nn.Module = AlexNet()
    return module
