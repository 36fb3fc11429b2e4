"""A body with a head for each task: pictures in, the logits of every task out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """The layers of a head: Linear, or Linear-ReLU-Linear if it has a hidden layer."""

    outputs: int  # logits; a task of two classes may have one, of the second against the first
    hidden: int | None = None  # outputs of the hidden layer
    dropout: float = 0.0  # of the embedding, in training


class Classifier(nn.Module):
    """A body, and heads that read its embedding, one per task."""

    def __init__(self, body: nn.Module, dim: int, heads: Mapping[str, HeadShape]) -> None:
        """Put a new head for each task on a body, (B, 3, H, W) -> (B, ``dim``)."""
        super().__init__()
        self.body, self.dim = body, dim
        self.shapes = dict(heads)
        # By number: a task's name may be no name for a module, such as 'a.b'.
        self.heads = nn.ModuleList(_head(dim, shape) for shape in heads.values())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return each task's logits, (B, outputs), for normalized pictures, (B, 3, H, W)."""
        embedding = self.body(images)
        return {name: head(embedding) for name, head in zip(self.shapes, self.heads, strict=True)}


def _head(dim: int, shape: HeadShape) -> nn.Module:
    layers: list[nn.Module] = [nn.Dropout(shape.dropout)] if shape.dropout else []
    if shape.hidden is not None:
        layers += [nn.Linear(dim, shape.hidden), nn.ReLU()]
        dim = shape.hidden
    last = nn.Linear(dim, shape.outputs)
    # Glorot's uniform and no bias to begin with: no class is favored.
    nn.init.xavier_uniform_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
