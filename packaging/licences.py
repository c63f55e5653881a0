"""Prints the licences of all crates that are linked: each text once, under the crates that have it.

usage: cargo metadata --format-version 1 --filter-platform TARGET | python3 licences.py
"""

import json
import pathlib
import sys

NAMES = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "license*")
# C libraries lie in a folder of their crate.
PATTERNS = [*NAMES, *(f"*/{name}" for name in NAMES)]

metadata = json.load(sys.stdin)
linked = {package["id"]: package for package in metadata["packages"]}
crates_of = {}
for node in metadata["resolve"]["nodes"]:
    package = linked[node["id"]]
    if package["source"] is None:
        continue  # ours
    folder = pathlib.Path(package["manifest_path"]).parent
    crate = f"{package['name']} {package['version']} ({package['license']})"
    files = {path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()}
    texts = {path.read_text(errors="replace").strip() for path in files}
    for text in texts or {"The crate has no file with its licence."}:
        crates_of.setdefault(text, []).append(crate)
for text, crates in sorted(crates_of.items(), key=lambda item: item[1]):
    print("=" * 80, *sorted(crates), "-" * 80, text, "", sep="\n")
