"""A registered COCO set: what Detectron2's catalog calls for the records, and what its metadata say before that."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from detectron2.data import DatasetFromList, MetadataCatalog

from maskrcnn_project.datasets.categories import ClassChanges, ClassPlan, apply_plan, note_of_empty_classes
from maskrcnn_project.datasets.coco_file import CocoFile, read_coco_file, require_image_files
from maskrcnn_project.datasets.coco_index import gc_paused
from maskrcnn_project.datasets.coco_records import records_of
from maskrcnn_project.datasets.coco_tidying import may_have_notes
from maskrcnn_project.datasets.remapped_copy import notes_of, remapped_copy_path, write_remapped_copy
from maskrcnn_project.errors import DatasetError

logger = logging.getLogger(__name__)

# The metadata's value that holds the arguments; Detectron2 adds values of its own when it loads the file.
ARGUMENTS_KEY = "registered_with"
# Records of so many annotations at most are held between two looks at a set (some 100 MB); others are read again.
MAX_HELD = 200_000
IDS_KEY = "thing_dataset_id_to_contiguous_id"  # Detectron2's name: {category id: class index}


@dataclass
class CocoSet:
    """
    A COCO file under a name. Calling it reads and checks the file, once as long as the file stays the same, and gives
    its records as Detectron2's own loader would.

    Where classes change, or the content has notes (``CocoFile.notes``), the changed file is written when the set is
    made: an evaluator may be built, and read it, before the set is loaded. A process that got no content looks whether
    the file may have any, and takes the copy that another has written.

    Args:
        changes: what the user wants of the classes.
        plan: what becomes of the categories; None where the file need not exist yet: its classes stay.
        prepare: called before each loading; makes files that are not there yet.
        content: the file as somebody has read it already, with the classes that it has; it is let go of once used.
    """

    name: str
    json_file: Path
    image_root: Path
    changes: ClassChanges = field(default_factory=ClassChanges)
    plan: ClassPlan | None = None
    prepare: Callable[[], Any] | None = None
    content: CocoFile | None = None

    def __post_init__(self) -> None:
        self._read: tuple[int, int] | None = None  # size and time of the file that the records are of
        self._records: DatasetFromList | None = None  # serialised: a fraction of their size as objects
        self._told: list[str] = []
        self.remapped: Path | None = None
        if self.plan is None:
            return
        untidy = may_have_notes(self.json_file) if self.content is None else bool(self.content.notes)
        if self.plan.changed or untidy:
            self.remapped = write_remapped_copy(self.json_file, self.plan, self.content)

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
        """The values of Detectron2's catalog. Loading sets the classes too, to the same values."""
        values = {"evaluator_type": "coco", "json_file": str(self.file_to_load), "image_root": str(self.image_root)}
        return values if self.plan is None else {**values, **_class_values(self.plan.names)}

    def __call__(self) -> list[dict[str, Any]]:
        if self.prepare is not None:
            self.prepare()
        if not self.json_file.is_file():
            raise DatasetError(f"Dataset {self.name!r} wants the COCO file {self.json_file}, which does not exist.")
        state = self.json_file.stat()
        size_and_time = (state.st_size, state.st_mtime_ns)
        if size_and_time != self._read or not self.file_to_load.is_file():
            self._records = None
        if self._records is not None:
            return [self._records[index] for index in range(len(self._records))]
        with gc_paused():
            file = self._checked_file()
            records = records_of(file)
        names = {row["id"]: row["name"] for row in file.categories}
        MetadataCatalog.get(self.name).set(**_class_values(names))
        self._read = size_and_time
        if len(file.annotations) <= MAX_HELD:
            self._records = DatasetFromList(records, copy=False)
        return records

    def _checked_file(self) -> CocoFile:
        """The file with the classes as they are wanted; what has been handed over is not parsed again."""
        content, self.content = self.content, None
        if self.remapped is not None:
            return self._remapped_file(self.remapped, content)
        if content is None:
            content = read_coco_file(self.json_file, self.image_root, require_annotations=False)
        require_classes(self.name, str(self.json_file), {row["id"]: row["name"] for row in content.categories})
        self._tell(note_of_empty_classes(content.as_dict()))
        return replace(content, image_root=self.image_root)

    def _remapped_file(self, remapped: Path, content: CocoFile | None) -> CocoFile:
        """A remapped copy comes from a checked file; what may have changed since is its source, and the images."""
        assert self.plan is not None, "a remapped copy comes from a plan"
        if remapped_copy_path(self.json_file, self.plan) != remapped:
            raise DatasetError(
                f"{self.json_file} has changed since dataset {self.name!r}, which has other classes than the file, was "
                "registered: start again, or register it under another name."
            )
        if content is not None:
            changed, notes = apply_plan(content.as_dict(), self.plan)
            self._tell(notes)
            return replace(content.with_content(changed), path=remapped, image_root=self.image_root)
        write_remapped_copy(self.json_file, self.plan)  # again, if somebody has emptied the cache
        self._tell(notes_of(remapped))
        file = replace(read_coco_file(remapped), image_root=self.image_root)
        require_image_files(self.json_file, (image["file_name"] for image in file.images), self.image_root)
        return file

    def _tell(self, notes: Sequence[str]) -> None:
        """Each note once, however often the set is loaded."""
        for note in notes:
            if note not in self._told:
                logger.info("Dataset %r: %s.", self.name, note)
                self._told.append(note)


def _class_values(names: Mapping[int, str]) -> dict[str, Any]:
    """{category id: name} -> Detectron2's metadata: class names by ascending id, and the class index of each id."""
    ids = sorted(names)
    return {"thing_classes": [names[key] for key in ids], IDS_KEY: {key: index for index, key in enumerate(ids)}}


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
