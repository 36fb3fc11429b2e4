"""``artsim serve``."""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import click
import cloup

from artsim.cli.options.computing import (
    choose_gpu,
    compute_for_few,
    compute_options,
    make_encoder,
)
from artsim.cli.options.index import (
    indexes_argument,
    indexes_option,
    note_hidden,
    root_option,
)
from artsim.cli.options.published import open_several, reopened
from artsim.cli.options.values import count_cores, count_option
from artsim.cli.output import echo
from artsim.errors import ModelError

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
        envvar="ARTSIM_TOKEN",
        show_envvar=True,
        metavar="TEXT",
        help="Answer only visitors with this token; required if other machines have access.",
    ),
    click.option(
        "--name",
        "names",
        multiple=True,
        metavar="HOST",
        help="Host name of this server, if it is not --host. Repeat for more.",
    ),
    click.option("--title", metavar="TEXT", help="Title of the page; default: the index's name."),
    click.option("--urls", is_flag=True, help="Allow public URLs of pictures as queries."),
    click.option(
        "--share-iiif", is_flag=True, help="Let IIIF viewers on other websites read the pictures."
    ),
    count_option("--max-upload", default=20, metavar="MB", help="Refuse larger uploads."),
)
@cloup.option_group("Compute", *compute_options)
def serve(
    indexes: tuple[Path, ...],
    host: str,
    port: int,
    token: str | None,
    names: tuple[str, ...],
    title: str | None,
    urls: bool,
    share_iiif: bool,
    max_upload: int,
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
    if token == "":
        raise click.UsageError("the token is empty; set one with --token TEXT")
    if not _is_local(host) and token is None:
        raise click.UsageError(
            f"--host {host} gives other machines access; protect the server with --token TEXT"
        )
    try:
        import uvicorn

        from artsim.images import limit_memory
        from artsim.server import Limits, Museum, configure, make_app
    except ImportError as error:
        if error.name not in ("fastapi", "starlette", "uvicorn", "pydantic"):
            raise
        raise ModelError(
            "artsim serve needs FastAPI and uvicorn; install them with pip install 'artsim[web]'"
        ) from error
    opened = open_several(indexes)
    stores = [store for store, _ in opened]
    note_hidden(*stores)
    limit_memory(Limits.decode_bytes)
    compute = compute_for_few(device, backend, precision)
    museum = Museum(
        stores,
        lambda store: make_encoder(store, stores[0], weights, compute),
        gpu=choose_gpu(device, many=True),
        workers=count_cores(),
        published=reopened(opened),
    )
    threading.Thread(target=museum.warm, daemon=True).start()
    limits = Limits(upload_bytes=max_upload << 20, fetch=urls, iiif=share_iiif)
    hosts = [*names, host, *_LOCAL] if _is_local(host) or names else []
    app = make_app(museum, limits=limits, hosts=hosts, token=token, title=title)
    server = uvicorn.Server(configure(app, limits))
    with _listen(host, port) as listening:
        shown = f"[{host}]" if ":" in host else host
        query = f"?token={quote(token, safe='')}" if token else ""
        echo(
            f"{', '.join(museum.rooms)} at http://{shown}:{listening.getsockname()[1]}/{query} "
            "(Ctrl-C stops it)",
            err=True,
        )
        with suppress(KeyboardInterrupt):  # it is how the server ends
            server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """Take the port, a free one for 0, before its address is printed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0]
        raise click.ClickException(
            f"cannot listen on port {port} of {host} ({reason}); choose another --port or --host"
        ) from error


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
