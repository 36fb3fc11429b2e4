"""Passports: written and read back, and what makes two of them differ."""

import json
from dataclasses import replace

import pytest
from conftest import toy_passport

from artsim.datatypes import Fit, Passport, TapInfo


def test_a_passport_survives_json():
    passport = toy_passport(("a", "b/gram"), versions={"torch": "2.15"})
    assert Passport.from_json(json.loads(json.dumps(passport.to_json()))) == passport


def test_equal_passports_have_no_differences():
    assert toy_passport().differences(toy_passport()) == []


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"spec": "toy:other"}, "spec: toy:mean-color, not toy:other"),
        ({"weights_sha256": "1" * 64}, "weights_sha256: 000000000000..., not 111111111111..."),
        (
            {"taps": (TapInfo(name="rgb", layer="", pooling="none", dim=4),)},
            "taps: rgb (, none, 3), not rgb (, none, 4)",
        ),
    ],
)
def test_settings_that_change_vectors_are_differences(changes, difference):
    assert toy_passport().differences(toy_passport(**changes)) == [difference]


def test_another_preprocessing_is_named_field_by_field():
    other = replace(toy_passport().preprocessing, fit=Fit.PAD, scaled_decoding=2)
    assert toy_passport().differences(toy_passport(preprocessing=other)) == [
        "fit: squash, not pad",
        "scaled_decoding: 0, not 2",
    ]


@pytest.mark.parametrize(
    "changes", [{"backend": "torch"}, {"versions": {"torch": "1"}}, {"compute_dtype": "bfloat16"}]
)
def test_settings_that_only_affect_rounding_are_no_difference(changes):
    assert toy_passport().differences(toy_passport(**changes)) == []
