"""
Paths, local and remote: one ``PathManager`` that downloads what lies behind a URL, once, into a cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import socket
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, Any
from urllib.parse import urlparse

from iopath.common.file_io import (
    HTTPURLHandler,
    OneDrivePathHandler,
    PathHandler,
    get_cache_dir,
)
from iopath.common.file_io import PathManager as _PathManager

__all__ = ["Detectron2Handler", "PathHandler", "PathManager", "write_atomically"]

logger = logging.getLogger(__name__)

# Seconds without a byte after which a server counts as unreachable. Without a limit a silent firewall blocks
# forever.
DOWNLOAD_TIMEOUT = 30.0
# Files whose absence can be done without: a model also trains from random weights.
WEIGHT_SUFFIXES = (".pkl", ".pth", ".pt")

# Checksums in file names, by which an incomplete download is found before it is read. torch.hub's rule: a dash and
# the first eight or more digits of the SHA-256, as in resnet50-0676ba61.pth.
_HUB_NAME = re.compile(r"-([0-9a-f]{8,64})\.(?:pth|pt|pkl|safetensors)$")
# Detectron2's model zoo: an underscore and six digits, as in model_final_f10217.pkl. Of which sum is written nowhere.
_ZOO_NAME = re.compile(r"_([0-9a-f]{6})\.(?:pth|pkl)$")
_ZOO_SUMS = ("sha256", "md5", "sha1")
_BLOCK = 1 << 20  # bytes read at a time

PathManager = _PathManager()


class _DownloadHandler(HTTPURLHandler):
    """
    Downloads http(s) and ftp URLs into the cache, with an error that says what can be done without network.
    """

    def _get_local_path(self, path: str, force: bool = False, cache_dir: str | None = None, **kwargs: Any) -> str:
        try:
            with _socket_timeout(DOWNLOAD_TIMEOUT):
                local = super()._get_local_path(path, force=force, cache_dir=cache_dir, **kwargs)
        except OSError as error:
            raise OSError(_download_failed(path, cache_dir, error)) from error
        _check_against_name(local)
        return local


class Detectron2Handler(PathHandler):
    """``detectron2://X`` stands for the file X of Detectron2's public storage of models."""

    PREFIX = "detectron2://"
    URL = "https://dl.fbaipublicfiles.com/detectron2/"

    def _get_supported_prefixes(self) -> list[str]:
        return [self.PREFIX]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        return PathManager.get_local_path(self.URL + path[len(self.PREFIX) :], force=force, **kwargs)

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> IO[Any]:
        return PathManager.open(self._get_local_path(path), mode, buffering=buffering, **kwargs)


def _download_failed(url: str, cache_dir: str | None, error: OSError) -> str:
    # The same rule as iopath's, so that a file put there by hand is found.
    cached = os.path.join(get_cache_dir(cache_dir), urlparse(url).path.lstrip("/"))
    sentence = (
        f"Could not download {url} ({error}): check the network, or fetch the file elsewhere and put it at {cached}"
    )
    if url.endswith(WEIGHT_SUFFIXES):
        sentence += ', or train without pretrained weights by setting MODEL.WEIGHTS ""'
    return sentence + "."


@contextlib.contextmanager
def write_atomically(path: str, mode: str = "wb") -> Iterator[IO[Any]]:
    """
    Opens a neighbour of ``path`` for writing and renames it to ``path`` when all is written; on an error
    nothing changes. The rename is atomic (POSIX ``rename``): a reader sees the old file or the new one.
    """
    folder, name = os.path.split(os.path.abspath(path))
    beside = os.path.join(folder, f".{name}.{os.getpid()}.part")
    try:
        with open(beside, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut may keep the new name and lose the content
        os.replace(beside, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _check_against_name(path: str) -> None:
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


PathManager.register_handler(_DownloadHandler())
PathManager.register_handler(OneDrivePathHandler())
PathManager.register_handler(Detectron2Handler())
