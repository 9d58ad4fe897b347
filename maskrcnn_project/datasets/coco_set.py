"""A registered COCO set: what Detectron2's catalog calls for the records, and what its metadata say before that."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detectron2.data import MetadataCatalog
from detectron2.data.datasets import load_coco_json

from maskrcnn_project.datasets.categories import ClassChanges, ClassPlan, note_of_empty_classes
from maskrcnn_project.datasets.coco_file import read_coco_file, read_table, require_image_files
from maskrcnn_project.datasets.coco_index import gc_paused
from maskrcnn_project.datasets.remapped_copy import notes_of, remapped_copy_path, write_remapped_copy
from maskrcnn_project.errors import DatasetError

logger = logging.getLogger(__name__)

# The metadata's value that holds the arguments; Detectron2 adds values of its own when it loads the file.
ARGUMENTS_KEY = "registered_with"
IDS_KEY = "thing_dataset_id_to_contiguous_id"  # Detectron2's name: {category id: class index}


@dataclass
class CocoSet:
    """
    A COCO file under a name. Calling it checks the file, once as long as the file stays the same, and returns the
    records of Detectron2's own loader.

    Where classes change, the changed file is written when the set is made: an evaluator may be built, and read it,
    before the set is loaded.

    Args:
        changes: what the user wants of the classes.
        plan: what becomes of the categories; None where the file need not exist yet: its classes stay.
        prepare: called before each loading; makes files that are not there yet.
    """

    name: str
    json_file: Path
    image_root: Path
    changes: ClassChanges = field(default_factory=ClassChanges)
    plan: ClassPlan | None = None
    prepare: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        self._checked: tuple[int, int] | None = None  # size and time of the file when it was found sound
        self._told: list[str] = []
        self.remapped = write_remapped_copy(self.json_file, self.plan) if self.plan and self.plan.changed else None

    @property
    def file_to_load(self) -> Path:
        """The COCO file that has the classes as they are wanted."""
        return self.remapped or self.json_file

    def arguments(self) -> dict[str, Any]:
        """What tells it from another set of its name."""
        changes = self.changes.as_dict()
        paths = {"json_file": str(self.json_file), "image_root": str(self.image_root)}
        return {**paths, "class_changes": changes} if changes else paths

    def metadata(self) -> dict[str, Any]:
        """The values of Detectron2's catalog. The loader sets the classes too, to the same values."""
        values = {"evaluator_type": "coco", "json_file": str(self.file_to_load), "image_root": str(self.image_root)}
        if self.plan is None:
            return values
        ids = sorted(self.plan.names)
        names = [self.plan.names[key] for key in ids]
        return {**values, "thing_classes": names, IDS_KEY: {key: index for index, key in enumerate(ids)}}

    def __call__(self) -> list[dict[str, Any]]:
        if self.prepare is not None:
            self.prepare()
        if not self.json_file.is_file():
            raise DatasetError(f"Dataset {self.name!r} wants the COCO file {self.json_file}, which does not exist.")
        state = self.json_file.stat()
        size_and_time = (state.st_size, state.st_mtime_ns)
        if size_and_time != self._checked or not self.file_to_load.is_file():
            self._tell(self._check_content() if self.remapped is None else self._check_remapped(self.remapped))
            self._checked = size_and_time
        with gc_paused():
            return load_coco_json(str(self.file_to_load), str(self.image_root), self.name)

    def _check_content(self) -> list[str]:
        """Reads the whole file, and lets go of it before the loader reads it again: one copy at a time."""
        file = read_coco_file(self.json_file, self.image_root)
        require_classes(self.name, str(self.json_file), {row["id"]: row["name"] for row in file.categories})
        return note_of_empty_classes(file.as_dict())

    def _check_remapped(self, remapped: Path) -> list[str]:
        """The derived file comes from a checked one; what may have changed since is its source, and the images."""
        assert self.plan is not None, "a derived file comes from a plan"
        if remapped_copy_path(self.json_file, self.plan) != remapped:
            raise DatasetError(
                f"{self.json_file} has changed since dataset {self.name!r}, which has other classes than the file, was "
                "registered: start again, or register it under another name."
            )
        write_remapped_copy(self.json_file, self.plan)  # again, if somebody has emptied the cache
        names = [image["file_name"] for image in read_table(remapped, "images")]
        require_image_files(self.json_file, names, self.image_root)
        return notes_of(remapped)

    def _tell(self, notes: Sequence[str]) -> None:
        """Each note once, however often the set is loaded."""
        for note in notes:
            if note not in self._told:
                logger.info("Dataset %r: %s.", self.name, note)
                self._told.append(note)


def require_classes(name: str, source: str, found: Mapping[int, str], stated: Mapping[str, Any] | None = None) -> None:
    """
    The classes and colours that the catalog knows of a set have to be those of its file.

    Args:
        source: the file, for the error.
        found: {category id: name} of the file.
        stated: values that the catalog will know; by default those that it knows.
    """
    metadata = {**MetadataCatalog.get(name).as_dict(), **(stated or {})}
    names = [found[key] for key in sorted(found)]
    known = metadata.get("thing_classes")
    if known is not None and list(known) != names:
        raise DatasetError(
            f"Dataset {name!r} should have the classes {', '.join(known)}, but {source} has "
            f"{', '.join(names)} (by ascending category id): make both agree."
        )
    ids = metadata.get(IDS_KEY)
    if ids is not None and sorted(ids) != sorted(found):
        raise DatasetError(
            f"Dataset {name!r} should have the category ids {sorted(ids)}, but {source} has {sorted(found)}: "
            "make both agree."
        )
    colors = metadata.get("thing_colors")
    if colors is not None and len(colors) != len(names):
        raise DatasetError(
            f"Dataset {name!r} should have {len(colors)} colours, but {source} has {len(names)} classes: give "
            "one colour for each class."
        )
