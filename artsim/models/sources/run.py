"""Networks trained by artsim: a run's folder."""

from __future__ import annotations

from pathlib import Path

from artsim.datatypes import ExtractorSpec
from artsim.errors import ModelError
from artsim.models.network import Network, features_of
from artsim.models.trained import load_classifier

PACKAGE = "timm"  # of most backbones


def build(
    spec: ExtractorSpec, *, weights: Path | None, meta: bool, keep_classifier: bool
) -> Network:
    """Build a trained network; see `artsim.models.building.build_network`."""
    if keep_classifier:
        raise ModelError(f"{spec.network} has no classifier to keep; name a network of timm's")
    if weights is not None:
        raise ModelError(f"{spec.network} has weights of its own; leave out --weights")
    folder = Path(spec.arch)
    model, classifier = load_classifier(folder)
    body = classifier.body
    return Network(body, model.preprocessing, f"run:{folder.resolve()}", **features_of(body))


def list_architectures() -> list[str]:
    """Trained networks are folders and have no list."""
    return []
