"""A fixed copy of a COCO file. The original is never touched, and every change is listed."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from maskrcnn_project.datasets.checking.box_rules import reads_as_corners, xywh
from maskrcnn_project.datasets.checking.drawn_masks import area_is_wrong, duplicates
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.fix_files import fix_file_names
from maskrcnn_project.datasets.checking.fix_frames import fix_frames, refusal
from maskrcnn_project.datasets.checking.fix_instances import REMOVED, box_of_drawn, box_steps, mask_steps, reform
from maskrcnn_project.datasets.checking.fix_tables import fix_categories, fix_images, fix_references, fix_rows
from maskrcnn_project.datasets.checking.fixes import Change, Fixes
from maskrcnn_project.datasets.checking.frames import pair_of
from maskrcnn_project.datasets.checking.mask_rules import wrong_crowds
from maskrcnn_project.datasets.checking.pixel_centres import centre_fault, grown
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_rows import Row
from maskrcnn_project.datasets.segmentations import can_be_drawn, form_box, form_faults
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text
from maskrcnn_project.masks.coding import Rle, areas_of, as_rle

# Rules by which an annotation goes whose mask or box is of no use. Where that is most of a file, one mistake is behind
# it, and what is left would be as wrong.
BROKEN = frozenset(("mask-malformed", "mask-empty", "mask-outside", "polygon-short", "rle-size", "rle-malformed",
                    "box-malformed", "box-empty", "box-outside", "instance-duplicate"))  # fmt: skip
MIN_BROKEN, MOST = 3, 0.5


def fix(
    tables: SplitTables,
    findings: Findings | None = None,
    *,
    other: SplitTables | None = None,
    grow_outlines: bool = False,
    progress: bool = True,
) -> tuple[dict[str, Any], list[Change]]:
    """
    Fixes every rule as its ``Rule.fixes`` says. Checked again, the result breaks none of these; fixed again, it
    stays as it is.

    Args:
        findings: of ``check_dataset``, which knows what is wrong with the image files; None leaves these alone.
        other: the other split; a category that has annotations there is no root.
        grow_outlines: adds the pixels that outlines run through, where most run through pixel centres.
        progress: shows a bar where standard error is a terminal.

    Returns:
        the content of the fixed COCO file, and all changes in the order they were made.

    Raises:
        DatasetError: nothing would be left, as where all images are looked for in a wrong folder; or boxes and masks do
            not belong together, and which are wrong cannot be told.
    """
    work = Fixes.of(tables)
    _fix_tables(work, tables, findings)
    images = {row["id"]: (int(row["height"]), int(row["width"])) for row in work.images}
    _reform_masks(work, images)
    files = None if findings is None else findings.image_faults.get(tables.split)
    mirrored, masks_fit = _mirrored(tables, findings), files is not None and files.masks_fit
    fix_frames(work, images, tables.json_file, mirrored, masks_fit)
    if grow_outlines:
        _grow(work, images)
    likely_corners = reads_as_corners(replace(tables, images=work.images, annotations=work.annotations))
    while True:
        _fix_masks(work, images, progress)
        _fix_crowds(work)
        _fix_instances(work, images, likely_corners, progress)
        # what was removed may have been all that spoke against it
        if not wrong_crowds(work.annotations):
            break
    fix_categories(work, tables, other)
    _refuse_nothing_left(work, tables)
    coco = {**tables.other, "images": work.images, "annotations": work.annotations, "categories": work.categories}
    return coco, work.changes


def _fix_tables(work: Fixes, tables: SplitTables, findings: Findings | None) -> None:
    """Rows, files, ids and references: after this, every annotation has its image and its class."""
    root = None if findings is None else tables.image_root
    found = set() if root is None else fix_file_names(work, root)
    fix_rows(work, root)
    files = None if findings is None else findings.image_faults.get(tables.split)
    named = {row["id"] for row in work.images if id(row) in found}
    unusable = {key: rule for key, rule in files.unusable.items() if key not in named} if files else {}
    fix_images(work, unusable, files.sizes if files else {})
    fix_references(work)


def _mirrored(tables: SplitTables, findings: Findings | None) -> str:
    """
    How all annotations are mirrored.

    Raises:
        DatasetError: they are those of other images.
    """
    if findings is None:
        return ""
    for finding in findings.of("annotations-shifted"):
        if finding.split == tables.split:
            raise refusal(finding.rule.id, finding.examples[0].detail, tables.json_file)
    files = findings.image_faults.get(tables.split)
    return "" if files is None else files.mirrored


def write_fixed(coco: Mapping[str, Any], changes: list[Change], output: str | Path) -> tuple[Path, Path]:
    """
    Writes OUT.json and, beside it, the list of changes as OUT.changes.json, one change a line.

    Returns:
        the paths of both.

    Raises:
        DatasetError: one of the two files exists already.
    """
    refuse_existing(output)
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(asdict(change)) for change in changes)
    write_text(changes_file(output), f"[\n{lines}\n]\n")
    write_text(output, json.dumps(coco))
    return output, changes_file(output)


def changes_file(output: str | Path) -> Path:
    """Where the changes of a fixed file are listed."""
    return Path(output).with_suffix(".changes.json")


def refuse_existing(*outputs: str | Path | None) -> None:
    """
    Raises:
        DatasetError: one of these files or their lists of changes exists already, or two are the same.
    """
    named: list[Path] = []
    for output in outputs:
        if output is None:
            continue
        for file in (Path(output), changes_file(output)):
            if os.path.lexists(file):
                raise DatasetError(f"{file} exists already, and nothing is overwritten: name a new file to write.")
            if file.absolute() in named:
                raise DatasetError(f"{file} would be written twice: name another file for each output.")
            named.append(file.absolute())


def _refuse_nothing_left(work: Fixes, tables: SplitTables) -> None:
    gone = Counter(change.rule for change in work.changes if change.table == "annotations" and change.key is None)
    for rule_id, count in gone.items():
        if rule_id in BROKEN and count >= MIN_BROKEN and count > MOST * len(tables.annotations):
            raise refusal(
                rule_id, f"so {count} of {len(tables.annotations)} annotations, which would go", tables.json_file
            )
    for table in ("images", "annotations"):
        before = len(getattr(tables, table))
        if before and not getattr(work, table):
            rules = dict.fromkeys(
                change.rule for change in work.changes if change.table == table and change.key is None
            )
            raise DatasetError(
                f"Fixing {tables.json_file} would remove all {before} {table} ({', '.join(rules)}), so nothing is "
                "written: one mistake is behind them all, which only you can fix."
            )


def _fix_masks(work: Fixes, images: Mapping[int, tuple[int, int]], progress: bool) -> None:
    gone: defaultdict[str, list[Row]] = defaultdict(list)
    for row in tqdm(work.annotations, desc="Fixing the masks", unit="mask", leave=False, disable=_hidden(progress)):
        for rule_id, segmentation in mask_steps(row.get("segmentation"), *images[row["image_id"]]):
            if segmentation is REMOVED:
                gone[rule_id].append(row)
            else:
                work.set(rule_id, "annotations", row, "segmentation", segmentation)
    for rule_id, rows in gone.items():
        work.remove(rule_id, "annotations", rows)


def _reform_masks(work: Fixes, images: Mapping[int, tuple[int, int]]) -> None:
    """Masks in other forms than COCO's, first of all: what is wrong with most of them shows only then."""
    for row in work.annotations:
        step = reform(row.get("segmentation"), *images[row["image_id"]])
        if step is not None:
            work.set(step[0], "annotations", row, "segmentation", step[1])


def _grow(work: Fixes, images: Mapping[int, tuple[int, int]]) -> None:
    centred = centre_fault([pair_of(row, *images[row["image_id"]]) for row in work.annotations])
    for row in centred[1] if centred else ():
        size = images[row["image_id"]]
        segmentation = grown(row["segmentation"], *size)
        work.set("polygon-centres", "annotations", row, "segmentation", segmentation)
        box = form_box(segmentation, *size)
        if box is not None and row.get("bbox") != xywh(box):
            work.set("polygon-centres", "annotations", row, "bbox", xywh(box))


def _fix_crowds(work: Fixes) -> None:
    for row in wrong_crowds(work.annotations):
        work.set("rle-all-crowd", "annotations", row, "iscrowd", 0)


def _fix_instances(work: Fixes, images: Mapping[int, tuple[int, int]], likely_corners: bool, progress: bool) -> None:
    """Duplicates, boxes and areas, image by image: all three need the masks drawn."""
    of_image: defaultdict[int, list[Row]] = defaultdict(list)
    for row in work.annotations:
        of_image[row["image_id"]].append(row)
    gone: defaultdict[str, list[Row]] = defaultdict(list)
    bar = tqdm(of_image.items(), desc="Fixing the boxes", unit="image", leave=False, disable=_hidden(progress))
    for image_id, rows in bar:
        size = images[image_id]
        drawn = {id(row): rle for row in rows if (rle := _draw(row, *size)) is not None}
        masked = [row for row in rows if id(row) in drawn]
        repeated = {id(masked[later]) for later, _, _ in duplicates(masked, [drawn[id(row)] for row in masked])}
        for row in rows:
            if id(row) in repeated:
                gone["instance-duplicate"].append(row)
                continue
            removed_by = _fix_box(work, row, drawn.get(id(row)), size, likely_corners)
            if removed_by is None:
                _fix_area(work, row, drawn.get(id(row)))
            else:
                gone[removed_by].append(row)
    for rule_id, removed in gone.items():
        work.remove(rule_id, "annotations", removed)


def _draw(annotation: Row, height: int, width: int) -> Rle | None:
    segmentation: Any = annotation.get("segmentation")
    return as_rle(segmentation, height, width) if can_be_drawn(form_faults(segmentation, height, width)) else None


def _fix_box(work: Fixes, row: Row, rle: Rle | None, size: tuple[int, int], likely_corners: bool) -> str | None:
    """The rule by which the annotation has to go, or None."""
    mask_box = None if rle is None else box_of_drawn(row["segmentation"], rle, *size)
    for rule_id, box in box_steps(row, mask_box, *size, likely_corners):
        if box is REMOVED:
            return rule_id
        work.set(rule_id, "annotations", row, "bbox", box)
    return None


def _fix_area(work: Fixes, row: Row, rle: Rle | None) -> None:
    """Without a mask, the area of the box is all that is known."""
    area = row["bbox"][2] * row["bbox"][3] if rle is None else int(areas_of([rle])[0])
    if row.get("area") is None:
        work.set("key-missing", "annotations", row, "area", area)
    elif rle is not None and area_is_wrong(row["area"], row["segmentation"], area):
        work.set("area-wrong", "annotations", row, "area", area)


def _hidden(progress: bool) -> bool | None:
    """``disable`` of tqdm: None shows a bar on a terminal only."""
    return None if progress else True
