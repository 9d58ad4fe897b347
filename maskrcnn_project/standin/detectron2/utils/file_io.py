"""
Paths, local and remote: one ``PathManager`` that downloads what lies behind a URL, once, into a cache folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import urlparse

from detectron2.utils._checksums import check_file_against_name
from iopath.common.file_io import (
    HTTPURLHandler,
    OneDrivePathHandler,
    PathHandler,
    get_cache_dir,
)
from iopath.common.file_io import PathManager as _PathManager

__all__ = ["Detectron2Handler", "PathHandler", "PathManager"]

# Seconds without a byte after which a server counts as unreachable. Without a limit a silent firewall blocks
# forever.
DOWNLOAD_TIMEOUT = 30.0
# Files whose absence can be done without: a model also trains from random weights.
WEIGHT_SUFFIXES = (".pkl", ".pth", ".pt")

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
        check_file_against_name(local)
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
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


PathManager.register_handler(_DownloadHandler())
PathManager.register_handler(OneDrivePathHandler())
PathManager.register_handler(Detectron2Handler())
