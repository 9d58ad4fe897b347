"""Rules on the files of the images: whether they are there, can be read, and are what the JSON says."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from maskrcnn_project.datasets.checking.findings import Findings, ImageFaults
from maskrcnn_project.datasets.checking.grey import read_grey
from maskrcnn_project.datasets.checking.image_exif import UNKNOWN, UPRIGHT, annotated_orientation, turn_of
from maskrcnn_project.datasets.checking.image_listing import LikelyNames, Listings, image_path
from maskrcnn_project.datasets.checking.image_reading import TURNS, DecodedImage, read_pictures
from maskrcnn_project.datasets.checking.likeness import alike_pairs, are_alike
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_rows import Row
from maskrcnn_project.files import IMAGE_SUFFIXES


def check_image_files(
    tables: SplitTables,
    findings: Findings,
    *,
    quick: bool = False,
    progress: bool = True,
    other: SplitTables | None = None,
    pictures: dict[str, DecodedImage] | None = None,
    page: int = 0,
) -> ImageFaults:
    """
    All rules on the image files of one split; none if its ``image_root`` is None.

    Args:
        quick: looks at the listing of the folders only.
        other: the other split: its images may lie in the same folder without being unlisted.
        pictures: filled with what is read, by path. Hand the same one to every call, and nothing is read twice.
        page: of images that are stacks.

    Raises:
        DatasetError: a folder cannot be listed.
    """
    faults = ImageFaults()
    if tables.image_root is None:
        return faults
    images = _files(tables)
    listings = Listings()
    present = {path: rows for path, rows in images.items() if listings.holds(path)}
    _check_missing(tables, findings, listings, {path: rows for path, rows in images.items() if path not in present})
    _check_unlisted(tables, findings, listings, images, {} if other is None else _files(other))
    for path, rows in images.items():
        if path not in present:
            _note(faults.unusable, tables, rows, "image-missing")
    if quick:
        return faults
    pictures = read_pictures(
        present, pictures, page=page, progress=progress, label=f"Reading the images of {tables.split}"
    )
    for path, rows in present.items():
        for row in rows:
            _check_picture(tables, findings, faults, row, pictures[path])
    _check_depth(tables, findings, present, pictures)
    _check_duplicates(tables, findings, present, pictures)
    return faults


def check_shared_images(
    train: SplitTables,
    val: SplitTables,
    findings: Findings,
    progress: bool = True,
    pictures: dict[str, DecodedImage] | None = None,
) -> None:
    """
    Finds the images of ``val`` that ``train`` has too: the same file, another with the same picture, or nearly so.

    Args:
        pictures: as for :func:`check_image_files`.
    """
    train_files, val_files = _files(train), _files(val)
    label = "Comparing the images of both splits"
    pictures = read_pictures([*train_files, *val_files], pictures, progress=progress, label=label)
    first: dict[bytes, str] = {}
    for path in train_files:
        first.setdefault(pictures[path].pixel_digest, path)
    others = []
    for path, rows in val_files.items():
        pixels = pictures[path].pixel_digest
        same = path if path in train_files else first.get(pixels) if pixels else None
        if same is None:
            others += [path] if pixels else []
            continue
        twin = train_files[same][0]
        kind = "the same file" if same == path else _likeness(pictures[path], pictures[same])
        for row in rows:
            detail = f"{kind} as image {twin['id']} of {train.split} ({twin['file_name']})"
            findings.add("image-in-both", val.split, detail, image_id=row["id"], file_name=row["file_name"])
    readable = [path for path in train_files if pictures[path].thumbnail]
    _check_alike(train, val, findings, (readable, others), pictures)


def _check_alike(
    train: SplitTables,
    val: SplitTables,
    findings: Findings,
    paths: tuple[list[str], list[str]],
    pictures: dict[str, DecodedImage],
) -> None:
    """``paths``: of the readable images of train, and of those of val that no image of train is the same as."""
    train_files, val_files = _files(train), _files(val)
    grey = lru_cache(maxsize=4)(read_grey)
    thumbnails = [[pictures[path].thumbnail for path in some] for some in paths]
    pairs = alike_pairs(thumbnails[1], thumbnails[0], lambda i, j: are_alike(grey(paths[1][i]), grey(paths[0][j])))
    for place, twin_place in pairs.items():
        twin = train_files[paths[0][twin_place]][0]
        for row in val_files[paths[1][place]]:
            detail = f"nearly the same picture as image {twin['id']} of {train.split} ({twin['file_name']})"
            findings.add("image-alike", val.split, detail, image_id=row["id"], file_name=row["file_name"])


def size_fault(image: Row, picture: DecodedImage) -> str:
    """How the size in the JSON differs from that of a picture (a phrase), or an empty text."""
    stated, (height, width) = (image.get("height"), image.get("width")), picture.upright
    if stated == (height, width):
        return ""
    detail = f"is {height}x{width} (height x width), but the JSON says {stated[0]}x{stated[1]}"
    if stated == (width, height):
        detail += ": the sides are exchanged"
    if stated == picture.stored:
        detail += f"; that is its size before it is turned as its EXIF orientation {picture.orientation} says"
    return detail


def _files(tables: SplitTables) -> dict[str, list[Row]]:
    """The paths of the images, each with the rows that name it, in the order of the JSON."""
    files: dict[str, list[Row]] = {}
    if tables.image_root is not None:
        for row in tables.sound_images:
            files.setdefault(image_path(tables.image_root, row["file_name"]), []).append(row)
    return files


def _note(table: dict, tables: SplitTables, rows: Iterable[Row], value: object) -> None:
    """Enters ``value`` by image id, for the rows that are the first of their id."""
    for row in rows:
        if tables.image_by_id[row["id"]] is row:
            table[row["id"]] = value


def _check_missing(tables: SplitTables, findings: Findings, listings: Listings, missing: dict[str, list[Row]]) -> None:
    if not missing:
        return
    root = os.path.abspath(str(tables.image_root))
    likely = LikelyNames(root, listings.images_below([root]))
    for rows in missing.values():
        for row in rows:
            name = row["file_name"]
            hint = likely.hint(name) if len(likely) else f"{tables.image_root} holds no image file"
            detail = f"{name} is not in {tables.image_root}" + (f"; {hint}" if hint else "")
            findings.add("image-missing", tables.split, detail, image_id=row["id"], file_name=name)


def _check_unlisted(
    tables: SplitTables,
    findings: Findings,
    listings: Listings,
    images: dict[str, list[Row]],
    others: dict[str, list[Row]],
) -> None:
    """Looks into the folders that listed images lie in, and below: beside them may lie those of other sets."""
    root = os.path.abspath(str(tables.image_root))
    folders = {os.path.dirname(path) for path in images} or {root}
    suffixes = {os.path.splitext(path)[1].lower() for path in images}.union(IMAGE_SUFFIXES) - {""}
    for path in listings.images_below(folders, suffixes):
        if path not in images and path not in others:
            name = os.path.relpath(path, root)
            findings.add("image-unlisted", tables.split, "no entry names it", file_name=name)


def _check_picture(
    tables: SplitTables, findings: Findings, faults: ImageFaults, image: Row, picture: DecodedImage
) -> None:
    place = {"image_id": image["id"], "file_name": image["file_name"]}
    if picture.rule:
        findings.add(picture.rule, tables.split, picture.detail, **place)
        _note(faults.unusable, tables, [image], picture.rule)
        return
    annotations = tables.annotations_by_image.get(image["id"], [])
    agreed = UPRIGHT
    if picture.orientation in TURNS:
        agreed, why = annotated_orientation(picture, image, annotations)
        told = "cannot be told which picture was annotated" if agreed == UNKNOWN else f"the {agreed} one was annotated"
        findings.add("image-exif", tables.split, f"{turn_of(picture)}; {told} ({why})", **place)
    wrong = size_fault(image, picture)
    if wrong:
        findings.add("image-size", tables.split, wrong, **place)
        if agreed == UPRIGHT or not annotations:
            _note(faults.sizes, tables, [image], picture.upright)


def _check_depth(
    tables: SplitTables, findings: Findings, present: dict[str, list[Row]], pictures: dict[str, DecodedImage]
) -> None:
    """Images of more than 8 bits are good to train on; it is said what becomes of their values."""
    counts = Counter(pictures[path].pages for path in present if not pictures[path].rule)
    usual = counts.most_common(1)[0][0] if counts else 1
    for path, rows in present.items():
        picture, where = pictures[path], {"image_id": rows[0]["id"], "file_name": rows[0]["file_name"]}
        if picture.is_deep:
            findings.add("image-deep", tables.split, "more than 8 bits per value", **where)
        if picture.pages > 1:
            findings.add("image-pages", tables.split, f"{picture.pages} pages", **where)
        if picture.pages != usual and not picture.rule:
            detail = f"{picture.pages} page{'s' if picture.pages > 1 else ''}, but most have {usual}"
            findings.add("image-pages-differ", tables.split, detail, **where)


def _check_duplicates(
    tables: SplitTables, findings: Findings, files: dict[str, list[Row]], pictures: dict[str, DecodedImage]
) -> None:
    first: dict[bytes, str] = {}
    for path, rows in files.items():
        if pictures[path].rule:
            continue
        same = first.setdefault(pictures[path].pixel_digest, path)
        if same != path:
            twin = files[same][0]
            detail = f"{_likeness(pictures[path], pictures[same])} as image {twin['id']} ({twin['file_name']})"
            findings.add(
                "image-duplicate", tables.split, detail, image_id=rows[0]["id"], file_name=rows[0]["file_name"]
            )


def _likeness(picture: DecodedImage, other: DecodedImage) -> str:
    return "byte for byte the same" if picture.file_digest == other.file_digest else "the same pixels"
