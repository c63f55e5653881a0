"""Prints the key exchange algorithms that pssh-rs offers a server (RFC 4253, section 7.1).

usage: python3 ssh_offers.py PSSH-RS
"""

import os
import socket
import struct
import subprocess
import sys
import tempfile

folder = tempfile.TemporaryDirectory()
key = os.path.join(folder.name, "key")
subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(30)
port = str(listener.getsockname()[1])
command = [sys.argv[1], "-F", "none", "-i", key, "-p", port, "-w", "127.0.0.1", "--", "true"]
client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
connection, _ = listener.accept()
connection.settimeout(30)
connection.sendall(b"SSH-2.0-offers\r\n")
stream = connection.makefile("rb")
stream.readline()
length = struct.unpack(">I", stream.read(4))[0]
packet = stream.read(length)
# The padding's length, the message's number, a cookie of 16 bytes, then the first list.
size = struct.unpack(">I", packet[18:22])[0]
print(packet[22 : 22 + size].decode())
connection.close()
client.wait()
