"""
One COCO file becomes a training and a validation file, or more parts, so that each shows every class where possible.

Each image goes to one part with all of its annotations, and so does each group of images that belong together.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.editing.grouping import GroupBy, group_of_each
from maskrcnn_project.datasets.editing.stratification import PART, Sharing, strata_of
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import atomic_files

logger = logging.getLogger(__name__)

SUM_TOLERANCE = 1e-3  # so that thirds may be written 0.333


def split_coco(
    coco: Mapping[str, Any], val_fraction: float = 0.2, seed: int = 0, group_by: GroupBy | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Splits the content of a COCO file by image into train and val: ``split_parts`` with two parts.

    Args:
        val_fraction: wanted share of images in val, above 0 and below 1; each side gets one image at least.
        group_by: see ``group_of_each``.
    """
    train, val = split_parts(coco, _train_and_val(val_fraction), seed, group_by).values()
    return train, val


def split_parts(
    coco: Mapping[str, Any], fractions: Mapping[str, float], seed: int = 0, group_by: GroupBy | None = None
) -> dict[str, dict[str, Any]]:
    """
    Splits the content of a COCO file by image. Equal arguments give equal splits.

    Every class that enough images (or groups) show comes to every part, which goes before ``fractions``; where
    images of several classes make that impossible, a warning names the classes that miss a part. A class that fewer
    images show than there are parts comes to the first parts if it can.

    Args:
        fractions: part -> wanted share of the images, above 0, together 1; each part gets one image at least.
        group_by: images of one group stay together, see ``group_of_each``. Without it tiles stay with the tiles of
            the same photograph, and every other image is by itself.

    Returns:
        part -> content, with all ids, the order of the rows and everything else as in ``coco``.

    Raises:
        DatasetError: the fractions are none, there are fewer images or groups than parts, an image belongs to no
            group, or an annotation to no image.
    """
    _check_fractions(fractions)
    units: dict[Hashable, list[set[Hashable]]] = {}
    groups = group_of_each(coco["images"], group_by)
    for group, strata in zip(groups, strata_of(coco), strict=True):
        units.setdefault(group, []).append(strata)
    if len(units) < len(fractions):
        raise DatasetError(_too_few(len(units), len(groups), len(fractions)))
    names, left = list(fractions), 1.0
    part_of: dict[Hashable, str] = {}
    for place in range(len(names) - 1, 0, -1):  # the last part is taken out first, the first one is what remains
        open_groups = [group for group in units if group not in part_of]
        share = min(fractions[names[place]] / left, 1.0)
        sides = Sharing([units[group] for group in open_groups], share, seed, keep=place).share_out()
        part_of.update({group: names[place] for group, side in zip(open_groups, sides, strict=True) if side == PART})
        left -= fractions[names[place]]
    part_of_image = {
        image["id"]: part_of.get(group, names[0]) for image, group in zip(coco["images"], groups, strict=True)
    }
    _warn_of_missing(coco, names, units, part_of)
    return {name: _rows_of(coco, part_of_image, name) for name in names}


def write_split(
    json_file: str | Path,
    output_dir: str | Path,
    val_fraction: float = 0.2,
    seed: int = 0,
    *,
    group_by: GroupBy | None = None,
    force: bool = False,
) -> tuple[Path, Path]:
    """
    Splits a COCO file into ``train.json`` and ``val.json`` in ``output_dir``; the images stay where they are.

    Args, Returns and Raises as ``write_parts``, with the paths of train and val.
    """
    fractions = _train_and_val(val_fraction)
    train, val = write_parts(json_file, output_dir, fractions, seed, group_by=group_by, force=force).values()
    return train, val


def write_parts(
    json_file: str | Path,
    output_dir: str | Path,
    fractions: Mapping[str, float],
    seed: int = 0,
    *,
    group_by: GroupBy | None = None,
    force: bool = False,
) -> dict[str, Path]:
    """
    Splits a COCO file into one file a part, ``PART.json`` in ``output_dir``; the images stay where they are.

    Args:
        fractions, seed, group_by: see ``split_parts``.
        force: overwrite these files, but never ``json_file`` itself.

    Returns:
        part -> path.

    Raises:
        DatasetError: the file is no sound COCO file, cannot be split, or one of the new files exists already.
    """
    json_file, output_dir = Path(json_file), Path(output_dir)
    for name in fractions:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise DatasetError(
                f"A part wants a name of letters, digits, dots, - and _, but one is {name!r}: rename it."
            )
    targets = {name: output_dir / f"{name}.json" for name in fractions}
    for target in targets.values():
        if target.exists() and target.samefile(json_file):
            raise DatasetError(f"The split of {json_file} would overwrite it: choose another output folder.")
        if target.exists() and not force:
            raise DatasetError(f"{target} exists already: choose another output folder, or overwrite it by force.")
    parts = split_parts(read_coco_file(json_file).as_dict(), fractions, seed, group_by)
    with atomic_files(output_dir, [target.name for target in targets.values()]) as folder:
        for name, target in targets.items():
            (folder / target.name).write_text(json.dumps(parts[name]), "utf-8")
    return targets


def parts_from_text(texts: Sequence[str]) -> dict[str, float]:
    """``["train=0.8", "val=0.2"]`` as fractions. Raises DatasetError for what is not written so."""
    fractions: dict[str, float] = {}
    for text in texts:
        name, _, share = text.partition("=")
        try:
            fraction = float(share)
        except ValueError:
            fraction = math.nan
        if name in fractions or math.isnan(fraction):
            raise DatasetError(f"Parts are written train=0.8 val=0.2, each name once, but {text!r} came: correct it.")
        fractions[name] = fraction
    return fractions


def shares_table(parts: Mapping[str, Mapping[str, Any]], group_by: GroupBy | None = None) -> str:
    """
    Images, groups if there are any, instances, and the share of each class in them, as text: a column for each part,
    and one for all.
    """
    whole = {key: [row for part in parts.values() for row in part.get(key, [])] for key in ("images", "annotations")}
    columns = {**parts, "all": whole} if len(parts) > 1 else parts
    counts = [Counter(row["category_id"] for row in part.get("annotations", [])) for part in columns.values()]
    images = [len(part["images"]) for part in columns.values()]
    groups = [len(set(group_of_each(part["images"], group_by))) for part in columns.values()]
    rows = [["", *columns], ["images", *map(str, images)]]
    if groups != images:
        rows.append(["groups", *map(str, groups)])
    rows.append(["instances", *(str(count.total()) for count in counts)])
    names = {category["id"]: category["name"] for part in parts.values() for category in part["categories"]}
    for category_id in sorted(names):
        shares = [(count[category_id], count[category_id] / max(count.total(), 1)) for count in counts]
        rows.append([names[category_id], *(f"{number} ({share:.1%})" for number, share in shares)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def _train_and_val(val_fraction: float) -> dict[str, float]:
    if not 0 < val_fraction < 1:
        raise DatasetError(f"val_fraction should be above 0 and below 1, but is {val_fraction}.")
    return {"train": 1 - val_fraction, "val": val_fraction}


def _check_fractions(fractions: Mapping[str, float]) -> None:
    shown = ", ".join(f"{name} {fraction:g}" for name, fraction in fractions.items())
    if len(fractions) < 2 or not all(fraction > 0 for fraction in fractions.values()):
        raise DatasetError(f"A split wants two parts or more, each with a fraction above 0, but has {shown or 'none'}.")
    total = sum(fractions.values())
    if abs(total - 1) > SUM_TOLERANCE * len(fractions):
        raise DatasetError(f"The fractions of a split should sum to 1, but {shown} sum to {total:g}.")


def _too_few(units: int, images: int, parts: int) -> str:
    wanted = {2: "two"}.get(parts, str(parts))
    if units == images:
        return f"A split needs at least {wanted} images, but there are {images}: add images."
    return (
        f"A split needs at least {wanted} groups of images, but the {images} images make {units}: "
        "group them by something else."
    )


def _warn_of_missing(
    coco: Mapping[str, Any],
    names: list[str],
    units: Mapping[Hashable, list[set[Hashable]]],
    part_of: Mapping[Hashable, str],
) -> None:
    """Names the classes that enough images (or groups) show for all parts, but that miss one."""
    shown_by: dict[Hashable, Counter[str]] = {}
    for group, images in units.items():
        for stratum in set().union(*images):
            shown_by.setdefault(stratum, Counter())[part_of.get(group, names[0])] += 1
    titles = {category["id"]: category["name"] for category in coco.get("categories", [])}
    missing = sorted(
        str(titles.get(stratum, stratum))
        for stratum, count in shown_by.items()
        if count.total() >= len(names) > len(count)
    )
    if missing:
        logger.warning("No split was found that shows %s in each of %s.", ", ".join(missing), ", ".join(names))


def _rows_of(coco: Mapping[str, Any], part_of_image: Mapping[Any, str], name: str) -> dict[str, Any]:
    return {
        **coco,
        "images": [image for image in coco["images"] if part_of_image[image["id"]] == name],
        "annotations": [row for row in coco.get("annotations", []) if part_of_image[row["image_id"]] == name],
    }
