"""Files: which of them are pictures, where the cache lies, and the one way to write: beside the place, then renamed."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

# What counts as a picture among the files of a folder.
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
# The environment variable that names the cache folder, and the folder where it is not set.
CACHE_VARIABLE = "MASKRCNN_CACHE"
DEFAULT_CACHE = "~/.cache/maskrcnn_project"
# So much of a file's name goes into its temporary name, which must not exceed the 255 bytes of file systems.
MAX_NAME_LETTERS = 40


def cache_folder() -> Path:
    """The folder for what can be made again: ``$MASKRCNN_CACHE``, or one in the user's home."""
    return Path(os.environ.get(CACHE_VARIABLE) or DEFAULT_CACHE).expanduser().absolute()


def temporary_path(path: Path) -> Path:
    """
    A path that nothing has yet, beside ``path``: hidden, ending in ``.partial`` and the suffix of ``path``, by which
    libraries choose the format. Two processes that write the same file get two paths.
    """
    return path.with_name(f".{path.stem[:MAX_NAME_LETTERS]}.{uuid.uuid4().hex[:12]}.partial{path.suffix}")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """
    Gives a temporary path to write to, by whatever library; afterwards it is renamed to ``path``.

    So ``path`` is never half-written, whatever is killed. An exception removes the temporary file and leaves ``path``
    as it was.
    """
    beside = temporary_path(path)
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` in UTF-8 (see :func:`atomic_path`)."""
    with atomic_path(path) as beside:
        beside.write_text(text, "utf-8")


class AtomicStream:
    """A text file that grows line by line at a temporary path, and appears in its place once it is complete."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._beside = path, temporary_path(path)
        self._file = self._beside.open("w", encoding="utf-8", newline="")

    def write(self, text: str) -> int:
        return self._file.write(text)

    def finish(self) -> None:
        """Closes the file and gives it its name."""
        self._file.close()
        os.replace(self._beside, self.path)

    def discard(self) -> None:
        """Closes and removes an unfinished file; what lay in its place stays."""
        self._file.close()
        self._beside.unlink(missing_ok=True)


@contextmanager
def folder_beside(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder``, on the same disk, to be renamed or emptied by the caller; then removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name[:MAX_NAME_LETTERS]}.partial-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.parent, ignore_cleanup_errors=True) as beside:
        yield Path(beside)


@contextmanager
def atomic_files(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """
    Gives a temporary folder to write files of these names into (paths may have subfolders); afterwards, once all are
    complete, each is renamed to its place in ``folder``. An exception on the way leaves nothing behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with folder_beside(folder / "files") as beside:
        for parent in {PurePosixPath(name).parent for name in names}:
            (beside / parent).mkdir(parents=True, exist_ok=True)
        yield beside
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(beside / name, folder / name)
