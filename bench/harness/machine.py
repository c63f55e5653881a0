"""The machine and the commit that are measured, as lines of text."""

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from .settings import ROOT


def describe() -> list[str]:
    cores = len(os.sched_getaffinity(0))
    memory = int(proc("meminfo", "MemTotal").split()[0]) / (1 << 20)
    return [
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit()}",
        f"{cores} core{'s' * (cores != 1)} of {proc('cpuinfo', 'model name')}, {memory:.1f} GiB of memory",
        f"{platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, Linux {os.uname().release}",
        f"load {os.getloadavg()[0]:.2f} at the start",
    ]


def commit() -> str:
    argv = ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def available_gib() -> float:
    return int(proc("meminfo", "MemAvailable").split()[0]) / (1 << 20)


def proc(file: str, key: str) -> str:
    """Returns what a file of /proc says about a key."""
    for line in Path("/proc", file).read_text().splitlines():
        if line.startswith(key):
            return line.split(":")[1].strip()
    return "?"
