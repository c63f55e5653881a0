#!/usr/bin/env python3
"""Runs demo/run on a terminal of 80 columns and writes what it shows as an animated SVG.

usage: demo/record.py FILE.svg

The times are made up (a command is typed, and its output is shown for a while), so only the text changes from run to run.
"""

import html
import os
import pty
import sys
from pathlib import Path

import pyte

COLUMNS, ROWS = 80, 24  # of the window
LINES = 500  # of the whole run
CHARACTER, LINE, MARGIN = 8.4, 19, 14  # pixels
TYPED, READ = 1.0, 2.5  # seconds from a command to its output, and from there to the next command
COLOURS = {"red": "#f7768e", "green": "#9ece6a", "brown": "#e0af68", "blue": "#7aa2f7", "magenta": "#bb9af7", "cyan": "#7dcfff"}


def run_demo():
    """Returns the screen after the demo."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    command = ["sh", "-c", f"stty cols {COLUMNS} rows {ROWS}; exec demo/run"]

    def read(terminal):
        output = os.read(terminal, 65536)
        stream.feed(output)
        return output

    # pty copies the output to ours as well.
    status = pty.spawn(command, read)
    if status != 0:
        sys.exit(f"record: demo/run failed with status {os.waitstatus_to_exitcode(status)}")
    return screen


def session(screen):
    """Returns the rows from the first command to the end of the last one's output."""
    rows = [screen.display[number].rstrip() for number in range(LINES)]
    commands = [number for number, row in enumerate(rows) if row.startswith("$ ")]
    end = next(number for number, row in enumerate(rows) if row.startswith("That was the main job"))
    return range(commands[0], end - 1), rows


def line(screen, number):
    """Returns a row as SVG text, with a tspan for each run of one style."""
    row, parts, at = screen.buffer[number], [], 0
    length = len(screen.display[number].rstrip())
    while at < length:
        style = (row[at].fg, row[at].bold)
        end = at
        while end < length and (row[end].fg, row[end].bold) == style:
            end += 1
        text = html.escape("".join(row[column].data for column in range(at, end)))
        attributes = f' fill="{COLOURS[style[0]]}"' if style[0] in COLOURS else ""
        attributes += ' font-weight="bold"' if style[1] else ""
        parts.append(f"<tspan{attributes}>{text}</tspan>" if attributes else text)
        at = end
    return "".join(parts)


def svg(screen):
    numbers, rows = session(screen)
    width, height = COLUMNS * CHARACTER + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
    time, texts, scrolls, is_output = 0.5, [], [(0, 0)], False
    for position, number in enumerate(numbers):
        if rows[number].startswith("$ "):
            time += READ if texts else 0
            is_output = False
        elif not is_output and rows[number - 1].startswith("$ "):
            # A long command may be wrapped into a second row.
            is_wrapped = len(rows[number - 1]) == COLUMNS
            time += 0 if is_wrapped else TYPED
            is_output = not is_wrapped
        elif not is_output:
            time += TYPED
            is_output = True
        hidden = max(0, position + 1 - ROWS)
        if hidden > scrolls[-1][1]:
            scrolls = [scroll for scroll in scrolls if scroll[0] != time] + [(time, hidden)]
        if rows[number]:
            texts.append(
                f'<text y="{position * LINE + LINE}" style="animation-delay:{time:.1f}s">{line(screen, number)}</text>'
            )
    total = time + READ
    steps = "".join(f"{100 * when / total:.2f}%{{transform:translateY({-rows * LINE}px)}}" for when, rows in scrolls)
    last = scrolls[-1][1]
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}">
<title>Five hosts are launched, tagged, listed, reached by SSH, stopped, started and terminated</title>
<style>
text{{font:14px/1 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#c0caf5;white-space:pre;animation:show .01s both}}
@keyframes show{{from{{opacity:0}}to{{opacity:1}}}}
#session{{animation:scroll {total:.1f}s step-end both}}
@keyframes scroll{{{steps}100%{{transform:translateY({-last * LINE}px)}}}}
</style>
<rect width="100%" height="100%" rx="8" fill="#1a1b26"/>
<svg x="{MARGIN}" y="{MARGIN}" width="{COLUMNS * CHARACTER:.0f}" height="{ROWS * LINE + 4}">
<g id="session" xml:space="preserve">
{chr(10).join(texts)}
</g>
</svg>
</svg>
"""


if len(sys.argv) != 2:
    sys.exit(__doc__)
Path(sys.argv[1]).write_text(svg(run_demo()))
