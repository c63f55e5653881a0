"""Compares hostrange with programs that make and fold lists of names (seq, ClusterShell's nodeset, Slurm's scontrol, bash),
and with jq and nodeset, which together group records."""

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.machine import available_gib
from harness.measure import ENV, Command, Text, begin_section, compare, installed, printed, scratch
from harness.settings import QUICK, RUNS

MILLION = 1_000_000


def bench():
    with scratch() as folder:
        here = Path(folder)
        # scontrol needs a cluster in its configuration, even for --version.
        (here / "slurm.conf").write_text("ClusterName=bench\nSlurmctldHost=localhost\n")
        ENV["SLURM_CONF"] = str(here / "slurm.conf")
        begin_section("hostrange", "makes, folds, counts and groups names.", "hostrange", "seq", "nodeset", "scontrol", "bash",
                      "jq")
        start_up()
        names(here, MILLION)
        json_lines(here, MILLION)
        if not QUICK:
            names(here, 10 * MILLION)
            json_lines(here, 10 * MILLION)
            memory(100 * MILLION)
        fold(here, 100_000)
        if not QUICK:
            fold(here, MILLION)
        count()
        group(here, 10_000)
        if not QUICK:
            group(here, 100_000)


def start_up():
    expected = Text.of(numbered("n", "", 10))
    commands = [hostrange(10, expected), seq(10, expected), nodeset(10, expected), scontrol(10, expected),
                bash(10, expected), Command(["true"], Text.of([]), label="true: only starts", is_reference=True)]
    compare("Start-up: 10 names", commands, runs=10 * RUNS, job="Print 10 names")


def names(here: Path, most: int):
    file = here / "names"
    expected = Text.of(saved(file, numbered("n", "", most)))
    commands, notes = [hostrange(most, expected), seq(most, expected), scontrol(most, expected)], []
    if most <= MILLION:
        commands += [nodeset(most, expected), bash(most, expected)]
    else:
        notes.append("left out: nodeset, at this size some 45 s and 2 GiB a run")
        # It takes 2.7 GiB, and so much time that the pipe makes no difference.
        if available_gib() > 4:
            commands.append(bash(most, expected, piped=False))
        else:
            notes.append("left out: bash, which needs 2.7 GiB")
    job = f"Print {most:,} names into a pipe" if most == MILLION else ""
    compare(f"Names, {most:,}", commands, file=str(file), notes=notes, job=job)
    file.unlink()


def json_lines(here: Path, most: int):
    file = here / "records"
    expected = Text.of(saved(file, numbered('{"host":"n', '"}', most)))
    commands = [
        Command(["hostrange", "-o", "json", f"n[1-{most}]"], expected),
        Command(["seq", "-f", '{"host":"n%.0f"}', "1", str(most)], expected),
    ]
    compare(f"JSON lines, {most:,}", commands, file=str(file))
    file.unlink()


def memory(most: int):
    expected = Text.of(numbered("n", "", most))
    compare(f"Memory (column peak): {most:,} names, to /dev/null", [hostrange(most, expected), scontrol(most, expected)])


def fold(here: Path, most: int):
    """Folds a file on stdin. scontrol reads only the first MiB of a file."""
    in_order, shuffled = here / "sorted", here / "shuffled"
    lines = b"".join(saved(in_order, numbered("n", "", most))).splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    shuffled.write_bytes(b"".join(lines))
    expected = line(f"n[1-{most}]")
    for file, what, how in (in_order, "sorted", "hostlist"), (shuffled, "shuffled", "hostlistsorted"):
        commands = [Command(["hostrange", "--fold"], expected, stdin=str(file), label=f"hostrange --fold <{what}"),
                    Command(["nodeset", "-f"], expected, stdin=str(file), label=f"nodeset -f <{what}")]
        slurm = ["scontrol", "show", how, str(file)]
        label, notes = f"scontrol show {how} {what}", []
        if most < MILLION:
            commands.append(Command(slurm, expected, label=label))
        elif installed("scontrol"):
            notes.append(f"left out: {label}, which reads one MiB and prints {printed(slurm)[0]}")
        job = f"Fold {most:,} shuffled names" if what == "shuffled" and most < MILLION else ""
        compare(f"Fold, {most:,} {what} names on stdin", commands, notes=notes, job=job)


def count():
    compare("Count, 1,000,000 names", [Command(["hostrange", "--count", "n[1-1000000]"], line("1000000")),
                                       Command(["nodeset", "-c", "n[1-1000000]"], line("1000000"))])
    huge = Command(["hostrange", "--count", "n[1-999999999999]x[1-1000]"], line("999999999999000"))
    compare("Count, 999,999,999,999,000 names", [huge])


def group(here: Path, most: int):
    """Groups records with the keys of ec2-ls. The hosts are in three zones in turn."""
    file, zones = here / "fleet.jsonl", "abc"
    with file.open("w") as fleet:
        for number in range(1, most + 1):
            fleet.write(json.dumps(fleet_record(number, zones[number % 3])) + "\n")
    hosts = {zone: [number for number in range(1, most + 1) if zones[number % 3] == zone] for zone in zones}
    folded = [f"us-east-1{zone}: n[{','.join(map(str, hosts[zone]))}]\n".encode() for zone in zones]
    counted = [f"us-east-1{zone}: {len(hosts[zone])}\n".encode() for zone in zones]
    job = f"Group {most:,} records by zone" if most == 10_000 else ""
    compare(f"Group, {most:,} records on stdin: a line for each zone with its hosts folded", [
        Command(["hostrange", "--by", "zone"], Text.of(folded), stdin=str(file), label="hostrange --by zone <FILE"),
        Command(["bash", "-c", JQ_NODESET], Text.of(folded), stdin=str(file),
                label="jq -r '[.zone, .host] | @tsv' <FILE | sort, then nodeset -f for each zone",
                program="jq + nodeset"),
    ], notes=["peak of the second: the largest of its processes"], job=job)
    compare(f"Group, {most:,} records on stdin: a line for each zone with its number of hosts", [
        Command(["hostrange", "--by", "zone", "--count"], Text.of(counted), stdin=str(file),
                label="hostrange --by zone --count <FILE"),
        Command(["jq", "-rn", JQ_COUNT], Text.of(counted), stdin=str(file),
                label="jq -rn 'reduce inputs as $host ({}; .[$host.zone] += 1) | ...' <FILE"),
    ])
    file.unlink()


JQ_COUNT = """reduce inputs as $host ({}; .[$host.zone] += 1) | to_entries | sort_by(.key)[] | "\\(.key): \\(.value)\""""

JQ_NODESET = r"""
jq -r '[.zone, .host] | @tsv' | LC_ALL=C sort -s -k1,1 | awk -F'\t' '
    $1 != zone { if (zone) close(fold); zone = $1; fold = "nodeset -f"; printf "%s: ", zone; fflush() }
    { print $2 | fold }'
"""


def fleet_record(number: int, zone: str) -> dict:
    host, part = f"n{number}", f"{number:017x}"
    return {
        "host": host, "instance_id": f"i-{part}", "region": "us-east-1", "zone": f"us-east-1{zone}",
        "account": "123456789012", "state": "running", "instance_type": "m5.large", "image_id": "ami-0123456789abcdef0",
        "private_ip": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "public_ip": None,
        "private_dns": f"ip-{number}.ec2.internal", "public_dns": None, "key_name": "ops",
        "security_groups": ["web", "ssh"], "subnet_id": "subnet-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0",
        "launch_time": "2026-01-01T00:00:00Z", "profile": "Web",
        "tags": {"Name": host, "profile": "Web", "role": "web", "team": "shop"},
        "volumes": [{"device": "/dev/xvda", "volume_id": f"vol-{part}", "delete_on_termination": True}],
    }


def hostrange(most: int, expected: Text) -> Command:
    return Command(["hostrange", "-1", f"n[1-{most}]"], expected)


def seq(most: int, expected: Text) -> Command:
    return Command(["seq", "-f", "n%.0f", "1", str(most)], expected)


def nodeset(most: int, expected: Text) -> Command:
    return Command(["nodeset", "-S", r"\n", "-e", f"n[1-{most}]"], expected)


def scontrol(most: int, expected: Text) -> Command:
    """Returns the command of scontrol, which accepts ranges of 65,536 at most, but many of them in one bracket."""
    step = 65_536
    ranges = [f"{first}-{min(first + step - 1, most)}" for first in range(1, most + 1, step)]
    shown = ranges[0] if len(ranges) == 1 else f"{ranges[0]},...,{ranges[-1]}"
    return Command(["scontrol", "show", "hostnames", f"n[{','.join(ranges)}]"], expected,
                   label=f"scontrol show hostnames 'n[{shown}]'")


def bash(most: int, expected: Text, piped: bool = True) -> Command:
    return Command(["bash", "-c", f'printf "%s\\n" n{{1..{most}}}'], expected, piped=piped)


def line(text: str) -> Text:
    return Text.of([f"{text}\n".encode()])


def numbered(before: str, after: str, most: int) -> Iterator[bytes]:
    """Makes the lines of 1 to `most` without any of the tools, ten thousand at a time because there may be many."""
    def lines(first, last):
        return "".join(f"{before}{number}{after}\n" for number in range(first, last + 1)).encode()

    block = "".join(f"@{number:04}{after}\n" for number in range(10_000)).encode()
    yield lines(1, min(most, 9_999))
    for high in range(1, most // 10_000):
        yield block.replace(b"@", f"{before}{high}".encode())
    yield lines(max(most // 10_000, 1) * 10_000, most)


def saved(path: Path, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Returns the chunks, and writes each into a file as it is read."""
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            yield chunk
