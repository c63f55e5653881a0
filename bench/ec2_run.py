"""ec2-run against a loop of `aws ssm send-command` and `get-command-invocation`, and on 10,000 hosts.

SSM is the strict server of the tests. Its agents answer at different times, and 2% begin and then go silent. It takes 5
SendCommand and 10 ListCommandInvocations a second, and throttles what is beyond that.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path

from harness import BIN, ENV, QUICK, ROOT, Failed, digits, failures, head, mebibytes, scratch, seconds, show

HERE = ROOT / "bench/ec2-run"
PEERS = BIN.parent / "venv-aws/bin"
SIZES = ((20, 2), (1000, 20)) if QUICK else ((20, 2), (1000, 20), (10_000, 60))
# awscli takes most of a second for each call.
MANY = 20
SENDS, POLLS, SILENT_AFTER, WITHIN = 5, 10, 10, 1.2


class Server:
    """A fresh account on loopback. `report` is there once the server has ended."""

    def __init__(self, hosts: int, longest: int):
        self.argv = [BIN / "ec2-server", str(hosts), str(longest)]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ENV["AWS_ENDPOINT_URL"] = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.report = json.loads(self.process.communicate()[0] or "{}")


def bench():
    ENV["PATH"] = f"{BIN}:{PEERS}:/usr/bin:/bin"
    head("ec2-run", "aws")
    if not (PEERS / "aws").exists():
        print("aws is left out: it could not be installed; run: tests/setup bench")
    with scratch() as folder:
        ENV["HOME"] = folder
        ENV.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench", AWS_REGION="us-east-1",
                   AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true")
        print("""\
Each host has one record, checked. floor: the time that SSM's limits take to send all commands, then the slowest host, or
the time after which a silent one is given up, then one poll of each command. calls: of the API.""")
        for hosts, longest in SIZES:
            runs(hosts, longest, Path(folder))


def runs(hosts: int, longest: int, folder: Path):
    commands = -(-hosts // 50)
    floor = (commands - SENDS) / SENDS if commands > SENDS else 0
    floor += max(longest, SILENT_AFTER) + commands / POLLS
    with Server(hosts, longest) as server:
        listing = subprocess.run(["ec2-ls"], env=ENV, check=True, capture_output=True).stdout
    (folder / "fleet.jsonl").write_bytes(listing)
    ids = [json.loads(line)["instance_id"] for line in listing.splitlines()]
    ours = ["ec2-run", "-f", "10000", "--delivery-timeout", str(SILENT_AFTER), "--", "uptime"]
    tools = {"ec2-run": ours}
    if hosts <= MANY and (PEERS / "aws").exists():
        # The loop would wait for a silent host for ever.
        tools["aws, a loop"] = [str(HERE / "aws-loop"), *(id for at, id in enumerate(ids, 1) if at % 50)]
    lines = [("tool", "wall", "floor", "over it", "peak", "calls", "a host", "throttled")]
    notes = []
    for tool, argv in tools.items():
        with Server(hosts, longest) as server, tempfile.NamedTemporaryFile("r") as peak:
            clock = time.perf_counter()
            with open(folder / "fleet.jsonl") as stdin:
                done = subprocess.run(["time", "-q", "-f", "%M", "-o", peak.name, *argv], env=ENV, stdin=stdin,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            wall = time.perf_counter() - clock
            kib = int(peak.read().split()[-1])
        if tool == "ec2-run":
            try:
                check(done, hosts)
            except Failed as failed:
                failures.append(f"{tool}, {hosts} hosts: {failed}")
                notes.append(f"FAILED: {tool}: {failed}")
            met = "met" if wall <= floor * WITHIN else "MISSED"
            notes.append(f"goal: within 20% of the floor: {wall / floor - 1:+.1%}: {met}")
        calls = server.report["calls"]
        count = sum(calls.values())
        lines.append((tool, seconds(wall), seconds(floor), f"{wall / floor - 1:+.0%}", mebibytes(kib), str(count),
                      digits(count / hosts), str(server.report["throttled"])))
        notes.append(f"{tool}: {', '.join(f'{number} {name}' for name, number in calls.items())}")
    show(f"uptime on {hosts} hosts", lines, notes)


def check(done: subprocess.CompletedProcess, hosts: int):
    """Each host has one record: `lost` if it is one of the silent ones, else `ok`."""
    records = [json.loads(line) for line in done.stdout.splitlines()]
    if len(records) != hosts or len({record["host"] for record in records}) != hosts:
        raise Failed(f"{len(records)} records of {hosts} hosts: {done.stderr[-200:]}")
    for record in records:
        expected = "ok" if int(record["host"].removeprefix("web")) % 50 else "lost"
        if record["status"] != expected:
            raise Failed(f"{record['host']} is {record['status']}: {record['error']}")
