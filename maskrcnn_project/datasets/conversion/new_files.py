"""Many small files that appear together, once all of them are complete, and overwrite nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from maskrcnn_project.datasets.coco_annotations import MAX_NAMED
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
