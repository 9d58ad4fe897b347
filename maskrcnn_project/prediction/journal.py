"""
What was found so far, on disk: one JSON line per image, so that a run that was stopped goes on where it was.

The folder ``.journal`` in the output folder holds ``settings.json``, what the lines were made with, and a file of lines
for each process that wrote. A line stays on disk: here only its place is kept, so that a million images take little
memory.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from maskrcnn_project.files import JOURNAL_FOLDER as FOLDER
from maskrcnn_project.files import write_text
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.loading import Stamp
from maskrcnn_project.prediction.writing.record import KEYS, from_record, to_record

SETTINGS = "settings.json"
BLOCK = 1 << 20  # bytes read at once to find the end of the last line
OWN_KEYS = ("stamp", "at", "written")  # of a line, beside those of the record
MAX_SETTINGS_NAMED = 3  # so many settings that differ are named; the rest is counted

Settings = Mapping[str, Any]  # flat: plain JSON values by name


@dataclass(frozen=True)
class LogRecord:
    """
    Where in which file a line begins; which version of the image it is of; when it was written, in nanoseconds since
    1970; and which files were written of the image, and how: {"labelme": "tolerance 1"}.
    """

    file: Path
    offset: int
    stamp: Stamp
    at: int
    written: dict[str, str]


class Journal:
    """
    ``journal.get(key)`` tells what is done already; ``journal.add(...)`` appends a line, which is on disk at once.

    Before, ``prepare_folder`` must have been called by one process.
    """

    def __init__(self, output: Path, rank: int = 0):
        self.folder = output / FOLDER
        self._file = self.folder / f"{rank}.jsonl"
        self._lines: dict[PurePosixPath, LogRecord] = {}
        self.read()
        self._stream = open(self._file, "ab")  # noqa: SIM115  closed by close()
        self._stream.truncate(_whole_length(self._file))

    def read(self) -> None:
        """Reads the lines of all processes. Of the lines of one image the newest holds."""
        for file in sorted(self.folder.glob("*.jsonl")):
            for offset, content in _lines_of(file):
                name, (size, changed) = PurePosixPath(content["name"]), content["stamp"]
                if name not in self._lines or self._lines[name].at <= content["at"]:
                    self._lines[name] = LogRecord(file, offset, (size, changed), content["at"], content["written"])

    def get(self, name: PurePosixPath, stamp: Stamp) -> LogRecord | None:
        """The line of the image ``name``, if it is of the same version of the file."""
        line = self._lines.get(name)
        return line if line is not None and line.stamp == stamp else None

    def names(self) -> list[PurePosixPath]:
        """Of all images that have a line."""
        return list(self._lines)

    def found(self, line: LogRecord) -> Detections:
        """What a line says was found."""
        with open(line.file, "rb") as stream:
            stream.seek(line.offset)
            return from_record(json.loads(stream.readline()))[1]

    def add(self, name: PurePosixPath, stamp: Stamp, written: dict[str, str], found: Detections) -> None:
        """
        Args:
            name: of the image, the same in the next run.
            stamp: of the image's file.
            written: see ``LogRecord``; all of it must be on disk.
        """
        at = time.time_ns()
        content = {"stamp": stamp, "at": at, "written": written, **to_record(name, found)}
        offset = self._stream.seek(0, os.SEEK_END)
        self._stream.write(json.dumps(content).encode() + b"\n")
        self._stream.flush()
        self._lines[name] = LogRecord(self._file, offset, stamp, at, written)

    def close(self) -> None:
        self._stream.close()


def prepare_folder(output: Path, settings: Settings, afresh: bool) -> None:
    """
    Makes ``output`` the folder of predictions with these ``settings``; one that is so already is left as it is.

    Args:
        afresh: forget what is there: files of the same names are replaced.

    Raises:
        FileExistsError: without ``afresh``, a folder that holds predictions with other settings, or other files.
    """
    file = output / FOLDER / SETTINGS
    if afresh:
        shutil.rmtree(output / FOLDER, ignore_errors=True)
    elif file.is_file():
        differences = _differences(_read_settings(file), settings)
        if differences:
            raise FileExistsError(
                f"{output} holds predictions made with other settings ({differences}): "
                "choose another --output, or let --force begin anew there."
            )
        return
    elif output.is_dir() and any(output.iterdir()):
        raise FileExistsError(
            f"The folder {output} holds other files: choose another --output, or let --force write among them, "
            "where files of the same names are replaced."
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(settings, indent=1, sort_keys=True))


def _differences(old: Settings, new: Settings) -> str:
    """Which of the settings differ, in words; empty if none does."""
    new = json.loads(json.dumps(new))  # tuples are lists in JSON
    keys = [key for key in {**new, **old} if old.get(key) != new.get(key)]
    named = [f"{key} was {_short(old.get(key))} and is {_short(new.get(key))}" for key in keys[:MAX_SETTINGS_NAMED]]
    return "; ".join(named) + (f"; and {len(keys) - MAX_SETTINGS_NAMED} more" if len(keys) > MAX_SETTINGS_NAMED else "")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _read_settings(file: Path) -> Settings:
    try:
        content = json.loads(file.read_text("utf-8"))
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {"settings": "unreadable"}


def _lines_of(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    (offset, content) of each sound line. What is no line of a journal, as where a disk was full or the power failed, is
    passed over: its image is done again.
    """
    offset = 0
    with open(file, "rb") as stream:
        for line in stream:
            try:
                content = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                content = None
            if isinstance(content, dict) and content.keys() >= {*KEYS, *OWN_KEYS}:
                yield offset, content
            offset += len(line)


def _whole_length(file: Path) -> int:
    """The bytes up to the end of the last whole line: a line that was torn by a kill is cut off before the next."""
    with open(file, "rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0
