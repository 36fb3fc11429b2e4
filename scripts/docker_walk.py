"""Walk through the server's Dockerfile where no image can be built: its steps, its server, its end.

    .venv/bin/python scripts/docker_walk.py        # on Linux, as root; some GB and minutes

A stage is an overlay over the files of this machine, which stand for the base image: what COPY and
RUN write is in a temporary folder, which is removed. The steps run there as they are written, and
then the server as Docker would start it: as the image's user, with the image's environment alone,
and as process 1, to which SIGTERM does nothing unless it is handled. It is asked what a visitor
and a load balancer ask, as CMD says and as compose.yaml says.

Not seen by this: the base image itself, the services of compose.yaml other than artsim, GPUs.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import yaml

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/examples/serve"
SITE = "search.museum.example"
TOKEN = "secret"
NEW_NETWORK = 0x40000000  # CLONE_NEWNET of <sched.h>
END_S = 60  # Docker gives a container 10 by default; a busy machine may take longer
START_S = 300


@dataclass
class Stage:
    """What a part of a Dockerfile that begins with FROM has made."""

    root: Path
    user: str = "0"
    folder: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    healthcheck: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def run(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a command in the stage as its user."""
        words = ["chroot", f"--userspec={self.user}:{self.user}", str(self.root)]
        words += ["/usr/bin/env", "-C", self.folder, *command]
        return subprocess.Popen(words, text=True, **options)


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile and what follows each, on one line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    split = (line.partition(" ") for line in joined.splitlines() if line)
    return [(name, rest) for name, _, rest in split]


def build(text: str, folder: Path) -> Stage:
    """Carry out the instructions of a Dockerfile; return the last stage."""
    stages: dict[str, Stage] = {}
    stage = Stage(folder)
    for name, rest in instructions(text):
        print(f"{name} {rest}", flush=True)
        if name == "FROM":
            base, _, alias = rest.partition(" AS ")
            stage = begin(base, folder / f"stage{len(stages)}")
            stages[alias or "last"] = stage
        elif name == "COPY":
            copy(stage, rest, stages)
        elif name == "RUN":
            env = {**os.environ, **stage.env}  # with this machine's settings of pip
            if stage.run(["sh", "-c", rest], env=env).wait():
                sys.exit(f"docker_walk: failed: RUN {rest}")
        else:
            set_up(stage, name, rest)
    return stage


def set_up(stage: Stage, name: str, rest: str) -> None:
    """Carry out an instruction that says how the stage's commands run."""
    match name:
        case "WORKDIR":
            stage.folder = rest
            inside(stage, rest).mkdir(parents=True, exist_ok=True)
        case "ENV":
            key, _, value = rest.partition("=")
            stage.env[key] = value.replace(f"${key}", stage.env[key])
        case "USER":
            stage.user = rest
        case "HEALTHCHECK":
            stage.healthcheck = rest.partition("CMD ")[2]
        case "ENTRYPOINT":
            stage.entrypoint = json.loads(rest)
        case "CMD":
            stage.command = json.loads(rest)
        case "EXPOSE":
            pass
        case _:
            sys.exit(f"docker_walk: {name} is not known here")


def begin(base: str, folder: Path) -> Stage:
    """Lay a stage over this machine's files, with its Python in the path."""
    version = ".".join(map(str, sys.version_info[:2]))
    if not base.startswith(f"python:{version}-"):
        sys.exit(f"docker_walk: this is Python {version}, the base image is {base}")
    upper, work, root = (folder / name for name in ("upper", "work", "root"))
    for each in (upper, work, root):
        each.mkdir(parents=True)
    layers = f"lowerdir=/,upperdir={upper},workdir={work}"
    call("mount", "-t", "overlay", "overlay", "-o", layers, root)
    call("mount", "--rbind", "/dev", root / "dev")
    call("mount", "-t", "proc", "proc", root / "proc")
    for name in ("etc/resolv.conf", "etc/hosts"):  # often mounted over the machine's own
        (root / name).write_bytes(Path("/", name).read_bytes())
    for name in ("etc/passwd", "etc/group"):  # the base image has those of the system alone
        lines = (root / name).read_text().splitlines(keepends=True)
        system = [line for line in lines if not 1000 <= int(line.split(":")[2]) < 60000]
        (root / name).write_text("".join(system))
    own = Path(sys.base_prefix).resolve() / "bin"
    for parent in own.parents[:-1]:  # it may be in the folder of root
        inner = root / parent.relative_to("/")
        inner.chmod(inner.stat().st_mode | 0o055)
    return Stage(root, env={"PATH": f"{own}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})


def copy(stage: Stage, rest: str, stages: dict[str, Stage]) -> None:
    """Copy files of the checkout, or of another stage."""
    *sources, target = rest.split()
    origin = ROOT
    if sources[0].startswith("--from="):
        origin = stages[sources.pop(0).partition("=")[2]].root
    to = inside(stage, target)
    for source in (origin / each.lstrip("/") for each in sources):
        if source.is_dir():
            shutil.copytree(source, to, symlinks=True, dirs_exist_ok=True)
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to)


def inside(stage: Stage, path: str) -> Path:
    """Return where a path of a stage is on this machine."""
    return stage.root / str(Path(stage.folder, path)).lstrip("/")


def make_museum(stage: Stage) -> None:
    """Embed a small museum in the image, where compose.yaml mounts one."""
    museum = inside(stage, "/museum")
    os.chown(museum, int(stage.user), int(stage.user))
    for words in ("sample pictures --pictures 24", "embed pictures -o indexes/pictures"):
        command = ["artsim", *words.split()]
        if stage.run(command, env={**stage.env, "HOME": "/home/artsim"}).wait():
            sys.exit(f"docker_walk: failed: artsim {words}")
    for folder, _, files in os.walk(museum / "indexes"):  # as a volume with :ro
        for each in (Path(folder), *(Path(folder, name) for name in files)):
            os.chown(each, 0, 0)


@contextmanager
def started(
    stage: Stage, command: Sequence[str], tokens: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], int, IO[str]]]:
    """Run a command as process 1 of a container; give what waits for it, its number, its words."""
    env = {**stage.env, **tokens, "HOME": "/home/artsim"}
    words = ["unshare", "--pid", "--fork", f"--mount-proc={stage.root}/proc", "chroot"]
    words += [f"--userspec={stage.user}:{stage.user}", str(stage.root)]
    words += ["/usr/bin/env", "-C", stage.folder, *command]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(words, env=env, stderr=said, text=True) as process,
    ):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (first := children.read_text().split()) and process.poll() is None:
            time.sleep(0.01)
        try:
            yield process, int(first[0]) if first else 0, said
        finally:
            if process.poll() is None:
                os.kill(int(first[0]), signal.SIGKILL)  # with it ends what it started


def check_server(stage: Stage, command: Sequence[str], host: str) -> None:
    """Start the server, ask what visitors and load balancers ask, and end it as Docker does."""
    words = [*stage.entrypoint, *command]
    print(f"$ {shlex.join(words)}", flush=True)
    with started(stage, words, {}) as (refused, _, said):
        check("without a token it refuses to start", refused.wait(), 2)
        print(f"  {text_of(said).splitlines()[-1]}")
    with started(stage, words, {"ARTSIM_TOKEN": TOKEN}) as (server, first, said):
        until_ready(server, said)
        question = json.dumps({"terms": [{"id": "msw-0009"}], "k": 3}).encode()
        search = "/api/pictures/search"
        check("/health", ask("/health"), (200, '{"status":"ok"}'))
        check("HEALTHCHECK", healthy(stage), 0)
        check("a search without the token", ask(search, host, question, "")[0], 401)
        status, answer = ask(search, host, question)
        check("a search", (status, len(json.loads(answer).get("matches", ()))), (200, 3))
        check("a picture", ask("/api/pictures/picture?id=msw-0009", host)[0], 200)
        check("figures", "artsim_http_requests_total" in ask("/metrics", host)[1], True)
        if host == SITE:
            check("another host", ask(search, "other.example", question)[0], 421)
        began = time.monotonic()
        os.kill(first, signal.SIGTERM)
        check("the end after SIGTERM", server.wait(END_S), 0)
        print(f"  it took {time.monotonic() - began:.1f} s")


def until_ready(server: subprocess.Popen[str], said: IO[str]) -> None:
    """Wait until the server says that it is ready."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if ask("/ready")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit(f"docker_walk: the server does not get ready: {text_of(said)}")


def text_of(said: IO[str]) -> str:
    """Return what a process has said so far."""
    said.seek(0)
    return said.read().strip()


def healthy(stage: Stage) -> int:
    """Return the status of what HEALTHCHECK runs."""
    return stage.run(json.loads(stage.healthcheck), env=stage.env).wait()


def ask(
    path: str, host: str = "127.0.0.1:8000", data: bytes | None = None, token: str = TOKEN
) -> tuple[int, str]:
    """Ask the server; return the status and the answer."""
    headers = {"host": host, "content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    try:
        with urlopen(Request(f"http://127.0.0.1:8000{path}", data, headers), timeout=60) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except HTTPError as error:
        return error.code, error.read().decode()


def check(what: str, found: object, expected: object) -> None:
    """Print what was found; end where it is not what was expected."""
    if found != expected:
        sys.exit(f"docker_walk: {what}: {found}, not {expected}")
    print(f"  {what}: {found}", flush=True)


def call(*words: str | Path) -> None:
    subprocess.run(list(map(str, words)), check=True)


def walk(folder: Path) -> None:
    """Carry out all steps in a folder, on mounts and a network of this process alone."""
    stage = build((FOLDER / "Dockerfile").read_text(), folder)
    make_museum(stage)
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "no network of its own")
    call("ip", "link", "set", "lo", "up")
    check_server(stage, stage.command, "127.0.0.1:8000")
    service = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["artsim"]
    check_server(stage, [each.replace("${SITE}", SITE) for each in service["command"]], SITE)
    print("docker_walk: all steps done")


def main() -> None:
    if sys.argv[1:2] == ["--inside"]:
        walk(Path(sys.argv[2]))
        return
    if sys.platform != "linux" or os.geteuid():
        sys.exit("docker_walk: needs Linux and root, to mount the stages")
    with tempfile.TemporaryDirectory(prefix="docker-walk-") as name:
        own = ["unshare", "--mount", "--propagation", "private", sys.executable, __file__]
        status = subprocess.run([*own, "--inside", name], check=False).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
