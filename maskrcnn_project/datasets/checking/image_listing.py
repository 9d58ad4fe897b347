"""Which files the image folders hold, from one listing a folder: asking for each file is slow on network disks."""

from __future__ import annotations

import os
import unicodedata
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import IMAGE_SUFFIXES, FolderWalk


def image_path(root: str | Path, file_name: str) -> str:
    """The absolute path of an image by its ``file_name`` in the JSON: equal texts are the same file."""
    return os.path.abspath(os.path.join(root, file_name))


class Listings:
    """The files and folders that lie in a folder, looked up when they are first asked for."""

    def __init__(self) -> None:
        self._listed: dict[str, tuple[set[str], list[str]]] = {}

    def holds(self, path: str) -> bool:
        """Whether ``path`` is a file, spelt exactly so. Raises DatasetError where its folder cannot be listed."""
        folder, name = os.path.split(path)
        return name in self._list(folder)[0]

    def images_below(self, folders: Iterable[str], suffixes: Iterable[str] = IMAGE_SUFFIXES) -> Iterator[str]:
        """
        The paths of all image files in ``folders`` and the folders below them, each once, sorted within a folder.

        Which folders are walked: see ``FolderWalk``; those without permission are passed over.
        """
        endings = tuple(suffixes)
        for folder, names in FolderWalk(folders, self._list_allowed):
            yield from (os.path.join(folder, name) for name in names if name.lower().endswith(endings))

    def _list_allowed(self, folder: str) -> tuple[set[str], list[str]]:
        try:
            return self._list(folder)
        except DatasetError as error:  # nothing that the JSON lists lies there: ``holds`` would have told
            raise OSError(error) from error

    def _list(self, folder: str) -> tuple[set[str], list[str]]:
        """Names of the files in ``folder``, and of the folders; none if there is no such folder."""
        if folder not in self._listed:
            files, folders = set(), []
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_file():
                            files.add(entry.name)
                        elif entry.is_dir():
                            folders.append(entry.name)
            except (FileNotFoundError, NotADirectoryError, ValueError):
                pass  # ValueError: a name with a zero byte, which no folder has
            except OSError as error:
                raise DatasetError(
                    f"The image folder {folder} cannot be listed ({error.strerror}): allow reading it, or name another."
                ) from error
            self._listed[folder] = files, sorted(folders, reverse=True)
        return self._listed[folder]


class LikelyNames:
    """Finds the file that a missing ``file_name`` may have meant: spelt otherwise, or in another folder."""

    def __init__(self, root: str | Path, paths: Iterable[str]) -> None:
        """``paths``: the image files below ``root``."""
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            self._by_name[_fold(os.path.basename(path))].append(os.path.relpath(path, root))
            self._by_stem[_fold(_stem(path))].append(os.path.relpath(path, root))

    def __len__(self) -> int:
        return sum(map(len, self._by_name.values()))

    def find(self, file_name: str) -> str | None:
        """The one file that a name may mean, relative to the folder; None if there is none, or several."""
        name = _as_path(file_name)
        alike = self._by_name.get(_fold(os.path.basename(name)), [])
        if not alike:
            name = _as_path(_decoded(file_name))
            alike = self._by_name.get(_fold(os.path.basename(name)), [])
        if not alike:  # of another kind, or without its suffix
            alike = self._by_stem.get(_fold(_stem(name)), [])
            return alike[0] if len(alike) == 1 else None
        for is_same in (str.__eq__, lambda found, wanted: _fold(found) == _fold(wanted)):
            same = [found for found in alike if is_same(found, name)]
            if len(same) == 1:
                return same[0]
        # of several in folders of their own, the one whose path agrees furthest from its end
        shared = {found: _shared_parts(found, name) for found in alike}
        best = [found for found in alike if shared[found] == max(shared.values())]
        return best[0] if len(best) == 1 else None

    def hint(self, file_name: str) -> str:
        """What the folder holds instead, as a phrase; empty if nothing resembles it."""
        name, found = _as_path(file_name), self.find(file_name)
        if found is None:
            return ""
        if found != name and _fold(found) == _fold(name):
            accents = _compose(found) == _compose(name)
            difference = "how accents are encoded" if accents else "upper and lower case"
            return f"the folder holds {found!r}, which differs in {difference}"
        return f"the folder holds {found!r}"


def _as_path(file_name: str) -> str:
    """A name as this system writes it; exporters on Windows write backslashes."""
    return os.path.normpath(file_name.replace("\\", "/"))


def _decoded(file_name: str) -> str:
    """A name as it is behind the quoting of an address, its query, and blanks round it."""
    return urllib.parse.unquote(file_name.partition("?")[0]).strip()


def _stem(path: str) -> str:
    """The name without folder and image suffix."""
    name = os.path.basename(path)
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def _shared_parts(found: str, name: str) -> int:
    """How many parts of two paths agree, from the end on."""
    pairs = list(zip(reversed(_fold(found).split(os.sep)), reversed(_fold(name).split(os.sep)), strict=False))
    return next((number for number, (one, other) in enumerate(pairs) if one != other), len(pairs))


def _fold(name: str) -> str:
    """The same for names that differ in letter case or in how accents are encoded."""
    return _compose(name).casefold()


def _compose(name: str) -> str:
    """macOS parts an accent from its letter in file names, most others do not."""
    return unicodedata.normalize("NFC", name)
