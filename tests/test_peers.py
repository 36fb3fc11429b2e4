"""scripts/bench/peers.py compares with what is installed here; the rest is installed by itself."""

import json
import os
import subprocess
import sys

from conftest import ROOT

SIZES = ["--rows", "500", "--labeled", "400", "--queries", "50", "--dims", "32", "--runs", "1"]


OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}


def compare(tmp_path, *options):
    command = [
        sys.executable,
        ROOT / "scripts/bench/peers.py",
        *SIZES,
        "--json",
        tmp_path / "found",
    ]
    environment = {**os.environ, **OFFLINE}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / "found").read_text())["rows"]


def test_peers_are_measured_that_answer_the_same_and_others_have_a_row_that_says_why(tmp_path):
    peers = ["--peer", "faiss", "--peer", "usearch"]
    ours, faiss, usearch = compare(tmp_path, "--job", "exact", *peers)

    assert [ours["peer"], faiss["peer"], usearch["peer"]] == ["artsim", "faiss", "usearch"]
    assert ours["answer"] == faiss["answer"] == "recall 1.0000"
    for row in (ours, faiss):
        assert row["why_not"] == ""
        assert row["processor_s"] > 0
        assert row["memory_mb"] > 20
    assert usearch["why_not"] == "pip: ERROR: No matching distribution found for usearch"
    assert "processor_s" not in usearch
