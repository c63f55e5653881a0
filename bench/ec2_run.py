"""Compares ec2-run with a loop of `aws ssm send-command` and `get-command-invocation`, and measures it on 10,000 hosts.

SSM is the strict server of the tests. Its agents answer at different times, and 2% begin and then go silent. It takes 5
SendCommand and 10 ListCommandInvocations a second, and throttles what is beyond that.
"""

import json
import subprocess
from pathlib import Path

from harness import aws
from harness.aws import Ec2Server, Run
from harness.measure import ENV, Failed, begin_section, scratch
from harness.results import Row, Table, fail, goal, show
from harness.settings import QUICK, ROOT

HERE = ROOT / "bench/ec2-run"
SIZES = ((20, 2), (1000, 20)) if QUICK else ((20, 2), (1000, 20), (10_000, 60))
# awscli takes most of a second for each call.
MANY = 20
SENDS, POLLS, SILENT_AFTER, WITHIN = 5, 10, 10, 1.2


def bench():
    with scratch() as folder:
        aws.prepare(folder)
        begin_section("ec2-run", """\
runs a command on hosts through SSM. Each host has one record, checked. `floor`: the time that SSM's limits take to send all
commands, then the slowest host, or the time after which a silent one is given up, then one poll of each command. `calls`: of
the API.""", "ec2-run", **aws.versions())
        with_peers = aws.peers_installed()
        for hosts, longest in SIZES:
            measure(hosts, longest, Path(folder) / "fleet.jsonl", with_peers)


def measure(hosts: int, longest: int, fleet: Path, with_peers: bool):
    commands = -(-hosts // 50)
    floor = (commands - SENDS) / SENDS if commands > SENDS else 0
    floor += max(longest, SILENT_AFTER if hosts >= 50 else 0) + commands / POLLS
    with Ec2Server(str(hosts), str(longest)):
        listing = subprocess.run(["ec2-ls"], env=ENV, check=True, capture_output=True).stdout
    fleet.write_bytes(listing)
    ids = [json.loads(line)["instance_id"] for line in listing.splitlines()]
    tools = {"ec2-run": ["ec2-run", "-f", "10000", "--delivery-timeout", str(SILENT_AFTER), "--", "uptime"]}
    if hosts <= MANY and with_peers:
        # The loop would wait for a silent host without end.
        tools["aws: a loop"] = [str(HERE / "aws-loop"), *(id for number, id in enumerate(ids, 1) if number % 50)]
    rows, notes, walls = [], [], {}
    for tool, argv in tools.items():
        run = aws.measure(argv, str(hosts), str(longest), stdin=str(fleet))
        try:
            if tool == "ec2-run":
                check(run, hosts)
            elif run.status:
                raise Failed(f"exit status {run.status}")
        except Failed as failed:
            rows.append(Row(tool, {"wall": "FAILED"}))
            notes.append(fail(f"{tool}, {hosts} hosts", failed))
            continue
        walls[tool] = run.wall
        rows.append(Row(tool, aws.cells([run], hosts, floor), tool.split(":")[0]))
        notes.append(f"{tool}: {run.call_list()}")
    job = f"Run a command on {hosts} hosts through SSM" if hosts <= MANY else ""
    show(Table(f"uptime on {hosts:,} hosts", rows, notes, job=job))
    if wall := walls.get("ec2-run"):
        goal("within 20% of the floor", f"{wall / floor - 1:+.1%}", wall <= floor * WITHIN)


def check(run: Run, hosts: int):
    """Checks that each host has one record: `lost` if it is one of the silent ones, else `ok`."""
    records = [json.loads(line) for line in run.stdout.splitlines()]
    if len(records) != hosts or len({record["host"] for record in records}) != hosts:
        raise Failed(f"{len(records)} records of {hosts} hosts: {run.stderr[-200:]}")
    for record in records:
        expected = "ok" if int(record["host"].removeprefix("web")) % 50 else "lost"
        if record["status"] != expected:
            raise Failed(f"{record['host']} is {record['status']}: {record['error']}")
