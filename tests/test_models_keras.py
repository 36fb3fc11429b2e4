"""Keras' weights of MobileNetV1, compared with a plain re-implementation of Keras' network."""

import h5py
import numpy as np
import pytest
import torch
from torch.nn import functional

from artsim.datatypes import parse_spec
from artsim.errors import ModelError
from artsim.models import load_extractor, new_body, pack_model

WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
NORMS = ("gamma", "beta", "moving_mean", "moving_variance")


def made_layers():
    """Random weights in Keras' shapes, by layer."""
    rng = np.random.default_rng(0)

    def kernel(*shape):
        # Small weights and variances: Keras' epsilon, 1e-3, shows.
        spread = 0.1 / np.sqrt(np.prod(shape[:2]) * (1 if shape[3] == 1 else shape[2]))
        return rng.normal(0, spread, shape).astype("f4")

    def norm(n):
        values = (rng.uniform(0.5, 1.5, n), rng.normal(0.5, 0.5, n), rng.normal(0, 0.02, n),
                  rng.uniform(0.005, 0.02, n))  # fmt: skip
        return {name: value.astype("f4") for name, value in zip(NORMS, values, strict=True)}

    layers = {"conv1": {"kernel": kernel(3, 3, 3, 32)}, "conv1_bn": norm(32)}
    before = 32
    for i, width in enumerate(WIDTHS, start=1):
        layers[f"conv_dw_{i}"] = {"depthwise_kernel": kernel(3, 3, before, 1)}
        layers[f"conv_dw_{i}_bn"] = norm(before)
        layers[f"conv_pw_{i}"] = {"kernel": kernel(1, 1, before, width)}
        layers[f"conv_pw_{i}_bn"] = norm(width)
        before = width
    return layers


def written(layers, file):
    """Write them as Keras' save_weights does."""
    with h5py.File(file, "w") as stored:
        for layer, arrays in layers.items():
            group = stored.create_group(layer).create_group(layer)
            for name, array in arrays.items():
                group[f"{name}:0"] = array
    return file


def keras_maximum(layers, pixels):
    """MobileNetV1 by Keras' definition, (B, 3, H, W) uint8, and its global maximum, (B, 1024)."""

    def normed(x, layer):
        gamma, beta, mean, variance = (
            torch.from_numpy(layers[layer][name])[:, None, None].double() for name in NORMS
        )
        return ((x - mean) / torch.sqrt(variance + 1e-3) * gamma + beta).clamp(0, 6)

    def convolved(x, kernel, stride, groups=1):
        weight = torch.from_numpy(np.moveaxis(kernel, (3, 2), (0, 1)).copy()).double()
        if groups > 1:
            weight = weight.transpose(0, 1)
        if kernel.shape[0] == 3:
            x = functional.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        return functional.conv2d(x, weight, stride=stride, groups=groups)

    x = torch.from_numpy(pixels).double() / 127.5 - 1
    x = normed(convolved(x, layers["conv1"]["kernel"], 2), "conv1_bn")
    for i, stride in enumerate(STRIDES, start=1):
        kernel = layers[f"conv_dw_{i}"]["depthwise_kernel"]
        x = normed(convolved(x, kernel, stride, groups=x.shape[1]), f"conv_dw_{i}_bn")
        x = normed(convolved(x, layers[f"conv_pw_{i}"]["kernel"], 1), f"conv_pw_{i}_bn")
    return x.amax(dim=(2, 3)).numpy()


@pytest.fixture(scope="module")
def layers():
    return made_layers()


@pytest.fixture(scope="module")
def file(layers, tmp_path_factory):
    return written(layers, tmp_path_factory.mktemp("keras") / "mobilenet_1_0_224_tf_no_top.h5")


def test_the_features_are_those_of_kerass_network(layers, file):
    extractor = load_extractor(parse_spec("mobilenet@blocks/max"), weights=file)
    assert extractor.preprocessing.size == extractor.preprocessing.scale == (224, 224)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3, 224, 224), dtype=np.uint8)
    (found,) = extractor.embed_batch(pixels).values()
    expected = keras_maximum(layers, pixels)
    assert found.shape == (2, 1024)
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_other_networks_and_files_are_refused(layers, file, tmp_path):
    with pytest.raises(ModelError, match="pass -m mobilenet"):
        load_extractor(parse_spec("timm:test_resnet"), weights=file)
    smaller = layers | {"conv1": {"kernel": layers["conv1"]["kernel"][..., :16]}}
    other = written(smaller, tmp_path / "mobilenet_5_0_224_tf_no_top.h5")
    with pytest.raises(ModelError, match="name the weights of alpha 1"):
        load_extractor(parse_spec("mobilenet"), weights=other)
    (tmp_path / "broken.h5").write_bytes(b"not HDF5")
    with pytest.raises(ModelError, match="cannot read the Keras weights"):
        load_extractor(parse_spec("mobilenet"), weights=tmp_path / "broken.h5")
    with pytest.raises(ModelError, match="not to train further"):
        new_body("mobilenet", weights=file)
    with pytest.raises(ModelError, match="cannot be packed"):
        pack_model(parse_spec("mobilenet"), "keras", weights=file)
