"""The spec language: parsed in one place, printed back exactly."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from artsim.datatypes import SHORT_NAMES, ExtractorSpec, Tap, parse_spec
from artsim.errors import ModelError
from artsim.models import POOLINGS


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("timm:resnet50", ExtractorSpec("timm", "resnet50")),
        ("timm:vgg16.tv_in1k", ExtractorSpec("timm", "vgg16", "tv_in1k")),
        (
            "timm:vgg16.tv_in1k@features.15/gram+features.29/gem",
            ExtractorSpec(
                "timm", "vgg16", "tv_in1k", (Tap("features.15", "gram"), Tap("features.29", "gem"))
            ),
        ),
        (
            "open_clip:ViT-B-32.laion2b_s34b_b79k",
            ExtractorSpec("open_clip", "ViT-B-32", "laion2b_s34b_b79k"),
        ),
        ("timm:a@b/gram512", ExtractorSpec("timm", "a", None, (Tap("b", "gram", 512),))),
        ("timm:a@b+embedding", ExtractorSpec("timm", "a", None, (Tap("b"), Tap()))),
    ],
)
def test_a_spec_is_parsed_and_printed(text, spec):
    assert parse_spec(text) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("lite0", "timm:tf_efficientnet_lite0.pip"),
        ("vgg16@conv3_3", "timm:vgg16.tv_in1k@conv3_3"),
        ("vgg16.random", "timm:vgg16.random"),
        (" clip ", "open_clip:ViT-B-32.laion2b_s34b_b79k"),
    ],
)
def test_a_short_name_stands_for_a_spec(text, full):
    assert str(parse_spec(text)) == full


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_every_short_name_is_a_spec(name):
    assert str(parse_spec(name)) == SHORT_NAMES[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vgg61", "no model is called 'vgg61'; choose from clip, dinov2, lite0"),
        ("ViT-B-16", r"timm:ViT-B-16 or open_clip:ViT-B-16 \(artsim models '\*ViT-B-16\*' looks"),
        ("timm:vgg16@", "cannot read tap ''"),
        ("timm:vgg16@a+a", "names a tap twice"),
        ("two words", "cannot read model 'two words'; write SOURCE:ARCH"),
        ("", "cannot read model ''"),
    ],
)
def test_an_invalid_spec_says_what_is_wrong(text, message):
    with pytest.raises(ModelError, match=message):
        parse_spec(text)


words = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,6}", fullmatch=True)
layers = st.lists(st.from_regex(r"[a-z0-9_]{1,4}", fullmatch=True), min_size=1, max_size=3)
taps = st.builds(
    Tap, layers.map(".".join), st.none() | st.sampled_from(sorted(set(POOLINGS) - {"gram"}))
) | st.builds(Tap, layers.map(".".join), st.just("gram"), st.none() | st.integers(1, 4096))


@given(
    st.builds(
        ExtractorSpec,
        st.sampled_from(["timm", "open_clip"]),
        words,
        st.none() | words,
        st.lists(taps, min_size=1, max_size=3, unique=True).map(tuple),
    )
)
def test_every_spec_survives_printing_and_parsing(spec):
    assert parse_spec(str(spec)) == spec
