"""The estimate of what a large collection takes: each figure follows from the stated rates."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from artsim.cli import cli
from artsim.datatypes import parse_spec
from artsim.embedding.sizing import Workload, estimate, workload_of
from artsim.errors import ModelError

# A picture of 2,000 x 1,500 pixels takes 2.9 + 3 * 2.3 = 9.8 ms of a core to decode. The network
# takes 5 GFLOP: 100 ms of a core at 50 GFLOP a second, 5e9 / (312e12 / 4) = 64 us of an A100.
WORK = Workload(pictures=3_600_000, flops=5e9, dims=(512, 100), side=2000, cores=10)
ON_GPUS = replace(WORK, gpus=2, gpu="a100", cores=98)


def test_cores_decode_and_compute_in_turn():
    found = estimate(WORK)
    assert found.pictures_per_s == pytest.approx(10 / 0.1098)
    assert found.hours == pytest.approx(1000 * 0.1098 / 10)
    assert found.decode_core_hours == pytest.approx(9.8)
    assert found.forward_hours == pytest.approx(100)
    assert (found.limit, found.cores_to_feed) == ("the network", 0)


def test_gpus_wait_for_the_cores_that_decode():
    found = estimate(ON_GPUS)
    assert found.pictures_per_s == pytest.approx(98 / 0.0098)
    assert found.hours == pytest.approx(0.1)
    assert found.limit == "decoding"
    assert found.cores_to_feed == 306  # 2 * 9.8 ms / 64.1 us, rounded up
    fed = estimate(replace(ON_GPUS, cores=400))
    assert fed.limit == "the network"
    assert fed.pictures_per_s == pytest.approx(2 * 15_600)


def test_bytes_follow_from_pixels_and_dimensions():
    found = estimate(WORK)
    assert found.read_bytes == pytest.approx(3.6e6 * 3e6 * 0.22)
    assert found.index_bytes == pytest.approx(3.6e6 * (100 + 612 * 3.6))
    assert found.search_kind == "IVF2048,PQ256x4fs"
    assert found.search_bytes == 3_600_000 * (128 + 8)  # half a byte for each piece, and the row


def test_the_operations_of_a_network_are_counted_without_its_weights():
    work = workload_of(parse_spec("vgg16"), pictures=1, side=1600, cores=1, gpus=0, gpu="h100")
    # Simonyan and Zisserman's network D: 15.3e9 multiplications of convolutions, and .12e9 of its
    # two first linear layers; each with an addition.
    assert work.flops == pytest.approx(2 * 15.466e9, rel=1e-3)
    assert work.dims == (4096,)


def test_an_unknown_gpu_is_refused():
    with pytest.raises(ModelError, match="no figures for the GPU 'k80'; choose from h200, h100"):
        workload_of(parse_spec("lite0"), pictures=1, side=1600, cores=1, gpus=1, gpu="k80")


def test_the_command_says_what_it_assumes():
    command = ["estimate", "--pictures", "50e6", "-m", "clip", "--gpus", "8", "--table"]
    shown = CliRunner().invoke(cli, [*command, "--gpu-hour", "3"]).output
    assert "50,000,000 pictures by open_clip:ViT-B-32" in shown
    assert "on 8 H100s and 128 cores" in shown
    assert "Assumed: a GPU computes at 25%" in shown
