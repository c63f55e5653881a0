"""What cloud-init's own code makes of user-data.

Reads a JSON list of user-data in base64 from stdin and writes a JSON list of verdicts. Each goes through the functions
that cloud-init's consume_data goes through; of its handlers only those run that write files, into a temporary folder.
"""

import base64
import json
import logging
import os
import sys
import tempfile

from cloudinit import handlers, helpers, user_data, util
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
from cloudinit.handlers.shell_script import ShellScriptPartHandler
from cloudinit.settings import PER_INSTANCE


class Instance:
    """As much of a data source as the folders' names need."""

    def get_instance_id(self):
        return "judged"


def as_bytes(payload):
    """The bytes behind a payload: cloud-init decodes text as UTF-8 with surrogates for what is none."""
    if isinstance(payload, str):
        payload = payload.encode("utf-8", "surrogateescape")
    return payload


def encoded(payload):
    return base64.b64encode(as_bytes(payload)).decode()


def parts(blob):
    """Each part as the message has it, before cloud-init acts on any."""
    message = user_data.convert_string(blob)
    found = []
    for part in message.walk():
        if part.defects:
            raise ValueError(f"defects in the message: {part.defects}")
        if user_data.is_skippable(part):
            continue
        payload = util.fully_decoded_payload(part)
        found.append(
            {
                "filename": part.get_filename(),
                "declared": part.get_content_type(),
                "detected": handlers.type_from_starts_with(payload),
                "content": encoded(payload),
            }
        )
    return found


def consume(blob, folder):
    """What reaches the handlers once includes are fetched and archives are opened, and what they write."""
    paths = helpers.Paths({"cloud_dir": folder, "run_dir": folder}, ds=Instance())
    processed = user_data.UserDataProcessor(paths).process(blob)
    str(processed)  # stages.py writes it to disk in between
    handled = []

    def note(_data, filename, payload, headers):
        handled.append(
            {"filename": filename, "declared": headers["Content-Type"], "content": encoded(payload)}
        )

    handlers.walk(processed, note, None)

    registered = helpers.ContentHandlers()
    config, scripts = CloudConfigPartHandler(paths), ShellScriptPartHandler(paths)
    for handler in (config, scripts):
        registered.register(handler, overwrite=False)
        handlers.call_begin(handler, None, PER_INSTANCE)
    data = {
        "handlers": registered,
        "handlerdir": folder,
        "data": None,
        "frequency": PER_INSTANCE,
        "handlercount": 0,
        "excluded": [handlers.INCLUSION_TYPES_MAP["#part-handler"]],
    }
    handlers.walk(processed, handlers.walker_callback, data)
    for handler in (config, scripts):
        handlers.call_end(handler, None, PER_INSTANCE)
    return {
        "handled": handled,
        "scripts": list(in_order_of_run(paths.get_ipath_cur("scripts"))),
        "cloud_config": read(paths.get_ipath_cur("cloud_config")),
    }


def in_order_of_run(folder):
    """As subp.runparts goes through them."""
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as file:
            yield {"filename": name, "content": encoded(file.read())}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def judge(blob):
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "instances", "judged"))
        os.symlink(os.path.join("instances", "judged"), os.path.join(folder, "instance"))
        return {"parts": parts(blob), **consume(blob, folder)}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    blobs = [base64.b64decode(blob) for blob in json.load(sys.stdin)]
    json.dump([judge(blob) for blob in blobs], sys.stdout)
