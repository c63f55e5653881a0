"""An SSH server that misbehaves on demand, in ways that no sshd does.

usage: ssh_server.py ADDRESS PORT HOST_KEY AUTHORIZED_KEYS

A command with `behave:WORD` or `behave:WORD:ARGUMENT` selects a behaviour of `execute`. The user's name selects others:

    stall-auth, stall-key, drop-auth, stall-session   what happens at the login
    window-N        how many bytes of a command's stdin the server accepts
    busy-window-N   the same, and each packet is answered by many packets without a meaning
    see `Sftp`      what the SFTP server does

The server prints a line for each event, the first one is `ready`. It ends when its stdin ends.
"""

import asyncio
import re
import sys

import asyncssh
from asyncssh.packet import Boolean, String, UInt32

ANSWERED, REFUSED, UNANSWERED = True, False, None


def say(*words):
    print(*words, flush=True)


async def for_ever():
    await asyncio.Event().wait()


class Server(asyncssh.SSHServer):
    def connection_made(self, conn):
        self.conn = conn
        say("connected")

    def connection_lost(self, exc):
        say("gone")

    async def begin_auth(self, username):
        self.username = username
        say("login", username)
        if username == "stall-auth":
            await for_ever()
        return True

    def public_key_auth_supported(self):
        return True

    async def validate_public_key(self, username, key):
        if username == "stall-key":
            await for_ever()
        if username == "drop-auth":
            self.conn.abort()
        return key in KEYS

    def session_requested(self):
        if self.username == "stall-session":
            return for_ever()
        if self.username == "refuse-session":
            return False
        window = re.fullmatch(r"(busy-)?window-(\d+)", self.username)
        if window:
            channel = self.conn.create_server_channel(encoding=None, window=int(window[2]))
            return channel, Session(self.conn, self.username, busy=window[1])
        return Session(self.conn, self.username)


class Session(asyncssh.SSHServerSession):
    def __init__(self, conn, username, busy=False):
        self.conn = conn
        self.username = username
        self.busy = busy
        self.sftp = None
        self.task = None
        self.stdin = b""
        self.stdin_ended = asyncio.Event()

    def connection_made(self, chan):
        self.chan = chan

    def connection_lost(self, exc):
        say("closed")
        if self.task:
            self.task.cancel()

    def data_received(self, data, datatype):
        if self.sftp:
            self.sftp.received(data)
        elif self.word == "echo":
            self.chan.write(data)
        else:
            self.stdin += data
        if self.busy:
            for _ in range(5):
                self.conn.send_debug("nothing")
                self.conn.send_packet(asyncssh.constants.MSG_IGNORE, String("nothing"))
                self.conn.create_task(self.conn._make_keepalive_request())

    def eof_received(self):
        self.stdin_ended.set()
        return True

    def signal_received(self, signal):
        say("signal", signal)
        if self.word == "obey":
            self.chan.exit_with_signal(signal)

    def pty_requested(self, term_type, term_size, term_modes):
        return True

    def env_received(self, name, value):
        say("env", name, value)

    def subsystem_requested(self, subsystem):
        say("subsystem", subsystem)
        if not self.username.startswith("sftp-"):
            return REFUSED
        self.word = subsystem
        self.sftp = Sftp(self, self.username.removeprefix("sftp-"))
        return ANSWERED

    def exec_requested(self, command):
        found = re.search(r"behave:([a-z-]+)(?::([^\s'\"]+))?", command)
        self.word, self.argument = found.groups() if found else ("unknown", None)
        say("exec", self.word)
        if self.word == "refuse":
            return REFUSED
        if self.word == "mute":
            return UNANSWERED
        if self.word == "drop-exec":
            self.conn.abort()
            return UNANSWERED
        return ANSWERED

    def session_started(self):
        self.task = asyncio.ensure_future(self.execute())

    def write(self, text):
        self.chan.write(text if isinstance(text, bytes) else text.encode())

    async def drain(self):
        while self.chan.get_write_buffer_size():
            await asyncio.sleep(0.01)

    def status(self, status):
        """Alone, without the end that asyncssh has follow it."""
        self.chan.send_packet(asyncssh.constants.MSG_CHANNEL_REQUEST, String("exit-status"), Boolean(False), UInt32(status))

    def signal(self, name):
        self.chan.send_packet(asyncssh.constants.MSG_CHANNEL_REQUEST, String("exit-signal"), Boolean(False), String(name),
                              Boolean(False), String("text\x1b[2J of the server"), String(""))

    def at_once(self, letter):
        constants = asyncssh.constants
        if letter == "o":
            self.write("out\n")
        elif letter == "e":
            self.chan.write(b"err\n", asyncssh.EXTENDED_DATA_STDERR)
        elif letter == "b":
            self.write(b"x" * 20_000)
        elif letter == "s":
            self.status(0)
        elif letter == "f":
            self.chan.send_packet(constants.MSG_CHANNEL_EOF)
        elif letter == "c":
            self.chan.send_packet(constants.MSG_CHANNEL_CLOSE)
        elif letter == "i":
            self.conn.send_packet(constants.MSG_IGNORE, String("nothing"))
        elif letter == "g":
            self.conn.send_debug("nothing")
        elif letter == "d":
            self.conn.send_packet(constants.MSG_DISCONNECT, UInt32(asyncssh.DISC_BY_APPLICATION), String("bye"), String(""))

    async def execute(self):
        chan, word = self.chan, self.word
        if word == "sftp":
            await self.stdin_ended.wait()
            chan.exit(0)
        elif word == "unknown":
            chan.exit(127)
        elif word == "exit":
            self.write("done\n")
            # As sshd does it, which sends 32 bits.
            self.status(int(self.argument))
            chan.close()
        elif word == "close":  # in order, without an exit status
            self.write("begun\n")
            await self.drain()
            chan.close()
        elif word == "eof":  # the same, and the streams end first
            self.write("begun\n")
            chan.write_eof()
            await self.drain()
            chan.close()
        elif word == "eof-hang":
            self.write("begun\n")
            chan.write_eof()
        elif word == "abort":
            self.write("begun\n")
            await self.drain()
            await asyncio.sleep(0.2)
            self.conn.abort()
        elif word == "disconnect":
            self.write("begun\n")
            await self.drain()
            self.conn.disconnect(asyncssh.DISC_BY_APPLICATION, "bye\x1b[2J\nfrom the server")
        elif word == "at-once":  # one packet a letter, all in one write: a single segment
            packets, send = [], self.conn._send
            self.conn._send = packets.append
            for letter in self.argument:
                self.at_once(letter)
            self.conn._send = send
            self.conn._transport.write(b"".join(packets))
            if self.argument.endswith("d"):
                self.conn._transport.close()
        elif word == "signal":
            self.write("begun\n")
            self.signal(self.argument)
            chan.close()
        elif word == "status-open":
            self.write("begun\n")
            self.status(int(self.argument))
        elif word == "late-status":
            self.write("begun\n")
            chan.write_eof()
            await asyncio.sleep(1)
            self.status(int(self.argument))
            chan.close()
        elif word == "two-statuses":
            self.status(5)
            self.status(0)
            chan.close()
        elif word == "odd-request":  # one that no client knows, and wants an answer to
            chan.send_packet(asyncssh.constants.MSG_CHANNEL_REQUEST, String("x\xff@cerveza"), Boolean(True))
            self.write("begun\n")
            await self.drain()
            self.status(0)
            chan.close()
        elif word in ("sit", "obey"):  # with signals ignored, and obeyed
            self.write("begun\n")
        elif word == "stall":
            self.write("begun\n")
            await self.drain()
            await asyncio.sleep(0.2)
            # No word is heard any more, and none is said: the TCP connection stays.
            self.conn._transport.pause_reading()
        elif word == "flood":
            block = b"x" * 32768
            while True:
                self.write(block)
                await self.drain()
                await asyncio.sleep(0)
        elif word == "drip":
            while True:
                self.write(".")
                await asyncio.sleep(0.05)
        elif word in ("stdin", "echo"):  # gives it back at its end, and as it comes
            await self.stdin_ended.wait()
            self.write(self.stdin)
            chan.exit(0)
        else:
            say("no such behaviour", word)
            chan.exit(127)


class Sftp:
    """As much of an SFTP server (version 3) as lists folders that no disk holds. All that is asked for is a folder.

    `mute` answers nothing; `flood` answers what nobody asked, without an end, `early-flood` from the beginning. `names` and `long` list names without an end,
    `long` ones of 4000 bytes; `deep` lists one more folder in each folder, `endless` a file that says it is empty.
    """

    INIT, VERSION, CLOSE, READ, FSTAT, OPENDIR, READDIR, OPEN, LSTAT, STAT = 1, 2, 4, 5, 8, 11, 12, 3, 7, 17
    STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
    SIZE, PERMISSIONS = 1, 4

    def __init__(self, session, word):
        self.session = session
        self.word = word
        self.input = b""
        self.listed = 0

    def received(self, data):
        self.input += data
        while len(self.input) >= 5:
            length = int.from_bytes(self.input[:4], "big")
            if len(self.input) < 4 + length:
                return
            packet, self.input = self.input[4 : 4 + length], self.input[4 + length :]
            self.answer(packet[0], packet[1:5], packet[5:])

    def send(self, kind, *parts):
        packet = bytes([kind]) + b"".join(parts)
        self.session.write(String(packet))

    def attributes(self, mode):
        return UInt32(self.SIZE | self.PERMISSIONS) + bytes(8) + UInt32(mode)

    def entry(self, name, mode):
        return String(name) + String("") + self.attributes(mode)

    def answer(self, kind, number, rest):
        if self.word == "mute":
            return
        if kind == self.INIT and self.word != "early-flood":
            return self.send(self.VERSION, UInt32(3))
        if self.word in ("flood", "early-flood"):
            asyncio.ensure_future(self.flood())
        elif kind in (self.STAT, self.LSTAT):
            self.send(self.ATTRS, number, self.attributes(0o040755))
        elif kind == self.FSTAT:
            self.send(self.ATTRS, number, self.attributes(0o100644))
        elif kind in (self.OPEN, self.OPENDIR):
            self.listed = 0 if self.word in ("deep", "endless") else self.listed
            self.send(self.HANDLE, number, String("h"))
        elif kind == self.READ:
            self.send(self.DATA, number, String(bytes(30000)))
        elif kind == self.READDIR:
            names = self.names()
            if names:
                return self.send(self.NAME, number, UInt32(len(names)), *names)
            self.send(self.STATUS, number, UInt32(1), String(""), String(""))
        else:
            self.send(self.STATUS, number, UInt32(0), String(""), String(""))

    def names(self):
        first, self.listed = self.listed, self.listed + 1
        if self.word in ("deep", "endless"):
            return [self.entry("d", 0o040755 if self.word == "deep" else 0o100644)] if first == 0 else []
        if not first:
            count, end = (8, "x" * 4000) if self.word == "long" else (1000, "")
            self.batch = [self.entry(f"{number}-{end}"[:4000], 0o100644) for number in range(count)]
        return self.batch

    async def flood(self):
        while not self.session.chan.is_closing():
            self.send(self.DATA, UInt32(0xffffffff), String(bytes(200000)))
            await self.session.drain()


async def main():
    address, port, host_key, authorized = sys.argv[1:]
    KEYS.extend(asyncssh.read_public_key_list(authorized))
    await asyncssh.create_server(Server, address, int(port), server_host_keys=[host_key], encoding=None,
                                 login_timeout=0, keepalive_interval=0)
    say("ready")
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)


KEYS = []
try:
    asyncio.run(main())
except (OSError, asyncssh.Error) as error:
    sys.exit(f"ssh_server.py: {error}")
