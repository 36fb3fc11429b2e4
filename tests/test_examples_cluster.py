"""The examples for clusters and containers, as far as they can be checked without one."""

import json
import os
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT

EXAMPLES = ROOT / "docs/examples"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

# What Slurm has: the names of a job's nodes, and a command that runs on each of them.
SCONTROL = """#!/bin/sh
[ "$*" = "show hostnames node[07-08]" ] && printf 'node07\\nnode08\\n'
"""
SRUN = """#!/bin/sh
nodes=
while :; do
    case "$1" in
        --nodes=*) nodes=${1#*=} ;;
        --cpus-per-task=*) echo "processors of a task: ${1#*=}" ;;
        *) break ;;
    esac
    shift
done
for _ in $(seq "$nodes"); do "$@" || exit; done
"""
NOTES = """#!/bin/sh
printf '%s|' "$(basename "$0")" "$@"
echo
"""


@pytest.fixture
def commands(tmp_path):
    """An environment whose programs note how they are called, besides those of Slurm."""
    for name, text in {"scontrol": SCONTROL, "srun": SRUN, "ray": NOTES, "artsim": NOTES}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def run(environment, *words, **options):
    return subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False, **options
    )


def test_the_slurm_job_starts_ray_on_every_node_and_embeds_on_the_first(commands):
    job = {
        "SLURM_JOB_NODELIST": "node[07-08]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "32",
    }
    done = run({**commands, **job}, "bash", EXAMPLES / "embed.sbatch", "/a b/scans", "/indexes/s")
    task = (
        "ray|symmetric-run|--address|node07:6379|--min-nodes|2|--num-cpus=32|--num-gpus=2|--|"
        "artsim|embed|/a b/scans|-o|/indexes/s|-m|clip|--engine|ray:auto|--part-rows|16384|"
    )
    assert done.stdout.splitlines() == ["processors of a task: 32", task, task]
    failed = run(commands | job | {"SLURM_JOB_NODELIST": "gone"}, "bash", EXAMPLES / "embed.sbatch")
    assert failed.returncode != 0
    assert failed.stdout == ""


def test_the_two_laptops_join_one_cluster_and_the_first_embeds(commands):
    script = EXAMPLES / "two-laptops.sh"
    first = run(commands, "sh", script, "first", "/a b/scans", "/indexes/s", input="\n")
    assert [line for line in first.stdout.splitlines() if "|" in line] == [
        "ray|start|--head|--port=6379|",
        "artsim|embed|/a b/scans|-o|/indexes/s|--engine|ray:auto|--part-rows|128|",
    ]
    second = run(commands, "sh", script, "second", "10.0.0.7")
    assert second.stdout == "ray|start|--address=10.0.0.7:6379|--block|\n"
    third = run(commands, "sh", script, "third")
    assert (third.returncode, third.stderr) == (1, "two-laptops.sh: first or second, not 'third'\n")


@pytest.mark.parametrize(
    "command",
    [
        *("symmetric-run --address --min-nodes", "start --head --port --address --block"),
        "start --num-cpus --num-gpus",  # what symmetric-run hands on
    ],
)
def test_ray_has_the_options_of_the_examples(command):
    pytest.importorskip("ray")
    name, *options = command.split()
    from ray.scripts.scripts import start
    from ray.scripts.symmetric_run import symmetric_run

    known = {"start": start, "symmetric-run": symmetric_run}[name]
    assert {each for param in known.params for each in param.opts} >= set(options)


def embeds(entrypoint):
    """Whether artsim takes the options of a command line."""
    from artsim.cli import cli

    name, *words = entrypoint.split()
    assert name == "artsim"
    command = cli.commands[words[0]]
    return command.make_context(words[0], words[1:], resilient_parsing=True).params


def test_the_kubernetes_job_has_the_fields_of_kuberay_and_mounts_one_volume():
    job = yaml.safe_load((EXAMPLES / "embed-kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    assert spec.keys() == {"entrypoint", "shutdownAfterJobFinishes", "rayClusterSpec"}
    assert embeds(spec["entrypoint"])["engine"] == "ray:auto"
    cluster = spec["rayClusterSpec"]
    assert cluster.keys() == {"headGroupSpec", "workerGroupSpecs"}
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert head.keys() == {"rayStartParams", "template"}
    sizes = {"replicas", "minReplicas", "maxReplicas"}
    assert workers.keys() == {"groupName", "rayStartParams", "template"} | sizes
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    for group in (head, workers):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,), (volume,) = pod["containers"], pod["volumes"]
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/museum"}]


def test_the_compose_file_runs_the_image_with_options_that_serve_has():
    from artsim.cli import cli

    services = yaml.safe_load((EXAMPLES / "serve/compose.yaml").read_text())["services"]
    docker = (EXAMPLES / "serve/Dockerfile").read_text()
    (entry,) = [line for line in docker.splitlines() if line.startswith("ENTRYPOINT ")]
    _, name, *fixed = json.loads(entry.removeprefix("ENTRYPOINT "))
    words = [*fixed, *services["artsim"]["command"]]
    found = cli.commands[name].make_context(name, words, resilient_parsing=True).params
    assert (found["host"], found["processes"], found["rate"]) == ("0.0.0.0", 4, 20)
    assert (found["metrics"], found["names"]) == (True, ("${SITE}",))
    context = EXAMPLES / "serve" / services["artsim"]["build"]["context"]
    assert services["artsim"]["stop_grace_period"] == "1m"  # it may take more than Docker's 10 s
    assert context.resolve() == ROOT
    assert (context / services["artsim"]["build"]["dockerfile"]).is_file()
