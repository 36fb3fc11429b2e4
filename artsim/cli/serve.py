"""``artsim serve``."""

from __future__ import annotations

import ipaddress
import multiprocessing
import os
import re
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import click
import cloup

from artsim.cli.options.computing import (
    choose_gpu,
    compute_for_few,
    compute_options,
    make_encoder,
)
from artsim.cli.options.index import (
    chosen_roots,
    indexes_argument,
    indexes_option,
    note_hidden,
    root_option,
    with_roots,
)
from artsim.cli.options.published import open_several, reopened
from artsim.cli.options.values import count_cores, count_option
from artsim.cli.output import echo
from artsim.errors import ModelError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from artsim.server import Limits

_LEAST_DECODE_BYTES = 512 << 20  # of memory, for the pictures of a process
_START_SECONDS = 60  # until a process of several answers; one that does not is replaced
_OWN = {"api", "health", "iiif", "metrics", "page", "ready"}  # first parts of its addresses
_LOCAL = ("127.0.0.1", "localhost", "[::1]")


@cloup.command()
@indexes_argument
@cloup.option_group("Index", indexes_option, root_option)
@cloup.option_group(
    "Server",
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    count_option(
        "--port",
        least=0,
        most=65535,
        default=8000,
        help="Port to listen on; 0 chooses a free one.",
    ),
    click.option(
        "--token",
        "tokens",
        envvar="ARTSIM_TOKEN",
        show_envvar=True,
        multiple=True,
        metavar="TEXT",
        help="Answer only visitors with this token; required if other machines have access. Repeat "
        "for more visitors.",
    ),
    click.option(
        "--name",
        "names",
        multiple=True,
        metavar="HOST",
        help="Host name of this server, if it is not --host. Repeat for more.",
    ),
    click.option(
        "--prefix",
        default="",
        metavar="PATH",
        callback=lambda _context, _option, path: _read_prefix(path),
        help="Path under which a proxy shows the server, such as /search.",
    ),
    click.option("--title", metavar="TEXT", help="Title of the page; default: the index's name."),
    click.option("--urls", is_flag=True, help="Allow public URLs of pictures as queries."),
    click.option(
        "--share-iiif", is_flag=True, help="Let IIIF viewers on other websites read the pictures."
    ),
    click.option(
        "--allow-origin",
        "origins",
        multiple=True,
        metavar="ORIGIN",
        callback=lambda _context, _option, origins: tuple(map(_read_origin, origins)),
        help="Let pages of another website use the JSON interface, such as https://museum.example. "
        "Repeat for more.",
    ),
    count_option("--max-upload", default=20, metavar="MB", help="Refuse larger uploads."),
    click.option(
        "--rate",
        type=click.FloatRange(0),
        default=0.0,
        metavar="N",
        help="Answer at most N requests a second for each token, or for each address "
        "without a token.",
    ),
    count_option(
        "--processes",
        default=1,
        help="Processes that answer; each holds the network and the records in memory.",
    ),
    click.option(
        "--metrics", is_flag=True, help="Give figures for Prometheus at /metrics. Needs 'metrics'."
    ),
)
@cloup.option_group("Compute", *compute_options)
def serve(
    indexes: tuple[Path, ...],
    host: str,
    port: int,
    tokens: tuple[str, ...],
    names: tuple[str, ...],
    prefix: str,
    title: str | None,
    urls: bool,
    share_iiif: bool,
    origins: tuple[str, ...],
    max_upload: int,
    rate: float,
    processes: int,
    metrics: bool,
    weights: Path | None,
    device: str,
    backend: str,
    precision: str,
) -> None:
    """Search and browse indexes in a web browser.

    Serves a page and a JSON interface (/api/openapi.json). Only this machine has access unless
    --host is given, and only the works of the chosen indexes are shown. Needs the extra
    'web'.

    Example:

    \b
        artsim serve
        artsim serve indexes/paintings indexes/prints --port 8080
        artsim serve --host 0.0.0.0 --name search.museum.example --token "$(openssl rand -hex 16)"
    """
    if "" in tokens:
        raise click.UsageError("the token is empty; set one with --token TEXT")
    if not _is_local(host) and not tokens:
        raise click.UsageError(
            f"--host {host} gives other machines access; protect the server with --token TEXT"
        )
    try:
        import uvicorn

        from artsim.server import Limits, Processes, configure
    except ImportError as error:
        if error.name not in ("fastapi", "starlette", "uvicorn", "pydantic"):
            raise
        raise ModelError(
            "artsim serve needs FastAPI and uvicorn; install them with pip install 'artsim[web]'"
        ) from error
    limits = Limits(
        upload_bytes=max_upload << 20,
        fetch=urls,
        iiif=share_iiif,
        origins=origins,
        rate=rate / processes,  # each answers a share of the questions
        decode_bytes=max(Limits.decode_bytes // processes, _LEAST_DECODE_BYTES),
    )
    served = _Served(
        indexes=indexes,
        limits=limits,
        hosts=(*names, host, *_LOCAL) if _is_local(host) or names else (),
        tokens=tokens,
        paths=not tokens and not names,
        prefix=prefix,
        title=title,
        metrics=metrics,
        weights=weights,
        compute=(device, backend, precision),
        workers=max(count_cores() // processes, 1),
        roots=chosen_roots(),
    )
    opened = [store for store, _ in open_several(indexes)]
    note_hidden(*opened)
    with _listen(host, port) as listening, ExitStack() as stack:
        if processes == 1:
            server = uvicorn.Server(configure(_make_app(served), limits))
            run: Callable[[], None] = partial(server.run, sockets=[listening])
        else:
            if metrics:
                folder = stack.enter_context(TemporaryDirectory(prefix="artsim-metrics-"))
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            config = configure(
                partial(_make_app, served),
                limits,
                factory=True,
                workers=processes,
                timeout_worker_healthcheck=_START_SECONDS,
            )
            run = Processes(config, sockets=[listening]).run
        shown = f"[{host}]" if ":" in host else host
        query = f"?token={quote(tokens[0], safe='')}" if tokens else ""
        echo(
            f"{', '.join(store.path.resolve().name for store in opened)} at "
            f"http://{shown}:{listening.getsockname()[1]}{prefix}/{query} (Ctrl-C stops it)",
            err=True,
        )
        with suppress(KeyboardInterrupt):  # it is how the server ends
            run()


@dataclass(frozen=True, kw_only=True)
class _Served:
    """What a process serves; it can be sent to one."""

    indexes: tuple[Path, ...]
    limits: Limits
    hosts: tuple[str, ...]
    tokens: tuple[str, ...]
    paths: bool  # visitors may see the folders of indexes: they are on this machine
    prefix: str  # of addresses behind a proxy
    title: str | None
    metrics: bool
    weights: Path | None
    compute: tuple[str, str, str]  # device, backend and precision
    workers: int
    roots: tuple[Path, ...]


def _make_app(served: _Served) -> ASGIApp:
    """Open the indexes, and load their networks in the background."""
    from artsim.images import limit_memory
    from artsim.server import Museum, make_app

    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    limit_memory(served.limits.decode_bytes)
    with with_roots(served.roots):
        opened = open_several(served.indexes)
    first, compute = opened[0][0], compute_for_few(*served.compute)
    museum = Museum(
        [store for store, _ in opened],
        lambda store: make_encoder(store, first, served.weights, compute),
        gpu=choose_gpu(served.compute[0], many=True),
        workers=served.workers,
        published=reopened(opened),
    )
    threading.Thread(target=museum.warm, daemon=True).start()
    return make_app(
        museum,
        limits=served.limits,
        hosts=served.hosts,
        tokens=served.tokens,
        paths=served.paths,
        prefix=served.prefix,
        title=served.title,
        metrics=served.metrics,
    )


def _read_prefix(path: str) -> str:
    """Return a path as ``/a/b``; empty for none."""
    parts = [part for part in path.split("/") if part]
    if not all(re.fullmatch(r"[\w~-][\w.~-]*", part, re.ASCII) for part in parts):
        raise click.BadParameter(f"{path!r} is no path; give one such as /search or /en/search")
    if parts and parts[0] in _OWN:
        raise click.BadParameter(f"/{parts[0]} is the server's own; give a path such as /search")
    return "".join(f"/{part}" for part in parts)


def _read_origin(origin: str) -> str:
    """Return an origin as browsers send it, without a slash at its end."""
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or parts.netloc != origin.partition("://")[2].rstrip(
        "/"
    ):
        raise click.BadParameter(
            f"{origin!r} is no origin; give one such as https://museum.example"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, whatever ended that."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _listen(host: str, port: int) -> socket.socket:
    """Take the port, a free one for 0, before its address is printed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0]
        raise click.ClickException(
            f"cannot listen on port {port} of {host} ({reason}); choose another --port or --host"
        ) from error
    # Each connection has it from here. Without it, the body of an answer waits for the visitor's
    # system to confirm its headers, which takes 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
