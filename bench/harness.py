"""Runs commands that do the same job, in turn, and prints a table for each job. No time is asserted.

Time and CPU are measured with posix_spawn and wait4, because GNU time has only hundredths of a second. The peak of memory
is measured with GNU time in a separate run, because the ru_maxrss of a child process begins with the memory of its parent,
and Python needs more than most of these commands.
"""

import hashlib
import math
import os
import shlex
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# BENCH_BUILD=debug tries a bench out without a release build.
BIN = (ROOT / os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / (os.environ.get("BENCH_BUILD") or "release")
RUNS = os.environ.get("BENCH_RUNS") or "5"
if not RUNS.isdecimal() or int(RUNS) == 0:
    sys.exit(f"bench: BENCH_RUNS should be a number of runs, as in BENCH_RUNS=5; it is {RUNS}")
RUNS = int(RUNS)
QUICK = os.environ.get("QUICK", "") not in ("", "0")
# The time limit of a command in one table. A slower command runs less often, but at least once.
BUDGET = 1.5 * RUNS

# No other variables of the user: BASH_ENV or a group file of nodeset would be measured too.
ENV = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": "/nonexistent", "LC_ALL": "C"}

failures: list[str] = []


class Failed(Exception):
    """A command failed, or printed something else than it should."""


@dataclass(frozen=True)
class Text:
    """What a command prints or should print: enough to see a difference, and to say which."""

    size: int
    lines: int
    first: str
    last: str
    digest: str

    @classmethod
    def of(cls, chunks: Iterable[bytes]) -> "Text":
        size, lines, head, tail, digest = 0, 0, b"", b"", hashlib.sha256()
        for chunk in chunks:
            size += len(chunk)
            lines += chunk.count(b"\n")
            head = (head + chunk[:72])[:72]
            tail = (tail + chunk[-72:])[-72:]
            digest.update(chunk)
        first = head.split(b"\n")[0].decode(errors="replace")
        last = tail.removesuffix(b"\n").split(b"\n")[-1].decode(errors="replace")
        return cls(size, lines, first, last, digest.hexdigest())

    def __str__(self) -> str:
        first, last = self.first[:40], self.last[-40:]
        ends = first if first == last else f"{first} ... {last}"
        return f"{self.size:,} bytes, {self.lines:,} line{'s' * (self.lines != 1)}: {ends} (sha256 {self.digest[:8]})"


@dataclass(frozen=True)
class Command:
    argv: list[str]
    # The expected output, or a function that raises `Failed` if the output is wrong.
    prints: Text | Callable[[bytes], None]
    stdin: str = "/dev/null"
    label: str = ""
    # Whether it is also measured with a pipe, if the others are.
    piped: bool = True
    # How many units of `per` (see `compare`) it processes.
    number: int = 1


@dataclass
class Row:
    command: Command
    failed: str = ""
    peak: int = 0
    wanted: int = 0
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.command.label or shlex.join(self.command.argv)

    @property
    def wall(self) -> float:
        return statistics.median(self.walls)

    @property
    def each(self) -> float:
        return self.wall / self.command.number

    def attempt(self, step, *args):
        """Takes a step, unless one has failed."""
        if not self.failed:
            try:
                step(self, *args)
            except Failed as failed:
                self.failed = str(failed)
                failures.append(f"{self.name}: {failed}")


def compare(title: str, commands: list[Command], file: str = "", runs: int = RUNS, notes: Iterable[str] = (),
            per: str = ""):
    """Prints what the commands take. The first is the one that the others are compared with.

    With a `file`, which holds what they print, they also run into a pipe, next to a `cat` of it. With `per`, as in
    "host", they are compared by what each of their `number` takes.
    """
    notes = [*notes]
    rows = []
    for command in commands:
        if installed(command.argv[0]):
            rows.append(Row(command))
            rows[-1].attempt(check)
        else:
            notes.append(f"left out: {command.argv[0]} is not installed")
    table(f"{title}, to /dev/null" if file else title, rows, False, runs, notes, per)
    if file:
        rows = [Row(row.command, row.failed) for row in rows if row.command.piped]
        rows.append(Row(Command(["cat", file], commands[0].prints, label="cat FILE")))
        rows[-1].attempt(check)
        table(f"{title}, through a pipe: COMMAND | cat >/dev/null", rows, True, runs,
              ["cat FILE has the same bytes in memory: about what the pipe itself allows"])


def check(row: Row):
    prints = row.command.prints
    read = Text.of if isinstance(prints, Text) else b"".join
    got, status = output_of(row.command.argv, row.command.stdin, read)
    if status:
        raise Failed(f"exit status {status}")
    if not isinstance(prints, Text):
        prints(got)
    elif got != prints:
        raise Failed(f"printed {got}; should have printed {prints}")


def printed(argv: list[str], stdin: str = "/dev/null") -> tuple[Text, int]:
    """What a command prints, and its exit status."""
    return output_of(argv, stdin, Text.of)


def output_of(argv: list[str], stdin: str, read: Callable):
    """What `read` makes of a command's output, and its exit status."""
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as output:
        with open(stdin, "rb") as source, open(writer, "wb"):
            pid = start(argv, source.fileno(), writer)
        got = read(iter(lambda: output.read(1 << 20), b""))
    return got, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def table(title: str, rows: list[Row], piped: bool, runs: int, notes: list[str], per: str = ""):
    for row in rows:
        row.attempt(first_run, piped, runs)
    # In turn, so a busy time of the machine affects all of them.
    for turn in range(runs):
        for row in rows:
            if len(row.walls) < row.wanted and turn < row.wanted:
                row.attempt(next_run, piped)

    subject = rows[0]
    each = [f"a {per}"] if per else []
    lines = [("command", "wall", "min", "cpu", "peak", "runs", *each, f"{subject.command.argv[0]} is")]
    for row in rows:
        if row.failed:
            lines.append((row.name, "FAILED", *[""] * (len(lines[0]) - 2)))
            notes = [*notes, f"FAILED: {row.name}: {row.failed}"]
            continue
        each = [seconds(row.each)] if per else []
        ratio = "" if row is subject or subject.failed else versus(row.each / subject.each)
        cpu = statistics.median(row.cpus)
        lines.append((row.name, seconds(row.wall), seconds(min(row.walls)), seconds(cpu), mebibytes(row.peak),
                      str(len(row.walls)), *each, ratio))
    show(title, lines, notes)


def show(title: str, lines: list[tuple[str, ...]], notes: Iterable[str] = ()):
    """Prints lines of cells, the first being the header."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    print(f"\n{title}")
    for name, *cells in lines:
        cells = (cell.rjust(width) for cell, width in zip(cells, widths[1:]))
        print(f"  {name.ljust(widths[0])}  {'  '.join(cells)}".rstrip())
    for note in notes:
        print(f"  * {note}")
    sys.stdout.flush()


def first_run(row: Row, piped: bool, runs: int):
    """Warms up, and tells the peak and how many runs there is time for."""
    with tempfile.NamedTemporaryFile("r") as report:
        time_argv = ["time", "-f", "%M", "-o", report.name, *row.command.argv]
        wall, cpu = measure(time_argv, row.command.stdin, piped)
        row.peak = int(report.read())
    row.wanted = max(1, min(runs, int(BUDGET / wall)))
    # For such a slow command, the time of GNU time itself does not matter, and another run would take too long.
    if wall > BUDGET / 2:
        row.walls, row.cpus = [wall], [cpu]


def next_run(row: Row, piped: bool):
    wall, cpu = measure(row.command.argv, row.command.stdin, piped)
    row.walls.append(wall)
    row.cpus.append(cpu)


def measure(argv: list[str], stdin: str, piped: bool) -> tuple[float, float]:
    """Runs a command once: the seconds until it and what reads its pipe have ended, and those of CPU, its own alone."""
    with open(stdin, "rb") as source, open("/dev/null", "r+b", buffering=0) as null:
        reader = None
        output = os.dup(null.fileno())
        if piped:
            end, output = os.pipe()
            reader = start(["cat"], end, null.fileno())
            os.close(end)
        begun = time.perf_counter()
        pid = start(argv, source.fileno(), output)
        os.close(output)
        _, status, usage = os.wait4(pid, 0)
        if reader:
            os.waitpid(reader, 0)
        wall = time.perf_counter() - begun
    if code := os.waitstatus_to_exitcode(status):
        raise Failed(f"exit status {code}")
    return wall, usage.ru_utime + usage.ru_stime


def start(argv: list[str], stdin: int, stdout: int) -> int:
    path = installed(argv[0])
    actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)]
    # Python ignores SIGPIPE, and a child process would inherit that.
    return os.posix_spawn(path, argv, ENV, file_actions=actions, setsigdef=[signal.SIGPIPE])


def installed(command: str) -> str | None:
    """Its path, if it is there."""
    return shutil.which(command, path=ENV["PATH"])


def scratch() -> tempfile.TemporaryDirectory:
    """A folder for input, in memory where there is room for it (a container may have only 64 MB of it)."""
    shm = "/dev/shm"
    roomy = os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 1 << 30
    return tempfile.TemporaryDirectory(prefix="cerveza-bench-", dir=shm if roomy else None)


def available_gib() -> float:
    return int(proc("meminfo", "MemAvailable").split()[0]) / (1 << 20)


def head(*tools: str):
    """Prints the machine, the versions of the tools, and how to read the tables."""
    model = proc("cpuinfo", "model name")
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    print(f"{cores} core{'s' * (cores != 1)} of {model}, Linux {os.uname().release}, load {load:.2f} at the start")
    for tool in tools:
        if installed(tool):
            print(f"  {tool}: {printed([tool, '--version'])[0].first}")
    print(f"""\
Medians of {RUNS} runs, or as many as it says: of slow commands fewer. Each command's runs take turns with the others'.
wall: until the command, and what reads its pipe, have ended. cpu: user and system, of the command alone.
peak: resident memory, of a run of its own.""", flush=True)


def proc(file: str, key: str) -> str:
    for line in Path("/proc", file).read_text().splitlines():
        if line.startswith(key):
            return line.split(":")[1].strip()
    return "?"


def versus(ratio: float) -> str:
    return f"{digits(ratio)}x faster" if ratio >= 1 else f"{digits(1 / ratio)}x slower"


def seconds(value: float) -> str:
    return f"{digits(value)} s" if value >= 1 else f"{digits(value * 1e3)} ms"


def mebibytes(kibibytes: int) -> str:
    return f"{digits(kibibytes / 1024)} MiB"


def digits(value: float) -> str:
    """Three digits that count, in plain notation."""
    return f"{value:,.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"
