"""Compares ec2-ls with awscli and a boto3 loop, which read the same pages of DescribeInstances.

The server in this file sends pages that were made before, so it takes almost no time. The XML of an instance is EC2's for
one with two volumes, four tags and one network interface (bench/ec2-ls/instance.xml).
"""

import os
import re
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from harness import aws
from harness.measure import ENV, Failed, begin_section, scratch, start
from harness.results import Row, Table, digits, fail, goal, mebibytes, seconds, show, spread
from harness.settings import QUICK, ROOT, RUNS

HERE = ROOT / "bench/ec2-ls"
REGIONS = ["us-east-1", "us-west-2", "eu-west-1", "ap-south-1"]
SIZES = (10_000,) if QUICK else (10_000, 20_000)
DELAYS = (0, 0.05)  # seconds a page
ONE_REGION = "ec2-ls -o json, 1 region"
PAGE = 1_000
# The time limit of a peer in one table. It runs at least once.
BUDGET = 60

TEXT_QUERY = ("Reservations[].Instances[].[InstanceId,State.Name,InstanceType,Placement.AvailabilityZone,"
              "PrivateIpAddress,Tags[?Key==`Name`]|[0].Value]")

AWS_CPU, BOTO_CPU, FLAT, PEAK, FIRST_CALL = 15, 10, 1.25, 40 * 1024, 0.015


class Server:
    """EC2 with some instances in each region, on loopback."""

    def __init__(self, count: int):
        self.delay = 0.0
        self.pages = {region: pages(region, at, count // len(REGIONS)) for at, region in enumerate(REGIONS)}
        self.forget()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        ENV["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.listen, daemon=True).start()

    def forget(self):
        """Forgets the calls of the previous run."""
        self.first_call, self.sent = None, 0

    def listen(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket):
        with client, client.makefile("rb") as reader:
            while reader.readline():
                length, region = 0, REGIONS[0]
                while (line := reader.readline().strip()):
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                    elif name.lower() == b"authorization":
                        region = value.split(b"/")[2].decode()  # Credential=KEY/DATE/REGION/ec2/aws4_request
                called = time.perf_counter()
                self.first_call = self.first_call or called
                token = re.search(rb"NextToken=(\d+)", reader.read(length))
                page = self.pages[region][int(token[1]) if token else 0]
                time.sleep(self.delay)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml;charset=UTF-8\r\nContent-Length: %d\r\n\r\n"
                               % len(page) + page)
                self.sent += 1

    def close(self):
        self.socket.close()


def pages(region: str, number: int, count: int) -> list[bytes]:
    """Makes the pages of a region."""
    template = (HERE / "instance.xml").read_text()
    made = []
    for first in range(0, count, PAGE):
        items = []
        for at in range(first, min(first + PAGE, count)):
            id, ip = f"{number:x}{at:016x}", f"10.{number}.{at >> 8}.{at & 255}"
            items.append(template % {"id": id, "short": id[1:], "ip": ip, "dashed": ip.replace(".", "-"), "region": region,
                                     "number": f"{at:x}", "name": f"web{number * count + at}"})
        token = f"    <nextToken>{len(made) + 1}</nextToken>\n" if first + PAGE < count else ""
        made.append(f"""\
<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>8f7724cf-496f-496e-8fe3-example</requestId>
    <reservationSet>
{"".join(items)}    </reservationSet>
{token}</DescribeInstancesResponse>
""".encode())
    return made


@dataclass
class Run:
    """The figures of one run, in seconds."""

    wall: float
    cpu: float
    first: float  # until the first output
    call: float  # until the first call
    sent: int  # pages that were sent before the first output


@dataclass
class Tool:
    name: str
    argv: list[str]
    # Counts the instances in its output.
    count: Callable[[bytes], int]
    regions: int = len(REGIONS)
    program: str = ""
    failed: bool = False
    peak: int = 0  # KiB
    runs: list[Run] = field(default_factory=list)
    wanted: int = 0  # runs, besides the one for the peak

    def median(self, what: str) -> float:
        return statistics.median(getattr(run, what) for run in self.runs)

    def row(self) -> Row:
        if self.failed:
            return Row(self.name, {"wall": "FAILED"}, self.program)
        return Row(self.name, {
            **spread([run.wall for run in self.runs]), "cpu": seconds(self.median("cpu")), "peak": mebibytes(self.peak),
            "first": seconds(self.median("first")), "call": seconds(self.median("call")), "runs": str(len(self.runs)),
        }, self.program)


def bench():
    with scratch() as folder:
        aws.prepare(folder)
        begin_section("ec2-ls", f"""\
lists instances of {len(REGIONS)} regions, {PAGE} on a page, {len((HERE / "instance.xml").read_bytes())} bytes each. aws and
boto3 read one region after another, because that is how they work. `first`: until the first output; `call`: until the first
call has reached the server.""", "ec2-ls", **aws.versions())
        with_peers, peaks = aws.peers_installed(), {}
        for count in SIZES:
            server = Server(count)
            for delay in DELAYS:
                server.delay = delay
                peaks[count, delay] = table(server, count, delay, with_peers)
            server.close()
        for delay in DELAYS if len(SIZES) > 1 else ():
            small, large = (peaks[count, delay] for count in SIZES)
            goal(f"flat memory, {delay * 1e3:.0f} ms a page", f"{mebibytes(small)}, {mebibytes(large)}",
                 large <= small * FLAT)


def tools(with_peers: bool) -> list[Tool]:
    lines = lambda output: output.count(b"\n")  # noqa: E731
    each = "for region in " + " ".join(REGIONS) + "; do aws ec2 describe-instances --region $region {}; done"
    listed = [
        Tool("ec2-ls -o json", ["ec2-ls", "-r", ",".join(REGIONS), "-o", "json"], lines),
        Tool("ec2-ls -o table", ["ec2-ls", "-r", ",".join(REGIONS), "-o", "table"], lambda out: lines(out) - 1),
        Tool(ONE_REGION, ["ec2-ls", "-r", REGIONS[0], "-o", "json"], lines, 1),
    ]
    if with_peers:
        json = ["sh", "-c", each.format("--output json")]
        text = ["sh", "-c", each.format(f"--output text --query '{TEXT_QUERY}'")]
        listed += [
            Tool("aws, JSON", json, lambda out: out.count(b'"AmiLaunchIndex"'), program="aws (JSON)"),
            Tool("aws, text, a query", text, lines, program="aws (text)"),
            Tool("boto3", [str(aws.PYTHON), str(HERE / "boto.py"), *REGIONS], lines),
        ]
    return listed


def table(server: Server, count: int, delay: float, with_peers: bool) -> int:
    """Measures the tools. Returns the peak of ec2-ls."""
    listed, notes = tools(with_peers), []

    def attempt(tool: Tool, step: Callable):
        if not tool.failed:
            try:
                step(server, tool, expected(tool, count))
            except Failed as failed:
                tool.failed = True
                notes.append(fail(f"{tool.name}, {count} instances", failed))

    for tool in listed:
        attempt(tool, first_run)
    # In turn, so a busy time of the machine affects all of them.
    for turn in range(RUNS):
        for tool in listed:
            if turn < tool.wanted:
                attempt(tool, next_run)
    job = f"List {count:,} instances of {len(REGIONS)} regions" if delay and count == SIZES[0] else ""
    show(Table(f"List {count:,} instances, {delay * 1e3:.0f} ms a page", [tool.row() for tool in listed], notes,
               ("wall", "cpu"), job))
    goals({tool.name: tool for tool in listed if not tool.failed}, count, delay)
    return listed[0].peak


def goals(by_name: dict[str, Tool], count: int, delay: float):
    ours = by_name.get("ec2-ls -o json")
    if not ours:
        return
    for peer, times in (("aws, JSON", AWS_CPU), ("aws, text, a query", AWS_CPU), ("boto3", BOTO_CPU)):
        if peer in by_name:
            ratio = by_name[peer].median("cpu") / ours.median("cpu")
            goal(f"{times} times less CPU time than {peer}", f"{digits(ratio)} times", ratio >= times)
    goal("under 40 MiB", str(mebibytes(ours.peak)), ours.peak < PEAK)
    call = min(run.call for run in ours.runs)
    goal("the first call within 15 ms", str(seconds(call)), call <= FIRST_CALL)
    # A region asks for its second page once its first one is written.
    sent = max(run.sent for run in ours.runs)
    goal("the first record once the first page is in", f"after {sent} of {count // PAGE} pages", sent < 2 * len(REGIONS))
    if delay and (one := by_name.get(ONE_REGION)):
        more = ours.median("wall") - one.median("wall")
        cpu = ours.median("cpu") - one.median("cpu")
        goal("4 regions in the time of the slowest, apart from their CPU time",
             f"{seconds(max(0.0, more))} more, {seconds(cpu)} of CPU time", more <= cpu * 1.25)


def expected(tool: Tool, count: int) -> int:
    return count * tool.regions // len(REGIONS)


def first_run(server: Server, tool: Tool, count: int):
    """Measures the peak, and how many more runs there is time for. A slow tool gets no other run, and this one counts."""
    with tempfile.NamedTemporaryFile("r") as report:
        run = run_once(server, tool, count, ["time", "-q", "-f", "%M", "-o", report.name])
        tool.peak = int(report.read().split()[-1])
    # For a slow run, the time of GNU time itself does not matter.
    if run.wall >= BUDGET / 6:
        tool.runs.append(run)
    else:
        tool.wanted = max(1, min(RUNS, int(BUDGET / 3 / run.wall)))


def next_run(server: Server, tool: Tool, count: int):
    tool.runs.append(run_once(server, tool, count, []))


def run_once(server: Server, tool: Tool, count: int, before: list[str]) -> Run:
    server.forget()
    reader, writer = os.pipe()
    with open("/dev/null", "rb") as null:
        begun = time.perf_counter()
        pid = start([*before, *tool.argv], null.fileno(), writer)
    os.close(writer)
    first, sent, output = begun, 0, []
    while part := os.read(reader, 1 << 20):
        if not output:
            first, sent = time.perf_counter(), server.sent
        output.append(part)
    os.close(reader)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begun
    if code := os.waitstatus_to_exitcode(status):
        raise Failed(f"exit status {code}")
    if (listed := tool.count(b"".join(output))) != count:
        raise Failed(f"listed {listed} of {count} instances")
    return Run(wall, usage.ru_utime + usage.ru_stime, first - begun, server.first_call - begun, sent)
