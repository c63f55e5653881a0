"""Runs commands that do the same job, in turn, and shows a table for each job. No time is asserted.

Time and CPU are measured with posix_spawn and wait4, because GNU time has only hundredths of a second. The peak of memory
is measured with GNU time in a separate run, because the ru_maxrss of a child process begins with the memory of its parent,
and Python needs more than most of these commands.
"""

import hashlib
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .results import Row, Section, Table, begin, fail, leave_out, mebibytes, plural, seconds, show, spread
from .settings import BIN, RUNS

# The time limit of a command in one table. A slower command runs less often, but at least once.
BUDGET = 1.5 * RUNS

HOW_TO_READ = f"""\
Figures are medians of {plural(RUNS, "run")}, or of as many as the column `runs` says: slow commands run less often. The commands of a
table take turns. `wall`: seconds until the command, and what reads its pipe, have ended; `min` and `max`: the fastest and
the slowest run. `cpu`: user and system time of the command alone. `peak`: resident memory, from a separate run. What each
command prints is checked."""

# The environment of the commands. No other variables of the user: BASH_ENV or a group file of nodeset would be measured too.
ENV: dict[str, str] = {}


def clean_environment():
    """Removes what a bench has set."""
    ENV.clear()
    ENV.update(PATH=f"{BIN}:{os.environ['PATH']}", HOME="/nonexistent", LC_ALL="C")


class Failed(Exception):
    """A command failed, or printed the wrong thing."""


@dataclass(frozen=True)
class Text:
    """What a command prints or should print: enough to see a difference and to describe it."""

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
        return f"{self.size:,} bytes, {plural(self.lines, 'line')}: {ends} (sha256 {self.digest[:8]})"


@dataclass(frozen=True)
class Command:
    argv: list[str]
    # The expected output, or a function that raises `Failed` if the output is wrong.
    prints: Text | Callable[[bytes], None]
    stdin: str = "/dev/null"
    label: str = ""
    # See `Row`.
    program: str = ""
    is_reference: bool = False
    # Whether it is also measured with a pipe, if the others are.
    piped: bool = True
    # How many units of `per` (see `compare`) it processes.
    number: int = 1


@dataclass
class Series:
    """The runs of a command."""

    command: Command
    failed: bool = False
    peak: int = 0  # KiB
    wanted: int = 0
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.command.label or shlex.join(self.command.argv)

    def attempt(self, step: Callable, notes: list[str], *args):
        """Takes a step, unless an earlier one has failed."""
        if not self.failed:
            try:
                step(self, *args)
            except Failed as why:
                self.failed = True
                notes.append(fail(self.name, why))

    def row(self, per: str) -> Row:
        if self.failed:
            cells = {"wall": "FAILED"}
        else:
            cells = {**spread(self.walls), "cpu": seconds(statistics.median(self.cpus)), "peak": mebibytes(self.peak),
                     "runs": str(len(self.walls))}
            if per:
                cells[f"a {per}"] = seconds(statistics.median(self.walls) / self.command.number)
        return Row(self.name, cells, self.command.program, self.command.is_reference)


def compare(title: str, commands: list[Command], file: str = "", runs: int = RUNS, notes: Iterable[str] = (),
            per: str = "", job: str = ""):
    """Shows what the commands take. The first is the one that the others are compared with.

    With a `file`, which holds what they print, they also run into a pipe, next to a `cat` of it. With `per`, as in
    "host", they are compared by what each of their `number` takes. With a `job`, they are in the summary.
    """
    notes, every = [*notes], []
    for command in commands:
        if installed(command.argv[0]):
            every.append(Series(command))
            every[-1].attempt(check, notes)
        else:
            notes.append(leave_out(command.argv[0], "not installed"))
    if not file:
        return measure_in_turn(title, every, False, runs, notes, per, job)
    measure_in_turn(f"{title}, to /dev/null", every, False, runs, notes, per)
    notes = ["cat FILE has the same bytes in memory: about what the pipe itself allows"]
    piped = [Series(series.command, series.failed) for series in every if series.command.piped]
    piped.append(Series(Command(["cat", file], commands[0].prints, label="cat FILE", is_reference=True)))
    piped[-1].attempt(check, notes)
    measure_in_turn(f"{title}, through a pipe: COMMAND | cat >/dev/null", piped, True, runs, notes, per, job)


def measure_in_turn(title: str, every: list[Series], piped: bool, runs: int, notes: list[str], per: str = "", job: str = ""):
    for series in every:
        series.attempt(first_run, notes, piped, runs)
    # In turn, so a busy time of the machine affects all of them.
    for turn in range(runs):
        for series in every:
            if len(series.walls) < series.wanted and turn < series.wanted:
                series.attempt(next_run, notes, piped)
    compared = (f"a {per}",) if per else ("wall",)
    show(Table(title, [series.row(per) for series in every], notes, compared, job))


def check(series: Series):
    prints = series.command.prints
    read = Text.of if isinstance(prints, Text) else b"".join
    got, status = output_of(series.command.argv, series.command.stdin, read)
    if status:
        raise Failed(f"exit status {status}")
    if not isinstance(prints, Text):
        prints(got)
    elif got != prints:
        raise Failed(f"printed {got}; should have printed {prints}")


def printed(argv: list[str], stdin: str = "/dev/null") -> tuple[Text, int]:
    """Returns what a command prints, and its exit status."""
    return output_of(argv, stdin, Text.of)


def output_of(argv: list[str], stdin: str, read: Callable):
    """Returns what `read` makes of a command's output, and its exit status."""
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as output:
        with open(stdin, "rb") as source, open(writer, "wb"):
            pid = start(argv, source.fileno(), writer)
        got = read(iter(lambda: output.read(1 << 20), b""))
    return got, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def first_run(series: Series, piped: bool, runs: int):
    """Warms up, and measures the peak and how many runs there is time for."""
    with tempfile.NamedTemporaryFile("r") as report:
        time_argv = ["time", "-f", "%M", "-o", report.name, *series.command.argv]
        wall, cpu = measure(time_argv, series.command.stdin, piped)
        series.peak = int(report.read())
    series.wanted = max(1, min(runs, int(BUDGET / wall)))
    # For such a slow command, the time of GNU time itself does not matter, and another run would take too long.
    if wall > BUDGET / 2:
        series.walls, series.cpus = [wall], [cpu]


def next_run(series: Series, piped: bool):
    wall, cpu = measure(series.command.argv, series.command.stdin, piped)
    series.walls.append(wall)
    series.cpus.append(cpu)


def measure(argv: list[str], stdin: str, piped: bool) -> tuple[float, float]:
    """Runs a command once. Returns the wall time, until what reads its pipe has ended too, and its own CPU time."""
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
    """Returns the path of a command, if it is there."""
    return shutil.which(command, path=ENV["PATH"])


def scratch() -> tempfile.TemporaryDirectory:
    """A folder for input, in memory where there is room for it (a container may have only 64 MB of it)."""
    shm = "/dev/shm"
    roomy = os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 1 << 30
    return tempfile.TemporaryDirectory(prefix="cerveza-bench-", dir=shm if roomy else None)


def begin_section(tool: str, about: str, *programs: str, **others: list[str]):
    """Begins the section of a tool. `programs` print their version with --version, `others` with the given command."""
    commands = {**{program: [program, "--version"] for program in programs}, **others}
    begin(Section(tool, about, {program: version(argv) for program, argv in commands.items()}))


def version(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENV)
    except OSError:
        return "not installed"
    return done.stdout.partition("\n")[0] if done.returncode == 0 else "not installed"


def debian_version(package: str) -> list[str]:
    """The command that prints the version of an installed package, for a program that does not print one."""
    return ["dpkg-query", "--show", "--showformat", f"{package} ${{Version}}", package]


def python_version(python: Path, package: str) -> list[str]:
    code = f"from importlib.metadata import version; print('{package}', version('{package}'))"
    return [str(python), "-c", code]
