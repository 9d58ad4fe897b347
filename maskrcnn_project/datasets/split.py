"""
One COCO file becomes a training and a validation file, so that both show every class where that is possible.

Each image goes to one side with all of its annotations. Class shares are kept roughly, the rarest class first
(after Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", 2011).
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections import defaultdict
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_project.datasets.coco_file import DatasetError, read_coco_file

logger = logging.getLogger(__name__)

TRAIN, VAL = 0, 1
NO_OBJECTS = "no objects"  # images without annotations are shared out as if that were a class
MOST_REPAIRS = 2000  # moves; sets that need repair at all need a handful
RANDOM_REPAIRS = 0.2  # share of random moves, which lead out of dead ends (as in WalkSAT)


def split_coco(
    coco: Mapping[str, Any], val_fraction: float = 0.2, seed: int = 0
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Splits the content of a COCO file by image. Equal arguments give equal splits.

    Every class that two or more images show comes to both sides, which goes before ``val_fraction``; where
    images of several classes make that impossible, a warning names the classes that miss a side.
    A class that a single image shows comes to train if it can.

    Args:
        val_fraction: wanted share of images in val, above 0 and below 1; each side gets one image at least.

    Returns:
        train, val: with all ids, the order of the rows and everything else as in ``coco``.

    Raises:
        DatasetError: ``val_fraction`` is not between 0 and 1, or there are fewer than two images, or an
            annotation belongs to no image.
    """
    if not 0 < val_fraction < 1:
        raise DatasetError(f"val_fraction should be above 0 and below 1, but is {val_fraction}.")
    image_ids = [image["id"] for image in coco["images"]]
    if len(image_ids) < 2:
        raise DatasetError(f"A split needs at least two images, but there are {len(image_ids)}: add images.")
    strata: dict[Any, set[Hashable]] = {image_id: set() for image_id in image_ids}
    for annotation in coco.get("annotations", []):
        if annotation["image_id"] not in strata:
            raise DatasetError(
                f"Annotation {annotation.get('id')} belongs to the image {annotation['image_id']!r}, "
                "which is not listed: remove it, or add the image."
            )
        strata[annotation["image_id"]].add(annotation["category_id"])
    sharing = _Sharing([strata[image_id] or {NO_OBJECTS} for image_id in image_ids], val_fraction, seed)
    sides = dict(zip(image_ids, sharing.share_out(), strict=True))
    names = {category["id"]: category["name"] for category in coco.get("categories", [])}
    missing = [str(names.get(key, key)) for key in sharing.one_sided()]
    if missing:
        logger.warning("No split was found that shows %s on both sides.", ", ".join(sorted(missing)))
    return _part(coco, sides, TRAIN), _part(coco, sides, VAL)


def write_split(
    json_file: str | Path,
    output_dir: str | Path,
    val_fraction: float = 0.2,
    seed: int = 0,
    *,
    force: bool = False,
) -> tuple[Path, Path]:
    """
    Splits a COCO file into ``train.json`` and ``val.json`` in ``output_dir``; the images stay where they are.

    Args:
        force: overwrite the two files, but never ``json_file`` itself.

    Returns:
        the paths of both files.

    Raises:
        DatasetError: the file is no sound COCO file, cannot be split, or one of the two files exists already.
    """
    json_file, output_dir = Path(json_file), Path(output_dir)
    targets = (output_dir / "train.json", output_dir / "val.json")
    for target in targets:
        if target.exists() and target.samefile(json_file):
            raise DatasetError(f"The split of {json_file} would overwrite it: choose another output folder.")
        if target.exists() and not force:
            raise DatasetError(f"{target} exists already: choose another output folder, or overwrite it by force.")
    parts = split_coco(read_coco_file(json_file).as_dict(), val_fraction, seed)
    output_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".split-", dir=output_dir) as beside:
        written = [Path(beside) / target.name for target in targets]
        for path, part in zip(written, parts, strict=True):
            path.write_text(json.dumps(part), "utf-8")
        for path, target in zip(written, targets, strict=True):  # only once both are complete
            os.replace(path, target)
    return targets


def _part(coco: Mapping[str, Any], sides: Mapping[Any, int], side: int) -> dict[str, Any]:
    return {
        **coco,
        "images": [image for image in coco["images"] if sides[image["id"]] == side],
        "annotations": [row for row in coco.get("annotations", []) if sides[row["image_id"]] == side],
    }


class _Sharing:
    """Images (by their index) on two sides, and how many images of each stratum (class) each side holds."""

    def __init__(self, strata: list[set[Hashable]], val_fraction: float, seed: int) -> None:
        """``strata[i]``: the classes that image ``i`` shows."""
        self.rng = np.random.default_rng(seed)
        # sorted by text, as the order within a set of texts changes from process to process
        self.strata = [sorted(classes, key=str) for classes in strata]
        self.images: dict[Hashable, list[int]] = defaultdict(list)  # of each stratum, in random order
        for image in self.rng.permutation(len(strata)).tolist():
            for stratum in self.strata[image]:
                self.images[stratum].append(image)
        self.side = [TRAIN] * len(strata)
        # [in train, in val]
        self.count = {stratum: [len(images), 0] for stratum, images in self.images.items()}
        self.wanted_images = _share(len(strata), val_fraction)
        self.wanted = {stratum: _share(len(images), val_fraction) for stratum, images in self.images.items()}

    def share_out(self) -> list[int]:
        """The side of each image."""
        by_rarity = sorted(self.images, key=lambda stratum: (len(self.images[stratum]), str(stratum)))
        for stratum in by_rarity:
            if len(self.images[stratum]) >= 2:
                self._fill(self.images[stratum], self.wanted[stratum] - self.count[stratum][VAL])
        everything = self.rng.permutation(len(self.side)).tolist()
        self._fill(everything, self.wanted_images - sum(self.side))
        self._repair()
        if len(set(self.side)) == 1:  # nothing but classes of a single image: any image will do
            self._move(everything[0])
        return self.side

    def one_sided(self) -> list[Hashable]:
        """Strata of two or more images that lie on one side all."""
        return [stratum for stratum, count in self.count.items() if sum(count) >= 2 and 0 in count]

    def _fill(self, images: list[int], number: int) -> None:
        """Moves ``number`` images to val, the fitting ones first, while train keeps some of each stratum."""
        for image in sorted((image for image in images if self.side[image] == TRAIN), key=self._cost):
            if number <= 0:
                return
            if all(self.count[stratum][TRAIN] > 1 for stratum in self.strata[image]):
                self._move(image)
                number -= 1

    def _cost(self, image: int) -> int:
        """Of how many of its strata val has its share already."""
        return sum(self.count[stratum][VAL] >= self.wanted[stratum] for stratum in self.strata[image])

    def _repair(self) -> None:
        """Moves single images until no stratum is one-sided or the moves are used up; keeps the best."""
        best, fewest = list(self.side), len(self.one_sided())
        for _ in range(MOST_REPAIRS):
            broken = self.one_sided()
            if len(broken) < fewest:
                best, fewest = list(self.side), len(broken)
            if not broken:
                break
            images = self.images[broken[int(self.rng.integers(len(broken)))]]
            if self.rng.random() < RANDOM_REPAIRS:
                self._move(images[int(self.rng.integers(len(images)))])
            else:
                self._move(min(images, key=self._newly_one_sided))
        for image, side in enumerate(best):
            if self.side[image] != side:
                self._move(image)

    def _newly_one_sided(self, image: int) -> int:
        """How many more strata would be one-sided if the image changed sides."""
        here = self.side[image]
        counts = [self.count[stratum] for stratum in self.strata[image]]
        lost = sum(count[here] == 1 and count[1 - here] > 0 for count in counts)
        return lost - sum(count[1 - here] == 0 and count[here] > 1 for count in counts)

    def _move(self, image: int) -> None:
        here = self.side[image]
        self.side[image] = 1 - here
        for stratum in self.strata[image]:
            self.count[stratum][here] -= 1
            self.count[stratum][1 - here] += 1


def _share(number: int, fraction: float) -> int:
    """``fraction`` of ``number``, rounded, but at least one on each side where there are two."""
    return min(max(round(number * fraction), 1), max(number - 1, 0))
