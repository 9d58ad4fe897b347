"""
Logging: coloured lines on the console, a file for each process, and lines that repeat only now and then.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, TextIO

from detectron2.utils.file_io import PathManager
from tabulate import tabulate
from termcolor import colored

__all__ = ["create_small_table", "log_every_n", "log_every_n_seconds", "log_first_n", "setup_logger"]

DATE_FORMAT = "%m/%d %H:%M:%S"

_calls: Counter[Any] = Counter()
_last_time: dict[Any, float] = {}


def setup_logger(
    output: str | None = None,
    distributed_rank: int = 0,
    *,
    color: bool = True,
    name: str = "detectron2",
    abbrev_name: str | None = None,
    enable_propagation: bool = False,
    configure_stdout: bool = True,
) -> logging.Logger:
    """
    Makes the logger ``name`` print to the console (rank 0 only) and write to a file (every rank).

    It may be called any number of times: what is there already is not added again.

    Args:
        output: a file (ends in ``.txt`` or ``.log``) or a folder, in which the file is ``log.txt``; None: no
            file. Rank r > 0 writes to ``<file>.rank<r>``.
        distributed_rank: this process's rank.
        color: whether the console's lines are coloured.
        name: the logger's name; it receives the lines of all modules below it.
        abbrev_name: what stands for ``name`` in the lines; default: ``d2`` for ``detectron2``, else ``name``.
            The empty string leaves it out.
        enable_propagation: whether the loggers above receive the lines too.
        configure_stdout: whether to print to the console at all.

    Returns:
        The logger, at level DEBUG.
    """
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.propagate = enable_propagation
    if abbrev_name is None:
        abbrev_name = "d2" if name == "detectron2" else name
    if configure_stdout and distributed_rank == 0 and not any(isinstance(h, _ConsoleHandler) for h in logger.handlers):
        console = _ConsoleHandler()
        console.setFormatter(_Formatter(name, abbrev_name, color))
        logger.addHandler(console)
    if output is not None:
        filename = _log_file(output, distributed_rank)
        open_files = {h.baseFilename for h in logger.handlers if isinstance(h, logging.FileHandler)}
        if os.path.abspath(filename) not in open_files:
            PathManager.mkdirs(os.path.dirname(os.path.abspath(filename)))
            handler = logging.FileHandler(filename, encoding="utf-8")
            handler.setFormatter(_Formatter(name, abbrev_name, color=False))
            logger.addHandler(handler)
    return logger


def create_small_table(small_dict: Mapping[str, Any]) -> str:
    """
    A table of one row, keys above values (numbers with three decimals). For a few keys: it does not wrap.
    """
    return tabulate(
        [list(small_dict.values())],
        headers=list(small_dict.keys()),
        tablefmt="pipe",
        floatfmt=".3f",
        stralign="center",
        numalign="center",
    )


def log_first_n(
    lvl: int, msg: str, n: int = 1, *, name: str | None = None, key: str | tuple[str, ...] = "caller"
) -> None:
    """
    Logs the first ``n`` times only.

    Args:
        lvl: level, such as ``logging.WARNING``.
        msg: the line.
        n: how often.
        name: the logger's name; default: the calling module's.
        key: what counts as the same line: the place in the code (``"caller"``), the text (``"message"``), or
            both.
    """
    keys = (key,) if isinstance(key, str) else tuple(key)
    assert keys and set(keys) <= {"caller", "message"}, f"key must be 'caller' or 'message', not {key!r}"
    module, place = _caller()
    identity = (*keys, place if "caller" in keys else None, msg if "message" in keys else None)
    _calls[identity] += 1
    if _calls[identity] <= n:
        logging.getLogger(name or module).log(lvl, msg, stacklevel=2)


def log_every_n(lvl: int, msg: str, n: int = 1, *, name: str | None = None) -> None:
    """
    Logs the first and then every ``n``-th time that this place in the code is passed. ``name``: the logger's.
    """
    module, place = _caller()
    identity = ("every", place)
    _calls[identity] += 1
    if n == 1 or _calls[identity] % n == 1:
        logging.getLogger(name or module).log(lvl, msg, stacklevel=2)


def log_every_n_seconds(lvl: int, msg: str, n: float = 1, *, name: str | None = None) -> None:
    """Logs unless this place in the code has logged within the last ``n`` seconds. ``name``: the logger's."""
    module, place = _caller()
    now = time.monotonic()
    if place not in _last_time or now - _last_time[place] >= n:
        _last_time[place] = now
        logging.getLogger(name or module).log(lvl, msg, stacklevel=2)


class _ConsoleHandler(logging.StreamHandler):
    """Writes to what ``sys.stdout`` is at the moment of writing: notebooks and test runners replace it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stdout


class _Formatter(logging.Formatter):
    """
    ``[11/21 01:19:00 d2.engine.hooks]: message``, with WARNING or ERROR in front of the message where it is
    one.
    """

    def __init__(self, name: str, abbrev_name: str, color: bool) -> None:
        super().__init__(datefmt=DATE_FORMAT)
        self._name = name
        self._abbrev_name = abbrev_name
        self._color = color

    def formatMessage(self, record: logging.LogRecord) -> str:
        # The record itself is shared with other handlers and stays as it is.
        name = record.name
        if name == self._name or name.startswith(self._name + "."):
            name = (self._abbrev_name + name[len(self._name) :]).lstrip(".")
        head = f"[{record.asctime} {name}]:".replace(" ]", "]")
        level = record.levelname if record.levelno >= logging.WARNING else ""
        if self._color:
            head = colored(head, "green", force_color=True)
            level = level and colored(level, "red", attrs=["bold"], force_color=True)
        return " ".join(filter(None, (head, level, record.message)))

    def usesTime(self) -> bool:
        return True


def _log_file(output: str, rank: int) -> str:
    filename = output if output.endswith((".txt", ".log")) else os.path.join(output, "log.txt")
    return filename if rank == 0 else f"{filename}.rank{rank}"


def _caller() -> tuple[str, tuple[str, int]]:
    """Module name and (file, line) of the code that called the function that calls this one."""
    frame = sys._getframe(2)
    module = frame.f_globals.get("__name__", "detectron2")
    # A script's lines belong to this package's logger: nobody sets up one that is named __main__.
    module = "detectron2" if module == "__main__" else module
    return module, (frame.f_code.co_filename, frame.f_lineno)
