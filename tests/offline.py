"""Packs on a machine without a network, and packs that were changed."""

import json
import os
import subprocess
import sys
import zipfile

from click.testing import CliRunner
from conftest import noise_picture

from artsim.cli import cli
from artsim.store import Store

SPEC = "timm:test_resnet.random"

# What a machine without a network, a hub's cache or a home does. After each command it
# says which large packages it has imported.
_CODE = """
import json, socket, sys

def refuse(*args, **options):
    raise OSError("no network here")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from artsim.cli import cli
for words in json.loads(sys.argv[1]):
    try:
        cli(words)
    except SystemExit as end:
        if end.code:
            raise
    finally:
        print("imported:", *sorted({"torch", "openvino"} & set(sys.modules)), file=sys.stderr)
"""


def set_home(monkeypatch, home):
    """Keep packs and compiled networks in a folder, instead of the user's own."""
    for name in ("data", "cache"):
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(home / name))
    return home


def make_museum(folder):
    """Write six pictures."""
    folder.mkdir()
    for seed in range(6):
        noise_picture(folder / f"p{seed}.png", (90, 120), seed)
    return folder


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def vectors(path):
    return Store.open(path).vectors("embedding").tobytes()


def run_offline(home, *args):
    """Run a command as on a machine where nothing but the home's packs is."""
    return run_each_offline(home, args)


def run_each_offline(home, *commands):
    """Run commands one after the other in one process, which is slow to start, up to a failure."""
    words = [[str(word) for word in command] for command in commands]
    places = {"XDG_DATA_HOME": home / "data", "XDG_CACHE_HOME": home / "cache", "HF_HOME": home}
    environment = os.environ | {name: str(place) for name, place in places.items()}
    command = [sys.executable, "-c", _CODE, json.dumps(words)]
    environment |= {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def rewritten(packed, file, change=None, facts=None, **options):
    """Write a pack with other members, or other facts."""
    with zipfile.ZipFile(packed) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if facts is not None:
        members["pack.json"] = json.dumps(json.loads(members["pack.json"]) | facts).encode()
    members = change(members) if change else members
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def flipped(member):
    """Return a change of a pack: one bit of a member."""

    def change(members):
        data = bytearray(members[member])
        data[-1] ^= 1
        return members | {member: bytes(data)}

    return change
