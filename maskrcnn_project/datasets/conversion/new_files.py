"""Many small files that appear together, once all of them are complete, and overwrite nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from maskrcnn_project.datasets.coco_annotations import MAX_NAMED
from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import atomic_files


@contextmanager
def new_files(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """
    Gives a folder to write files of these names into (paths may have subfolders); afterwards they lie in ``folder``.
    An exception on the way leaves nothing behind.

    Raises:
        DatasetError: one of the files exists already, or two have the same name.
    """
    there = [name for name in names if (folder / name).exists()]
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise DatasetError(
            f"{folder / there[0]}{more} exists already and is not overwritten: choose another --output, or remove it."
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DatasetError(
            f"Several images would share one annotation file ({', '.join(twice[:MAX_NAMED])}), as they are listed "
            "twice or differ by their suffix only: list each once, or rename one."
        )
    with atomic_files(folder, names) as beside:
        yield beside


def stems_of(data: CocoFile, suffix: str) -> list[str]:
    """
    For each image of ``data`` its ``file_name`` with another suffix, to be written below an output folder.

    Raises:
        DatasetError: a ``file_name`` that leads out of its folder, or an image whose size is not the file's.
    """
    images = ImageFolder(data.image_root)
    names = []
    for record in tqdm(data.images, desc="Image sizes", unit="image", disable=None, leave=False):
        path = PurePosixPath(record["file_name"])
        if path.is_absolute() or ".." in path.parts or "\\" in record["file_name"]:
            raise DatasetError(
                f"{data.path}: image {record['id']} has the file_name {record['file_name']!r}, which should be a "
                "path below the image folder, with forward slashes."
            )
        size = images.size(record["file_name"])
        if size != (record["height"], record["width"]):
            raise DatasetError(
                f"{data.image_root / path} (image id {record['id']}) is {size[0]}x{size[1]} (height x width, upright), "
                f"but {data.path} says {record['height']}x{record['width']}: tools/check_dataset.py tells more."
            )
        names.append(path.with_suffix(suffix).as_posix())
    return names
