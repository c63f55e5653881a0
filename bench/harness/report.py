"""Writes the results as Markdown: a page of all tables, and the summary of it, which the README shows too."""

from pathlib import Path

from . import chart
from .measure import HOW_TO_READ
from .results import Comparison, Row, Section, Table
from .settings import ROOT

README = ROOT / "README.md"
# A few MiB more or less do not matter to a user.
MUCH_MEMORY = 16
# Lines of both pages, between which the summary is.
BEGIN, END = "<!-- Figures of make bench -->", "<!-- End of figures -->"


def write(folder: Path, sections: list[Section], about: list[str]) -> list[Path]:
    """Writes the page of results and its chart into a folder. Returns the files."""
    folder.mkdir(exist_ok=True)
    page, picture = folder / "RESULTS.md", folder / "results.svg"
    page.write_text(results_page(sections, about))
    picture.write_text(chart.draw(jobs(sections)))
    return [page, picture]


def update_readme(sections: list[Section]):
    before, after = around_summary()
    README.write_text(before + summary(sections, "bench/results.svg") + after)


def around_summary() -> tuple[str, str]:
    """Returns the text of the README before and after the summary."""
    before, begins, rest = README.read_text().partition(f"{BEGIN}\n")
    _, ends, after = rest.partition(f"{END}\n")
    if not (begins and ends):
        raise SystemExit(f"bench: README.md does not have both lines {BEGIN} and {END}; the figures go between them")
    return before, after


def jobs(sections: list[Section]) -> list[Table]:
    """Returns the tables of the summary."""
    return [table for section in sections for table in section.tables if table.job and table.peers()]


def results_page(sections: list[Section], about: list[str]) -> str:
    return "\n".join([
        "# Results",
        "",
        "`make bench` measures the tools next to other programs that do the same job, and writes this page.",
        "",
        *(f"- {line}" for line in about),
        "",
        summary(sections, "results.svg"),
        "## Where another program does better",
        "",
        *where_peers_are_better(sections),
        "",
        "## How to read the tables",
        "",
        HOW_TO_READ,
        "",
        *(line for section in sections for line in section_lines(section)),
    ])


def summary(sections: list[Section], picture: str) -> str:
    lines = [BEGIN, f"![How much longer other programs take, as a chart]({picture})", "",
             "| job | cerveza | other programs |", "|---|---|---|"]
    for table in jobs(sections):
        peers = table.peers()
        others = ", ".join(map(time_of_peer, peers))
        lines.append(f"| {table.job} | {table.rows[0].program} {peers[0].ours} | {others} |")
    lines += ["", "In brackets: the time of a program as a multiple of cerveza's, bold where the program is faster.", END]
    return "\n".join(lines) + "\n"


def time_of_peer(peer: Comparison) -> str:
    times = f"**{peer.times}**" if peer.ratio < 1 else peer.times
    return f"{peer.row.program} {peer.figure} ({times})"


def where_peers_are_better(sections: list[Section]) -> list[str]:
    rows = [(section.tool, table.title, row.name, comparison)
            for section in sections for table in section.tables for row in table.rows if row.is_peer
            for comparison in [*table.comparisons(row), *memory(table, row)]]
    better = [row for row in rows if row[3].ratio < 1]
    lines = [f"In {len(better)} of {len(rows)} comparisons another program is faster, uses less CPU time, writes less, or needs",
             f"less memory. Memory is compared only where the tool needs more than {MUCH_MEMORY} MiB."]
    if better:
        lines += ["", "| tool | table | program | the tool is |", "|---|---|---|---:|"]
        lines += [f"| {tool} | {cell(title)} | {code(name)} | {comparison} |" for tool, title, name, comparison in better]
    return lines


def memory(table: Table, row: Row) -> list[Comparison]:
    return [comparison for comparison in table.comparisons(row, "peak") if comparison.ours.value > MUCH_MEMORY]


def section_lines(section: Section) -> list[str]:
    lines = [f"## {section.tool}", "", f"`{section.tool}` {section.about}", ""]
    lines += [f"- {program}: {version}" for program, version in section.versions.items()]
    for table in section.tables:
        (first, *header), *rows = table.lines()
        lines += ["", f"### {table.title}", "", f"| {' | '.join([first, *header])} |", f"|---|{'---:|' * len(header)}"]
        lines += [f"| {' | '.join([code(name), *cells])} |" for name, *cells in rows]
        notes = [*table.notes, *(f"goal: {goal}" for goal in table.goals)]
        lines += ["", *(f"- {note}" for note in notes)] if notes else []
    return [*lines, ""]


def code(command: str) -> str:
    return f"`{cell(command)}`"


def cell(text: str) -> str:
    return text.replace("|", r"\|")
