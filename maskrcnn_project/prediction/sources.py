"""What a user may call "the images": files, folders, patterns, videos, and COCO files that list images."""

from __future__ import annotations

import glob
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.files import IMAGE_SUFFIXES, images_below, is_earlier_result, refuse_inputs
from maskrcnn_project.prediction.video import VIDEO_SUFFIXES

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """
    An image or a video to predict on.

    Attributes:
        path: absolute.
        name: its path below the folder that all inputs lie in; of an image that a COCO file lists, its ``file_name``.
            A video's has no suffix, as its frames lie below it: frame 7 is ``name / "000007"``. No two are the same.
        image_id: that of the COCO file, if one lists all of the images.
    """

    path: Path
    name: PurePosixPath
    image_id: int | None = None

    @property
    def is_video(self) -> bool:
        return is_video(self.path)

    @property
    def root(self) -> Path:
        """The folder that all inputs lie in: that of ``name``."""
        return self.path.parents[len(self.name.parts) - 1]


@dataclass(frozen=True)
class Listed:
    """What a COCO file says of an image: the folder that its name is below, and its id."""

    root: Path
    image_id: int


def is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def find_sources(inputs: Iterable[str], images: str | Path | None, output: str | Path) -> list[Source]:
    """
    The images and videos that ``inputs`` name, each once, in order.

    Args:
        inputs: files, folders (their images and videos at any depth, sorted), patterns, COCO files (``*.json``).
        images: the folder of the images that COCO files list; None: that of the file.
        output: the folder of the results; what lies in it is never taken from a larger folder.

    Raises:
        FileNotFoundError: an input that names nothing, or nothing that can be an input.
        DatasetError: a COCO file that is none.
        ValueError: ``images`` without a COCO file; an input, COCO files included, that lies in the output folder.
    """
    found: dict[Path, Listed | None] = {}  # None: an input of its own
    results = Path(os.path.abspath(output))
    entries = list(inputs)
    listings = [entry for entry in entries if _is_listing(entry)]
    if images is not None and not listings:
        raise ValueError(f"--images {images} is the folder of the images that a COCO file lists: add it to --input.")
    for entry in entries:
        if entry in listings:
            for path, listed in listed_images(Path(entry).expanduser(), images):
                found[path] = found.get(path) or listed
        else:
            found.update({path: found.get(path) for path in expand(entry, results)})
    refuse_inputs(Path(output), [*found, *(Path(entry).expanduser() for entry in listings)])
    return _with_names(found)


def _with_names(found: Mapping[Path, Listed | None]) -> list[Source]:
    """The sources of absolute paths, at least one."""
    listed = [entry for entry in found.values() if entry is not None]
    roots = {entry.root for entry in listed}
    root = common_root(list(found))
    if len(listed) == len(found) and len(roots) == 1 and root.is_relative_to(listed[0].root):
        root = listed[0].root
    names = [PurePosixPath(path.relative_to(root).as_posix()) for path in found]
    ids: list[int | None] = [entry.image_id for entry in listed]
    if len(set(ids)) < len(found):  # there are other inputs, or two COCO files count from 1
        ids = [None] * len(found)
    return [Source(*parts) for parts in zip(found, video_names(names), ids, strict=True)]


def expand(entry: str, output: Path) -> list[Path]:
    """
    The files that a file, a folder or a pattern names, absolute. What lies below ``output`` (absolute), and what
    earlier runs have written, is left out; what else a folder holds that could have been meant is said in one line.
    """
    path = Path(entry).expanduser()
    suffixes = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)
    if path.is_file():
        return [Path(os.path.abspath(path))]
    remark = ""
    if path.is_dir():
        found, remark = images_below(path, suffixes)
        nothing = f"The folder {entry} holds no image and no video ({', '.join(suffixes)})"
    else:
        found = matching_files(path)
        nothing = f"{entry} is no file and no folder, and as a pattern it matches nothing"
    files = [Path(os.path.abspath(file)) for file in found]
    results = os.path.realpath(output)
    outside = [file for file in files if not _is_within(os.path.realpath(file.parent), results)]
    if not outside:
        where = " outside of the output folder" if files else ""
        raise FileNotFoundError(f"{nothing}{where}{remark and f'; {remark}'}.")
    if remark and os.environ.get("RANK", "0") == "0":  # under torchrun every process comes here
        logger.warning("%s: %s.", entry, remark)
    return outside


def matching_files(pattern: Path) -> list[Path]:
    """
    The files that match, sorted, less results of earlier runs. What of the pattern is a folder stands for itself,
    brackets included; a file that several links lead to comes once.
    """
    folder = pattern.parent
    while not folder.is_dir():
        folder = folder.parent
    below = pattern.relative_to(folder)
    matches = sorted(glob.glob(str(below), root_dir=folder, recursive=True))
    files: dict[str, Path] = {}
    for file in (folder / match for match in matches):
        if file.is_file() and not is_earlier_result(file, folder):
            files.setdefault(os.path.realpath(file), file)
    return list(files.values())


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def common_root(files: list[Path]) -> Path:
    """The deepest folder above all ``files`` (absolute, at least one): results are laid out below it as these are."""
    return Path(os.path.commonpath([file.parent for file in files]))


def video_names(names: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """
    The ``names``, those of videos without their suffix: clip.avi becomes clip, and its frames clip/000000, ... Where
    something else is called clip, such as a folder of images, it becomes clip_avi.
    """
    others = Counter(name.with_suffix("") for name in names)
    others.update({folder for name in names for folder in name.parents})
    return [_video_name(name, others) if is_video(Path(name)) else name for name in names]


def _video_name(name: PurePosixPath, others: Mapping[PurePosixPath, int]) -> PurePosixPath:
    bare = name.with_suffix("")
    return bare if others[bare] == 1 else name.with_name(name.name.replace(".", "_"))


def _is_listing(entry: str) -> bool:
    return entry.lower().endswith(".json") and (Path(entry).expanduser().exists() or not glob.has_magic(entry))


def listed_images(listing: Path, images: str | Path | None) -> Iterator[tuple[Path, Listed]]:
    """The images of a COCO file, with their absolute paths; ``images`` as for ``find_sources``."""
    root = Path(os.path.abspath(Path(listing.parent if images is None else images).expanduser()))
    if not root.is_dir():
        raise FileNotFoundError(f"The image folder {root} does not exist: --images names that of {listing}.")
    for image in read_coco_file(listing, require_annotations=False).images:
        yield Path(os.path.abspath(root / image["file_name"])), Listed(root, image["id"])
