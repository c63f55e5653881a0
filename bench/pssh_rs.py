"""Compares pssh-rs with pssh, pdsh, clush and the Python library parallel-ssh.

All live hosts are one sshd on 127.0.0.0/8. Dead hosts are in a second network (pssh-rs/fleet.py). This needs root.
"""

import contextlib
import json
import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.measure import BUDGET, ENV, Failed, begin_section, installed, python_version, scratch
from harness.results import Figure, Row, Table, digits, fail, goal, leave_out, mebibytes, seconds, show, spread
from harness.settings import BIN, QUICK, ROOT, RUNS, TARGET

sys.path.insert(0, str(ROOT / "bench/pssh-rs"))
from fleet import DEAD, PORT, USER, Fleet, fleet, needs  # noqa: E402

FANOUT, CONNECT_TIMEOUT = 64, 5
# Prints the address that was reached, in any shell.
WHERE = "set -- $SSH_CONNECTION; echo reached $3"
PYTHON = TARGET / "venv-bench/bin/python"
# A key exchange that both OpenSSH and libssh2 have.
SAME_KEX = "KexAlgorithms=curve25519-sha256"
# Seconds between two readings of the memory of all processes. Reading more often would take CPU time from the tool.
READ_EVERY = 0.5
SSH_PEERS = "pssh", "pdsh", "clush"


@dataclass
class Run:
    """The figures of one run."""

    wall: float
    cpu: float
    peak: int  # KiB, of the largest process
    tree: int  # KiB, of all processes together
    open: int
    output: str


@dataclass
class Series:
    """The runs of a tool."""

    tool: str
    runs: list[Run] = field(default_factory=list)

    def median(self, what: str) -> float:
        return statistics.median(getattr(run, what) for run in self.runs)

    def spread(self) -> dict[str, Figure]:
        return spread([run.wall for run in self.runs])


class Bench:
    def __init__(self, here: Path, hosts: Fleet):
        self.here, self.fleet = here, hosts

    def argv(self, tool: str, hosts: str, command: str, *more: str, fanout: int = FANOUT) -> list[str]:
        """Returns the command line of a tool. `more` are options of ssh."""
        options = [f"IdentityFile={self.fleet.key}", f"UserKnownHostsFile={self.fleet.known_hosts}", "BatchMode=yes",
                   "ControlMaster=no", "IdentitiesOnly=yes", f"ConnectTimeout={CONNECT_TIMEOUT}", *more]
        ssh = f"-F /dev/null -p {PORT} {' '.join(f'-o {option}' for option in options)}"
        match tool:
            case "pssh-rs":
                return [str(BIN / "pssh-rs"), "-w", "-", "-l", USER, "-p", str(PORT), "-i", str(self.fleet.key),
                        "--known-hosts", str(self.fleet.known_hosts), "-f", str(fanout), "--connect-timeout",
                        str(CONNECT_TIMEOUT), "-o", "json", "--", command]
            case "pssh":
                return ["parallel-ssh", "-i", "-p", str(fanout), "-t", "0", "-l", USER, "-h", hosts, "-x", ssh, command]
            case "pdsh":
                return ["env", f"PDSH_SSH_ARGS_APPEND={ssh}", "pdsh", "-S", "-R", "ssh", "-f", str(fanout), "-l", USER,
                        "-w", f"^{hosts}", command]
            case "clush":
                return ["clush", "-S", "-f", str(fanout), "-l", USER, "-o", ssh, "--hostfile", hosts, command]
            case "library":
                return [str(PYTHON), str(ROOT / "bench/pssh-rs/library.py"), hosts, USER, str(PORT),
                        str(self.fleet.key), str(fanout), str(CONNECT_TIMEOUT), command]
            case "ssh":
                return ["ssh", *shlex.split(ssh), "-l", USER, hosts, command]
        raise ValueError(tool)

    def measure(self, argv: list[str], stdin: str, sink: str) -> Run:
        """Runs a command once. CPU time is of the command and of all that it started."""
        report = self.here / "time"
        with open(stdin, "rb") as source, open(sink, "w+b") as out, open(self.here / "errors", "w+b") as errors:
            timed = ["time", "-q", "-f", "%M", "-o", str(report), *argv]
            before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            process = subprocess.Popen(timed, stdin=source, stdout=out, stderr=errors, env=ENV)
            with Watch(self.fleet, process.pid) as watch:
                process.wait()
            wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        output = "" if sink == "/dev/null" else Path(sink).read_text(errors="replace")
        return Run(wall, cpu, int(report.read_text().split()[-1]), watch.tree, watch.open, output)

    def attempt(self, tool: str, count: int, dead: int, ways: tuple[str, ...], *more: str) -> Run:
        """Runs a tool once over so many hosts. Every live host has to be reached, and no other."""
        hosts, alive = self.fleet.hosts(count, dead, ways)
        file = self.here / "hosts"
        file.write_text("".join(f"{host}\n" for host in hosts))
        run = self.measure(self.argv(tool, str(file), WHERE, *more), str(file), str(self.here / "output"))
        if tool == "pssh-rs":
            check_records(run.output, hosts, alive)
        reached = re.findall(r"reached ([0-9.]+)", run.output)
        if sorted(reached) != sorted(alive):
            said = (self.here / "errors").read_text(errors="replace").strip().splitlines()[:2]
            raise Failed(f"reached {len(reached)} of {len(alive)} live hosts ({' '.join(said)})")
        return run

    def table(self, title: str, tools: tuple[str, ...], count: int, dead: int = 0, ways: tuple[str, ...] = tuple(DEAD),
              more: tuple[str, ...] = (), notes: tuple[str, ...] = (), job: str = "") -> dict[str, Series]:
        every, notes = {tool: Series(tool) for tool in tools}, [*notes]
        peer_runs = 3 if job and not QUICK else 1
        for turn in range(RUNS):
            for tool, series in [*every.items()]:
                # There is no time for more runs of a peer.
                if turn >= peer_runs and (tool != "pssh-rs" or sum(run.wall for run in series.runs) > BUDGET / 2):
                    continue
                try:
                    series.runs.append(self.attempt(tool, count, dead, ways, *more))
                except Failed as failed:
                    notes.append(fail(f"{tool}, {title}", failed))
                    del every[tool]
        rows = []
        for tool in tools:
            cells = {"wall": "FAILED"}
            if series := every.get(tool):
                cells = {
                    **series.spread(), "cpu": seconds(series.median("cpu")),
                    "cpu a host": seconds(series.median("cpu") / count), "peak": mebibytes(series.median("peak")),
                    "tree": mebibytes(series.median("tree")), "open": str(max(run.open for run in series.runs)),
                    "runs": str(len(series.runs)),
                }
            rows.append(Row(tool, cells, "Python library" if tool == "library" else tool))
        show(Table(title, rows, notes, ("wall", "cpu"), job))
        return every


class Watch:
    """Reads the memory of a process and its descendants, and the number of connections, while it runs."""

    def __init__(self, hosts: Fleet, pid: int):
        self.fleet, self.pid, self.tree, self.open = hosts, pid, 0, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def watch(self):
        while not self.over.wait(READ_EVERY):
            self.open = max(self.open, self.fleet.established())
            self.tree = max(self.tree, sum(map(proportional_memory, descendants(self.pid))))


def descendants(pid: int) -> list[int]:
    children = []
    # A process may end while it is read.
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
    return [*children, *(below for child in children for below in descendants(child))]


def proportional_memory(pid: int) -> int:
    """Returns the memory of a process in KiB. Memory that it shares with others is divided among them."""
    with contextlib.suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        if found := re.search(r"^Pss: +(\d+)", rollup, re.MULTILINE):
            return int(found[1])
    return 0


def check_records(output: str, hosts: list[str], alive: set[str]):
    records = [json.loads(line) for line in output.splitlines()]
    if sorted(record["host"] for record in records) != sorted(hosts):
        raise Failed(f"{len(records)} records for {len(hosts)} hosts")
    wrong = [record for record in records if record["status"] != ("ok" if record["host"] in alive else "unreachable")]
    if wrong:
        first = wrong[0]
        raise Failed(f"{len(wrong)} of {len(hosts)} records have a wrong status: "
                     f"{first['host']} is {first['status']}: {first['error']}")


def bench():
    begin_section("pssh-rs", f"""\
runs a command on hosts over SSH. All tools have a fanout of {FANOUT} and a connect timeout of {CONNECT_TIMEOUT} s. `cpu` is
of the tool and of all that it starts, without sshd; `peak` of its largest process; `tree` of all its processes together,
with shared memory divided among them; `open` is the highest number of connections that was seen. Peers run once, or three
times in the tables of the summary. `library` is the Python library parallel-ssh.""", "pssh-rs", "parallel-ssh", "clush",
                  pdsh=["pdsh", "-V"], ssh=["ssh", "-V"], library=python_version(PYTHON, "parallel-ssh"))
    if why := needs():
        print(leave_out("all tools", why))
        return
    peers = {"pssh": installed("parallel-ssh"), "pdsh": installed("pdsh"), "clush": installed("clush"),
             "library": PYTHON.exists()}
    for tool in [tool for tool, is_there in peers.items() if not is_there]:
        print(leave_out(tool, "not installed"))
    with scratch() as folder:
        here = Path(folder)
        here.chmod(0o755)
        (here / "fleet").mkdir()
        ENV["HOME"] = str(here)
        with fleet(here / "fleet") as hosts:
            measure_all(Bench(here, hosts), tuple(tool for tool, is_there in peers.items() if is_there))


def measure_all(bench: Bench, peers: tuple[str, ...]):
    # `one` has the peer that dead hosts delay least, for tables in which there is no time for all.
    every, one = ("pssh-rs", *peers), ("pssh-rs", *peers[:1])
    same = (f"ssh's is not its default but {SAME_KEX}, which libssh2 agrees on with this sshd too",)
    none = bench.table("200 hosts, none dead, each tool's own key exchange", every, 200,
                       job="Run a command on 200 hosts, default key exchange")
    cheaper_and_faster(none)
    if not QUICK:
        bench.table("200 hosts, none dead, the same key exchange for all", every, 200, more=(SAME_KEX,), notes=same,
                    job="Run a command on 200 hosts, same key exchange")
    for percent in (10,) if QUICK else (5, 10):
        title = f"200 hosts, {percent}% dead: {', '.join(DEAD)} in turn; the same key exchange"
        job = "Run a command on 200 hosts, 10% of them dead, same key exchange" if percent == 10 else ""
        tools = every if percent == 10 and not QUICK else one
        dead = bench.table(title, tools, 200, 2 * percent, more=(SAME_KEX,), job=job)
    one_timeout_longer(none.get("pssh-rs"), dead.get("pssh-rs"))
    if not QUICK:
        for way in DEAD:
            bench.table(f"200 hosts, 10% dead: {way}; the same key exchange", every, 200, 20, (way,), (SAME_KEX,))
        none = bench.table("1,000 hosts, none dead, the same key exchange", every, 1000, more=(SAME_KEX,))
        dead = bench.table("1,000 hosts, 10% dead, the same key exchange", one, 1000, 100, more=(SAME_KEX,))
        one_timeout_longer(none.get("pssh-rs"), dead.get("pssh-rs"))
    memory(bench, 200 if QUICK else 1000)
    throughput(bench, 256 if QUICK else 1024)


def cheaper_and_faster(every: dict[str, Series]):
    ours, peers = every.get("pssh-rs"), [every[tool] for tool in SSH_PEERS if tool in every]
    if ours and peers:
        cpu = min(peer.median("cpu") for peer in peers) / ours.median("cpu")
        wall = min(peer.median("wall") for peer in peers) / ours.median("wall")
        goal("CPU time for each host at least 25 times less than pssh, pdsh and clush", f"{digits(cpu)} times", cpu >= 25)
        goal("wall time at least 4 times less than the best of them", f"{digits(wall)} times", wall >= 4)


def one_timeout_longer(none: Series | None, dead: Series | None):
    if none and dead:
        longer = dead.median("wall") - none.median("wall")
        goal(f"10% dead take at most one connect timeout ({CONNECT_TIMEOUT} s) longer than none",
             f"{longer:.2f} s longer", longer <= CONNECT_TIMEOUT)


def memory(bench: Bench, most: int):
    """Measures the memory of a connection: all are open at once, and idle."""
    runs = {}
    for count in (1, most):
        file = bench.here / "hosts"
        file.write_text("".join(f"{host}\n" for host in bench.fleet.hosts(count)[0]))
        # sshd needs this long to accept all logins.
        command = f"sleep {1 if count == 1 else 3 + most // 40}"
        argv = bench.argv("pssh-rs", str(file), command, fanout=most)
        runs[count] = bench.measure(argv, str(file), "/dev/null")
    rows = [Row(f"pssh-rs: sleep on {count:,}", {"open at once": f"{run.open:,}", "peak": mebibytes(run.peak)})
            for count, run in runs.items()]
    title = f"Memory: {most:,} connections open at once (-f {most})"
    show(Table(title, rows, compared=()))
    opened, kib = runs[most].open, runs[most].peak - runs[1].peak
    if opened < most * 0.9:
        fail(title, Failed(f"only {opened} of {most} connections were open at once"))
        return
    goal("memory under 150 KiB an open connection", f"{kib / opened:.0f} KiB", kib / opened < 150)


def throughput(bench: Bench, mib: int):
    """Reads all output of one host."""
    host = bench.fleet.hosts(1)[0][0]
    file = bench.here / "hosts"
    file.write_text(f"{host}\n")
    command = f"head -c {mib}M /dev/zero"
    every = {tool: Series(tool) for tool in ("pssh-rs", "ssh")}
    for _ in range(min(RUNS, 3)):
        for tool, series in every.items():
            argv = bench.argv(tool, host if tool == "ssh" else "", command)
            series.runs.append(bench.measure(argv, str(file), "/dev/null"))
    rows = [Row(tool, {
        **series.spread(), "cpu": seconds(series.median("cpu")), "peak": mebibytes(series.median("peak")),
        "MiB a second": digits(mib / series.median("wall")), "runs": str(len(series.runs)),
    }) for tool, series in every.items()]
    show(Table(f"Throughput: {command} on one host, to /dev/null", rows, compared=("wall", "cpu"),
               job=f"Read {mib:,} MiB of output of one host"))
    slower = every["pssh-rs"].median("wall") / every["ssh"].median("wall")
    goal(f"{mib:,} MiB from one host within 20% of ssh's time", f"{slower - 1:+.0%}", slower <= 1.2)
