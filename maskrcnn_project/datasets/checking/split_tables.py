"""One split as its file has it, read leniently: broken rows stay in the tables, sound ones are offered beside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from maskrcnn_project.datasets.coco_file import TABLES, read_json
from maskrcnn_project.errors import DatasetError

Row = dict[str, Any]

# No image has more pixels a side (whole slides have some 200,000). What lies beyond is a mistake, as NaN is, and
# would exhaust the memory of what draws it.
MAX_COORDINATE = 1e6
MAX_SHOWN = 60  # characters of a value in a sentence


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

    @classmethod
    def read(cls, split: str, json_file: str | Path, image_root: str | Path | None = None) -> SplitTables:
        """
        Reads a COCO file without evaluating its rows.

        Raises:
            DatasetError: no file, no JSON object, a table that is missing or no list, or no image folder.
        """
        coco = read_json(json_file)
        for key in TABLES:
            if not isinstance(coco.get(key), list):
                state = "missing" if key not in coco else "no list"
                raise DatasetError(
                    f"{json_file} wants the lists {', '.join(TABLES)}, but {key!r} is {state}; its keys are "
                    f"{', '.join(coco) or 'none'}. Is it a COCO file of instances?"
                )
        if image_root is not None and not Path(image_root).is_dir():
            raise DatasetError(f"The image folder {image_root} does not exist: name the folder of the {split} images.")
        tables = {key: coco.pop(key) for key in TABLES}
        return cls(split, Path(json_file), None if image_root is None else Path(image_root), **tables, other=coco)

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


def image_fault(row: Any) -> str | None:
    """Why an image row cannot be used (a phrase), or None."""
    fault = _fault(row, {"id": (is_id, "an integer"), "file_name": (_is_name, "a text")})
    return fault or _fault(row, dict.fromkeys(("height", "width"), (is_side, "a whole number of pixels")))


def annotation_fault(row: Any) -> str | None:
    """Why an annotation row cannot be used (a phrase), or None. Box and mask have rules of their own."""
    # the usual case first: there are a million of them
    if (
        isinstance(row, dict)
        and type(row.get("id")) is type(row.get("image_id")) is type(row.get("category_id")) is int
    ):
        return None
    return _fault(row, dict.fromkeys(("id", "image_id", "category_id"), (is_id, "an integer")))


def category_fault(row: Any) -> str | None:
    """Why a category row cannot be used (a phrase), or None."""
    return _fault(row, {"id": (is_id, "an integer"), "name": (_is_name, "a text")})


def is_id(value: Any) -> bool:
    """An integer; True and False, which Python counts as integers, are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """A finite number that can be a coordinate in pixels."""
    # compared, and not converted: a JSON integer may be too large for a float
    return type(value) in (int, float) and -MAX_COORDINATE <= value <= MAX_COORDINATE


def is_side(value: Any) -> bool:
    """A height or width of an image: whole pixels, one at least."""
    return is_number(value) and value >= 1 and value == int(value)


def is_crowd(annotation: Row) -> bool:
    """Whether training leaves an annotation out (Detectron2 keeps those whose ``iscrowd`` is 0 or absent)."""
    return annotation.get("iscrowd", 0) != 0


def short_repr(value: Any) -> str:
    """A JSON value in a sentence, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _fault(row: Any, wanted: dict[str, tuple[Callable[[Any], bool], str]]) -> str | None:
    if not isinstance(row, dict):
        return f"is no object, but {short_repr(row)}"
    for key, (is_right, kind) in wanted.items():
        if not is_right(row.get(key)):
            return f"wants {kind} as {key!r}, but has {short_repr(row[key])}" if key in row else f"has no {key!r}"
    return None
