"""Vector databases for tests: folders of LanceDB, a server of Milvus Lite, a bucket."""

import os
import socket
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

LITE = Path(__file__).parents[1] / "build" / "milvus-lite" / "bin" / "milvus-lite"
_STARTED_S = 150


@contextmanager
def milvus(folder):
    """Give the URI of a Milvus: that of ARTSIM_MILVUS, or Milvus Lite as a server.

    Milvus Lite runs in an environment of its own, and the client here is pymilvus alone.
    """
    pytest.importorskip("pymilvus")
    if "ARTSIM_MILVUS" in os.environ:
        yield os.environ["ARTSIM_MILVUS"]
        return
    if not LITE.exists():
        pytest.skip("Milvus Lite has an environment of its own: make it with scripts/milvus-lite")
    port = free_port()
    command = [LITE, "server", "--host", "127.0.0.1", "--port", str(port), "--data-dir", folder]
    with running(command, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(command, port):
    """Run a server until it is no longer needed; it listens at a port."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(port, server)
            yield server
        finally:
            server.terminate()


def wait_for(port, server):
    """Wait until a server listens."""
    deadline = time.monotonic() + _STARTED_S
    while time.monotonic() < deadline and server.poll() is None:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"nothing listens at port {port} after {_STARTED_S} s: {server.args}")


def free_port():
    """Return a port that nothing listens at."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
