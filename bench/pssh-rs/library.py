"""Runs a command on hosts with the Python library parallel-ssh, and prints the output of each host.

usage: library.py HOSTS-FILE USER PORT KEY FANOUT TIMEOUT COMMAND

The library does not check host keys. A refused connection is not tried again.
"""

import sys

from pssh.clients import ParallelSSHClient

file, user, port, key, fanout, timeout, command = sys.argv[1:]
with open(file, encoding="ascii") as lines:
    hosts = lines.read().split()
client = ParallelSSHClient(hosts, user=user, port=int(port), pkey=key, pool_size=int(fanout), timeout=float(timeout),
                           num_retries=1, allow_agent=False, identity_auth=False)
failed = False
for output in client.run_command(command, stop_on_errors=False):
    if output.exception is not None:
        failed = True
        print(f"{output.host}: {output.exception}", file=sys.stderr)
        continue
    for line in output.stdout:
        print(f"{output.host}: {line}")
    failed |= output.exit_code != 0
sys.exit(failed)
