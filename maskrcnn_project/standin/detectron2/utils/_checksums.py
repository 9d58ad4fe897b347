"""Checksums that stand in file names: a download that broke off, or was tampered with, is found before it is read."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from functools import lru_cache

logger = logging.getLogger(__name__)

# torch.hub's rule: a dash and the first eight or more digits of the SHA-256, as in resnet50-0676ba61.pth.
_HUB_NAME = re.compile(r"-([0-9a-f]{8,64})\.(?:pth|pt|pkl|safetensors)$")
# Detectron2's model zoo: an underscore and six digits, as in model_final_f10217.pkl. Of which sum is written nowhere.
_ZOO_NAME = re.compile(r"_([0-9a-f]{6})\.(?:pth|pkl)$")
_ZOO_SUMS = ("sha256", "md5", "sha1")
_BLOCK = 1 << 20  # bytes read at a time


def check_file_against_name(path: str) -> None:
    """
    Compares a downloaded file with the checksum in its name; a name without one passes.

    A zoo file that disagrees is only warned of, because which sum the zoo's names hold is not documented.

    Raises:
        OSError: the SHA-256 that the name promises in torch.hub's way is not the file's.
    """
    name = os.path.basename(path)
    hub, zoo = _HUB_NAME.search(name), _ZOO_NAME.search(name)
    if hub is None and zoo is None:
        return
    sums = _checksums(path, os.path.getmtime(path), os.path.getsize(path))
    if hub is not None and not sums["sha256"].startswith(hub[1]):
        raise OSError(
            f"{path} is damaged or another file: its name promises a SHA-256 that begins with {hub[1]}, but it is "
            f"{sums['sha256'][:16]}...; delete the file to have it downloaded again"
        )
    if zoo is not None and not any(total.startswith(zoo[1]) for total in sums.values()):
        logger.warning(
            "%s may be damaged: its name holds %s, with which neither of its checksums (%s) begins. If it cannot be "
            "read, delete it to have it downloaded again.",
            path,
            zoo[1],
            ", ".join(_ZOO_SUMS),
        )


@lru_cache(maxsize=16)
def _checksums(path: str, modified: float, size: int) -> dict[str, str]:
    """Hexadecimal sums of a file, which is read once; time and size tell whether it is still the same file."""
    sums = {kind: hashlib.new(kind, usedforsecurity=False) for kind in _ZOO_SUMS}
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            for total in sums.values():
                total.update(block)
    return {kind: total.hexdigest() for kind, total in sums.items()}
