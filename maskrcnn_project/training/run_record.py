"""What a run was: written at each start into OUTPUT_DIR/starts.json, so that its log tells the whole story."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog

from maskrcnn_project.files import write_text
from maskrcnn_project.provider import detectron2_info

RECORD_NAME = "starts.json"
PACKAGES = ("maskrcnn_project", "torch", "torchvision", "numpy", "pycocotools", "opencv-python", "pillow")
# Words after which a value is nobody's business, in options and in addresses.
SECRET = re.compile(
    r"(?i)(token|secret|password|passwd|api[_-]?key|credential)[^=\s]*(?:=|\s+)(\S+)|(?<=://)[^/@\s]+(?=@)"
)
BLOCK = 1 << 20


def note_start(cfg: CfgNode, command: Sequence[str] | None = None) -> dict[str, Any]:
    """
    Adds this start to the record, and returns it: when, where, which command, versions, the state of the code, and of
    each data set its file's SHA-256, classes and number of images. Passwords and tokens in the command are left out.

    Args:
        command: the words of the command; None: this process's.
    """
    words = sys.argv if command is None else command
    start = {
        "began": datetime.now().astimezone().isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "command": without_secrets(shlex.join(words)),
        "python": sys.version.split()[0],
        "versions": {name: _version(name) for name in PACKAGES},
        "detectron2": str(detectron2_info()),
        "code": code_state(),
        "data": {name: fingerprint(name) for name in (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST)},
        "seed": cfg.SEED,
    }
    path = Path(cfg.OUTPUT_DIR) / RECORD_NAME
    write_text(path, json.dumps([*read_starts(path), start], indent=1) + "\n")
    return start


def read_starts(path: Path) -> list[dict[str, Any]]:
    """The starts in a record, the first first; none where it is not there, or is damaged."""
    try:
        starts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return starts if isinstance(starts, list) else []


def without_secrets(text: str) -> str:
    """``text`` with *** for what follows words such as ``token=``, and for the user in an address."""
    return SECRET.sub(lambda found: found[0].replace(found[2] or found[0], "***"), text)


def code_state() -> str:
    """The commit of the checkout that this package runs from, and whether it was changed; "" where it is none."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        ask = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def fingerprint(name: str) -> dict[str, Any]:
    """Of a registered set: its file, the file's SHA-256, and the classes."""
    known = MetadataCatalog.get(name)
    file, found = known.get("json_file", None), {"classes": list(known.get("thing_classes", []))}
    if file is None or not Path(file).is_file():
        return found
    digest = hashlib.sha256()
    with open(file, "rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    return {"json": str(file), "sha256": digest.hexdigest(), "images": str(known.get("image_root", "")), **found}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
