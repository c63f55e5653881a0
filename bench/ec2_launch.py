"""Compares ec2-launch with a loop of `aws ec2 run-instances` and a boto3 script, and the start of each EC2 tool with awscli.

EC2 is the strict server of the tests, with the real speed of EC2's token buckets. Its instances run at once, so the
buckets take most of the time: RunInstances has 5 tokens and gets 2 a second.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import (BIN, ENV, QUICK, ROOT, RUNS, Command, Failed, compare, digits, failures, head, mebibytes, scratch,
                     seconds, show)

HERE = ROOT / "bench/ec2-launch"
PEERS = BIN.parent / "venv-aws/bin"
SIZES = (1, 40) if QUICK else (1, 40, 200)
IMAGE, TYPE = "ami-0000000000000000b", "t3.micro"
BURST, REFILL = 5, 2
# One run is enough, because the token buckets take most of the time.
MANY = 40
WITHIN, FIRST_CALL = 1.15, 0.015


@dataclass
class Run:
    """What one run took."""

    wall: float
    peak: int  # KiB, of the largest process
    first: float  # seconds until its first call
    calls: dict[str, int]
    throttled: int


class Server:
    """A fresh EC2 account on loopback. `report` is there once the server has ended."""

    def __enter__(self):
        self.process = subprocess.Popen([BIN / "ec2-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ENV["AWS_ENDPOINT_URL"] = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.report = json.loads(self.process.communicate()[0] or "{}")


def bench():
    ENV["PATH"] = f"{BIN}:{PEERS}:/usr/bin:/bin"
    head("ec2-launch", "aws", "python3")
    if not (PEERS / "aws").exists():
        print("aws and boto3 are left out: they could not be installed; run: tests/setup bench")
    with scratch() as folder:
        ENV["HOME"] = folder
        ENV.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench", AWS_REGION="us-east-1",
                   AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true", CERVEZA_PROFILES=folder)
        Path(folder, "Web.yaml").write_text(f"ami: {IMAGE}\ninstance type: {TYPE}\n")
        print("""\
Every run is against an account of its own, and checked: each host exists once. floor: what RunInstances' bucket allows.
first: until the first call has reached the server. calls: of the API; the minimum is one RunInstances a host, and for
all hosts together one DescribeInstances before and one after. ec2-launch also remembers each host (PutParameter).""")
        for count in SIZES:
            launches(count)
        with Server(), silence():
            subprocess.run(["ec2-launch", "-p", "Web", "web1"], env=ENV, check=True, capture_output=True)
            starts()


def launches(count: int):
    """The same launch by each tool."""
    hosts = [f"web{number}" for number in range(1, count + 1)]
    ours = ["ec2-launch", "-p", "Web", "-o", "json", f"web[1-{count}]"]
    tools = {"ec2-launch": ours}
    if count <= MANY:
        tools["ec2-launch --no-remember"] = [*ours, "--no-remember"]
    if (PEERS / "aws").exists():
        tools["aws, a loop"] = [str(HERE / "aws-loop"), IMAGE, TYPE, *hosts]
        tools["boto3, 10 at a time"] = [str(PEERS / "python"), str(HERE / "boto.py"), IMAGE, TYPE, *hosts]
    floor = max(0, (count - BURST) / REFILL)
    lines = [("tool", "wall", "floor", "over it", "peak", "first", "calls", "a host", "throttled", "runs")]
    notes, median = [], {}
    for tool, argv in tools.items():
        try:
            # A first run, to warm up.
            runs = [attempt(argv, count) for _ in range(1 if count >= MANY else RUNS + 1)][-RUNS:]
        except Failed as failed:
            failures.append(f"{tool}, {count} hosts: {failed}")
            notes.append(f"FAILED: {tool}: {failed}")
            continue
        of = lambda what: statistics.median(getattr(run, what) for run in runs)  # noqa: E731
        calls = sum(runs[-1].calls.values())
        median[tool] = of("wall"), of("first")
        over = f"{of('wall') / floor - 1:+.0%}" if floor else ""
        lines.append((tool, seconds(of("wall")), seconds(floor), over, mebibytes(of("peak")), seconds(of("first")),
                      str(calls), digits(calls / count), str(runs[-1].throttled), str(len(runs))))
        notes.append(f"{tool}: {', '.join(f'{number} {name}' for name, number in runs[-1].calls.items())}")
    show(f"Launch {count} host{'s' * (count != 1)}", lines, notes)
    if "ec2-launch" in median:
        wall, first = median["ec2-launch"]
        if floor:
            goal("within 15% of the floor", f"{wall / floor - 1:+.1%}", wall <= floor * WITHIN)
        else:
            goal("the first call within 15 ms", seconds(first), first <= FIRST_CALL)


def attempt(argv: list[str], count: int) -> Run:
    with Server() as server, tempfile.NamedTemporaryFile("r") as peak:
        begun, clock = time.time(), time.perf_counter()
        done = subprocess.run(["time", "-q", "-f", "%M", "-o", peak.name, *argv], env=ENV, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wall = time.perf_counter() - clock
        kib = int(peak.read().split()[-1])
    report = server.report
    if done.returncode or report["instances"] != count:
        said = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise Failed(f"exit status {done.returncode}, {report['instances']} of {count} hosts launched: {said}")
    return Run(wall, kib, report["first_call"] - begun, report["calls"], report["throttled"])


@contextmanager
def silence():
    """Drops what the tools say on stderr: how many hosts they have changed, at each run."""
    stderr = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def starts():
    """What each tool takes for nothing, and for one call or two about a host."""
    compare("Start: --version", [
        *(Command([tool, "--version"], says(tool)) for tool in ("ec2-ls", "ec2-launch", "ec2-power", "ec2-tag")),
        *aws("--version", prints="aws-cli"),
    ])
    compare("List one host", [
        Command(["ec2-ls", "web1"], says("web1")),
        *aws("ec2", "describe-instances", "--filters", "Name=tag:Name,Values=web1", prints="web1"),
    ])
    compare("Launch a host that runs already", [
        Command(["ec2-launch", "-p", "Web", "web1"], says("unchanged")),
        *aws("ec2", "describe-instances", "--filters", "Name=tag:Name,Values=web1", prints="web1"),
    ], notes=["aws only looks it up"])
    compare("Start a host that runs already", [
        Command(["ec2-power", "start", "web1"], says("web1")),
        *aws("ec2", "describe-instances", "--filters", "Name=tag:Name,Values=web1", prints="web1"),
    ], notes=["aws only looks it up"])
    compare("Tag a host by its name", [
        Command(["ec2-tag", "web1", "team=web"], says("web1")),
        Command(["sh", "-c", TAG], says(""), label="aws describe-instances, aws create-tags"),
    ][:2 if (PEERS / "aws").exists() else 1])


TAG = """\
id=$(aws ec2 describe-instances --filters Name=tag:Name,Values=web1 --output text \
    --query 'Reservations[].Instances[].InstanceId') && aws ec2 create-tags --resources "$id" --tags Key=team,Value=web"""


def aws(*args: str, prints: str) -> list[Command]:
    """The command of awscli, if it is there."""
    there = (PEERS / "aws").exists()
    return [Command(["aws", *args], says(prints), label=f"aws {' '.join(args[:2])}")] if there else []


def says(text: str) -> Callable[[bytes], None]:
    def look(output: bytes):
        if text.encode() not in output:
            raise Failed(f"printed no {text}: {output[:72].decode(errors='replace')}")
    return look


def goal(what: str, is_now: str, met: bool):
    print(f"  goal: {what}: {is_now}: {'met' if met else 'MISSED'}", flush=True)
