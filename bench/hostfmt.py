"""Compares hostfmt with jq -r, which also writes a line for each record."""

import json
from pathlib import Path

from harness.measure import Command, Failed, Text, begin_section, compare, scratch
from harness.settings import QUICK

HOSTS = 2_000 if QUICK else 20_000


def bench():
    with scratch() as folder:
        begin_section("hostfmt", "writes records for other programs.", "hostfmt", "jq")
        file = Path(folder) / "fleet.jsonl"
        file.write_text("".join(json.dumps(record(number)) + "\n" for number in range(HOSTS)))
        expected = Text.of([f"{address(number)} web{number}\n".encode() for number in range(HOSTS)])
        commands = [Command(["hostfmt", "hosts", str(file)], expected, label="hostfmt hosts"),
                    Command(["jq", "-r", '"\\(.private_ip) \\(.host)"', str(file)], expected, label="jq -r")]
        compare(f"A hosts file of {HOSTS:,} records of {file.stat().st_size // HOSTS:,} bytes", commands,
                job=f"Write a hosts file of {HOSTS:,} records")
        formats = [["csv"], ["bind"], ["ssh-config"], ["prometheus"], ["ansible"], ["nagios"], ["ganglia"],
                   ["ldif", "--set", "base=dc=example"]]
        commands = [Command(["hostfmt", *words, str(file)], has_hosts, label=f"hostfmt {words[0]}") for words in formats]
        compare(f"Other formats of {HOSTS:,} records", commands)


def has_hosts(printed: bytes):
    """Checks that hosts were written. The tests give each format to the program that reads it."""
    if b"web0" not in printed and b"sg49" not in printed:
        raise Failed(f"printed {printed[:80]!r}")


def address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def record(number: int) -> dict:
    """A record as ec2-ls writes it."""
    name = f"web{number}"
    return {"host": name, "instance_id": f"i-{number:017x}", "region": "us-east-1", "zone": "us-east-1a",
            "account": "123456789012", "state": "running", "instance_type": "t3.micro",
            "image_id": "ami-0123456789abcdef0", "private_ip": address(number), "public_ip": None,
            "private_dns": f"ip-{number}.ec2.internal", "public_dns": None, "key_name": "ops",
            "security_groups": ["web", f"sg{number % 50}"], "subnet_id": "subnet-0123456789abcdef0",
            "vpc_id": "vpc-0123456789abcdef0", "launch_time": "2026-01-01T00:00:00Z", "profile": "Web",
            "tags": {"Name": name, "role": "web", "team": "ops", "env": "prod"},
            "volumes": [{"device": "/dev/xvda", "volume_id": f"vol-{number:017x}", "delete_on_termination": True}]}
