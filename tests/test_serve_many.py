"""A server for many: probes, tokens, a rate for each visitor, figures, several processes."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from conftest import wait_until
from search_toys import at, make_store
from test_server import Visitor

from artsim.search import IndexEncoder
from artsim.server import Limits, Museum, Processes, configure, make_app
from artsim.server.pace import Pace

QUESTION = {"terms": [{"id": "a"}], "k": 1}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "toys"
    return make_store(path, ["a", "b", "c"], {"compass": at(0, 10, 80)})


@pytest.fixture
def museum(store):
    museum = Museum([store], IndexEncoder)
    yield museum
    museum.close()


def test_questions_come_at_a_rate_after_a_burst():
    seconds = 0.0
    pace = Pace(2, clock=lambda: seconds)
    assert [pace.wait("ada") for _ in range(10)] == [0] * 10  # five seconds' worth
    assert pace.wait("ada") == 0.5
    assert pace.wait("ben") == 0  # another visitor
    seconds = 0.5
    assert pace.wait("ada") == 0
    assert pace.wait("ada") == 0.5
    seconds = 100.0
    assert [pace.wait("ada") for _ in range(11)] == [0] * 10 + [0.5]
    assert Pace(0).wait("ada") == 0


def test_probes_need_no_token_and_no_host(museum):
    anybody = Visitor(make_app(museum, tokens=["key"], hosts=["museum.example"]))
    assert anybody.get("/health").json() == {"status": "ok"}
    starting = anybody.get("/ready")
    assert (starting.status_code, starting.json()) == (503, {"status": "starting"})
    museum.is_warm = True
    assert anybody.get("/ready").json() == {"status": "ok"}


def test_each_of_several_tokens_is_known_and_has_a_rate_of_its_own(museum):
    app = make_app(museum, tokens=["ada", "ben"], limits=Limits(rate=0.2))

    def ask(token):
        visitor = Visitor(app, headers={"authorization": f"Bearer {token}"})
        return visitor.post("/api/toys/search", json=QUESTION)

    assert ask("ada").status_code == 200
    late = ask("ada")
    assert (late.status_code, late.headers["retry-after"]) == (429, "5")
    assert late.json() == {"error": "more than 0.2 questions a second; try again"}
    assert ask("ben").status_code == 200
    assert ask("eve").status_code == 401
    entered = Visitor(app).get("/?token=ben")
    cookie = entered.headers["set-cookie"].partition(";")[0]
    assert Visitor(app, headers={"cookie": cookie}).get("/api/indexes").status_code == 200


def test_figures_count_answers_by_route_and_not_by_address(museum):
    pytest.importorskip("prometheus_fastapi_instrumentator")
    visitor = Visitor(make_app(museum, metrics=True))
    visitor.post("/api/toys/search", json=QUESTION)
    visitor.post("/api/other/search", json=QUESTION)
    visitor.get("/no/such/page")
    figures = visitor.get("/metrics").text
    counted = dict(re.findall(r"artsim_http_requests_total\{(.*?)\} (\S+)", figures))
    route = 'handler="/api/{index}/search",method="POST"'
    assert counted[f'{route},status="200"'] == "1.0"
    assert counted[f'{route},status="404"'] == "1.0"
    assert "/no/such/page" not in figures


@contextmanager
def command(store, *options):
    """Run ``artsim serve``; gives its process and its address."""
    args = [sys.executable, "-m", "artsim", "serve", str(store.path), "--port", "0", *options]
    with subprocess.Popen(args, stderr=subprocess.PIPE, text=True) as server:
        try:
            line = server.stderr.readline()
            yield server, re.search(r"http://\S+?(?=/)", line)[0]
        finally:
            server.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                server.wait(20)
            server.kill()


def get(address, data=None):
    request = Request(address, data, {"content-type": "application/json"})
    try:
        with urlopen(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def answering(pid):
    """Return the processes that answer for a server."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = []
    for n in map(int, children):
        with suppress(OSError):  # it has ended meanwhile
            if b"spawn_main" in Path(f"/proc/{n}/cmdline").read_bytes():
                found.append(n)
    return found


def is_running(pid):
    with suppress(OSError):
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())  # empty: it has ended
    return False


def wait_for_count(address, searches):
    """Wait until so many searches are counted: a process counts one after it has answered."""
    route = 'handler="/api/{index}/search",method="POST",status="200"'

    def counts():
        return re.findall(re.escape(route) + r"\} (\S+)", get(f"{address}/metrics")[1])

    wait_until(f"{searches} are counted", lambda: list(map(float, counts())) == [searches])


def end_when_asked(asked):
    """Be a process that ends when it is asked whether it is alive."""
    asked.recv()
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_ends_instead_of_answering_is_replaced_at_once(monkeypatch):
    supervising = pytest.importorskip("uvicorn.supervisors.multiprocess")
    monkeypatch.setattr(supervising.signal, "signal", lambda *_: None)
    processes = Processes(configure(None, Limits(), timeout_worker_healthcheck=600), sockets=[])
    ends = supervising.Process(processes.config, [])
    start = multiprocessing.get_context("spawn").Process
    ends.process = start(target=end_when_asked, args=[ends.child_conn])
    ends.start()
    processes.processes = [ends]
    with monkeypatch.context() as patch:
        patch.setattr(supervising.Process, "start", lambda self: None)
        processes.keep_subprocess_alive()
    assert ends.process.exitcode == -signal.SIGKILL
    assert processes.processes[0] is not ends


def test_several_processes_answer_and_one_that_ends_is_replaced(store):
    pytest.importorskip("prometheus_fastapi_instrumentator")
    with command(store, "--processes", "2", "--metrics") as (server, address):
        assert get(f"{address}/health")[0] == 200  # waits until one of them listens

        def two_answer(but=()):
            found = answering(server.pid)
            return found if len(found) == 2 and not {*but} & {*found} else None

        before = wait_until("two processes answer", two_answer, server)
        question = json.dumps(QUESTION).encode()
        for _ in range(4):
            status, answer = get(f"{address}/api/toys/search", question)
            assert (status, json.loads(answer)["matches"][0]["id"]) == (200, "b")
        wait_for_count(address, 4)
        os.kill(before[0], signal.SIGKILL)
        wait_until("another answers", lambda: two_answer(but=before[:1]), server, seconds=150)
        for _ in range(4):
            assert get(f"{address}/api/toys/search", question)[0] == 200
        # The figures are those of all processes, of one that has ended, too.
        wait_for_count(address, 8)
        workers = answering(server.pid)
        server.kill()
        wait_until("they end with the server", lambda: not any(map(is_running, workers)))
