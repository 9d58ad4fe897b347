"""The content of a COCO file that was made of another format, and what there is to tell about it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.conversion.counts import Counts
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text


@dataclass(frozen=True)
class Conversion:
    """The content of a COCO file, and what there is to tell about how it came to be."""

    coco: dict[str, Any]
    image_root: Path
    class_order: str  # where it comes from, as a phrase
    unannotated: int  # images listed without objects because nobody has annotated them
    left_out: Counts

    def report(self) -> str:
        """The class table, the counts, and what was left out."""
        objects = Counter(row["category_id"] for row in self.coco["annotations"])
        shown = Counter(
            category for _, category in {(r["image_id"], r["category_id"]) for r in self.coco["annotations"]}
        )
        width = max(len("class"), *(len(row["name"]) for row in self.coco["categories"]))
        lines = [f"  id  {'class':<{width}}  objects  images"]
        for row in self.coco["categories"]:
            lines.append(f"{row['id']:4d}  {row['name']:<{width}}  {objects[row['id']]:7d}  {shown[row['id']]:6d}")
        lines.append(f"The order of the classes is {self.class_order}.")
        with_objects = len({row["image_id"] for row in self.coco["annotations"]})
        lines.append(
            f"{len(self.coco['images'])} images, {with_objects} of them with objects; "
            f"{len(self.coco['annotations'])} objects."
        )
        if self.unannotated:
            lines.append(
                f"{self.unannotated} images have no annotation and are listed as images without objects; "
                "--annotated-only leaves them out."
            )
        if self.left_out.counts:
            lines += ["Left out or changed:", self.left_out.table()]
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Raises DatasetError if the file exists already."""
        check_new(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(self.coco))


def check_new(path: Path) -> None:
    """Raises DatasetError if there is something at ``path`` already."""
    if path.exists():
        raise DatasetError(f"{path} exists already and is not overwritten: choose another --output, or remove it.")
