"""
Several COCO files become one: classes joined by name, ids told apart, all images found from one folder.

Images are neither moved nor changed. Every image keeps the name of the COCO file that it came from in ``merged_from``,
and its old file name in ``merged_file_name``; every image and annotation whose id had to change keeps the old one in
``merged_id``. Annotations that join the image of another file have ``merged_from`` too.
"""

from __future__ import annotations

import json
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.coco_annotations import MAX_NAMED
from maskrcnn_project.datasets.coco_file import TABLES, CocoFile, read_coco_file
from maskrcnn_project.datasets.editing.grouping import MERGED_NAME_KEY
from maskrcnn_project.datasets.editing.same_images import ImageLocation, find_same_images
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text

logger = logging.getLogger(__name__)

SAME_IMAGE = ("refuse", "join", "first", "keep")
Row = dict[str, Any]
NewIds = list[dict[int, int]]  # one dict a file: old id -> new id


@dataclass(frozen=True)
class MergedSet:
    """The content of the new file, and what was seen on the way."""

    coco: dict[str, Any]
    image_root: Path | None  # what file_name is relative to; None: the parent of folders named like the prefixes
    same_images: int  # images that an earlier file lists too

    def text(self) -> str:
        """A few lines for people."""
        numbers = [len(self.coco[key]) for key in TABLES]
        lines = ["{} images, {} annotations, {} classes.".format(*numbers)]
        if self.same_images:
            lines.append(f"{self.same_images} images were in an earlier file too.")
        where = self.image_root or "the folder that will hold those of the prefixes"
        lines.append(f"The images are found from {where}.")
        return "\n".join(lines)


def write_merged(
    json_files: Sequence[str | Path],
    output_file: str | Path,
    image_roots: Sequence[str | Path] = (),
    *,
    root: str | Path | None = None,
    prefixes: Sequence[str] = (),
    same_image: str = "refuse",
) -> MergedSet:
    """
    Merges COCO files into a new one.

    Args:
        image_roots: the image folder of each file, or one for all. Each ``file_name`` becomes the path from ``root``.
        root: a folder above all image folders; None: the nearest one.
        prefixes: one for each file, put before its file names with a slash between, instead of a path from ``root``:
            for images that are to be gathered in folders of these names.
        same_image: what to do where two files list the same image, by its path or, where the paths differ, by its
            content: "refuse"; "join" (one image with the annotations of both); "first" (what later files say of it
            is left out); "keep" (both stay; nothing is compared).

    Raises:
        DatasetError: a file is not sound, an image is missing, ``output_file`` exists, or the arguments do not fit.
    """
    output_file = Path(output_file)
    if output_file.exists():
        raise DatasetError(f"{output_file} exists already and is not overwritten: choose another name.")
    if same_image not in SAME_IMAGE:
        raise DatasetError(f"same_image should be one of {', '.join(SAME_IMAGE)}, but is {same_image!r}.")
    files = _read(json_files, image_roots, prefixes, root)
    common = None if prefixes else _common_root([file.image_root for file in files], root)
    names = [
        _new_names(file, common, prefix) for file, prefix in zip(files, prefixes or [""] * len(files), strict=True)
    ]
    same: dict[ImageLocation, ImageLocation] = {}
    if same_image != "keep":
        paths = [_paths(file) for file in files] if image_roots else names
        same = find_same_images(paths, on_disk=bool(image_roots))
    if same and same_image == "refuse":
        raise DatasetError(_refusal(files, same))
    cocos = [_rename(file, new) for file, new in zip(files, names, strict=True)]
    coco = merge_coco(cocos, _titles(json_files), same, join=same_image == "join")
    output_file.parent.mkdir(parents=True, exist_ok=True)
    write_text(output_file, json.dumps(coco))
    return MergedSet(coco, common, len(same))


def merge_coco(
    cocos: Sequence[Mapping[str, Any]],
    titles: Sequence[str],
    same: Mapping[ImageLocation, ImageLocation] | None = None,
    *,
    join: bool = False,
) -> dict[str, Any]:
    """
    The content of one COCO file with all that is in several. The first file keeps its ids, the others all those that
    are still free.

    Args:
        titles: what to call each file in ``merged_from``.
        same: image -> the same one in an earlier file; it is listed once.
        join: the earlier image gets the annotations of the later one, which otherwise are left out.

    Raises:
        DatasetError: two images to be joined differ in size.
    """
    same = same or {}
    _check_sizes(cocos, titles, same if join else {})
    categories, category_ids = _join([coco["categories"] for coco in cocos], lambda row: row["name"])
    _warn_of_similar_names([category["name"] for category in categories])
    licenses, license_ids = _join([_licenses(coco) for coco in cocos], lambda row: (row.get("name"), row.get("url")))
    images = [[row for row in coco["images"] if (index, row["id"]) not in same] for index, coco in enumerate(cocos)]
    image_ids = _distinct_ids(images)
    for (index, image_id), (first, first_id) in same.items() if join else ():
        image_ids[index][image_id] = image_ids[first][first_id]
    annotations = [
        [row for row in coco.get("annotations", []) if row["image_id"] in new]
        for coco, new in zip(cocos, image_ids, strict=True)
    ]
    annotation_ids = _distinct_ids(annotations)
    # of other keys, the first file that has them tells
    merged = {key: value for coco in reversed(cocos) for key, value in coco.items() if key not in TABLES}
    merged["info"] = {"description": f"Merged from {', '.join(titles)}.", "merged_from": list(titles)}
    merged.update(licenses=licenses, images=[], annotations=[], categories=categories)
    for index, title in enumerate(titles):
        for row in images[index]:
            new = {**_with_id(row, image_ids[index]), "merged_from": row.get("merged_from", title)}
            if "license" in row:
                new["license"] = license_ids[index].get(row["license"], row["license"])
            merged["images"].append(new)
        for row in annotations[index]:
            new = {**_with_id(row, annotation_ids[index]), "image_id": image_ids[index][row["image_id"]]}
            new["category_id"] = category_ids[index][row["category_id"]]
            if (index, row["image_id"]) in same:
                new.setdefault("merged_from", title)
            merged["annotations"].append(new)
    return merged


def _with_id(row: Row, new_ids: Mapping[int, int]) -> Row:
    new_id = new_ids[row["id"]]
    return row if new_id == row["id"] else {"merged_id": row["id"], **row, "id": new_id}


def _distinct_ids(tables: Sequence[Sequence[Row]]) -> NewIds:
    """Every row keeps its id if no earlier table has it; the others are counted on from the highest."""
    following = max((row["id"] for table in tables for row in table), default=0) + 1
    taken: set[int] = set()
    new_ids: NewIds = []
    for table in tables:
        new_ids.append({})
        for row in table:
            new_ids[-1][row["id"]] = following if row["id"] in taken else row["id"]
            following += row["id"] in taken
        taken.update(new_ids[-1].values())
    return new_ids


def _join(tables: Sequence[Sequence[Row]], key_of: Callable[[Row], Hashable]) -> tuple[list[Row], NewIds]:
    """Rows of the same key become one, as the first table has it, with its id if that is free."""
    following = max((row["id"] for table in tables for row in table), default=0) + 1
    rows: dict[Hashable, Row] = {}
    taken: set[int] = set()
    new_ids: NewIds = []
    for table in tables:
        new_ids.append({})
        for row in table:
            key = key_of(row)
            if key not in rows:
                new_id = following if row["id"] in taken else row["id"]
                following += row["id"] in taken
                taken.add(new_id)
                rows[key] = {**row, "id": new_id}
            new_ids[-1][row["id"]] = rows[key]["id"]
    return list(rows.values()), new_ids


def _licenses(coco: Mapping[str, Any]) -> list[Row]:
    """Those that images can refer to; what is no table of licences is passed over."""
    rows = coco.get("licenses")
    return (
        [row for row in rows if isinstance(row, dict) and type(row.get("id")) is int] if isinstance(rows, list) else []
    )


def _read(
    json_files: Sequence[str | Path],
    image_roots: Sequence[str | Path],
    prefixes: Sequence[str],
    root: str | Path | None,
) -> list[CocoFile]:
    number = len(json_files)
    if number < 2 or not (image_roots or prefixes):
        raise DatasetError(
            "A merge wants two COCO files or more, and their image folders or prefixes for their file names, but has "
            f"{number} files, {len(image_roots)} folders and {len(prefixes)} prefixes."
        )
    if len(image_roots) not in (0, 1, number) or len(prefixes) not in (0, number):
        raise DatasetError(
            f"A merge of {number} COCO files wants as many image folders (or one for all) and as many prefixes, but "
            f"has {len(image_roots)} folders and {len(prefixes)} prefixes."
        )
    if root is not None and prefixes:
        raise DatasetError("A root and prefixes do not go together: give the folder of the images, or prefixes.")
    roots: list[str | Path | None] = list(image_roots) or [None]
    roots *= number if len(roots) == 1 else 1
    return [read_coco_file(file, root, require_annotations=False) for file, root in zip(json_files, roots, strict=True)]


def _common_root(roots: Sequence[Path], root: str | Path | None) -> Path:
    absolute = [os.path.abspath(path) for path in roots]
    try:
        nearest = os.path.commonpath(absolute)
    except ValueError as error:
        raise DatasetError(
            f"The image folders have no folder in common ({error}): move them, or use prefixes."
        ) from error
    if root is None:
        return Path(nearest)
    outside = [path for path in absolute if not Path(path).is_relative_to(os.path.abspath(root))]
    if outside:
        raise DatasetError(
            f"The image folder {outside[0]} is not below the root {root}; {nearest} is above all folders."
        )
    return Path(os.path.abspath(root))


def _paths(file: CocoFile) -> dict[int, str]:
    return {image["id"]: os.path.abspath(file.image_root / image["file_name"]) for image in file.images}


def _new_names(file: CocoFile, root: Path | None, prefix: str) -> dict[int, str]:
    """Image id -> file name from the common root, or with the prefix."""
    if root is not None:
        return {key: Path(os.path.relpath(path, root)).as_posix() for key, path in _paths(file).items()}
    start = f"{prefix.rstrip('/')}/" if prefix else ""
    return {image["id"]: start + image["file_name"] for image in file.images}


def _rename(file: CocoFile, names: Mapping[int, str]) -> dict[str, Any]:
    images = [
        image
        if names[image["id"]] == image["file_name"]
        else {MERGED_NAME_KEY: image["file_name"], **image, "file_name": names[image["id"]]}
        for image in file.images
    ]
    return {**file.as_dict(), "images": images}


def _titles(json_files: Sequence[str | Path]) -> list[str]:
    """The names of the files, or their paths where names repeat."""
    names = [Path(file).name for file in json_files]
    return names if len(set(names)) == len(names) else [Path(file).as_posix() for file in json_files]


def _refusal(files: Sequence[CocoFile], same: Mapping[ImageLocation, ImageLocation]) -> str:
    names = [{image["id"]: image["file_name"] for image in file.images} for file in files]
    pairs: dict[tuple[int, int], list[str]] = defaultdict(list)
    for (index, image_id), (first, first_id) in same.items():
        name, first_name = names[index][image_id], names[first][first_id]
        pairs[index, first].append(name if name == first_name else f"{name} (there {first_name})")
    told = [
        f"{len(found)} of {len(names[index])} images of {files[index].path} are in {files[first].path} too, "
        f"e.g. {', '.join(found[:MAX_NAMED])}"
        for (index, first), found in pairs.items()
    ]
    return (
        f"{'; '.join(told)}. Say what to do with the same image: join (it gets the annotations of both files), first "
        "(what later files say of it is left out) or keep (it is listed twice)."
    )


def _check_sizes(
    cocos: Sequence[Mapping[str, Any]], titles: Sequence[str], same: Mapping[ImageLocation, ImageLocation]
) -> None:
    rows = [{row["id"]: row for row in coco["images"]} for coco in cocos]
    for (index, image_id), (first, first_id) in same.items():
        one, other = rows[first][first_id], rows[index][image_id]
        if (one["height"], one["width"]) != (other["height"], other["width"]):
            raise DatasetError(
                f"The image {other['file_name']} is {other['height']}x{other['width']} (height x width) in "
                f"{titles[index]}, but {one['height']}x{one['width']} in {titles[first]}: correct one of the files."
            )


def _warn_of_similar_names(names: Iterable[str]) -> None:
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[" ".join(name.casefold().replace("_", " ").replace("-", " ").split())].append(name)
    for group in alike.values():
        if len(group) > 1:
            logger.warning(
                "%s are taken for different classes: rename them if they are one.", " and ".join(map(repr, group))
            )
