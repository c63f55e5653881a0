"""Compares mkuserdata with cloud-init's make-mime and gzip, and with write-mime-multipart.

The parts are in bench/mkuserdata: the set `ascii`, and the set `utf8`, in which some parts have text in German, French and
Spanish. `*.j2` are templates. A third set has files of Debian packages: examples of cloud-init, and the scripts of
cloud-image-utils.
"""

import base64
import email
import json
import statistics
import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from harness.measure import ENV, Command, Failed, begin_section, compare, debian_version, installed, output_of, scratch
from harness.results import Figure, Row, Table, fail, leave_out, plural, show
from harness.settings import QUICK, ROOT, TARGET

LIMIT = 16_384
PARTS = ROOT / "bench/mkuserdata"
# mkuserdata is run with each of these.
OPTIONS = [], ["--fast"]
SCRIPT, CONFIG = "95-hostname.sh.j2", "00-host.yaml.j2"
# A few hosts are enough, because the peers need the same time for each host.
PEER_HOSTS = 5 if QUICK else 20
MOST_HOSTS = 1000 if QUICK else 5000


def bench():
    # write-mime-multipart, unpacked from its package, which cannot be installed without QEMU.
    ENV["PATH"] += f":{TARGET / 'cloud-image-utils/usr/bin'}"
    # write-mime-multipart prints a warning about its call of gzip at every start.
    ENV["PYTHONWARNINGS"] = "ignore"
    with scratch() as folder:
        begin_section("mkuserdata", "builds user-data. What each program makes is unpacked and compared with the parts.",
                      "mkuserdata", "gzip", "python3", **{
                          "zopfli": debian_version("zopfli"),
                          "make-mime": bash(f"{cloud_init()} --version"),
                          "write-mime-multipart": ["cat", str(TARGET / "cloud-image-utils/version")],
                      })
        written = contents(PARTS / "ascii")
        ascii = Set(Path(folder) / "ascii", written)
        utf8 = Set(Path(folder) / "utf8", written | contents(PARTS / "utf8"))
        # More than EC2 accepts, however it is compressed.
        packaged = Set(Path(folder) / "packaged", from_packages(), "--limit=65536")
        sizes(ascii, "ASCII")
        sizes(utf8, "some of it UTF-8")
        sizes(packaged, "ASCII, of Debian's packages")
        compare(f"User-data, {ascii}", [*ascii.ours(), *ascii.gzipped(), *ascii.peers()],
                job=f"Build user-data of {len(ascii.parts)} parts")
        hosts(ascii)


class Set:
    """Part files in a folder, the commands that make user-data of them, and the checks of what these print."""

    def __init__(self, here: Path, parts: dict[str, bytes], *limit: str):
        self.here, self.parts, self.limit = here, parts, limit
        here.mkdir()
        self.bytes = sum(map(len, parts.values()))
        self.templates = {file.name: file.read_text() for file in PARTS.glob("*.j2")}
        for name, content in [*parts.items(), *((name, text.encode()) for name, text in self.templates.items())]:
            (here / name).write_bytes(content)

    def __str__(self) -> str:
        return f"{len(self.parts)} parts of {self.bytes:,} bytes"

    def files(self) -> list[str]:
        return [str(self.here / name) for name in self.parts]

    def ours(self) -> list[Command]:
        return [Command(["mkuserdata", *option, *self.limit, *self.files()], self.intact,
                        label=" ".join(["mkuserdata", *option]))
                for option in OPTIONS]

    def gzipped(self) -> list[Command]:
        """Returns compressors, which do a part of the job: they read the message of mkuserdata."""
        data, status = output_of(["mkuserdata", *self.limit, *self.files()], "/dev/null", b"".join)
        if status:
            return []
        file = self.here.with_suffix(".mime")
        file.write_bytes(unpacked(data))
        return [Command(["gzip", "-9nc", str(file)], self.intact, label="gzip -9n of our MIME", is_reference=True),
                Command(["zopfli", "-c", str(file)], self.intact, label="zopfli of our MIME", is_reference=True)]

    def peers(self) -> list[Command]:
        # make-mime uses the path as the file name.
        make_mime = f"cd {self.here} && {self.make_mime()}"
        write_mime = ["write-mime-multipart", "-z", *self.files()]
        return [Command(write_mime, self.all_parts, label="write-mime-multipart -z"),
                Command(bash(make_mime), self.all_parts, label="cloud-init devel make-mime | gzip -9", program="make-mime")]

    def make_mime(self, more: str = "") -> str:
        names = [f"-a {name}:{content_type(content)}" for name, content in self.parts.items()]
        return f"{cloud_init()} devel make-mime {' '.join(names)} {more} | gzip -9"

    def intact(self, data: bytes):
        if damaged := self.damaged(unpacked(data)):
            raise Failed(f"damages {', '.join(damaged)}")

    def all_parts(self, data: bytes):
        """Accepts damaged parts, because the table of sizes shows which parts a peer damages."""
        self.damaged(unpacked(data))

    def damaged(self, message: bytes, more: dict[str, bytes] | None = None) -> list[str]:
        """Returns the parts whose bytes in the message differ from those of the file."""
        got, wanted = payloads(message), self.parts | (more or {})
        if got.keys() != wanted.keys():
            raise Failed(f"has other parts: {' '.join(sorted(got.keys() ^ wanted.keys()))}")
        return [name for name in wanted if got[name] != wanted[name]]

    def ours_per_host(self, option: list[str], template: str, most: int) -> Command:
        file = str(self.here / template)
        files = [file, *self.files()] if template == CONFIG else [*self.files(), file]
        label = " ".join(["mkuserdata", *option, "--per-host:", plural(most, "host")])
        return Command(["mkuserdata", *option, "--per-host", *files], partial(self.records, template, most),
                       stdin=self.names(most), label=label, number=most)

    def peers_per_host(self, most: int) -> list[Command]:
        """Returns loops that write the user-data of one host after another."""
        script = SCRIPT.removesuffix(".j2")
        render = f'sed "s/{{{{ host }}}}/$host/g" {SCRIPT} >{script}'
        write_mime = f"write-mime-multipart -z {' '.join(self.parts)} {script}"
        return [Command(bash(f"cd {self.here} && while read -r host; do {render} && {build} || exit; done"),
                        partial(self.members, most), stdin=self.names(most), program=label.split()[0], number=most,
                        label=f"loop of sed, {label}: {plural(most, 'host')}")
                for label, build in (("write-mime-multipart -z", write_mime),
                                     ("make-mime | gzip -9", self.make_mime(f"-a {script}:x-shellscript")))]

    def names(self, most: int) -> str:
        """Writes a file of host names. Returns its path."""
        file = self.here.with_suffix(f".{most}")
        file.write_text("".join(f"{host}\n" for host in hostnames(most)))
        return str(file)

    def rendered(self, template: str, host: str) -> dict[str, bytes]:
        return {template.removesuffix(".j2"): self.templates[template].replace("{{ host }}", host).encode()}

    def records(self, template: str, most: int, data: bytes):
        """Checks the record of each host. The others may differ from the first only in the rendered part."""
        lines, fixed = data.splitlines(), None
        if len(lines) != most:
            raise Failed(f"printed {len(lines):,} records; should have printed {most:,}")
        for host, line in zip(hostnames(most), lines):
            record, part = json.loads(line), self.rendered(template, host)
            user_data = base64.b64decode(record["user_data"])
            if record["host"] != host or len(user_data) > LIMIT:
                raise Failed(f"printed {len(user_data):,} bytes for {record['host']}; it was {host}'s turn")
            message = unpacked(user_data)
            if fixed is None:
                if damaged := self.damaged(message, part):
                    raise Failed(f"damages {', '.join(damaged)}")
                fixed = without(message, part)
            elif without(message, part) != fixed:
                raise Failed(f"has more than the template's part different for {host}")

    def members(self, most: int, data: bytes):
        """Checks the output of a peer: a member of gzip for each host."""
        for host in hostnames(most):
            message, data = member(data)
            part = self.rendered(SCRIPT, host)
            if damaged := part.keys() & {*self.damaged(message, part)}:
                raise Failed(f"damages {', '.join(damaged)} of {host}")
        if data:
            raise Failed(f"printed {len(data):,} bytes more than for {most:,} hosts")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def from_packages() -> dict[str, bytes]:
    """Returns shell scripts, and those examples of cloud-init that are not compressed and have no key in them."""
    examples = TARGET / "cloud-init/usr/share/doc/cloud-init/examples"
    names = "boot-cmds ca-certs datasources lxd mount-points ntp run-cmds write-files yum-repo"
    files = [examples / f"cloud-config-{name}.txt" for name in names.split()]
    scripts = "cloud-localds mount-image-callback resize-part-image ubuntu-cloudimg-query"
    files += [TARGET / "cloud-image-utils/usr/bin" / name for name in scripts.split()]
    # With numbers, mkuserdata does not rename the scripts to keep their order.
    return {f"{number:02}-{file.name}": file.read_bytes() for number, file in enumerate(files, 1)}


def sizes(parts: Set, what: str):
    rows, notes = [], []
    for command in [*parts.ours(), *parts.gzipped(), *parts.peers()]:
        if not installed(command.argv[0]):
            notes.append(leave_out(command.argv[0], "not installed"))
            continue
        try:
            data, status = output_of(command.argv, command.stdin, b"".join)
            if status:
                raise Failed(f"exit status {status}")
            command.prints(data)
            damaged = parts.damaged(unpacked(data))
        except Failed as failed:
            rows.append(Row(command.label, {"size": "FAILED"}))
            notes.append(fail(command.label, failed))
            continue
        size = len(data)
        rows.append(Row(command.label, is_reference=command.is_reference, cells={
            "size": Figure(size, "bytes"),
            "of the parts": f"{size / parts.bytes:.1%}",
            "in EC2": "fits" if size <= LIMIT else f"{size - LIMIT:,} too many",
            "parts": f"damages {len(damaged)}: {' '.join(damaged)}" if damaged else "intact",
        }))
    show(Table(f"Bytes of user-data: {parts}, {what}", rows, [*notes, f"EC2 takes {LIMIT:,} bytes"], compared=("size",)))


def hosts(parts: Set):
    counts = (MOST_HOSTS, 100)
    sizes_per_host(parts)
    one = [parts.ours_per_host(option, SCRIPT, 1) for option in OPTIONS]
    compare("User-data for each host: 1 host, a script of 0.5 kB as template, last", [*one, *parts.peers_per_host(1)])
    many = [parts.ours_per_host(option, SCRIPT, most) for most in counts for option in OPTIONS]
    many += parts.peers_per_host(PEER_HOSTS)
    compare("User-data for each host: many hosts, a script of 0.5 kB as template, last", many, per="host",
            job=f"Build the user-data of one of {MOST_HOSTS:,} hosts")
    # The template comes first, so without --fast everything is compressed again for each host.
    first = [parts.ours_per_host(option, CONFIG, most) for most in (100, 1) for option in OPTIONS]
    first.insert(0, parts.ours_per_host(["--fast"], CONFIG, MOST_HOSTS))
    compare("User-data for each host: a cloud-config of 0.5 kB as template, first", first, per="host")


def sizes_per_host(parts: Set):
    rows, notes = [], []
    for option in OPTIONS:
        name = " ".join(["mkuserdata", *option, "--per-host"])
        columns = {"script last": SCRIPT, "cloud-config first": CONFIG}
        rows.append(Row(name, {column: mean_size(parts.ours_per_host(option, template, 100), notes)
                               for column, template in columns.items()}))
    for peer in parts.peers_per_host(1):
        data, status = output_of(peer.argv, peer.stdin, b"".join)
        if status:
            notes.append(fail(peer.label, Failed(f"exit status {status}")))
        rows.append(Row(peer.label, {"script last": "FAILED" if status else Figure(len(data), "bytes")}, peer.program))
    show(Table(f"Bytes of user-data for each host: {parts} and a template, mean of 100 hosts", rows, notes,
               compared=("script last",)))


def mean_size(command: Command, notes: list[str]) -> Figure | str:
    """Returns the mean size of the user-data in the records that a command prints."""
    data, status = output_of(command.argv, command.stdin, b"".join)
    if status:
        notes.append(fail(command.label, Failed(f"exit status {status}")))
        return "FAILED"
    records = map(json.loads, data.splitlines())
    return Figure(statistics.mean(len(base64.b64decode(record["user_data"])) for record in records), "bytes")


def cloud_init() -> str:
    """Returns how a shell runs the packaged /usr/bin/cloud-init, with a Python that has its imports."""
    unpacked = TARGET / "cloud-init/usr"
    return f"PYTHONPATH={unpacked}/lib/python3/dist-packages {TARGET}/venv/bin/python {unpacked}/bin/cloud-init"


def bash(script: str) -> list[str]:
    return ["bash", "-o", "pipefail", "-c", script]


def content_type(content: bytes) -> str:
    """Returns the type of a part, as make-mime has to be given it."""
    beginnings = {b"#!": "x-shellscript", b"#cloud-config": "cloud-config", b"#cloud-boothook": "cloud-boothook"}
    return next(type for beginning, type in beginnings.items() if content.startswith(beginning))


def hostnames(most: int) -> Iterable[str]:
    return (f"db{number}" for number in range(1, most + 1))


def unpacked(data: bytes) -> bytes:
    """Decompresses all members of gzip, as cloud-init does."""
    message, more = member(data)
    return message + (unpacked(more) if more else b"")


def member(data: bytes) -> tuple[bytes, bytes]:
    """Decompresses the first member of gzip. Returns also what comes after it."""
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        message = reader.decompress(data)
    except zlib.error as error:
        raise Failed(f"is not gzip: {error}") from None
    if not reader.eof:
        raise Failed("is truncated gzip")
    return message, reader.unused_data


def without(message: bytes, part: dict[str, bytes]) -> bytes:
    """Returns the message without the part, which must be in it."""
    content, = part.values()
    before, found, after = message.partition(content)
    if not found:
        raise Failed(f"has {' '.join(part)} rendered wrong")
    return before + b"\0" + after


def payloads(message: bytes) -> dict[str, bytes]:
    parts = [part for part in email.message_from_bytes(message).walk() if not part.is_multipart()]
    return {str(part.get_filename()): part.get_payload(decode=True) for part in parts}
