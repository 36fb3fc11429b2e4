"""Compare artsim with what you might pick instead, job by job, whole job to answer, in one run.

    python scripts/bench/peers.py                              every peer and job, about an hour
    python scripts/bench/peers.py --peer usearch --job approximate
    python scripts/bench/peers.py --environments /tmp/peers    keep what is installed for next time
    python scripts/bench/peers.py --peer faiss --peer scikit-learn --rows 5000 --labeled 2000

Each peer is installed from PyPI in an environment of its own that also sees the packages of this
one, so that torch is not installed again; all are removed at the end unless --environments names
a folder for them. No network is downloaded: the weights of CLIP are random, drawn once and used by
all, converted to the format of each. The pictures are paintings of ARTSIM_DATA, or drawn.

Every step is a process of its own, measured until it ends: seconds, processor seconds and peak
memory of all its processes together. First all run once and the answers are compared; then they
take turns, and medians are shown. "build" is all that comes before the question (reading vectors,
storing them, an index), "answer" the process that answers. What cannot run, or answers something
else, has a row that says why. Ratios are of processor seconds, as the machine may be shared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import venv
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from peer_answers import TUNING, Sizes, agree, make_place, read_answer

STEPS = Path(__file__).parent / "peer_steps.py"
ROOT = Path(__file__).parent.parent.parent
EVERY_S = 0.1  # between two looks at the memory of processes
TICKS = os.sysconf("SC_CLK_TCK")  # of a processor second


@dataclass(frozen=True, kw_only=True)
class Job:
    """How a job is done: functions of peer_steps.py."""

    timed: tuple[str, ...]  # the last answers
    before: tuple[str, ...] = ()  # what is there before the clock starts


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A peer, and what is installed for it; nothing if it runs in this environment."""

    jobs: dict[str, Job]
    packages: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()  # installed without what they ask for


def job(*timed: str, before: tuple[str, ...] = ()) -> Job:
    return Job(timed=timed, before=before)


ARTSIM = Peer(
    jobs={
        "embed": job("artsim_embed"),
        "embed-256": job("artsim_embed_256"),
        "query": job("artsim_query", before=("artsim_embed",)),
        "query-256": job("artsim_query", before=("artsim_embed_256",)),
        "by-id": job("artsim_by_id", before=("artsim_import",)),
        "exact": job("artsim_import", "artsim_search"),
        "approximate": job("artsim_import", "artsim_index", "artsim_search"),
        "knn-eval": job("artsim_import_labeled", "artsim_knn_eval"),
        "probe": job("artsim_import_labeled", "artsim_probe"),
        "duplicates": job("artsim_embed_copies", "artsim_dupes"),
    }
)
PEERS = {
    "open_clip": Peer(
        jobs={
            "embed": job("open_clip_embed"),
            "query": job("open_clip_query", before=("open_clip_embed",)),
        }
    ),
    "faiss": Peer(
        jobs={
            "by-id": job("faiss_by_id", before=("faiss_flat",)),
            "exact": job("faiss_flat", "faiss_search"),
            "approximate": job("faiss_graph", "faiss_search", before=("faiss_graph", "faiss_tune")),
        }
    ),
    "scikit-learn": Peer(
        jobs={
            "by-id": job("scikit_learn_by_id"),
            "exact": job("scikit_learn_search"),
            "knn-eval": job("scikit_learn_knn_eval"),
            "probe": job("scikit_learn_probe"),
        }
    ),
    "usearch": Peer(
        packages=("usearch",),
        jobs={
            "by-id": job("usearch_by_id", before=("usearch_build",)),
            "exact": job("usearch_exact"),
            "approximate": job(
                "usearch_build", "usearch_search", before=("usearch_build", "usearch_tune")
            ),
        },
    ),
    "autofaiss": Peer(
        packages=("autofaiss", "pyarrow<21"),  # it asks for numpy 1, which newer ones refuse
        jobs={
            "by-id": job("faiss_by_id", before=("autofaiss_build",)),
            "approximate": job(
                "autofaiss_build", "faiss_search", before=("autofaiss_build", "faiss_tune")
            ),
        },
    ),
    "imagededup-hashes": Peer(
        packages=("imagededup",), jobs={"duplicates": job("imagededup_hashes")}
    ),
    "imagededup-network": Peer(
        packages=("imagededup",), jobs={"duplicates": job("imagededup_network")}
    ),
    "sentence-transformers": Peer(
        packages=("sentence-transformers",),
        jobs={
            "embed": job("sentence_transformers_embed", before=("sentence_transformers_convert",)),
            "query": job(
                "sentence_transformers_query",
                before=("sentence_transformers_convert", "sentence_transformers_embed"),
            ),
        },
    ),
    "rclip": Peer(
        packages=("rclip", "onnx", "onnxscript"),
        jobs={
            "embed-256": job("rclip_embed", before=("rclip_convert",)),
            "query-256": job("rclip_query", before=("rclip_convert", "rclip_embed")),
        },
    ),
    "clip-retrieval": Peer(
        packages=("clip-retrieval", "setuptools<81"),  # clip-anytorch imports pkg_resources
        jobs={
            "embed": job("clip_retrieval_embed"),
            "query": job(
                "clip_retrieval_query", before=("clip_retrieval_embed", "clip_retrieval_index")
            ),
        },
    ),
    "dinotool": Peer(
        packages=("accelerate", "einops", "sentencepiece", "transformers", "xarray", "zarr"),
        alone=("dinotool",),  # it asks for xformers, which asks for another torch
        jobs={"embed": job("dinotool_embed", before=("dinotool_convert",))},
    ),
    "fiftyone": Peer(
        packages=("fiftyone",), jobs={"by-id": job("fiftyone_by_id", before=("fiftyone_build",))}
    ),
}


class CannotRun(Exception):
    """Why a peer has no figures."""


@dataclass(frozen=True)
class Spent:
    """What a step took."""

    seconds: float
    processor_s: float
    memory_mb: float  # of all its processes together, at most


@dataclass
class Row:
    """What is known of one peer in one job."""

    job: str
    peer: str
    answer: str = ""  # how good it is
    why_not: str = ""
    rounds: list[list[Spent]] = field(default_factory=list)  # of each the timed steps

    def median(self, name: str, which: slice = slice(None)) -> float:
        """Return the median over the rounds of a figure, summed over steps; of memory the most."""
        combine = max if name == "memory_mb" else sum
        return statistics.median(
            combine([getattr(spent, name) for spent in each[which]] or [0.0])
            for each in self.rounds
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="append", choices=PEERS, help="default: all")
    parser.add_argument("--job", action="append", choices=ARTSIM.jobs, help="default: all")
    parser.add_argument("--runs", type=int, default=3, help="that are timed")
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--rows", type=int, default=100_000, help="vectors that are searched")
    parser.add_argument("--labeled", type=int, default=20_000, help="of kNN evaluation, probes")
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--arch", default="ViT-B-32", help="open_clip's; random weights")
    parser.add_argument("--limit", type=int, default=900, help="seconds a step may take")
    parser.add_argument("--environments", type=Path, help="folder where they are kept")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args()
    if options.rows < (least := options.queries + TUNING):
        parser.error(f"--rows {options.rows}: {least} or more, the queries and {TUNING} to tune")
    names = options.peer or list(PEERS)
    jobs = [
        each
        for each in options.job or ARTSIM.jobs
        if any(each in PEERS[name].jobs for name in names)
    ]
    sizes = Sizes(
        pictures=options.pictures, rows=options.rows, labeled=options.labeled,
        queries=options.queries, dims=options.dims,
    )  # fmt: skip
    print(machine(), flush=True)
    rows = []
    with tempfile.TemporaryDirectory(prefix="artsim-peers-") as folder:
        place = Path(folder)
        make_place(place, sizes, jobs, options.arch)
        pythons = Pythons(options.environments or place / "environments")
        for each in jobs:
            found = compare(each, names, place, pythons, options)
            print_job(found)
            rows += found
    if options.json:
        lines = [asdict(row) | summary(row) for row in rows]
        options.json.write_text(json.dumps({"machine": machine(), "rows": lines}, indent=1))


def compare(
    job: str, names: list[str], place: Path, pythons: Pythons, options: argparse.Namespace
) -> list[Row]:
    """Run a job by artsim and by each peer that does it: once for the answer, then in turns."""
    peers = {"artsim": ARTSIM} | {name: PEERS[name] for name in names if job in PEERS[name].jobs}
    rows = {name: Row(job, name) for name in peers}
    runs: dict[str, Runner] = {}
    ours = None
    for name, peer in peers.items():
        try:
            work = place / "work" / job / name
            python = pythons.of(name, peer)
            runner = Runner(python, place, work, peer.jobs[job], options.limit)
            runner.prepare()
            runner.first_answer()
            answer = read_answer(runner.job.timed[-1], place, work)
            ours = answer if name == "artsim" else ours
            good, rows[name].answer = agree(job, place, ours, answer)
            if not good:
                raise CannotRun("another answer")
            runs[name] = runner
        except CannotRun as reason:
            rows[name].why_not = str(reason)
        except Exception as error:  # of reading an answer: it is the peer's, whatever it is
            rows[name].why_not = f"no answer: {error}"
        if rows[name].why_not:
            print(f"  {job}, {name}: {rows[name].why_not}", flush=True)
        if ours is None:  # nothing to compare with
            break
    for number in range(options.runs):
        first = number % max(len(runs), 1)
        for name in [*runs][first:] + [*runs][:first]:
            try:
                rows[name].rounds.append(runs[name].round())
            except CannotRun as reason:
                rows[name].why_not = str(reason)
    shutil.rmtree(place / "work" / job)
    return list(rows.values())


class Runner:
    """Runs the steps of one peer in one job."""

    def __init__(self, python: Path, place: Path, work: Path, job: Job, limit_s: float) -> None:
        self.python, self.place, self.work, self.job = python, place, work, job
        self.limit_s = limit_s
        self.kept: set[Path] = set()  # what is there before the clock starts

    def prepare(self) -> None:
        """Run the steps that are not timed."""
        self.work.mkdir(parents=True)
        for step in self.job.before:
            self.run(step)
        self.kept = {*self.work.rglob("*")}

    def first_answer(self) -> None:
        """Run the timed steps that were not run before; of what was, only the tuning is kept."""
        for step in self.job.timed:
            if step not in self.job.before:
                self.run(step)
        if {*self.job.before} & {*self.job.timed}:
            self.kept = {*self.work.glob("candidates.txt")}

    def round(self) -> list[Spent]:
        """Remove what the round before left, and run the timed steps."""
        for path in sorted({*self.work.rglob("*")} - self.kept, reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        return [self.run(step) for step in self.job.timed]

    def run(self, step: str) -> Spent:
        """Run one step in a process of its own."""
        command = [str(each) for each in (self.python, STEPS, step, self.place, self.work)]
        return measure(command, self.work, self.environment(), self.limit_s)

    def environment(self) -> dict[str, str]:
        """Nothing is downloaded or reported, the GPU is not used, caches are of this run."""
        return {
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "",
            "FIFTYONE_DATABASE_DIR": str(self.place / "fiftyone"),
            "FIFTYONE_DO_NOT_TRACK": "true",
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(ROOT),
            "WANDB_MODE": "disabled",
            "XDG_CACHE_HOME": str(self.work / "cache"),
        }


class Pythons:
    """The environments of peers, made when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failed: dict[tuple[str, ...], str] = {}

    def of(self, name: str, peer: Peer) -> Path:
        """Return the interpreter of a peer.

        Raises:
            CannotRun: If it cannot be installed.
        """
        if not peer.packages:
            return Path(sys.executable)
        path = self.folder / name.partition("-")[0] / "bin/python"
        if peer.packages in self.failed:
            raise CannotRun(self.failed[peer.packages])
        if not path.parent.parent.joinpath("complete").exists():
            try:
                self.install(path, peer)
            except CannotRun as error:
                self.failed[peer.packages] = str(error)
                raise
        return path

    def install(self, python: Path, peer: Peer) -> None:
        """Make an environment that sees the packages of this one after its own."""
        folder = python.parent.parent
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=False, symlinks=True)
        (own,) = folder.glob("lib/python*/site-packages")
        shared = sysconfig.get_path("purelib")
        (own / "shared.pth").write_text(f"import site; site.addsitedir({shared!r})\n")
        same = folder / "constraints.txt"
        same.write_text("".join(f"{each}=={version(each)}\n" for each in ("torch", "torchvision")))
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        for packages, how in ((peer.packages, ["-c", str(same)]), (peer.alone, ["--no-deps"])):
            if not packages:
                continue
            done = subprocess.run([*pip, *how, *packages], capture_output=True, text=True)
            if done.returncode:
                raise CannotRun(f"pip: {last_line(done.stderr)}")
        (folder / "complete").touch()


def measure(command: list[str], work: Path, environment: dict[str, str], limit_s: float) -> Spent:
    """Run a process, and measure it with all processes that it starts.

    Raises:
        CannotRun: If it fails, with the last line of its errors, or takes too long.
    """
    with (work / "stdout.txt").open("w") as out, (work / "stderr.txt").open("w") as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            start_new_session=True,
        )  # fmt: skip
        watch = Watch(process.pid)
        late = threading.Timer(limit_s, process.kill)
        late.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        late.cancel()
        watch.stop()
    if seconds >= limit_s:
        raise CannotRun(f"not finished after {limit_s:g} s")
    if process.returncode:
        raise CannotRun(last_line((work / "stderr.txt").read_text(errors="replace")))
    processor_s = max(usage.ru_utime + usage.ru_stime, sum(watch.processor_s.values()))
    return Spent(seconds, processor_s, watch.most_mb)


class Watch(threading.Thread):
    """Looks at a process and all that it started, until it is stopped; then ends what is left.

    A process belongs to it if its parent does when it is first seen, and then for good: a database
    that a peer starts is counted even when its parent has ended.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.root = pid
        self.known: dict[int, str] = {}  # when each of its processes started
        self.most_mb = 0.0
        self.processor_s: dict[int, float] = {}
        self.stopped = threading.Event()
        self.start()

    def run(self) -> None:
        """Look until it is stopped."""
        while not self.stopped.wait(EVERY_S):
            self.look()

    def look(self) -> None:
        """Add up the memory of its processes, and note how long each has computed."""
        shares = peaks = 0.0
        for pid, (parent, processor_s, started) in sorted(processes().items()):
            if pid == self.root or parent in self.known:
                self.known.setdefault(pid, started)
            if self.known.get(pid) != started:  # another's, perhaps with the number of an ended one
                continue
            try:
                shares += kilobytes(f"/proc/{pid}/smaps_rollup", "Pss:")
                peaks = max(peaks, kilobytes(f"/proc/{pid}/status", "VmHWM:"))
            except OSError:  # it has ended
                continue
            self.processor_s[pid] = processor_s
        self.most_mb = max(self.most_mb, shares / 1024, peaks / 1024)

    def stop(self) -> None:
        """End what the process has left running."""
        self.stopped.set()
        self.join()
        for pid, (_, _, started) in processes().items():
            if pid != self.root and self.known.get(pid) == started:
                os.kill(pid, signal.SIGTERM)


def processes() -> dict[int, tuple[int, float, str]]:
    """Return the parent of every process, how long it has computed, and when it started."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            values = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        processor_s = (int(values[11]) + int(values[12])) / TICKS
        found[int(file.parent.name)] = (int(values[1]), processor_s, values[19])
    return found


def kilobytes(file: str, name: str) -> int:
    text = Path(file).read_text()
    return int(text.partition(name)[2].split()[0]) if name in text else 0


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it ended without a word"


def summary(row: Row) -> dict[str, float]:
    """Return the medians of a row."""
    if row.why_not or not row.rounds:
        return {}
    last, first = slice(-1, None), slice(0, -1)
    return {
        "build_processor_s": row.median("processor_s", first),
        "answer_processor_s": row.median("processor_s", last),
        "processor_s": row.median("processor_s"),
        "seconds": row.median("seconds"),
        "memory_mb": row.median("memory_mb"),
    }


def print_job(rows: list[Row]) -> None:
    """Print a table of one job."""
    ours = summary(rows[0])
    print(f"\n| {rows[0].job} | ratio | build CPU s | answer CPU s | seconds | MB | answer |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for row in rows:
        found = summary(row)
        if not found:
            print(f"| {row.peer} | | | | | | {row.answer} {row.why_not} |".replace("  ", " "))
            continue
        ratio = found["processor_s"] / ours["processor_s"] if ours else float("nan")
        print(
            f"| {row.peer} | {ratio:.2f} | {found['build_processor_s']:.2f} | "
            f"{found['answer_processor_s']:.2f} | {found['seconds']:.2f} | "
            f"{found['memory_mb']:,.0f} | {row.answer} |"
        )
    sys.stdout.flush()


def machine() -> str:
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    return (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"OMP_NUM_THREADS {threads}, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
