"""Compares pssh-rs with pssh, pdsh, clush and the Python library parallel-ssh.

The hosts are one sshd on 127.0.0.0/8. Dead hosts are in a second network (pssh-rs/fleet.py). It needs root.
"""

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

from harness import (BIN, BUDGET, ENV, QUICK, ROOT, RUNS, Failed, digits, failures, head, installed, mebibytes, scratch,
                     seconds, show)

sys.path.insert(0, str(ROOT / "bench/pssh-rs"))
from fleet import DEAD, PORT, USER, Fleet, fleet, needs  # noqa: E402

FANOUT, CONNECT_TIMEOUT = 64, 5
# Prints the address that was reached, in any shell.
WHERE = "set -- $SSH_CONNECTION; echo reached $3"
PYTHON = BIN.parent / "venv-bench/bin/python"
# What OpenSSH and libssh2 both have.
SAME_KEX = "KexAlgorithms=curve25519-sha256"
# How often memory is read, of the tool and of all its processes. More often would take CPU time from the tool.
LOOK = 0.5
SSH_PEERS = "pssh", "pdsh", "clush"


@dataclass
class Run:
    """What one run took."""

    wall: float
    cpu: float
    peak: int  # KiB, of the largest process
    tree: int  # KiB, of all processes together
    open: int
    output: str


@dataclass
class Row:
    tool: str
    runs: list[Run] = field(default_factory=list)

    def median(self, what: str) -> float:
        return statistics.median(getattr(run, what) for run in self.runs)


class Bench:
    def __init__(self, here: Path, hosts: Fleet):
        self.here, self.fleet = here, hosts

    def argv(self, tool: str, hosts: str, command: str, *more: str, fanout: int = FANOUT) -> list[str]:
        """`more` are options of ssh."""
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
        """Runs a command once. CPU is of it and of all that it waited for, which is all that it started."""
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
        """One run over so many hosts, every live one of which has to be reached, and no other."""
        hosts, alive = self.fleet.hosts(count, dead, ways)
        file = self.here / "hosts"
        file.write_text("".join(f"{host}\n" for host in hosts))
        run = self.measure(self.argv(tool, str(file), WHERE, *more), str(file), str(self.here / "output"))
        reached = re.findall(r"reached ([0-9.]+)", run.output)
        if sorted(reached) != sorted(alive):
            said = (self.here / "errors").read_text(errors="replace").strip().splitlines()[:2]
            raise Failed(f"reached {len(reached)} of {len(alive)} live hosts ({' '.join(said)})")
        if tool == "pssh-rs":
            check_records(run.output, hosts, alive)
        return run

    def table(self, title: str, tools: tuple[str, ...], count: int, dead: int = 0, ways: tuple[str, ...] = tuple(DEAD),
              more: tuple[str, ...] = (), notes: tuple[str, ...] = ()) -> dict[str, Row]:
        rows, notes = {tool: Row(tool) for tool in tools}, [*notes]
        for turn in range(RUNS):
            for tool, row in [*rows.items()]:
                # There is only time for one run of a peer.
                if turn and (tool != "pssh-rs" or sum(run.wall for run in row.runs) > BUDGET / 2):
                    continue
                try:
                    row.runs.append(self.attempt(tool, count, dead, ways, *more))
                except Failed as failed:
                    failures.append(f"{tool}, {title}: {failed}")
                    notes.append(f"FAILED: {tool}: {failed}")
                    del rows[tool]
        lines = [("tool", "wall", "min", "cpu", "cpu a host", "peak", "tree", "open", "runs", "wall is", "cpu is")]
        ours = rows.get("pssh-rs")
        for tool, row in rows.items():
            wall, cpu = row.median("wall"), row.median("cpu")
            ratios = ("", "")
            if ours and row is not ours:
                ratios = times(wall / ours.median("wall")), times(cpu / ours.median("cpu"))
            lines.append((tool, seconds(wall), seconds(min(run.wall for run in row.runs)), seconds(cpu),
                          seconds(cpu / count), mebibytes(row.median("peak")), mebibytes(row.median("tree")),
                          str(max(run.open for run in row.runs)), str(len(row.runs)), *ratios))
        show(title, lines, notes)
        return rows


class Watch:
    """Looks at a process and all below it, and at the connections, while it runs."""

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
        while not self.over.wait(LOOK):
            self.open = max(self.open, self.fleet.established())
            self.tree = max(self.tree, sum(map(share, below(self.pid))))


def below(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            found += [child, *below(child)]
    return found


def share(pid: int) -> int:
    """A process's memory in KiB, what it shares with others counted by its share."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(re.search(r"^Pss: +(\d+)", rollup, re.MULTILINE)[1])


def check_records(output: str, hosts: list[str], alive: set[str]):
    records = [json.loads(line) for line in output.splitlines()]
    if sorted(record["host"] for record in records) != sorted(hosts):
        raise Failed(f"{len(records)} records for {len(hosts)} hosts")
    for record in records:
        status, wanted = record["status"], ("ok" if record["host"] in alive else "unreachable")
        if status != wanted:
            raise Failed(f"{record['host']} is {status}, not {wanted}: {record['error']}")


def bench():
    if why := needs():
        print(f"pssh-rs: left out: {why}")
        return
    peers = tuple(tool for tool, there in (("pssh", installed("parallel-ssh")), ("pdsh", installed("pdsh")),
                  ("clush", installed("clush")), ("library", PYTHON.exists())) if there)
    head("pssh-rs", "parallel-ssh", "clush")
    library = version(str(PYTHON), "-m", "pip", "show", "parallel-ssh", line=1)
    print(f"""\
pdsh: {version("pdsh", "-V")}; library, which is parallel-ssh of PyPI: {library}
ssh: {version("ssh", "-V")}
A fanout of {FANOUT} for all, and a connect timeout of {CONNECT_TIMEOUT} s. Every run is checked.
cpu is of the tool and all that it starts, not of sshd; peak of its largest process; tree of all its processes together,
with shared memory divided; open the most connections seen at once. Peers run once.""", flush=True)
    with scratch() as folder:
        here = Path(folder)
        here.chmod(0o755)
        (here / "fleet").mkdir()
        ENV["HOME"] = str(here)
        with fleet(here / "fleet") as hosts:
            measure_all(Bench(here, hosts), peers)


def version(*argv: str, line: int = 0) -> str:
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENV)
        return done.stdout.splitlines()[line]
    except (OSError, IndexError):
        return "not installed"


def measure_all(bench: Bench, peers: tuple[str, ...]):
    # If there is no time for all peers, the one that dead hosts delay least.
    every, one = ("pssh-rs", *peers), ("pssh-rs", *peers[:1])
    same = (f"ssh's is not its default but {SAME_KEX}, which libssh2 agrees on with this sshd too",)
    rows = bench.table("200 hosts, none dead, each tool's own key exchange", every, 200)
    cheaper_and_faster(rows, 200)
    if not QUICK:
        bench.table("200 hosts, none dead, the same key exchange for all", every, 200, 0, more=(SAME_KEX,), notes=same)
    none = rows.get("pssh-rs")
    for percent in (10,) if QUICK else (5, 10):
        title = f"200 hosts, {percent}% dead: {', '.join(DEAD)} in turn; the same key exchange"
        dead = bench.table(title, every if percent == 10 and not QUICK else one, 200, 2 * percent, more=(SAME_KEX,))
    one_timeout_longer(none, dead.get("pssh-rs"))
    if not QUICK:
        for way in DEAD:
            bench.table(f"200 hosts, 10% dead: {way}; the same key exchange", every, 200, 20, (way,), (SAME_KEX,))
        rows = bench.table("1,000 hosts, none dead, the same key exchange", every, 1000, more=(SAME_KEX,))
        dead = bench.table("1,000 hosts, 10% dead, the same key exchange", one, 1000, 100, more=(SAME_KEX,))
        one_timeout_longer(rows.get("pssh-rs"), dead.get("pssh-rs"))
    memory(bench, 200 if QUICK else 1000)
    throughput(bench, 256 if QUICK else 1024)


def cheaper_and_faster(rows: dict[str, Row], count: int):
    peers = [rows[tool] for tool in SSH_PEERS if tool in rows]
    if "pssh-rs" in rows and peers:
        ours = rows["pssh-rs"]
        cpu = min(row.median("cpu") for row in peers) / ours.median("cpu")
        wall = min(row.median("wall") for row in peers) / ours.median("wall")
        goal("cpu a host at least 25 times less than pssh, pdsh and clush", f"{digits(cpu)} times", cpu >= 25)
        goal("wall at least 4 times less than the best of them", f"{digits(wall)} times", wall >= 4)


def one_timeout_longer(none: Row | None, dead: Row | None):
    if none and dead:
        longer = dead.median("wall") - none.median("wall")
        goal(f"10% dead take at most one connect timeout ({CONNECT_TIMEOUT} s) longer than none",
             f"{longer:.2f} s longer", longer <= CONNECT_TIMEOUT)


def memory(bench: Bench, most: int):
    """What a connection takes: all are open at once, and idle."""
    peaks = {}
    for count in (1, most):
        file = bench.here / "hosts"
        file.write_text("".join(f"{host}\n" for host in bench.fleet.hosts(count)[0]))
        # As long as sshd needs to accept all logins.
        command = f"sleep {1 if count == 1 else 3 + most // 40}"
        argv = bench.argv("pssh-rs", str(file), command, fanout=most)
        peaks[count] = bench.measure(argv, str(file), "/dev/null")
    opened, kib = peaks[most].open, peaks[most].peak - peaks[1].peak
    lines = [("command", "hosts", "open at once", "peak"),
             *(("pssh-rs: sleep", f"{count:,}", f"{run.open:,}", mebibytes(run.peak)) for count, run in peaks.items())]
    show(f"Memory: {most:,} connections open at once (-f {most})", lines)
    if opened < most * 0.9:
        failures.append(f"memory: only {opened} of {most} connections were open at once")
        return
    goal("memory under 150 KiB an open connection", f"{kib / opened:.0f} KiB", kib / opened < 150)


def throughput(bench: Bench, mib: int):
    """All of one host's output, read to its end."""
    host = bench.fleet.hosts(1)[0][0]
    file = bench.here / "hosts"
    file.write_text(f"{host}\n")
    command = f"head -c {mib}M /dev/zero"
    rows = {tool: Row(tool) for tool in ("ssh", "pssh-rs")}
    for _ in range(min(RUNS, 3)):
        for tool, row in rows.items():
            row.runs.append(bench.measure(bench.argv(tool, host if tool == "ssh" else "", command), str(file),
                                          "/dev/null"))
    lines = [("command", "wall", "cpu", "peak", "MiB a second")]
    for tool, row in rows.items():
        wall = row.median("wall")
        lines.append((tool, seconds(wall), seconds(row.median("cpu")), mebibytes(row.median("peak")),
                      digits(mib / wall)))
    show(f"Throughput: {command} on one host, to /dev/null", lines)
    slower = rows["pssh-rs"].median("wall") / rows["ssh"].median("wall")
    goal("1 GB from one host within 20% of ssh's time", f"{slower - 1:+.0%}", slower <= 1.2)


def goal(what: str, is_now: str, met: bool):
    print(f"  goal: {what}: {is_now}: {'met' if met else 'MISSED'}", flush=True)


def times(ratio: float) -> str:
    return f"{digits(ratio)}x"
