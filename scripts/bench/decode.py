"""Compare decoders of JPEGs, file to pixels of the network's size: pictures a second of one core.

    .venv/bin/python scripts/bench/decode.py                        # 1,200 and 4,000 px
    .venv/bin/python scripts/bench/decode.py --sides 8000 --pictures 4

The pictures are real paintings, enlarged with grain and saved with quality 90. Times are processor
seconds of one thread, so they hold on a busy machine; the ratio is to timm's own transform. The
cosines are those of lite0's vectors with timm's transform of the same file. A decoder that is not
installed is left out (pip install simplejpeg PyTurboJPEG).
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from PIL import Image
from torch.nn.functional import interpolate

from artsim.datatypes import parse_spec
from artsim.loader import load, resized_size
from artsim.models import BackendName, Compute, load_extractor

ROOT = Path(__file__).parent.parent.parent
DATA = Path(os.environ.get("ARTSIM_DATA", ROOT / "../shared/data"))
Decode = Callable[[bytes], np.ndarray]  # to (H, W, 3), at twice the wanted size or more
Prepare = Callable[[list[Path]], list[np.ndarray]]  # files, each to (3, 224, 224)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[1200, 4000])
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    extractor = load_extractor(parse_spec("lite0"), compute=Compute(backend=BackendName.TORCH))
    seen = extractor.preprocessing
    module = extractor.network.network
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(module))
    files = sorted((DATA / "paintings/images").iterdir())[:: 2000 // options.pictures]

    def by_timm(files: list[Path]) -> list[np.ndarray]:
        mean, std = (np.array(each)[:, None, None] for each in (seen.mean, seen.std))
        tensors = [transform(Image.open(file).convert("RGB")).numpy() for file in files]
        return [
            np.rint((each * std + mean) * 255).clip(0, 255).astype(np.uint8) for each in tensors
        ]

    def by_artsim(files: list[Path]) -> list[np.ndarray]:
        return [each.pixels for each in load(enumerate(files), seen, workers=1)]

    def resized(decode: Decode) -> Prepare:
        def prepare(file: Path) -> np.ndarray:
            data = file.read_bytes()
            with Image.open(io.BytesIO(data)) as header:
                width, height = resized_size(header.size, seen)
            batch = torch.from_numpy(decode(data)).permute(2, 0, 1).unsqueeze(0)
            small = interpolate(batch, (height, width), mode="bicubic", antialias=True)[0]
            top, left = (round((side - 224) / 2) for side in (height, width))
            return small[:, top : top + 224, left : left + 224].numpy()

        return lambda files: [prepare(file) for file in files]

    methods: dict[str, Prepare] = {"timm's transform": by_timm, "artsim": by_artsim}
    methods |= {name: resized(each) for name, each in others().items()}
    with tempfile.TemporaryDirectory() as folder:
        for side in options.sides:
            scans = [enlarged(file, side, Path(folder)) for file in files]
            compare(side, scans, methods, extractor, options.runs)


def others() -> dict[str, Decode]:
    """Return the other decoders that are installed, each at the scale that it can decode at."""
    found: dict[str, Decode] = {
        "torchvision.io, whole": lambda data: (
            torchvision.io.decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8))
            .permute(1, 2, 0)
            .contiguous()
            .numpy()
        )
    }
    try:
        import simplejpeg

        # Both sides are at least twice what is wanted, as artsim decodes.
        found["simplejpeg, scaled"] = lambda data: simplejpeg.decode_jpeg(
            data, min_height=512, min_width=512
        )
        found["simplejpeg, fast DCT"] = lambda data: simplejpeg.decode_jpeg(
            data, min_height=512, min_width=512, fastdct=True, fastupsample=True
        )
    except ImportError:
        pass
    return found


def enlarged(file: Path, side: int, folder: Path) -> Path:
    """Make a scan of a small picture: enlarged, with grain."""
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    scale = side / max(picture.size)
    size = tuple(round(each * scale) for each in picture.size)
    pixels = np.asarray(picture.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    grain = np.random.default_rng(0).normal(0, 4, pixels.shape[:2])[..., None].astype(np.int16)
    scan = folder / f"{side}-{file.stem}.jpg"
    Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(scan, quality=90)
    return scan


def compare(
    side: int, scans: list[Path], methods: dict[str, Prepare], extractor, runs: int
) -> None:
    """Print a table of the methods; every run takes all of them in turn."""
    spent: dict[str, list[float]] = {name: [] for name in methods}
    pixels = {name: np.stack(each(scans)) for name, each in methods.items()}
    for _ in range(runs):
        for name, each in methods.items():
            clock = time.process_time()
            each(scans)
            spent[name].append((time.process_time() - clock) / len(scans))
    vectors = {name: extractor.embed_batch(each)["embedding"] for name, each in pixels.items()}
    first = next(iter(methods))
    base, reference = statistics.median(spent[first]), torch.from_numpy(vectors[first])
    print(f"\n{len(scans)} scans, longer side {side:,} px, Pillow {Image.__version__}\n")
    print(f"{'':26}{'img/s':>8}{'ratio':>8}{'cosine mean':>13}{'min':>8}")
    for name, times in spent.items():
        took = statistics.median(times)
        cosines = torch.cosine_similarity(torch.from_numpy(vectors[name]), reference)
        figures = f"{1 / took:8.1f}{base / took:8.2f}{cosines.mean():13.5f}{cosines.min():8.4f}"
        print(f"{name:26}{figures}", flush=True)


if __name__ == "__main__":
    main()
