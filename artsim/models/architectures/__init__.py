"""The networks that artsim itself trains, by the names that a trained model's file uses.

A body takes normalized pictures, (B, 3, H, W), and returns its embedding, (B, D). The modules that
papers name are its attributes, so that a spec can tap them. Its classes are separate: see
`Classifier`.
"""

from collections.abc import Callable, Mapping

from torch import nn

from artsim.models.architectures.bodies import (
    ConvRecurrent,
    LithographCNN,
    MapMLP,
    build_alexnet,
)
from artsim.models.architectures.classifier import Classifier, HeadShape

__all__ = ["ARCHITECTURES", "Classifier", "ConvRecurrent", "HeadShape", "LithographCNN", "MapMLP"]

ARCHITECTURES: Mapping[str, Callable[..., nn.Module]] = {
    "alexnet": build_alexnet,
    "conv-recurrent": ConvRecurrent,
    "lithograph-cnn": LithographCNN,
    "map-mlp": MapMLP,
}
