"""Servers on ports of this machine: an application as visitors reach it, and files on the web."""

import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import uvicorn

from artsim.server import Limits, configure


@contextmanager
def serving(app, limits=None):
    """Serve an application as ``artsim serve`` does; gives its address."""
    server = uvicorn.Server(configure(app, limits or Limits(), port=0))
    started = threading.Event()
    run_on_start = server.startup

    async def startup(sockets=None):
        await run_on_start(sockets)
        started.set()

    server.startup = startup
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(60)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def web(files):
    """Serve files by their path, as another machine might; gives the address.

    Args:
        files: Bytes by path, or an event until which nothing is answered.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = files.get(self.path)
            if isinstance(found, threading.Event):
                found.wait(20)
                found = None
            self.send_response(404 if found is None else 200)
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(found or b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
