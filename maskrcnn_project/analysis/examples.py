"""Pictures of what the check has found: a few of each broken rule, small, so that a page of all of them stays light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from tqdm import tqdm

from maskrcnn_project.datasets.checking.findings import Example, Finding, Findings
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_rows import Row, is_id
from maskrcnn_project.datasets.image_file import read_to_look
from maskrcnn_project.datasets.stored_image import UNREADABLE
from maskrcnn_project.visualization.annotation_crop import annotation_crop

MAX_DRAWN = 3  # of one rule
JPEG_QUALITY = 85


@dataclass(frozen=True)
class DrawnExample:
    """An example of a finding with its picture."""

    example: Example
    jpeg: bytes | None  # None: there is none
    lacking: str = ""  # why an annotation has none, as a phrase; what is wrong with an image is in the example itself


def draw_examples(
    tables: SplitTables, findings: Findings, *, page: int = 0, progress: bool = True
) -> list[tuple[Finding, list[DrawnExample]]]:
    """
    The findings, the worst first, each with all of its examples: at most MAX_DRAWN pictures, of the first examples
    whose image is there, and these come first.

    Args:
        page: of images that are stacks.
    """
    found = list(findings)
    examples = [example for finding in found for example in finding.examples]
    wanted = {(e.image_id, e.annotation_id) for e in examples if is_id(e.image_id) and is_id(e.annotation_id)}
    rows = {
        (row["image_id"], row["id"]): row for row in tables.sound_annotations if (row["image_id"], row["id"]) in wanted
    }
    bar = tqdm(found, desc="Drawing examples", unit="rule", leave=False, disable=None if progress else True)
    return [(finding, _draw(tables, rows, finding.examples, page)) for finding in bar]


def _draw(tables: SplitTables, rows: dict[tuple, Row], examples: Sequence[Example], page: int) -> list[DrawnExample]:
    pictured: list[DrawnExample] = []
    others: list[DrawnExample] = []
    for example in examples:
        drawn = _draw_one(tables, rows, example, page) if len(pictured) < MAX_DRAWN else DrawnExample(example, None)
        (others if drawn.jpeg is None else pictured).append(drawn)
    return pictured + others


def _draw_one(tables: SplitTables, rows: dict[tuple, Row], example: Example, page: int) -> DrawnExample:
    name = example.file_name
    if name is None and is_id(example.image_id):
        name = tables.image_by_id.get(example.image_id, {}).get("file_name")
    if name is None or tables.image_root is None:
        return DrawnExample(example, None)
    annotation = rows.get((example.image_id, example.annotation_id)) if is_id(example.annotation_id) else None
    path, lacking = tables.image_root / name, "its image cannot be read"
    try:
        if path.is_file():
            return DrawnExample(example, _jpeg(path, annotation, page))
        lacking = "its image is not there"
    except UNREADABLE:
        pass
    return DrawnExample(example, None, lacking if example.annotation_id is not None else "")


def _jpeg(path: Path, annotation: Row | None, page: int) -> bytes:
    """The bytes of a JPEG file of an annotation in its image."""
    picture = annotation_crop(read_to_look(path, "BGR", page), annotation)
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done, "OpenCV encodes any uint8 picture as JPEG"
    return encoded.tobytes()
