"""What is measured: the programs of one build, how often, and with which inputs. The user sets it in the environment."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = (ROOT / os.environ.get("CARGO_TARGET_DIR", "target")).resolve()
# BENCH_BUILD=debug tries a bench out without a release build.
BUILD = os.environ.get("BENCH_BUILD") or "release"
# Where `make bench` has linked the programs as they are installed, with one program for all EC2 tools.
BIN = TARGET / ("bench/bin" if BUILD == "release" else BUILD)
QUICK = os.environ.get("QUICK", "") not in ("", "0")

ENOUGH_RUNS = 5
RUNS = os.environ.get("BENCH_RUNS") or str(ENOUGH_RUNS)
if not RUNS.isdecimal() or int(RUNS) == 0:
    sys.exit(f"bench: BENCH_RUNS should be a number of runs, as in BENCH_RUNS=5; it is {RUNS}")
RUNS = int(RUNS)


def why_partial(tools: list[str], benches: list[str]) -> list[str]:
    """Why these settings do not give the results of a whole run; empty if they do."""
    reasons = {
        f"only {' '.join(tools)} measured": set(tools) != set(benches),
        "QUICK is set": QUICK,
        f"a {BUILD} build": BUILD != "release",
        f"fewer than {ENOUGH_RUNS} runs": RUNS < ENOUGH_RUNS,
    }
    return [reason for reason, applies in reasons.items() if applies]
