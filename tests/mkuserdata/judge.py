"""What cloud-init's own code makes of user-data, in an instance of its own that is a temporary folder.

For each line {"user_data": [base64, ...], "launch_index": null or a number} on stdin, it writes a line with a JSON list of
verdicts. Each user-data goes through the stages of a first boot, up to where cloud-init has written what it would run, the
commands of runcmd among it. Nothing is run but part handlers: boothooks and scripts are noted where cloud-init would start
them.
"""

import base64
import importlib
import inspect
import json
import logging
import math
import multiprocessing
import os
import re
import sys
import tempfile

import yaml
from cloudinit import handlers, importer, sources, stages, subp, user_data, util
from cloudinit.config import cc_runcmd
from cloudinit.settings import PER_INSTANCE

INSTANCE_ID = "i-0123456789abcdef0"

# As the EC2 data source leaves it for Jinja parts.
INSTANCE_DATA = {
    "v1": {
        "availability_zone": "us-east-1a",
        "cloud_name": "aws",
        "instance_id": INSTANCE_ID,
        "local_hostname": "judged-host",
        "platform": "ec2",
        "region": "us-east-1",
    },
    "ds": {"meta_data": {"instance-type": "t3.micro"}},
}


class Init(stages.Init):
    """A boot whose configuration says only where its files go."""

    def __init__(self, root):
        super().__init__()
        self.root = root

    def read_cfg(self, extra_fns=None):
        paths = {"cloud_dir": self.root + "/var/lib/cloud", "run_dir": self.root + "/run/cloud-init"}
        self._cfg = {"system_info": {"paths": paths}}

    def _write_to_cache(self):
        """No later boot reads this one's data source."""


class DataSource(sources.DataSource):
    dsname = "Judge"

    def __init__(self, init, blob, launch_index):
        super().__init__({}, init.distro, init.paths)
        self.userdata_raw = blob
        self.metadata = {"instance-id": INSTANCE_ID, "launch-index": launch_index}


class Warnings(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def part(filename, payload, **more):
    """A part for the verdict; cloud-init has what is no UTF-8 in a text as surrogates."""
    if isinstance(payload, str):
        payload = payload.encode("utf-8", "surrogateescape")
    return {"filename": filename, "content": base64.b64encode(payload or b"").decode(), **more}


def parsed(blob):
    """The message as it is, before cloud-init acts on any part."""
    found = {"parts": [], "headers": [], "defects": []}
    for leaf in user_data.convert_string(blob).walk():
        if not user_data.is_skippable(leaf):
            payload = util.fully_decoded_payload(leaf)
            detected = handlers.type_from_starts_with(payload or b"")
            name = leaf.get_filename() or ""
            found["parts"].append(part(name, payload, declared=leaf.get_content_type(), detected=detected))
            found["headers"].append({key.lower(): str(leaf[key]) for key in leaf.keys()})
        # After decoding, which finds some.
        found["defects"].extend(type(defect).__name__ for defect in leaf.defects)
    return found


def consumed(blob, launch_index, root):
    """What the handlers are given and what they write."""
    noted = {"handled": [], "custom": [], "ran": []}

    def handled(_data, filename, payload, headers):
        noted["handled"].append(part(filename, payload, declared=headers["Content-Type"]))

    def registered(module, *args, fixup=handlers.fixup_handler):
        handle = getattr(module, "handle_part", None)

        def handle_part(data, ctype, filename, payload, *rest):
            if ctype not in handlers.CONTENT_SIGNALS:
                noted["custom"].append(part(filename, payload, declared=ctype))
            return handle(data, ctype, filename, payload, *rest)

        if handle:
            module.handle_part = handle_part
        return fixup(module, *args)

    def run(args, **_):
        with open(args[0], "rb") as file:
            noted["ran"].append(part(os.path.basename(args[0]), file.read()))

    def in_order_of_run(folder):
        noted["ran"] = []
        subp.runparts(folder)
        return noted["ran"]

    handlers.fixup_handler, subp.subp = registered, run
    init = Init(root)
    init.initialize()
    init.datasource = DataSource(init, blob, launch_index)
    init._reset()  # As after every find: the paths made so far know no instance.
    with open(init.paths.get_runpath("instance_data_sensitive"), "w", encoding="utf-8") as file:
        json.dump(INSTANCE_DATA, file)
    init.instancify()
    init.update()
    handlers.walk(init.datasource.get_userdata(True), handled, None)
    init._consume_userdata(PER_INSTANCE)

    boothooks = noted["ran"]
    with open(init.paths.get_ipath_cur("cloud_config"), encoding="utf-8") as file:
        cloud_config = file.read()
    config = yaml.safe_load(cloud_config)
    if config and "runcmd" in config:
        # An older release takes a logger too.
        rest = [None] * (len(inspect.signature(cc_runcmd.handle).parameters) - 3)
        cc_runcmd.handle("runcmd", config, init.cloudify(), *rest)
    scripts = init.paths.get_cpath("scripts")
    return {
        "handled": noted["handled"],
        "boothooks": boothooks,
        "scripts": in_order_of_run(init.paths.get_ipath_cur("scripts")),
        "per_boot": in_order_of_run(scripts + "/per-boot"),
        "per_instance": in_order_of_run(scripts + "/per-instance"),
        "per_once": in_order_of_run(scripts + "/per-once"),
        "custom": noted["custom"],
        "cloud_config": cloud_config,
        "config": plain(config),
    }


def plain(value):
    """YAML's values as JSON's."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    finite = not isinstance(value, float) or math.isfinite(value)
    return value if finite and isinstance(value, (str, int, float, type(None))) else str(value)


def judge(blob, launch_index):
    warnings = Warnings()
    logging.getLogger().addHandler(warnings)
    verdict = {"failed": None}
    with tempfile.TemporaryDirectory() as root:

        def as_on_the_instance(text):
            return re.sub(r" at 0x[0-9a-f]+", "", text.replace(root, ""))

        try:
            verdict.update(parsed(blob))
            warnings.messages.clear()  # The stages parse again.
            verdict.update(consumed(blob, launch_index, root))
        except Exception as error:
            verdict["failed"] = as_on_the_instance(str(error) or type(error).__name__)
    verdict["warnings"] = [as_on_the_instance(message) for message in warnings.messages]
    return verdict


def read_once(url, read=user_data.read_file_or_url, **options):
    """An include that cannot be fetched fails at once, not after ten retries."""
    return read(url, **{**options, "retries": 0, "timeout": 2})


def import_anew(name):
    """Python may not see a module that was written in the same tick of the file system's clock as the one before."""
    importlib.invalidate_caches()
    return importlib.import_module(name)


def main():
    user_data.read_file_or_url, importer.import_module = read_once, import_anew
    output, sys.stdout = sys.stdout.buffer, sys.stderr  # Part handlers print.
    for line in sys.stdin:
        task = json.loads(line)
        tasks = [(base64.b64decode(blob), task["launch_index"]) for blob in task["user_data"]]
        # A process each: part handlers of one user-data are modules of the same names as those of another.
        processes = min(os.cpu_count(), len(tasks)) or 1
        with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
            verdicts = pool.starmap(judge, tasks, chunksize=1)
        # Names and messages may have surrogates, which are no UTF-8.
        output.write(json.dumps(verdicts, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        output.flush()


if __name__ == "__main__":
    main()
