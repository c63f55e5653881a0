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

from harness import (BIN, ENV, QUICK, ROOT, RUNS, Failed, digits, failures, head, mebibytes, scratch, seconds, show,
                     start)

HERE = ROOT / "bench/ec2-ls"
PEERS = BIN.parent / "venv-aws/bin"
REGIONS = ["us-east-1", "us-west-2", "eu-west-1", "ap-south-1"]
SIZES = (10_000,) if QUICK else (10_000, 20_000)
DELAYS = (0, 0.05)  # seconds a page
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
        """Begins to note times anew."""
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
    """The answers of a region."""
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
class Tool:
    name: str
    argv: list[str]
    # Counts the instances in its output.
    count: Callable[[bytes], int]
    regions: int = len(REGIONS)
    peak: int = 0  # KiB
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)  # seconds until the first output
    calls: list[float] = field(default_factory=list)  # seconds until the first call
    sent: list[int] = field(default_factory=list)  # pages until the first output
    wanted: int = 0  # runs, besides the one for the peak

    def median(self, what: str) -> float:
        return statistics.median(getattr(self, what))


def bench():
    ENV["PATH"] = f"{BIN}:{PEERS}:/usr/bin:/bin"
    head("ec2-ls", "aws", "python3")
    with scratch() as folder:
        ENV["HOME"] = folder
        ENV.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench", AWS_REGION=REGIONS[0],
                   AWS_DEFAULT_REGION=REGIONS[0], AWS_EC2_METADATA_DISABLED="true")
        print(f"""\
{len(REGIONS)} regions, {PAGE} instances a page, {len((HERE / "instance.xml").read_bytes())} bytes each. aws and boto3 read one region after \
another, as they do it.
first: until the first output. call: until the first call has reached the server.""")
        peaks = {}
        for count in SIZES:
            server = Server(count)
            for delay in DELAYS:
                server.delay = delay
                peaks[count, delay] = table(server, count, delay)
            server.close()
        for delay in DELAYS if len(SIZES) > 1 else ():
            small, large = (peaks[count, delay] for count in SIZES)
            goal(f"flat memory, {delay * 1e3:.0f} ms a page", f"{mebibytes(small)}, {mebibytes(large)}",
                 large <= small * FLAT)


def tools(count: int) -> list[Tool]:
    lines = lambda output: output.count(b"\n")  # noqa: E731
    each = "for region in " + " ".join(REGIONS) + "; do aws ec2 describe-instances --region $region {}; done"
    listed = [
        Tool("ec2-ls -o json", ["ec2-ls", "-r", ",".join(REGIONS), "-o", "json"], lines),
        Tool("ec2-ls -o table", ["ec2-ls", "-r", ",".join(REGIONS), "-o", "table"], lambda out: lines(out) - 1),
        Tool("ec2-ls -o json, 1 region", ["ec2-ls", "-r", REGIONS[0], "-o", "json"], lines, 1),
    ]
    if (PEERS / "aws").exists():
        listed += [
            Tool("aws, JSON", ["sh", "-c", each.format("--output json")], lambda out: out.count(b'"AmiLaunchIndex"')),
            Tool("aws, text, a query", ["sh", "-c", each.format(f"--output text --query '{TEXT_QUERY}'")], lines),
            Tool("boto3", [str(PEERS / "python"), str(HERE / "boto.py"), *REGIONS], lines),
        ]
    else:
        print("aws and boto3 are left out: they could not be installed; run: tests/setup bench")
    return listed


def table(server: Server, count: int, delay: float) -> int:
    """Prints what the tools take. Returns the peak of ec2-ls."""
    rows, notes = tools(count), []

    def attempt(tool: Tool, run: Callable[[], None]):
        try:
            run()
        except Failed as failed:
            rows.remove(tool)
            failures.append(f"{tool.name}, {count} instances: {failed}")
            notes.append(f"FAILED: {tool.name}: {failed}")

    for tool in list(rows):
        attempt(tool, lambda: measure_peak(server, tool, expected(tool, count)))
    # In turn, so a busy time of the machine affects all of them.
    for turn in range(RUNS):
        for tool in list(rows):
            if turn < tool.wanted:
                attempt(tool, lambda: once(server, tool, expected(tool, count), []))
    lines = [("tool", "wall", "min", "cpu", "peak", "first", "call", "runs", "cpu, ec2-ls is")]
    ours = rows[0]
    for tool in rows:
        ratio = "" if tool is ours else f"{digits(tool.median('cpus') / ours.median('cpus'))}x less"
        lines.append((tool.name, seconds(tool.median("walls")), seconds(min(tool.walls)), seconds(tool.median("cpus")),
                      mebibytes(tool.peak), seconds(tool.median("firsts")), seconds(tool.median("calls")),
                      str(len(tool.walls)), ratio))
    show(f"List {count:,} instances, {delay * 1e3:.0f} ms a page", lines, notes)
    by_name = {tool.name: tool for tool in rows}
    for peer, times in (("aws, JSON", AWS_CPU), ("aws, text, a query", AWS_CPU), ("boto3", BOTO_CPU)):
        if peer in by_name:
            ratio = by_name[peer].median("cpus") / ours.median("cpus")
            goal(f"{times} times less CPU than {peer}", f"{digits(ratio)} times", ratio >= times)
    goal("under 40 MiB", mebibytes(ours.peak), ours.peak < PEAK)
    goal("the first call within 15 ms", seconds(min(ours.calls)), min(ours.calls) <= FIRST_CALL)
    # A region asks for its second page once its first one is written.
    goal("the first record once the first page is in", f"after {max(ours.sent)} of {count // PAGE} pages",
         max(ours.sent) < 2 * len(REGIONS))
    if delay and (one := by_name.get("ec2-ls -o json, 1 region")):
        more = ours.median("walls") - one.median("walls")
        cpu = ours.median("cpus") - one.median("cpus")
        goal("4 regions in the time of the slowest, but for their CPU", f"{seconds(max(0.0, more))} more, {seconds(cpu)} CPU",
             more <= cpu * 1.25)
    return ours.peak


def expected(tool: Tool, count: int) -> int:
    return count * tool.regions // len(REGIONS)


def measure_peak(server: Server, tool: Tool, count: int):
    """Measures the peak in a run of its own. A slow tool gets no other run, and this one counts."""
    with tempfile.NamedTemporaryFile("r") as report:
        begun = time.perf_counter()
        once(server, tool, count, ["time", "-q", "-f", "%M", "-o", report.name])
        taken = time.perf_counter() - begun
        tool.peak = int(report.read().split()[-1])
    # For a slow run, the time of GNU time itself does not matter.
    if taken >= BUDGET / 6:
        return
    for name in ("walls", "cpus", "firsts", "calls", "sent"):
        getattr(tool, name).clear()
    tool.wanted = max(1, min(RUNS, int(BUDGET / 3 / taken)))


def once(server: Server, tool: Tool, count: int, before: list[str]):
    server.forget()
    reader, writer = os.pipe()
    with open("/dev/null", "rb") as null:
        begun = time.perf_counter()
        pid = start([*before, *tool.argv], null.fileno(), writer)
    os.close(writer)
    first, sent, output = None, 0, []
    while part := os.read(reader, 1 << 20):
        if first is None:
            first, sent = time.perf_counter(), server.sent
        output.append(part)
    os.close(reader)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begun
    if code := os.waitstatus_to_exitcode(status):
        raise Failed(f"exit status {code}")
    if (listed := tool.count(b"".join(output))) != count:
        raise Failed(f"listed {listed} of {count} instances")
    tool.walls.append(wall)
    tool.cpus.append(usage.ru_utime + usage.ru_stime)
    tool.firsts.append(first - begun)
    tool.calls.append(server.first_call - begun)
    tool.sent.append(sent)


def goal(what: str, is_now: str, met: bool):
    print(f"  goal: {what}: {is_now}: {'met' if met else 'MISSED'}", flush=True)
