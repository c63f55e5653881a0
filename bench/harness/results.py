"""Results: figures in the rows of tables, and the tables of each tool in a section. They are printed as they come.

The first row of a table is the tool of this project, and the other rows are compared with it.
"""

import math
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from .settings import ROOT


@dataclass(frozen=True)
class Figure:
    value: float
    unit: str

    def __str__(self) -> str:
        if self.unit == "s" and self.value < 1:
            return f"{digits(self.value * 1e3)} ms"
        return f"{digits(self.value)} {self.unit}"


@dataclass
class Row:
    name: str
    # Cells by their columns.
    cells: dict[str, Figure | str]
    # The name of the program in the summary.
    program: str = ""
    # Whether it does less than the job, as `cat` of the same bytes, and only shows what is possible.
    is_reference: bool = False

    def __post_init__(self):
        self.program = self.program or self.name.split()[0]

    @property
    def is_peer(self) -> bool:
        """Whether it is another program that does the same job."""
        # The folder of a tool has its name.
        is_ours = (ROOT / self.name.split()[0] / "Cargo.toml").exists()
        return not (is_ours or self.is_reference)


@dataclass(frozen=True)
class Comparison:
    """A row next to the first row of its table."""

    row: Row
    figure: Figure
    ours: Figure
    # "less cpu" and "more cpu", for example: what ours is if its figure is smaller, and if it is larger.
    words: tuple[str, str]

    @property
    def ratio(self) -> float:
        """How many times ours the row's figure is. Below 1, the other program does better."""
        return self.figure.value / self.ours.value

    @property
    def times(self) -> str:
        return f"{digits(self.ratio)}x"

    def __str__(self) -> str:
        smaller, larger = self.words
        return f"{digits(self.ratio)}x {smaller}" if self.ratio >= 1 else f"{digits(1 / self.ratio)}x {larger}"


@dataclass
class Table:
    title: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    # The columns in which the rows are compared, the most important one first.
    compared: tuple[str, ...] = ("wall",)
    # What the summary calls the job; it leaves out a table without this.
    job: str = ""
    goals: list[str] = field(default_factory=list)

    def comparisons(self, row: Row, *columns: str) -> Iterator[Comparison]:
        """Compares a row with the first row, in these columns or in those that the table compares."""
        for column in columns or self.compared:
            ours, figure = self.rows[0].cells.get(column), row.cells.get(column)
            both = isinstance(ours, Figure) and isinstance(figure, Figure)
            if both and row is not self.rows[0] and ours.value > 0 and figure.value > 0:
                yield Comparison(row, figure, ours, words(column, figure.unit))

    def peers(self) -> list[Comparison]:
        """The other programs in the first column that is compared."""
        first = [next(self.comparisons(row), None) for row in self.rows if row.is_peer]
        return [comparison for comparison in first if comparison]

    def lines(self) -> list[list[str]]:
        """The table as text, the header first."""
        columns = list(dict.fromkeys(column for row in self.rows for column in row.cells))
        versus = [", ".join(map(str, self.comparisons(row))) for row in self.rows]
        last = [f"{self.rows[0].name.split()[0]} is"] if any(versus) else []
        lines = [["command", *columns, *last]]
        for row, comparison in zip(self.rows, versus):
            lines.append([row.name, *(str(row.cells.get(column, "")) for column in columns), *([comparison] if last else [])])
        return lines


@dataclass
class Section:
    tool: str
    about: str
    # The programs that are measured, with what each prints as its version.
    versions: dict[str, str]
    tables: list[Table] = field(default_factory=list)


sections: list[Section] = []
failures: list[str] = []
# Programs that could not be measured.
left_out: list[str] = []


def begin(section: Section):
    sections.append(section)
    print(f"\n{section.tool} {section.about}")
    for program, version in section.versions.items():
        print(f"  {program}: {version}", flush=True)


def show(table: Table):
    """Adds a table to the section, and prints it."""
    sections[-1].tables.append(table)
    lines = table.lines()
    widths = [max(map(len, column)) for column in zip(*lines)]
    print(f"\n{table.title}")
    for name, *cells in lines:
        cells = (cell.rjust(width) for cell, width in zip(cells, widths[1:]))
        print(f"  {name.ljust(widths[0])}  {'  '.join(cells)}".rstrip())
    for note in table.notes:
        print(f"  * {note}")
    sys.stdout.flush()


def goal(what: str, value: str, met: bool):
    """Adds a goal of the project, and whether it is met, to the last table."""
    goal = f"{what}: {value}: {'met' if met else 'MISSED'}"
    sections[-1].tables[-1].goals.append(goal)
    print(f"  goal: {goal}", flush=True)


def leave_out(program: str, why: str) -> str:
    """Keeps in mind that a program is not measured. Returns a note that says so."""
    left_out.append(program)
    return f"left out: {program}: {why}"


def fail(what: str, why: Exception) -> str:
    """Adds a failure. Returns a note that says so."""
    failures.append(f"{what}: {why}")
    return f"FAILED: {what}: {why}"


def spread(walls: list[float]) -> dict[str, Figure]:
    """The cells of some wall times, in seconds."""
    return {"wall": seconds(statistics.median(walls)), "min": seconds(min(walls)), "max": seconds(max(walls))}


def words(column: str, unit: str) -> tuple[str, str]:
    if column in ("cpu", "peak"):
        what = {"cpu": "cpu", "peak": "memory"}[column]
        return f"less {what}", f"more {what}"
    return ("faster", "slower") if unit == "s" else ("smaller", "larger")


def seconds(value: float) -> Figure:
    return Figure(value, "s")


def mebibytes(kibibytes: float) -> Figure:
    return Figure(kibibytes / 1024, "MiB")


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def digits(value: float) -> str:
    """Three significant digits, never as a power of ten."""
    return f"{value:,.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"
