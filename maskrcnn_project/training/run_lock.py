"""One folder, one run: a file in it names the process that writes there, and is a lock no longer than that lives."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # not on Windows, where nothing is locked
    fcntl = None  # type: ignore[assignment]

LOCK_NAME = ".run.lock"
_held: dict[str, IO[str]] = {}


def hold_folder(folder: Path, what: str) -> None:
    """
    Locks ``folder`` until this process ends, however it ends: the system releases the lock, and the file of a dead
    process is none. Processes that this one starts do not hold it.

    Args:
        what: this process does there, as a phrase, for the sentence that another one gets.

    Raises:
        ValueError: another process has it; which, where it runs, and since when.
    """
    path = os.path.abspath(folder / LOCK_NAME)
    if fcntl is None or path in _held:
        return
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+", encoding="utf-8")
        try:
            # a record lock of POSIX: children do not inherit it, and network file systems know it
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(file.read())
            file.close()
            raise ValueError(
                f"{folder} is in use: {holder}; wait for its end, stop it, or name another folder."
            ) from error
        if os.path.exists(path) and os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
            break
        file.close()  # the one that had it removed it in this moment
    began = datetime.now().astimezone().isoformat(timespec="seconds")
    file.truncate(0)
    file.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": began, "what": what}) + "\n")
    file.flush()
    _held[path] = file
    atexit.register(release_folder, folder, os.getpid())


def release_folder(folder: Path, process: int | None = None) -> None:
    """Gives up the lock of ``folder``, if this process has it; ``process``: and is this one, not a copy of it."""
    path = os.path.abspath(folder / LOCK_NAME)
    if process not in (None, os.getpid()) or path not in _held:
        return
    with contextlib.suppress(OSError):
        os.unlink(path)
    _held.pop(path).close()


def _holder(text: str) -> str:
    try:
        holder: Any = json.loads(text)
        return f"process {holder['pid']} on {holder['host']} {holder['what']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process works there"
