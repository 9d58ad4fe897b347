"""One split as its file has it, read leniently: broken rows stay in the tables, sound ones are offered beside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from maskrcnn_project.datasets.coco_file import TABLES, read_json
from maskrcnn_project.datasets.coco_rows import Row, annotation_fault, category_fault, image_fault
from maskrcnn_project.datasets.coco_tidying import tidy
from maskrcnn_project.errors import DatasetError


@dataclass
class SplitTables:
    """
    One split of a dataset: the tables as in the JSON, whatever they hold, and the rows that rules can rely on.

    The tables are not changed once a rule has read them.
    """

    split: str  # "train" or "val"
    json_file: Path
    image_root: Path | None  # None: the images are not looked at
    images: list[Any]
    annotations: list[Any]
    categories: list[Any]
    other: dict[str, Any] = field(default_factory=dict)  # what else the file holds: info, licenses, ...
    notes: list[str] = field(default_factory=list)  # what is read otherwise than the file has it, see ``tidy``

    @classmethod
    def read(cls, split: str, json_file: str | Path, image_root: str | Path | None = None) -> SplitTables:
        """
        Reads a COCO file without evaluating its rows.

        Raises:
            DatasetError: no file, no JSON object, a table that is missing or no list, or no image folder.
        """
        return cls.of_content(split, json_file, image_root, read_json(json_file))

    @classmethod
    def of_content(
        cls, split: str, json_file: str | Path, image_root: str | Path | None, coco: dict[str, Any]
    ) -> SplitTables:
        """As ``read``, of what ``read_json`` has read: a file is parsed once for all who ask."""
        for key in TABLES:
            if not isinstance(coco.get(key), list):
                state = "missing" if key not in coco else "no list"
                raise DatasetError(
                    f"{json_file} wants the lists {', '.join(TABLES)}, but {key!r} is {state}; its keys are "
                    f"{', '.join(coco) or 'none'}. Is it a COCO file of instances?"
                )
        if image_root is not None and not Path(image_root).is_dir():
            raise DatasetError(f"The image folder {image_root} does not exist: name the folder of the {split} images.")
        coco, notes = tidy(coco, Path(json_file))
        tables = {key: coco[key] for key in TABLES}
        other = {key: value for key, value in coco.items() if key not in TABLES}
        return cls(
            split, Path(json_file), None if image_root is None else Path(image_root), **tables, other=other, notes=notes
        )

    @cached_property
    def sound_images(self) -> list[Row]:
        """Images with an id, a file name, a height and a width. An id may still occur twice."""
        return [row for row in self.images if image_fault(row) is None]

    @cached_property
    def sound_annotations(self) -> list[Row]:
        """Annotations with an id, an image id and a category id, which may still refer to nothing."""
        return [row for row in self.annotations if annotation_fault(row) is None]

    @cached_property
    def sound_categories(self) -> list[Row]:
        """Categories with an id and a name."""
        return [row for row in self.categories if category_fault(row) is None]

    @cached_property
    def image_by_id(self) -> dict[int, Row]:
        """The first image of each id."""
        images: dict[int, Row] = {}
        for row in self.sound_images:
            images.setdefault(row["id"], row)
        return images

    @cached_property
    def annotations_by_image(self) -> dict[int, list[Row]]:
        """The sound annotations of every listed image that has any, in the order of the file."""
        listed = self.image_by_id
        rows: defaultdict[int, list[Row]] = defaultdict(list)
        for row in self.sound_annotations:
            if row["image_id"] in listed:
                rows[row["image_id"]].append(row)
        return dict(rows)

    def images_with_annotations(self, label: str = "", progress: bool = False) -> Iterator[tuple[Row, list[Row]]]:
        """
        Every image that has any sound annotation, with these.

        Args:
            label: what is being done, before the bar.
            progress: shows a bar where standard error is a terminal.
        """
        rows_of, hidden = self.annotations_by_image, None if progress else True
        for image_id in tqdm(rows_of, f"{label} ({self.split})", unit="image", leave=False, disable=hidden):
            yield self.image_by_id[image_id], rows_of[image_id]

    @cached_property
    def used_categories(self) -> set[int]:
        """The category ids that annotations name."""
        return {row["category_id"] for row in self.sound_annotations}

    def place(self, annotation: Row) -> dict[str, Any]:
        """Where an annotation is, as ``Findings.add`` takes it."""
        image = self.image_by_id.get(annotation["image_id"])
        return {
            "image_id": annotation["image_id"],
            "file_name": None if image is None else image["file_name"],
            "annotation_id": annotation["id"],
        }
