"""Runs EC2 tools, awscli and boto3 against the stand-in for EC2."""

import json
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass

from .measure import ENV, python_version
from .results import Figure, digits, leave_out, mebibytes, seconds, spread
from .settings import BIN, TARGET

PEERS = TARGET / "venv-aws/bin"
PYTHON = PEERS / "python"


def prepare(home: str):
    """Sets an environment in which only EC2's stand-in is asked for anything."""
    ENV.update(PATH=f"{BIN}:{PEERS}:/usr/bin:/bin", HOME=home, AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench",
               AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true")


def versions() -> dict[str, list[str]]:
    return {"aws": ["aws", "--version"], "boto3": python_version(PYTHON, "boto3")}


def peers_installed() -> bool:
    """Whether awscli and boto3 are there. If not, a note says so once for each bench."""
    if (PEERS / "aws").exists():
        return True
    print(leave_out("aws and boto3", "they could not be installed; run: tests/setup bench"))
    return False


class Ec2Server:
    """A fresh EC2 account on loopback: the strict server of the tests. `report` is there once the server has ended."""

    def __init__(self, *args: str):
        self.args = args

    def __enter__(self):
        self.process = subprocess.Popen([BIN / "ec2-server", *self.args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        ENV["AWS_ENDPOINT_URL"] = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.report = json.loads(self.process.communicate()[0] or "{}")


@dataclass
class Run:
    """One run of a tool against an account of its own."""

    wall: float
    peak: int  # KiB, of the largest process
    first: float  # seconds until the first call
    report: dict
    status: int
    stdout: str
    stderr: str

    def call_list(self) -> str:
        return ", ".join(f"{number} {name}" for name, number in self.report["calls"].items())


def measure(argv: list[str], *server_args: str, stdin: str = "/dev/null") -> Run:
    with Ec2Server(*server_args) as server, tempfile.NamedTemporaryFile("r") as peak, open(stdin) as source:
        begun, clock = time.time(), time.perf_counter()
        done = subprocess.run(["time", "-q", "-f", "%M", "-o", peak.name, *argv], env=ENV, stdin=source,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wall = time.perf_counter() - clock
        kib = int(peak.read().split()[-1])
    first = (server.report["first_call"] or begun) - begun
    return Run(wall, kib, first, server.report, done.returncode, done.stdout, done.stderr)


def cells(runs: list[Run], hosts: int, floor: float) -> dict[str, Figure | str]:
    """Returns the cells of a row. `floor` is the time that EC2's limits allow, or 0."""
    last, over = runs[-1].report, median(runs, "wall") / floor - 1 if floor else 0
    calls = sum(last["calls"].values())
    return {
        **spread([run.wall for run in runs]), **({"floor": seconds(floor), "over it": f"{over:+.0%}"} if floor else {}),
        "peak": mebibytes(median(runs, "peak")), "first": seconds(median(runs, "first")), "calls": str(calls),
        "calls a host": digits(calls / hosts), "throttled": str(last["throttled"]), "runs": str(len(runs)),
    }


def median(runs: list[Run], what: str) -> float:
    return statistics.median(getattr(run, what) for run in runs)
