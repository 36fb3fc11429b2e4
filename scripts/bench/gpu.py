"""Measure embedding, search and probes on a GPU beside plain loops, in one run of some minutes.

    python scripts/bench/gpu.py                        # the first GPU; writes gpu.json
    python scripts/bench/gpu.py --networks timm:vgg16.random,timm:vit_base_patch32_clip_224.random
    python scripts/bench/gpu.py --device cpu --tiny    # a dry run of seconds

Nothing is downloaded: networks have random weights, pictures are made. The peer of each line runs
in the same process on the same data:

* forward: pictures that are in memory already; the peer copies a batch, computes it in eager torch
  (float32, and under bfloat16 autocast) and fetches the vectors, one after the other.
* decode: JPEG files to pixels, by the cores and by the GPU; the peer is a DataLoader with timm's
  transform.
* end to end: `artsim.embedding` with its index; the peer is that DataLoader and eager autocast.
* knn: the 200 exact neighbors of each query; the peer is a float32 product and topk by blocks.
* probe: 45 strengths of softmax regression; the peer is the same on the CPU.
* search: one query at a time through faiss, on the GPU and on the CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from index import made_store
from knn import made
from PIL import Image

from artsim.datatypes import parse_spec
from artsim.embedding import EmbedSettings, embed_collection
from artsim.embedding.card import decode_on
from artsim.embedding.loaders import LoadSettings, is_worth_processes, load_in_processes
from artsim.errors import SearchError
from artsim.index import build_index, open_index, to_gpu
from artsim.loader import Loaded
from artsim.metrics import fit_multinomial
from artsim.metrics.neighbors import nearest
from artsim.models import (
    BackendName,
    Compile,
    Compute,
    Decoder,
    Extractor,
    Precision,
    load_extractor,
)
from artsim.readers import read_collection

NETWORKS = (
    "timm:tf_efficientnet_lite0.random,timm:vgg16.random,timm:vit_base_patch32_clip_224.random,"
    "timm:vit_large_patch14_clip_224.random,timm:vit_base_patch14_dinov2.random"
)
_LOOP = 8192  # files of the plain loop, whose rate is that of more
Line = dict[str, Any]


def main() -> None:
    """Measure, print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--networks", default=NETWORKS)
    parser.add_argument("--minutes", type=float, default=7.0, help="begin nothing after them")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each forward measurement")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--pictures", type=int, default=16384, help="files to decode and embed")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rows", type=int, default=200_000, help="for knn, probe and search")
    parser.add_argument("--tiny", action="store_true", help="sizes of a dry run")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"))
    args = parser.parse_args()
    if args.tiny:
        args.networks, args.seconds, args.batch = "timm:test_vit.random", 0.05, 4
        args.pictures, args.rows = 8, 300
    machine = describe(args)
    print(machine)
    print(f"{'':52}{'artsim':>12}{'peer':>12}{'ratio':>8}")
    lines = list(measure(args))
    args.json.write_text(json.dumps({"machine": machine, "lines": lines}, indent=1) + "\n")


def measure(args: argparse.Namespace) -> Iterator[Line]:
    """Measure one after the other, while there is time; print each line when it is known."""
    end = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory() as name:
        for what, step in steps(args, Path(name)):
            if time.monotonic() < end:
                yield show(*step())
            else:
                print(f"{what}: left out after {args.minutes:g} minutes", flush=True)


def steps(
    args: argparse.Namespace, folder: Path
) -> Iterator[tuple[str, Callable[[], tuple[Any, ...]]]]:
    """List what is measured: for each network the end to end figure first."""
    yield "knn", lambda: neighbors(args)
    yield "probe", lambda: probe(args)
    make_pictures(folder / "pictures", args.pictures)
    names = args.networks.split(",")
    on_gpu = args.device.startswith("cuda")
    for name in names:
        for decoder in Decoder if on_gpu else (Decoder.CPU,):
            whole = partial(end_to_end, args, name, folder, decoder)
            yield f"end to end {name}, decoded by the {decoder}", whole
        for precision in (Precision.BF16, Precision.F32):
            yield f"forward {name} {precision}", partial(forward, args, name, precision)
    for decoder in Decoder:
        what = partial(decode, args, names[0], folder / "pictures", decoder)
        yield f"decode by the {decoder}", what
    yield "search", lambda: search(args, folder)
    for name in names if on_gpu else ():
        compiled = partial(forward, args, name, Precision.BF16, Compile.ON)  # about a minute
        yield f"forward {name} compiled", compiled


def show(what: str, unit: str, mine: float, peer: float) -> Line:
    """Print a line, with how many times as fast as the peer it is."""
    what = what.replace("timm:", "")
    print(f"{what:52}{mine:>9,.0f} {unit}{peer:>9,.0f} {unit}{mine / peer:7.1f}x", flush=True)
    return {"what": what, "unit": unit, "artsim": mine, "peer": peer, "ratio": mine / peer}


def forward(
    args: argparse.Namespace, name: str, precision: Precision, compiling: Compile = Compile.OFF
) -> tuple[Any, ...]:
    """Compute pictures that are in memory."""
    extractor = open_network(args, name, precision, compile=compiling)
    extractor.prepare(args.batch, 0)
    height, width = extractor.preprocessing.size
    rng = np.random.default_rng(0)
    batch = list(rng.integers(0, 256, (args.batch, 3, height, width), dtype=np.uint8))

    def mine(count: int) -> None:
        waiting: deque[Callable[[], Any]] = deque()
        for _ in range(count):
            waiting.append(extractor.begin(batch))
            while len(waiting) > extractor.ahead:
                waiting.popleft()()
        for wait in waiting:
            wait()

    compute = eager(args, extractor, precision)
    pixels = torch.from_numpy(np.stack(batch))

    def peer(count: int) -> None:
        for _ in range(count):
            compute(pixels)

    rates = [args.batch * batches_a_second(each, args.seconds) for each in (mine, peer)]
    how = f"{precision} compiled" if compiling == Compile.ON else precision
    return f"forward {name} {how}", "/s", *rates


def batches_a_second(run: Callable[[int], None], seconds: float) -> float:
    """Run until the first calls are paid for, then for about some seconds."""
    run(2)
    start = time.perf_counter()
    run(2)
    count = max(3, round(seconds / max((time.perf_counter() - start) / 2, 1e-6)))
    start = time.perf_counter()
    run(count)
    return count / (time.perf_counter() - start)


def open_network(
    args: argparse.Namespace, name: str, precision: Precision, **more: Any
) -> Extractor:
    compute = Compute(device=args.device, backend=BackendName.TORCH, precision=precision, **more)
    return load_extractor(parse_spec(name), compute=compute)


def eager(
    args: argparse.Namespace, extractor: Extractor, precision: Precision
) -> Callable[[torch.Tensor], np.ndarray]:
    """Return what a plain loop does with a batch: copy, normalize, compute, fetch."""
    spec = parse_spec(extractor.passport.spec)
    network = timm.create_model(spec.arch, num_classes=0).eval().to(args.device)
    shape = (1, 3, 1, 1)
    mean, std = (
        torch.tensor(each, device=args.device).view(shape)
        for each in (extractor.preprocessing.mean, extractor.preprocessing.std)
    )
    kind = torch.device(args.device).type

    def compute(pixels: torch.Tensor) -> np.ndarray:
        casting = torch.autocast(kind, torch.bfloat16, enabled=precision == Precision.BF16)
        with torch.inference_mode(), casting:
            images = (pixels.to(args.device).float() / 255 - mean) / std
            return network(images).float().cpu().numpy()

    return compute


def decode(
    args: argparse.Namespace, name: str, pictures: Path, decoder: Decoder
) -> tuple[Any, ...]:
    """Decode and resize files, by the cores or by the GPU."""
    extractor = open_network(args, name, Precision.F32)
    files = sorted(pictures.iterdir())
    start = time.perf_counter()
    by_gpu = decoder == Decoder.GPU
    prepared = extractor.preprocessing
    settings = LoadSettings(preprocessing=prepared, workers=args.workers, leave_jpegs=by_gpu)
    apart = is_worth_processes(len(files), args.workers, extractor)
    numbered = enumerate(files)
    loaded = load_in_processes(numbered, settings) if apart else settings.load(numbered)
    if by_gpu:
        loaded = decode_on(torch.device(args.device), loaded, prepared)
    assert all(isinstance(each, Loaded) for each in loaded)
    mine = len(files) / (time.perf_counter() - start)
    files = files[:_LOOP]
    start = time.perf_counter()
    for _ in batches(args.device, name, files, args.batch, args.workers):
        pass
    peer = len(files) / (time.perf_counter() - start)
    return f"decode for {name} by the {decoder}", "/s", mine, peer


def batches(
    device: str, name: str, files: list[Path], batch: int, workers: int
) -> Iterable[torch.Tensor]:
    """Return the batches of a DataLoader with timm's transform."""
    network = timm.create_model(parse_spec(name).arch)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))

    class Pictures(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, n: int) -> torch.Tensor:
            return transform(Image.open(files[n]).convert("RGB"))

    pinned = torch.device(device).type == "cuda"
    return torch.utils.data.DataLoader(
        Pictures(), batch_size=batch, num_workers=workers, pin_memory=pinned
    )


def end_to_end(
    args: argparse.Namespace, name: str, folder: Path, decoder: Decoder
) -> tuple[Any, ...]:
    """Embed files: artsim writes an index, the peer keeps its vectors in memory."""
    extractor = open_network(args, name, Precision.BF16, decoder=decoder)
    extractor.embed_batch(np.zeros((args.batch, 3, *extractor.preprocessing.size), np.uint8))
    start = time.perf_counter()
    summary = embed_collection(
        read_collection(folder / "pictures"),
        folder / "index" / f"{name.replace(':', '-')}-{decoder}",
        extractor,
        settings=EmbedSettings(workers=args.workers, batch_size=args.batch),
    )
    mine = summary.embedded / (time.perf_counter() - start)
    peer = loop_rate(args.device, name, folder / "pictures", args.batch, args.workers)
    return f"end to end {name}, decoded by the {decoder}", "/s", mine, peer


@cache  # the same beside both decoders
def loop_rate(device: str, name: str, pictures: Path, batch: int, workers: int) -> float:
    """Embed files by a DataLoader and eager torch, one batch after the other."""
    files = sorted(pictures.iterdir())[:_LOOP]
    network = timm.create_model(parse_spec(name).arch, num_classes=0).eval().to(device)
    casting = torch.autocast(torch.device(device).type, torch.bfloat16)
    start = time.perf_counter()
    with torch.inference_mode(), casting:
        found = [
            network(images.to(device, non_blocking=True)).float().cpu().numpy()
            for images in batches(device, name, files, batch, workers)
        ]
    return len(np.concatenate(found)) / (time.perf_counter() - start)


def neighbors(args: argparse.Namespace) -> tuple[Any, ...]:
    """Find the exact neighbors of a tenth of the rows."""
    bank, _ = made(args.rows, 512, 100)
    queries, k = bank[: args.rows // 10], min(200, args.rows)
    rates = []
    on = torch.from_numpy(bank).to(args.device)

    def mine(some: np.ndarray) -> None:
        nearest(some, bank, k, device=args.device)

    def peer(some: np.ndarray) -> None:
        for start in range(0, len(some), 1024):
            (on[start : start + 1024] @ on.T).topk(k, dim=1).indices.cpu()

    for run in (mine, peer):
        run(queries[:1024])  # what is loaded when it is first used
        start = time.perf_counter()
        run(queries)
        rates.append(len(queries) / (time.perf_counter() - start))
    return f"knn {len(queries):,} queries in {args.rows:,} x 512", "/s", *rates


def probe(args: argparse.Namespace) -> tuple[Any, ...]:
    """Fit a probe for each strength, here and on the CPU."""
    features, codes = made(min(args.rows, 20_000), 512, 29)
    rates = []
    for device in (args.device, "cpu"):
        start = time.perf_counter()
        fit_multinomial(features, codes, device=device)
        rates.append(3600 / (time.perf_counter() - start))
    return f"probe sweeps of {len(features):,} x 512, 29 classes", "/h", *rates


def search(args: argparse.Namespace, folder: Path) -> tuple[Any, ...]:
    """Ask one question after the other."""
    store = made_store(folder / "made", "clusters", args.rows, 512)
    build_index(store, "v")
    on_cpu = open_index(store, "v")
    with contextlib.suppress(SearchError):  # faiss may be built for CPUs alone
        on_gpu = to_gpu(on_cpu) if args.device.startswith("cuda") else on_cpu
        queries = store.vectors("v")[:: max(args.rows // 200, 1)]
        rates = []
        for index in (on_gpu, on_cpu):
            index.search(queries[:1], 10)
            start = time.perf_counter()
            for query in queries:
                index.search(query[None], 10)
            rates.append(len(queries) / (time.perf_counter() - start))
        return f"search {args.rows:,} x 512, one query at a time", "/s", *rates
    return "search: this faiss sees no GPU", "/s", float("nan"), float("nan")


def make_pictures(folder: Path, count: int) -> None:
    """Write JPEGs of 800 x 1,000 pixels with the grain of photographs."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(min(count, 64)):
        small = Image.fromarray(rng.integers(0, 256, (25, 20, 3), dtype=np.uint8))
        large = np.asarray(small.resize((800, 1000), Image.Resampling.BICUBIC), np.float32)
        grained = np.clip(large + rng.normal(0, 6, (1000, 800, 1)), 0, 255).astype(np.uint8)
        Image.fromarray(grained).save(folder / f"{n:05}.jpg", quality=90)
    originals = sorted(folder.iterdir())
    for n in range(len(originals), count):  # other bytes: nothing is taken for a copy
        data = originals[n % len(originals)].read_bytes()
        comment = b"\xff\xfe\x00\x06" + n.to_bytes(4, "big")  # behind the mark of the beginning
        (folder / f"{n:05}.jpg").write_bytes(data[:2] + comment + data[2:])


def describe(args: argparse.Namespace) -> str:
    """Name the machine."""
    what = platform.machine()
    if args.device.startswith("cuda"):
        what = torch.cuda.get_device_name(torch.device(args.device))
    return f"{what}, {args.workers} cores, torch {torch.__version__}, timm {timm.__version__}"


if __name__ == "__main__":
    main()
