"""Networks of our own, by the names that a trained model's file calls them.

A body takes normalized pictures, (B, 3, H, W), and returns its embedding, (B, D); the modules that
papers name are its attributes, so that a spec can tap them. What tells the classes is apart from
it: see `Classifier`.
"""

from collections.abc import Callable, Mapping

from torch import nn

from artsim.models.architectures.alexnet import build_alexnet
from artsim.models.architectures.classifier import Classifier, HeadShape
from artsim.models.architectures.conv_recurrent import ConvRecurrent
from artsim.models.architectures.lithograph import LithographCNN
from artsim.models.architectures.map_mlp import MapMLP

__all__ = ["ARCHITECTURES", "Classifier", "ConvRecurrent", "HeadShape", "LithographCNN", "MapMLP"]

ARCHITECTURES: Mapping[str, Callable[..., nn.Module]] = {
    "alexnet": build_alexnet,
    "conv-recurrent": ConvRecurrent,
    "lithograph-cnn": LithographCNN,
    "map-mlp": MapMLP,
}
