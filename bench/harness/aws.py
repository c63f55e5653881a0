"""awscli and boto3, which are peers of the EC2 tools, and the stand-in for EC2 that they all speak to."""

import json
import subprocess

from .measure import ENV, python_version
from .results import leave_out
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
