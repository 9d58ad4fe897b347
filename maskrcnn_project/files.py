"""
Files: which of them are pictures, the one walk over folders, where the cache lies, and the one way to write: beside
the place, then renamed, and never over an input.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

# What counts as a picture among the files of a folder: JPEG, PNG, BMP, Netpbm, TIFF and WebP.
IMAGE_SUFFIXES = (
    *(".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm"),
    *(".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
# Pictures too, which a walk names but does not take: of several frames, of cameras, of phones, for icons or printing.
OTHER_PICTURE_SUFFIXES = frozenset(
    (
        *(".apng", ".arw", ".avif", ".avifs", ".blp", ".bufr", ".bw", ".cr2", ".cr3", ".cur", ".czi", ".dcm", ".dcx"),
        *(".dds", ".dib", ".dng", ".emf", ".exr", ".fit", ".fits", ".flc", ".fli", ".ftc", ".ftu", ".gbr", ".gif"),
        *(".grib", ".h5", ".hdf", ".hdr", ".heic", ".heif", ".hif", ".icb", ".icns", ".ico", ".iim", ".im", ".j2c"),
        *(".j2k", ".jp2", ".jpc", ".jpf", ".jpx", ".jxl", ".lif", ".mic", ".mpo", ".msp", ".nd2", ".nef", ".orf"),
        *(".pcd", ".pcx", ".pfm", ".psd", ".pxr", ".qoi", ".raf", ".ras", ".raw", ".rgb", ".rgba", ".rw2", ".sgi"),
        *(".svg", ".svs", ".tga", ".vda", ".vst", ".wmf", ".xbm", ".xpm"),
    )
)
# A folder that tools/predict.py wrote into holds this one, its progress.
JOURNAL_FOLDER = ".journal"
# This file beside results has the name of one in each line, or ALL_RESULTS: a walk takes none of them for an input.
RESULTS_FILE = ".maskrcnn_results"
ALL_RESULTS = "*"
MAX_FOLDERS_NAMED = 3
# The environment variable that names the cache folder, and the folder where it is not set.
CACHE_VARIABLE = "MASKRCNN_CACHE"
DEFAULT_CACHE = "~/.cache/maskrcnn_project"
# So much of a file's name goes into its temporary name, which must not exceed the 255 bytes of file systems.
MAX_NAME_LETTERS = 40


def cache_folder() -> Path:
    """The folder for what can be made again: ``$MASKRCNN_CACHE``, or one in the user's home."""
    return Path(os.environ.get(CACHE_VARIABLE) or DEFAULT_CACHE).expanduser().absolute()


def list_folder(folder: str) -> tuple[Collection[str], Collection[str]]:
    """
    (names of the files, names of the folders) that lie in ``folder``. Links count as what they lead to, and one that
    leads nowhere as a file, so that whoever opens it says so.
    """
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                kind = folders if entry.is_dir() else files if entry.is_file() or entry.is_symlink() else None
            except OSError:  # a link to itself
                kind = files
            if kind is not None:
                kind.append(entry.name)
    return files, folders


class FolderWalk:
    """
    The one walk over folders, at any depth: ``for folder, names in FolderWalk([root])`` gives every folder with the
    sorted names of its files.

    Hidden files and folders are passed over (macOS writes ``._a.jpg`` beside ``a.jpg``), and so is what tools of this
    project have written below a root. Links to folders are followed; each folder comes once, by its own path rather
    than by a link, so that no link leads round in a circle.

    Attributes:
        earlier: folders of earlier results that were passed over.
        unlisted: folders that may not be looked into.
    """

    def __init__(
        self,
        roots: Iterable[str | Path],
        listed: Callable[[str], tuple[Collection[str], Collection[str]]] = list_folder,
    ):
        """
        Args:
            listed: gives the names of the files and of the folders that lie in a folder. May raise OSError.
        """
        self.roots = sorted({str(root) for root in roots})
        self._listed = listed
        self.earlier: list[str] = []
        self.unlisted: list[str] = []

    def __iter__(self) -> Iterator[tuple[str, list[str]]]:
        waiting = self.roots[::-1]
        linked: list[str] = []
        seen: set[str] = set()
        while waiting or linked:
            folder = waiting.pop() if waiting else linked.pop(0)
            real = os.path.realpath(folder)
            if real in seen:
                continue
            seen.add(real)
            try:
                files, below = self._listed(folder)
            except OSError:
                self.unlisted.append(folder)
                continue
            results = read_results(folder) if RESULTS_FILE in files else set()
            if folder not in self.roots and (JOURNAL_FOLDER in below or ALL_RESULTS in results):
                self.earlier.append(folder)
                continue
            yield folder, sorted(name for name in files if not name.startswith(".") and name not in results)
            for name in sorted(below, reverse=True):
                path = os.path.join(folder, name)
                if not name.startswith("."):
                    (linked if os.path.islink(path) else waiting).append(path)


def files_below(root: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Files with one of ``suffixes`` (lower case) in ``root`` and below, as ``FolderWalk`` comes to them."""
    for folder, names in FolderWalk([root]):
        yield from (Path(folder, name) for name in names if name.lower().endswith(suffixes))


def images_below(root: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> tuple[list[Path], str]:
    """
    Returns:
        (files, remark): those with one of ``suffixes`` (lower case) at any depth, sorted; and what was passed over, in
        a phrase, empty where nothing was. The caller says it.
    """
    found, others = [], Counter[str]()
    walk = FolderWalk([root])
    for folder, names in walk:
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if suffix in suffixes:
                found.append(Path(folder, name))
            elif suffix in OTHER_PICTURE_SUFFIXES:
                others[suffix] += 1
    parts = []
    if others:
        count = others.total()
        parts.append(
            f"{count} file{'s' if count > 1 else ''} of kinds that are not read: {', '.join(sorted(others))} "
            "(convert to JPEG or PNG)"
        )
    for folders, what in ((walk.earlier, "with results of earlier runs"), (walk.unlisted, "that may not be read")):
        if folders:
            more = ", ..." if len(folders) > MAX_FOLDERS_NAMED else ""
            named = ", ".join(folders[:MAX_FOLDERS_NAMED]) + more
            parts.append(f"{len(folders)} folder{'s' if len(folders) > 1 else ''} {what}: {named}")
    return sorted(found), f"passed over: {'; '.join(parts)}" if parts else ""


def is_earlier_result(file: Path, root: Path) -> bool:
    """Whether ``file`` is what a tool of this project has written into a folder below ``root``, or into ``root``."""
    if file.name in read_results(file.parent):
        return True
    folders = [folder for folder in file.parents if root in folder.parents]
    return any((each / JOURNAL_FOLDER).is_dir() or ALL_RESULTS in read_results(each) for each in folders)


def read_results(folder: str | Path) -> set[str]:
    """The names in ``folder`` that tools noted down as results, see ``RESULTS_FILE``."""
    try:
        return set(Path(folder, RESULTS_FILE).read_text("utf-8").splitlines())
    except (OSError, ValueError):
        return set()


def note_results(folder: Path, names: Iterable[str]) -> None:
    """Notes down that the files ``names`` in ``folder`` are results, or all below it (``ALL_RESULTS``)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / RESULTS_FILE).open("a", encoding="utf-8") as stream:
        stream.writelines(f"{name}\n" for name in names)


def refuse_inputs(output: Path, inputs: Iterable[Path]) -> None:
    """Raises ValueError where one of ``inputs`` (files) lies in the folder ``output`` or below, through links too."""
    results = os.path.realpath(output)
    folders: dict[Path, str] = {}
    for file in inputs:
        if file.parent not in folders:
            folders[file.parent] = os.path.realpath(file.parent)
        place = os.path.realpath(file) if file.is_symlink() else folders[file.parent]
        if any(
            results == each or place.startswith(os.path.join(results, "")) for each in (place, folders[file.parent])
        ):
            raise ValueError(
                f"{file} lies in the output folder {output}: choose another, so that no input is replaced."
            )


class ResultFolder:
    """A folder that a tool fills with pictures. Nothing but earlier results in it is ever replaced."""

    def __init__(self, folder: Path, inputs: Iterable[Path]):
        """
        Args:
            inputs: the files that the tool reads.

        Raises:
            ValueError: one of them lies in ``folder`` or below.
        """
        refuse_inputs(folder, inputs)
        self.folder = folder
        self._noted: dict[Path, set[str]] = {}

    def place(self, name: str) -> Path:
        """
        The path to write the result ``name`` to, a path below the folder, which is noted down as one.

        Raises:
            FileExistsError: there is another file, which no tool has noted down.
        """
        path = self.folder / name
        noted = self._noted.setdefault(path.parent, read_results(path.parent))
        if path.name not in noted:
            if os.path.lexists(path):
                raise FileExistsError(
                    f"{path} exists already, is no result of an earlier run, and is not overwritten: choose another "
                    "--output, or remove it."
                )
            note_results(path.parent, [path.name])
            noted.add(path.name)
        return path


def names_without_suffix(names: Iterable[PurePosixPath]) -> dict[PurePosixPath, PurePosixPath]:
    """
    What results of files of these names are called, less a suffix of their own: deep/a.jpg becomes deep/a, unless
    another would be called so as well (letter case aside: on some file systems A and a are one): both keep theirs then.
    """
    distinct = list(dict.fromkeys(names))
    whole: set[PurePosixPath] = set()  # that keep their suffix
    while True:
        called = {name: name if name in whole else name.with_suffix("") for name in distinct}
        counts = Counter(str(result).casefold() for result in called.values())
        clashing = {name for name, result in called.items() if counts[str(result).casefold()] > 1} - whole
        if not clashing:
            return called
        whole |= clashing


def picture_names(files: Sequence[Path]) -> list[str]:
    """
    A name without suffix for a picture of each of ``files``: its stem; where stems are alike, its path below the folder
    that all of them lie in, so that no picture takes another's place. A file that comes again gets a number.
    """
    stems = Counter(file.stem.casefold() for file in set(files))
    if max(stems.values(), default=0) <= 1:
        called = {file: file.stem for file in files}
    else:
        root = os.path.commonpath([os.path.abspath(file.parent) for file in files])
        below = {file: PurePosixPath(Path(os.path.relpath(file, root)).as_posix()) for file in files}
        names = names_without_suffix(below.values())
        called = {file: str(names[below[file]]) for file in files}
    given: list[str] = []
    used, waiting = set(called.values()), set(called)
    for file in files:
        name, number = called[file], 2
        while file not in waiting and name in used:
            name, number = f"{called[file]}_{number}", number + 1
        waiting.discard(file)
        used.add(name)
        given.append(name)
    return given


def temporary_path(path: Path) -> Path:
    """
    A path that nothing has yet, beside ``path``: hidden, ending in ``.partial`` and the suffix of ``path``, by which
    libraries choose the format. Two processes that write the same file get two paths.
    """
    return path.with_name(f".{path.stem[:MAX_NAME_LETTERS]}.{uuid.uuid4().hex[:12]}.partial{path.suffix}")


@contextmanager
def atomic_path(path: Path, durable: bool = False) -> Iterator[Path]:
    """
    Gives a temporary path to write to, by whatever library; afterwards it is renamed to ``path``.

    So ``path`` is never half-written, whatever is killed. An exception removes the temporary file and leaves ``path``
    as it was.

    Args:
        durable: the content is on the disk before it has its name, which a power cut else may reverse.
    """
    beside = temporary_path(path)
    try:
        yield beside
        if durable:
            with beside.open("rb") as file:
                os.fsync(file.fileno())
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
