"""
The sample set: circles, rectangles and triangles that touch and hide one another, drawn as a COCO set.

It holds what real files hold: polygons of one and of several parts, compressed and uncompressed RLE, holes,
objects cut by the border, pictures without objects. Equal options give equal bytes.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

from maskrcnn_project.datasets.shapes.shapes_outline import CATEGORIES, annotate, place_shapes
from maskrcnn_project.datasets.shapes.shapes_picture import paint
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import folder_beside

SPLITS = ("train", "val")
EMPTY_EVERY = 20  # every twentieth picture shows no object: real sets hold some, and training has to bear them
MAX_OBJECTS = 7
MIN_SIZE = 32  # pixels: the smallest objects would shrink below what is worth an annotation
COLOURS = {
    "circle": "#e4572e",
    "rectangle": "#2e86ab",
    "triangle": "#f2b134",
}  # far apart, also for the colour-blind
DESCRIPTION_FILE = "dataset.yaml"


@dataclass(frozen=True)
class ShapesOptions:
    """How many pictures to draw, and how large: ``size`` is both height and width, in pixels."""

    train: int = 240
    val: int = 48
    size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if self.train < 1 or self.val < 1:
            raise DatasetError(f"Each split needs at least one image, but train={self.train} and val={self.val}.")
        if self.size < MIN_SIZE:
            raise DatasetError(f"The size must be at least {MIN_SIZE} pixels, but is {self.size}.")
        if self.seed < 0:
            raise DatasetError(f"The seed must be 0 or more, but is {self.seed}.")


@dataclass(frozen=True)
class ShapesSummary:
    """What was written. ``images`` and ``instances`` hold one number a split, in the order of ``SPLITS``."""

    root: Path
    images: tuple[int, int]
    instances: tuple[int, int]
    options: ShapesOptions
    seconds: float

    def __str__(self) -> str:
        parts = [
            f"{split} {images} images with {instances} instances"
            for split, images, instances in zip(SPLITS, self.images, self.instances, strict=True)
        ]
        size = self.options.size
        return (
            f"{self.root}: {', '.join(parts)}, {size} x {size} pixels, classes {', '.join(CATEGORIES)}, "
            f"seed {self.options.seed}, {self.seconds:.1f} s"
        )


def ensure_shapes(root: str | Path, options: ShapesOptions | None = None) -> Path:
    """
    Draws the sample set into ``root`` unless it lies there already, and returns ``root``.

    Several processes may call it at once: each draws beside, and the first one to finish is kept.

    Raises:
        DatasetError: ``root`` holds something else.
    """
    root = Path(root)
    if not _is_complete(root):
        write_shapes(root, options or ShapesOptions(), keep_existing=True)
    return root


def write_shapes(
    root: str | Path, options: ShapesOptions, *, force: bool = False, keep_existing: bool = False
) -> ShapesSummary:
    """
    Draws the sample set into a new folder ``root``: pictures, annotations and ``dataset.yaml``.

    Args:
        force: replace an earlier sample set at ``root`` (never anything else).
        keep_existing: if another process has put a sample set there meanwhile, that one is kept.

    Raises:
        DatasetError: ``root`` exists, and is neither empty nor a sample set that ``force`` may replace.
    """
    start = time.perf_counter()
    root = Path(root).resolve()
    _check_free(root, force)
    with folder_beside(root) as beside:
        drawn = beside / "shapes"
        drawn.mkdir()
        instances = [_write_split(drawn, split, options) for split in SPLITS]
        text = yaml.safe_dump(describe_shapes(), sort_keys=False, allow_unicode=True, width=110)
        (drawn / DESCRIPTION_FILE).write_text(text, "utf-8")
        _move_into_place(drawn, root, force, keep_existing)
    seconds = time.perf_counter() - start
    return ShapesSummary(root, (options.train, options.val), (instances[0], instances[1]), options, seconds)


def describe_shapes() -> dict:
    """The content of the set's ``dataset.yaml``; the paths are relative to the folder of the set."""
    return {
        "name": "shapes",
        "description": "Drawn circles, rectangles and triangles that touch and hide one another.",
        "licence": "CC0-1.0",
        "splits": {split: {"json": f"annotations/{split}.json", "images": split} for split in SPLITS},
        "classes": list(CATEGORIES),
        "colours": dict(COLOURS),
    }


def draw_image(seed: int, split: str, index: int, size: int) -> tuple[np.ndarray, list[dict]]:
    """
    Picture number ``index`` of a split, which depends on nothing but these arguments.

    Returns:
        (size, size, 3) uint8, RGB; and its objects from the front to the back, each with ``category_id``
        (from 1), ``segmentation``, ``area`` and ``bbox`` (XYWH) as in COCO, in pixels.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    wanted = 0 if index % EMPTY_EVERY == EMPTY_EVERY // 2 else int(rng.integers(2, MAX_OBJECTS + 1))
    shapes = place_shapes(rng, size, size, wanted)
    objects = [{"category_id": shape.category + 1, **annotate(rng, shape.visible)} for shape in shapes]
    return paint(rng, shapes, size, size), objects


def _write_split(root: Path, split: str, options: ShapesOptions) -> int:
    """Writes the pictures and the JSON of one split; returns the number of instances."""
    (root / split).mkdir()
    (root / "annotations").mkdir(exist_ok=True)
    images: list[dict] = []
    annotations: list[dict] = []
    for index in range(getattr(options, split)):
        picture, objects = draw_image(options.seed, split, index, options.size)
        image_id, file_name = index + 1, f"{index + 1:06d}.png"
        done, png = cv2.imencode(".png", picture[:, :, ::-1])  # cv2 takes BGR
        if not done:
            raise DatasetError(f"OpenCV could not encode {split}/{file_name} as PNG: check its installation.")
        (root / split / file_name).write_bytes(png.tobytes())
        images.append({"id": image_id, "file_name": file_name, "height": options.size, "width": options.size})
        for item in objects:
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **item, "iscrowd": 0})
    coco = {
        "info": {"description": f"shapes, {split}", "seed": options.seed, "size": options.size},
        "licenses": [{"id": 1, "name": "CC0-1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(CATEGORIES, start=1)],
    }
    (root / "annotations" / f"{split}.json").write_text(json.dumps(coco, separators=(",", ":")), "utf-8")
    return len(annotations)


def _is_complete(root: Path) -> bool:
    """Whether a sample set lies at ``root``; sets appear there by one rename, so the description is proof."""
    try:
        description = yaml.safe_load((root / DESCRIPTION_FILE).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, yaml.YAMLError):
        return False
    annotations = [root / "annotations" / f"{split}.json" for split in SPLITS]
    return (
        isinstance(description, dict)
        and description.get("name") == "shapes"
        and all(file.is_file() for file in annotations)
    )


def _check_free(root: Path, force: bool) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise DatasetError(f"The sample set needs a folder, but {root} is a file: choose another --output.")
    entries = {entry.name for entry in root.iterdir()}
    if not entries or (force and _is_complete(root) and entries <= {*SPLITS, "annotations", DESCRIPTION_FILE}):
        return
    if _is_complete(root) and not force:
        raise DatasetError(f"{root} holds a sample set already: use it, or draw it anew with --force.")
    named = ", ".join(sorted(entries)[:5])
    raise DatasetError(f"{root} holds other files ({named}), which are not overwritten: choose another --output.")


def _move_into_place(beside: Path, root: Path, force: bool, keep_existing: bool) -> None:
    """Renames ``beside`` to ``root``; an old set that ``force`` replaces goes with the temporary folder afterwards."""
    old = beside.with_name("old")
    if force and root.exists():
        root.rename(old)
    try:
        beside.rename(root)
    except OSError as error:
        if old.exists():
            old.rename(root)
        if keep_existing and _is_complete(root):
            return
        raise DatasetError(
            f"The sample set could not be moved to {root} ({error}): choose another --output."
        ) from error
