"""Compare embedding, file to vector, with a plain PyTorch loop: ratios, stages, memory, cosines.

    .venv/bin/python scripts/bench/embed.py                         # real paintings, lite0
    .venv/bin/python scripts/bench/embed.py --model vgg16.random --limit 200
    .venv/bin/python scripts/bench/embed.py --scans 1200x1600 --limit 200
    .venv/bin/python scripts/bench/embed.py --memory                # peak memory against pictures

The peer is torch's DataLoader with timm's or open_clip's own transform, batches of 32 and the
network in eager float32. Every run is a separate process on the same pictures, one after the
other. Machines are noisy: look at the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DATA = Path(os.environ.get("ARTSIM_DATA", ROOT / "../shared/data"))


def main() -> None:
    """Compare, or be one run of the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite0")
    parser.add_argument("--limit", type=int, help="pictures")
    parser.add_argument(
        "--scans", metavar="WxH", help="generated JPEGs of this size instead of the paintings"
    )
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--memory", action="store_true", help="peak memory against pictures")
    parser.add_argument("--be", help=argparse.SUPPRESS)  # internal: which run this process is
    parser.add_argument("--pictures", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.be:
        print(json.dumps(be(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        args.pictures, args.out = make_pictures(Path(folder), args), folder
        print_machine(args)
        (memory if args.memory else compare)(args)


def compare(args: argparse.Namespace) -> None:
    """Run the peer and artsim's two precisions."""
    peer = run(args, "peer")
    print(f"\n{peer['pictures']:,} pictures, {args.model}\n")
    print(f"{'':22}{'img/s':>8}{'ratio':>8}{'with start':>12}{'cosine mean':>13}{'min':>8}")
    line("DataLoader + eager", peer, peer)
    for name in ("torch-f32", "openvino-f32", "openvino-bf16"):
        line(f"artsim {name}", run(args, name), peer)


def line(name: str, result: dict, peer: dict) -> None:
    """Print one run."""
    rate, whole = (result["pictures"] / result[key] for key in ("seconds", "whole_seconds"))
    ratio = rate * peer["seconds"] / peer["pictures"]
    whole_ratio = whole * peer["whole_seconds"] / peer["pictures"]
    mean, least = cosines(result["vectors"], peer["vectors"])
    print(f"{name:22}{rate:8.1f}{ratio:7.1f}x{whole_ratio:11.1f}x{mean:13.5f}{least:8.4f}")
    if stages := result.get("stages"):
        shares = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in stages.items())
        print(f"{'':22}  {shares}; peak {result['peak_mb']:.0f} MB")


def memory(args: argparse.Namespace) -> None:
    """Run artsim on a quarter, half and all of the pictures."""
    every = len(list(Path(args.pictures).iterdir()))
    for share in (0.25, 0.5, 1):
        args.limit = int(every * share)
        result = run(args, "openvino-f32")
        print(f"{result['pictures']:8,} pictures: peak {result['peak_mb']:.0f} MB")


def cosines(mine: str, theirs: str) -> tuple[float, float]:
    """Return the mean and the smallest cosine of two files of vectors."""
    import numpy as np

    a, b = (np.load(file) for file in (mine, theirs))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(cosine.mean()), float(cosine.min())


def run(args: argparse.Namespace, name: str) -> dict:
    """Run one of the compared in a separate process."""
    command = [sys.executable, __file__, "--be", name, "--model", args.model]
    command += ["--pictures", args.pictures, "--out", args.out, "--workers", str(args.workers)]
    if args.limit:
        command += ["--limit", str(args.limit)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def be(args: argparse.Namespace) -> dict:
    """Embed as one of the compared and return the measurements."""
    import numpy as np

    files = sorted(Path(args.pictures).iterdir())[: args.limit]
    started = time.perf_counter()
    vectors, seconds, stages = be_peer(args, files) if args.be == "peer" else be_artsim(args, files)
    out = Path(args.out) / f"{args.be}.npy"
    np.save(out, vectors)
    return {
        "pictures": len(files),
        "seconds": seconds,
        "whole_seconds": time.perf_counter() - started,  # with imports, weights, conversion
        "stages": stages,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "vectors": str(out),
    }


def be_peer(args: argparse.Namespace, files: list[Path]):
    """Embed as a DataLoader loop does."""
    import numpy as np
    import torch
    from PIL import Image

    from artsim.datatypes import parse_spec

    spec = parse_spec(args.model)
    network, transform = peer_network(spec)

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return len(files)

        def __getitem__(self, n):
            return transform(Image.open(files[n]).convert("RGB"))

    started = time.perf_counter()
    loader = torch.utils.data.DataLoader(Pictures(), batch_size=32, num_workers=args.workers)
    with torch.inference_mode():
        vectors = np.concatenate([network(batch).numpy() for batch in loader])
    return vectors, time.perf_counter() - started, None


def peer_network(spec):
    """Return the same network and its own library's transform."""
    from artsim.models import build_network

    network = build_network(spec).module
    if spec.source == "open_clip":
        import open_clip
        from open_clip.transform import PreprocessCfg, image_transform_v2

        config = open_clip.get_model_config(spec.arch)["vision_cfg"]
        return network, image_transform_v2(PreprocessCfg(size=config["image_size"]), is_train=False)
    import timm

    return network, timm.data.create_transform(**timm.data.resolve_model_data_config(network))


def be_artsim(args: argparse.Namespace, files: list[Path]):
    """Embed as artsim does, writing the index too."""
    from artsim.datatypes import parse_spec
    from artsim.embedding import EmbedSettings, embed_collection
    from artsim.models import BackendName, Compute, Precision, load_extractor
    from artsim.readers import read_collection
    from artsim.store import Store

    backend, precision = args.be.split("-")
    compute = Compute(backend=BackendName(backend), precision=Precision(precision))
    extractor = load_extractor(parse_spec(args.model), compute=compute)
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        for file in files:
            (pictures / file.name).symlink_to(file.resolve())
        started = time.perf_counter()
        summary = embed_collection(
            read_collection(pictures),
            Path(folder) / "index",
            extractor,
            settings=EmbedSettings(workers=args.workers),
        )
        seconds = time.perf_counter() - started
        store = Store.open(Path(folder) / "index")
        return store.vectors(store.tap(None).name), seconds, summary.stages


def make_pictures(folder: Path, args: argparse.Namespace) -> str:
    """Return the folder of the pictures: the real paintings, or made scans."""
    if not args.scans:
        return str(DATA / "paintings" / "images")
    import numpy as np
    from PIL import Image

    width, height = map(int, args.scans.split("x"))
    (folder / "scans").mkdir()
    sources = sorted((DATA / "paintings" / "images").iterdir())
    rng = np.random.default_rng(0)
    for number in range(args.limit or 200):
        source = sources[number % len(sources)]  # the grain is another each time
        large = Image.open(source).convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        grain = rng.normal(
            0, 4, (height, width, 1)
        )  # scans have grain, which makes their files large
        pixels = np.clip(np.asarray(large) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "scans" / f"{number:06}.jpg", quality=90)
    return str(folder / "scans")


def print_machine(args: argparse.Namespace) -> None:
    """Print the machine."""
    import numpy  # noqa: F401 - threadpoolctl sees the BLAS that numpy loads
    import torch
    from threadpoolctl import threadpool_info

    from artsim.models.converted import cpu_computes_bfloat16

    name = platform.processor() or platform.machine()
    if (cpu := Path("/proc/cpuinfo")).exists():
        found = [row for row in cpu.read_text().splitlines() if row.startswith("model name")]
        name = found[0].partition(": ")[2] if found else name
    print(
        f"{name}, {args.workers} cores, bf16 {cpu_computes_bfloat16()}, torch {torch.__version__}"
    )
    blas = [f"{each['internal_api']} {each['num_threads']}" for each in threadpool_info()]
    kernel = os.environ.get("OPENBLAS_CORETYPE", "unset")
    print(f"threads: {', '.join(blas)}; OPENBLAS_CORETYPE {kernel}")


if __name__ == "__main__":
    main()
