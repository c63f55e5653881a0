"""A fleet on one machine, in its own network and mount namespaces, so the machine itself is not changed.

One sshd with its own keys listens on all of 127.0.0.0/8. Dead hosts are in a second network behind a veth, in
198.18.0.0/16, on the same port: addresses where nothing listens (refused), a route to nowhere (black hole), and a server
that accepts connections and sends nothing (silent). The login user exists only in the namespace's /etc/passwd.
"""

import contextlib
import ctypes
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

USER, UID, PORT = "cerveza-bench", 64_222, 2222
DEAD = {"refused": "198.18.1", "black hole": "198.18.2", "silent": "198.18.3"}
# The number of addresses of each kind of dead host.
MOST_DEAD = 120
CLONE_NEWNS, CLONE_NEWNET, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x40000000, 0x1000, 0x4000, 0x40000
LIBC = ctypes.CDLL(None, use_errno=True)


def needs() -> str:
    """Returns what is missing for a fleet, or an empty string."""
    missing = [command for command in ("sshd", "ssh-keygen", "ip", "nsenter") if not found(command)]
    if missing:
        return f"{', '.join(missing)} missing; run: tests/setup bench"
    return "" if os.geteuid() == 0 else "only root can have a network and a user of its own; run it as root"


def found(command: str) -> str | None:
    return shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def live(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


class Fleet:
    def __init__(self, here: Path):
        self.key, self.known_hosts, self.home = here / "key", here / "known_hosts", here / "home"

    def hosts(self, count: int, dead: int = 0, ways: tuple[str, ...] = tuple(DEAD)) -> tuple[list[str], set[str]]:
        """Returns `count` hosts, and those that are alive. The dead ones are spread evenly, and are dead in turn in each way."""
        hosts = [live(number) for number in range(count)]
        alive = set(hosts)
        for number in range(dead):
            at = number * count // dead + count // dead // 2
            alive.remove(hosts[at])
            hosts[at] = f"{DEAD[ways[number % len(ways)]]}.{number // len(ways) + 1}"
        return hosts, alive

    def established(self) -> int:
        """Returns the number of open connections, counted at the client's end."""
        port = f":{PORT:04X}"
        rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        return sum(row[2].endswith(port) and row[3] == "01" for row in rows)


@contextlib.contextmanager
def fleet(here: Path) -> Iterator[Fleet]:
    """Runs a fleet. Its files are in `here`, an empty folder that every user can read."""
    one = Fleet(here)
    here.chmod(0o755)
    one.home.mkdir()
    os.chown(one.home, UID, UID)
    with namespaces(here):
        keys(here, one)
        pids = [far_network(), sshd(here)]
        try:
            await_sshd()
            yield one
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGTERM)
                os.waitpid(pid, 0)


@contextlib.contextmanager
def namespaces(here: Path) -> Iterator[None]:
    kinds = (CLONE_NEWNS, "mnt"), (CLONE_NEWNET, "net")
    # Of the thread, because these two namespaces belong to a thread.
    outside = [(kind, os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)) for kind, name in kinds]
    folder = os.getcwd()
    must(LIBC.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare")
    try:
        must(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")
        passwd = here / "passwd"
        entry = f"{USER}:*:{UID}:{UID}::{here / 'home'}:/bin/sh\n"
        passwd.write_text(Path("/etc/passwd").read_text() + entry)
        passwd.chmod(0o644)
        must(LIBC.mount(bytes(passwd), b"/etc/passwd", None, MS_BIND, None), "mount")
        # sshd's folder for privilege separation.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        yield
    finally:
        for kind, fd in outside:
            must(LIBC.setns(fd, kind), "setns")
            os.close(fd)
        os.chdir(folder)


def must(status: int, what: str):
    if status:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def keys(here: Path, one: Fleet):
    for file in here / "host_key", one.key:
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "cerveza-bench", "-f", str(file))
    (here / "authorized_keys").write_text((here / "key.pub").read_text())
    kind, key, _ = (here / "host_key.pub").read_text().split()
    names = [live(number) for number in range(1000)]
    one.known_hosts.write_text("".join(f"[{name}]:{PORT} {kind} {key}\n" for name in names))


def sshd(here: Path) -> int:
    config = here / "sshd_config"
    # sshd's default algorithms, so a tool gets what its users get.
    lines = ["ListenAddress 0.0.0.0", f"Port {PORT}", f"HostKey {here / 'host_key'}", "PidFile none", "UsePAM no",
             f"AuthorizedKeysFile {here / 'authorized_keys'}", "StrictModes no", "UseDNS no", "LogLevel QUIET",
             "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PrintMotd no", "PrintLastLog no",
             "X11Forwarding no", "MaxStartups 10000", f"AllowUsers {USER}"]
    config.write_text("\n".join(lines) + "\n")
    program = found("sshd")
    # Newer versions refuse an address for a while after many failed logins.
    without = [program, "-f", str(config), "-o", "PerSourcePenalties=no"]
    if subprocess.run([*without, "-t"], stderr=subprocess.DEVNULL).returncode == 0:
        config.write_text("\n".join([*lines, "PerSourcePenalties no"]) + "\n")
    return os.posix_spawn(program, [program, "-D", "-f", str(config)], os.environ)


def await_sshd():
    until = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection(("127.0.0.1", PORT), 1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        if time.monotonic() > until:
            sys.exit("bench: the sshd of the bench does not start; it may have printed why above")
        time.sleep(0.05)


def far_network() -> int:
    """Starts the process that is the second network, and the server there that accepts and sends nothing."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            must(LIBC.unshare(CLONE_NEWNET), "unshare")
            os.write(writer, b".")
            serve_silence(os.getppid())
        finally:
            os._exit(1)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(pid))
    run("ip", "addr", "add", "198.18.0.1/24", "dev", "near")
    run("ip", "link", "set", "near", "up")
    far = "nsenter", "-t", str(pid), "-n", "ip"
    for words in (["link", "set", "lo", "up"], ["addr", "add", "198.18.0.2/24", "dev", "far"],
                  ["link", "set", "far", "up"], ["route", "add", "local", f"{DEAD['refused']}.0/24", "dev", "lo"],
                  ["route", "add", "local", f"{DEAD['silent']}.0/24", "dev", "lo"],
                  ["route", "add", "blackhole", f"{DEAD['black hole']}.0/24"]):
        run(*far, *words)
    run("ip", "route", "add", "198.18.0.0/16", "via", "198.18.0.2")
    await_answer(f"{DEAD['silent']}.{MOST_DEAD}")
    return pid


def await_answer(address: str):
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((address, PORT), 1):
            return
        time.sleep(0.05)
    sys.exit(f"bench: nothing answers at {address} in the network of the bench")


def serve_silence(parent: int):
    """Accepts connections and keeps each until its peer closes it, as long as the parent lives."""
    selector = selectors.DefaultSelector()
    for number in range(1, MOST_DEAD + 1):
        listener = socket.socket()
        # The address exists as soon as the network does.
        listener.setsockopt(socket.SOL_IP, getattr(socket, "IP_FREEBIND", 15), 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((f"{DEAD['silent']}.{number}", PORT))
        listener.listen(128)
        selector.register(listener, selectors.EVENT_READ, True)
    while os.getppid() == parent:
        for key, _ in selector.select(1):
            if key.data:
                connection, _ = key.fileobj.accept()
                selector.register(connection, selectors.EVENT_READ, False)
                continue
            try:
                over = not key.fileobj.recv(4096)
            except OSError:
                over = True
            if over:
                selector.unregister(key.fileobj)
                key.fileobj.close()


def run(*argv: str):
    program = found(argv[0])
    done = subprocess.run([program, *argv[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"bench: {' '.join(argv)}: {done.stdout.strip()}")
