"""Compares ec2-launch with a loop of `aws ec2 run-instances` and a boto3 script, and the start of each EC2 tool with awscli.

EC2 is the strict server of the tests, with the real speed of EC2's token buckets. Its instances run at once, so the
buckets take most of the time: RunInstances has 5 tokens and gets 2 a second.
"""

import os
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from harness import aws
from harness.aws import Ec2Server, Run
from harness.measure import ENV, Command, Failed, begin_section, compare, scratch
from harness.results import Row, Table, fail, goal, plural, seconds, show
from harness.settings import QUICK, ROOT, RUNS

HERE = ROOT / "bench/ec2-launch"
SIZES = (1, 40) if QUICK else (1, 40, 200)
IMAGE, TYPE = "ami-0000000000000000b", "t3.micro"
BURST, REFILL = 5, 2
# One run is enough, because the token buckets take most of the time.
MANY = 40
WITHIN, FIRST_CALL = 1.15, 0.015


def bench():
    with scratch() as folder:
        aws.prepare(folder)
        ENV["CERVEZA_PROFILES"] = folder
        Path(folder, "Web.yaml").write_text(f"ami: {IMAGE}\ninstance type: {TYPE}\n")
        begin_section("ec2-launch", """\
launches hosts. Every run has an account of its own, and is checked: each host exists once. `floor`: the time that the bucket
of RunInstances allows; `first`: until the first call has reached the server; `calls`: of the API. The minimum is one
RunInstances for each host, and one DescribeInstances before and one after for all hosts together. ec2-launch also remembers
each host (PutParameter).""", "ec2-launch", "ec2-ls", "ec2-power", "ec2-tag", **aws.versions())
        with_peers = aws.peers_installed()
        for count in SIZES:
            launches(count, with_peers)
        with Ec2Server(), silent_stderr():
            subprocess.run(["ec2-launch", "-p", "Web", "web1"], env=ENV, check=True, capture_output=True)
            starts(with_peers)


def launches(count: int, with_peers: bool):
    """Measures the same launch by each tool."""
    hosts = [f"web{number}" for number in range(1, count + 1)]
    ours = ["ec2-launch", "-p", "Web", "-o", "json", f"web[1-{count}]"]
    tools = {"ec2-launch": ours}
    if count <= MANY:
        tools["ec2-launch --no-remember"] = [*ours, "--no-remember"]
    if with_peers:
        tools["aws: a loop"] = [str(HERE / "aws-loop"), IMAGE, TYPE, *hosts]
        tools["boto3: 10 at a time"] = [str(aws.PYTHON), str(HERE / "boto.py"), IMAGE, TYPE, *hosts]
    floor = max(0, (count - BURST) / REFILL)
    rows, notes, goals = [], [], []
    for tool, argv in tools.items():
        try:
            # A first run, to warm up.
            runs = [attempt(argv, count) for _ in range(1 if count >= MANY else RUNS + 1)][-RUNS:]
        except Failed as failed:
            rows.append(Row(tool, {"wall": "FAILED"}))
            notes.append(fail(f"{tool}, {count} hosts", failed))
            continue
        rows.append(Row(tool, aws.cells(runs, count, floor), tool.split(":")[0]))
        notes.append(f"{tool}: {runs[-1].call_list()}")
        if tool == "ec2-launch":
            wall, first = aws.median(runs, "wall"), aws.median(runs, "first")
            goals.append(("within 15% of the floor", f"{wall / floor - 1:+.1%}", wall <= floor * WITHIN) if floor else
                         ("the first call within 15 ms", str(seconds(first)), first <= FIRST_CALL))
    title = f"Launch {plural(count, 'host')}"
    show(Table(title, rows, notes, job=title if count <= MANY else ""))
    for each in goals:
        goal(*each)


def attempt(argv: list[str], count: int) -> Run:
    run = aws.measure(argv)
    launched = run.report["instances"]
    if run.status or launched != count:
        said = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failed(f"exit status {run.status}, {launched} of {count} hosts launched: {said}")
    return run


@contextmanager
def silent_stderr():
    """Drops the closing line that the tools print on stderr at each run."""
    stderr = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def starts(with_peers: bool):
    """Measures the start of each tool, and a call or two about one host."""

    def by_aws(*args: str, prints: str) -> list[Command]:
        return [Command(["aws", *args], contains(prints), label=f"aws {' '.join(args[:2])}")] if with_peers else []

    look_up = by_aws("ec2", "describe-instances", "--filters", "Name=tag:Name,Values=web1", prints="web1")
    tag = [Command(["sh", "-c", TAG], contains(""), label="aws describe-instances, aws create-tags")] if with_peers else []
    compare("Start: --version", [
        *(Command([tool, "--version"], contains(tool)) for tool in ("ec2-ls", "ec2-launch", "ec2-power", "ec2-tag")),
        *by_aws("--version", prints="aws-cli"),
    ])
    compare("List one host", [
        Command(["ec2-ls", "web1"], contains("web1")),
        *look_up,
    ], job="List one host by its name")
    compare("Launch a host that runs already", [
        Command(["ec2-launch", "-p", "Web", "web1"], contains("unchanged")),
        *look_up,
    ], notes=["aws only looks it up"])
    compare("Start a host that runs already", [
        Command(["ec2-power", "start", "web1"], contains("web1")),
        *look_up,
    ], notes=["aws only looks it up"])
    compare("Tag a host by its name", [Command(["ec2-tag", "web1", "team=web"], contains("web1")), *tag],
            job="Tag one host by its name")


TAG = """\
id=$(aws ec2 describe-instances --filters Name=tag:Name,Values=web1 --output text \
    --query 'Reservations[].Instances[].InstanceId') && aws ec2 create-tags --resources "$id" --tags Key=team,Value=web"""


def contains(text: str) -> Callable[[bytes], None]:
    """Returns the check that an output has a text in it."""
    def check(output: bytes):
        if text.encode() not in output:
            raise Failed(f"did not print {text}: {output[:72].decode(errors='replace')}")
    return check
