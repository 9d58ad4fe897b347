"""
Large images cut into overlapping tiles, with what their annotations show of each object, as a new COCO set.

A tile keeps its origin, from the untouched photograph even where tiles are tiled again: ``source_image_id``,
``source_file_name``, ``source_x`` and ``source_y`` (its upper left corner there, in pixels) of the image, and
``source_annotation_id`` and ``visible_fraction`` (of the pixels of the whole object) of each annotation.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from maskrcnn_project.datasets.coco_file import CocoFile, read_coco_file
from maskrcnn_project.datasets.editing.grouping import SOURCE_KEY
from maskrcnn_project.datasets.editing.tile_pictures import FORMATS, TileWriter
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import ALL_RESULTS, folder_beside, note_results
from maskrcnn_project.masks.crop import area_of, box_xywh_in, clip, pixels_of
from maskrcnn_project.masks.mask_in_box import MaskInBox
from maskrcnn_project.masks.tile_grid import Grid
from maskrcnn_project.masks.window import Window

IMAGE_FOLDER, JSON_NAME = "images", "annotations.json"
# Coordinates of the whole image, which nobody has cut.
UNCUT_KEYS = ("keypoints", "num_keypoints")
DIGITS = 6  # after the point, of a visible fraction


@dataclass(frozen=True)
class TileOptions:
    """
    How to cut.

    Args:
        size: both sides of a tile in pixels; an image smaller than that makes a smaller tile.
        overlap: what neighbours have in common at least, in pixels. An object up to this size is whole in some tile.
        min_visible: remnants with less than this share of an object are left out, 0 to 1. A tenth is what the
            slicing of SAHI takes (Akyon et al., "Slicing aided hyper inference", 2022): of less, few could tell what
            it belongs to, and another tile shows more. For an object that is larger than a tile, it is the share of
            what the best tile shows, so that no object is lost.
        keep_empty: keep tiles that show no object.
        format: "png" keeps every pixel; "jpg" is smaller and changes them.
        quality: of JPEG, 1 to 100.
        page: of images that are stacks, from 0; None: they are refused.
    """

    size: int
    overlap: int = 0
    min_visible: float = 0.1
    keep_empty: bool = True
    format: str = "png"
    quality: int = 95  # the most that Pillow's handbook advises: above, files grow and hardly anything is gained
    page: int | None = None

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.overlap < self.size:
            raise DatasetError(
                "Tiles want a size of 1 pixel or more and an overlap from 0 to below the size, "
                f"but size={self.size} and overlap={self.overlap}."
            )
        if self.page is not None and self.page < 0:
            raise DatasetError(f"Pages are counted from 0, but page {self.page} was given.")
        if not 0 <= self.min_visible <= 1:
            raise DatasetError(f"The visible share of an object should be 0 to 1, but is {self.min_visible}.")
        if self.format not in FORMATS or not 1 <= self.quality <= 100:
            raise DatasetError(
                f"Tiles are written as {' or '.join(FORMATS)} with a JPEG quality of 1 to 100, "
                f"but format={self.format} and quality={self.quality}."
            )


@dataclass
class TileSummary:
    """What was cut."""

    images: int = 0
    tiles: int = 0
    empty_tiles: int = 0  # of all that were cut, kept or not
    objects: int = 0  # annotations of the source
    annotations: int = 0  # of the tiles
    cut: int = 0  # of these, not whole
    remnants: int = 0  # left out for being too small a part
    without_pixels: int = 0  # objects of the source that cover no pixel: left out
    wide: int = 0  # objects larger than the overlap
    never_whole: int = 0  # of these, whole in no tile
    widest: int = 0  # longer side of the largest of these, pixels

    def text(self, options: TileOptions) -> str:
        """A few lines for people."""
        lines = [
            f"{self.images} images became {self.tiles} tiles of {options.size} pixels with an overlap of "
            f"{options.overlap} or more; {self.empty_tiles} show no object"
            + ("." if options.keep_empty else " and are left out."),
            f"{self.objects} objects became {self.annotations} annotations, {self.cut} of them cut by an edge; "
            f"{self.remnants} remnants below {options.min_visible:g} of the object are left out.",
        ]
        if self.without_pixels:
            lines.append(f"{self.without_pixels} objects cover no pixel and are left out.")
        if self.wide:
            lines.append(
                f"{self.wide} objects are larger than the overlap, and {self.never_whole} of them are whole in no tile"
                + (f"; the largest measures {self.widest} pixels." if self.never_whole else ".")
            )
        return "\n".join(lines)


def tile_annotations(
    annotations: Sequence[Mapping[str, Any]],
    image: Mapping[str, Any],
    grid: Grid,
    options: TileOptions,
    summary: TileSummary,
) -> list[list[dict[str, Any]]]:
    """
    The annotations of each tile of an image, in coordinates of the tile, without ``id`` and ``image_id``.

    Args:
        summary: is counted up.

    Raises:
        DatasetError: an RLE that cannot be read.
    """
    shown: list[list[dict[str, Any]]] = [[] for _ in grid.tiles]
    for annotation in annotations:
        segmentation = annotation.get("segmentation") or [_box_polygon(annotation["bbox"])]
        try:
            mask = pixels_of(segmentation, image["height"], image["width"])
        except ValueError as error:
            raise DatasetError(
                f"Annotation {annotation['id']} of image {image['id']} ({image['file_name']}) cannot be cut: {error} "
                "tools/check_dataset.py tells more."
            ) from error
        visible = {index: int(mask.within(grid.tiles[index]).sum()) for index in grid.touching(mask.window)}
        total, most = mask.area, max(visible.values(), default=0)
        _count_object(mask, grid, options, summary, whole=most == total)
        for index, number in visible.items():
            # part of a crowd is a crowd, however small
            if number and (number >= options.min_visible * most or annotation.get("iscrowd")):
                row = _part(annotation, segmentation, mask, grid.tiles[index])
                row["visible_fraction"] = round(annotation.get("visible_fraction", 1.0) * number / total, DIGITS)
                shown[index].append(row)
                summary.annotations += 1
                summary.cut += number < total
            elif number:
                summary.remnants += 1
    return shown


def _count_object(mask: MaskInBox, grid: Grid, options: TileOptions, summary: TileSummary, *, whole: bool) -> None:
    summary.objects += 1
    if not mask.area:
        summary.without_pixels += 1
        return
    summary.wide += grid.is_wider_than(options.overlap, mask.window)
    if not whole:
        summary.never_whole += 1
        summary.widest = max(summary.widest, mask.window.width, mask.window.height)


def _part(annotation: Mapping[str, Any], segmentation: Any, mask: MaskInBox, tile: Window) -> dict[str, Any]:
    """An annotation as far as the tile shows it."""
    part = clip(segmentation, mask, tile)
    row = {key: value for key, value in annotation.items() if key not in UNCUT_KEYS}
    row.update(bbox=box_xywh_in(part), area=area_of(part, tile))
    if annotation.get("segmentation"):
        row["segmentation"] = part
    row.setdefault("source_annotation_id", annotation["id"])
    return row


def _box_polygon(box_xywh: Sequence[float]) -> list[float]:
    """An object without a mask is cut as its box."""
    x, y, w, h = box_xywh
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def write_tiled(
    json_file: str | Path, image_root: str | Path, output_dir: str | Path, options: TileOptions
) -> TileSummary:
    """
    Cuts the images of a COCO set into the new folder ``output_dir``: ``images/`` and ``annotations.json``.

    Raises:
        DatasetError: the set is not sound, an image cannot be read or is not of the size that the file states, or
            ``output_dir`` exists and is not empty. Nothing is left behind then.
    """
    output_dir = Path(output_dir).absolute()
    if output_dir.exists() and not (output_dir.is_dir() and not any(output_dir.iterdir())):
        raise DatasetError(f"{output_dir} exists already and is not empty: choose another output folder for the tiles.")
    data = read_coco_file(json_file, image_root, require_annotations=False)
    with folder_beside(output_dir) as beside:
        folder = beside / "tiles"
        (folder / IMAGE_FOLDER).mkdir(parents=True)
        coco, summary = _cut_all(data, folder / IMAGE_FOLDER, options)
        (folder / JSON_NAME).write_text(json.dumps(coco), "utf-8")
        note_results(folder, [ALL_RESULTS])  # a walk over the scans does not take their tiles for further ones
        if output_dir.exists():
            output_dir.rmdir()
        folder.rename(output_dir)
    return summary


def _cut_all(data: CocoFile, folder: Path, options: TileOptions) -> tuple[dict[str, Any], TileSummary]:
    """Writes the tiles of all images into ``folder``; returns the content of their COCO file."""
    summary, writer = TileSummary(), TileWriter(folder, options.format, options.quality, options.page)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    of_image = defaultdict(list)
    for annotation in data.annotations:
        of_image[annotation["image_id"]].append(annotation)
    for record in tqdm(data.images, desc="Tiling", unit="image", disable=None):
        image = {**record, "height": int(record["height"]), "width": int(record["width"])}  # JSON may have them as 96.0
        grid = Grid(image["height"], image["width"], options.size, options.overlap)
        shown = tile_annotations(of_image[image["id"]], image, grid, options, summary)
        kept = [(tile, rows) for tile, rows in zip(grid.tiles, shown, strict=True) if rows or options.keep_empty]
        tiles = [tile for tile, _ in kept]
        files = writer.write(data.image_root / image["file_name"], image, tiles) if tiles else []
        for (tile, rows), file_name in zip(kept, files, strict=True):
            images.append(_image_record(image, tile, len(images) + 1, file_name))
            for row in rows:
                annotations.append({**row, "id": len(annotations) + 1, "image_id": len(images)})
        summary.images += 1
        summary.tiles += len(kept)
        summary.empty_tiles += sum(not rows for rows in shown)
    tiling = {"size": options.size, "overlap": options.overlap, "min_visible": options.min_visible}
    info = data.other.get("info")
    other = {**data.other, "info": {**(info if isinstance(info, dict) else {}), "tiling": tiling}}
    return {**other, "images": images, "annotations": annotations, "categories": data.categories}, summary


def _image_record(image: Mapping[str, Any], tile: Window, image_id: int, file_name: str) -> dict[str, Any]:
    return {
        **image,
        "id": image_id,
        "file_name": file_name,
        "height": tile.height,
        "width": tile.width,
        "source_image_id": image.get("source_image_id", image["id"]),
        SOURCE_KEY: image.get(SOURCE_KEY, image["file_name"]),
        "source_x": image.get("source_x", 0) + tile.x,
        "source_y": image.get("source_y", 0) + tile.y,
    }
