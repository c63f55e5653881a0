"""Draws the summary as SVG: for each job, how many times as long as the tool each other program takes.

The scale is logarithmic, because a program may take a hundred times as long. It begins at 1, the time of the tool: bars to
the right are of slower programs, bars to the left of faster ones. The picture follows the reader's light or dark setting.
"""

import math
from html import escape

from .results import Comparison, Table

WIDTH, LEFT, RIGHT = 880, 210, 690
TOP, LINE, GAP = 64, 20, 12

STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.page { fill: #ffffff } .job { font-weight: 600 } .quiet { fill: #59636e; font-weight: 400 } .grid { stroke: #d1d9e0 } .one { stroke: #1f2328 }
.slower { fill: #2f81f7 } .faster { fill: #db6d28 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .page { fill: #0d1117 } .quiet { fill: #9198a1 } .grid { stroke: #3d444d } .one { stroke: #f0f6fc }
}"""


def draw(tables: list[Table]) -> str:
    ratios = [peer.ratio for table in tables for peer in table.peers()]
    low, high = min(0.5, *ratios, 1), max(10, *ratios, 1)

    def x(ratio: float) -> float:
        return LEFT + (RIGHT - LEFT) * math.log(ratio / low) / math.log(high / low)

    marks = [10**exponent for exponent in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    body, y = [text(x(mark), TOP - 10, f"{mark:,g}x", "quiet", "middle") for mark in marks], TOP
    for table in tables:
        peers = table.peers()
        ours = f"{table.rows[0].program} {peers[0].ours}"
        body.append(text(16, y + 14, f'{escape(table.job)} <tspan class="quiet">{escape(ours)}</tspan>', "job"))
        y += LINE
        # Behind the bars, and not through the name of the job.
        body += [line(x(mark), y, y + LINE * len(peers), "one" if mark == 1 else "grid") for mark in marks]
        for peer in peers:
            body += bar(peer, x, y)
            y += LINE
        y += GAP
    title = "Time of other programs, as a multiple of cerveza's"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">',
        f"<title>{title}</title>",
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="page" width="{WIDTH}" height="{y}"/>',
        text(16, 24, f"{title} (logarithmic scale; orange: faster than cerveza)", "job"),
        *body,
        "</svg>",
    ]) + "\n"


def bar(peer: Comparison, x, y: float) -> list[str]:
    start, end = sorted((x(1), x(peer.ratio)))
    kind = "slower" if peer.ratio >= 1 else "faster"
    times = f'<tspan class="times">{peer.times}</tspan> <tspan class="quiet">{escape(str(peer.figure))}</tspan>'
    return [
        text(x(1) - 8 if kind == "slower" else start - 8, y + 14, escape(peer.row.program), "name", "end"),
        f'<rect class="{kind}" x="{start:.1f}" y="{y + 3}" width="{max(1, end - start):.1f}" height="14" rx="2"/>',
        text(end + 6, y + 14, times, "value"),
    ]


def line(x: float, top: float, bottom: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>'


def text(x: float, y: float, content: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{content}</text>'
