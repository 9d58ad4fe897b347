"""
Images shared out so that a part of them shows every class, and each class in its share; the rarest class goes first
(after Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", 2011).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from maskrcnn_project.errors import DatasetError

REST, PART = 0, 1
NO_OBJECTS = "no objects"  # images without annotations are shared out as if that were a class
MAX_REPAIRS = 2000  # moves; sets that need repair at all need a handful
RANDOM_REPAIRS = 0.2  # share of random moves, which lead out of dead ends (as in WalkSAT)
MAX_SWEEPS = 20  # over all groups; three or four settle it


def strata_of(coco: Mapping[str, Any]) -> list[set[Hashable]]:
    """
    The category ids that each image shows, in the order of the images; {NO_OBJECTS} where there are none.

    Raises:
        DatasetError: an annotation belongs to no image.
    """
    strata: dict[Any, set[Hashable]] = {image["id"]: set() for image in coco["images"]}
    for annotation in coco.get("annotations", []):
        if annotation["image_id"] not in strata:
            raise DatasetError(
                f"Annotation {annotation.get('id')} belongs to the image {annotation['image_id']!r}, "
                "which is not listed: remove it, or add the image."
            )
        strata[annotation["image_id"]].add(annotation["category_id"])
    return [shown or {NO_OBJECTS} for shown in strata.values()]


class Sharing:
    """
    Units (single images, or groups that stay together) between a part and the rest, each by its index.

    Every stratum (class) that enough units show comes to the part, and at least ``keep`` of its units stay in the rest;
    this goes before the wanted share.
    """

    def __init__(self, units: Sequence[Sequence[set[Hashable]]], fraction: float, seed: int, keep: int = 1) -> None:
        """
        Args:
            units: the strata of each image of each unit.
            fraction: wanted share of the images in the part, 0 to 1.
            keep: the number of parts that the rest is to be divided into later: 0 if nobody wants it.
        """
        self.rng = np.random.default_rng(seed)
        self.keep = keep
        self.images = [len(unit) for unit in units]
        # images by stratum, sorted by text, as the order within a set of texts changes from process to process
        self.shown = [
            dict(
                sorted(Counter(stratum for strata in unit for stratum in strata).items(), key=lambda item: str(item[0]))
            )
            for unit in units
        ]
        self.units: dict[Hashable, list[int]] = defaultdict(list)  # of each stratum, in random order
        for unit in self.rng.permutation(len(units)).tolist():
            for stratum in self.shown[unit]:
                self.units[stratum].append(unit)
        self.side = [REST] * len(units)
        # units [in the rest, in the part]
        self.count = {stratum: [len(members), 0] for stratum, members in self.units.items()}
        totals = {
            stratum: sum(self.shown[unit][stratum] for unit in members) for stratum, members in self.units.items()
        }
        self.wanted_images = self._share(sum(self.images), fraction)
        self.wanted = {stratum: self._share(total, fraction) for stratum, total in totals.items()}
        self.taken_images = 0
        self.taken = dict.fromkeys(self.units, 0)  # images of each stratum in the part

    def share_out(self) -> list[int]:
        """The side of each unit; the number of images in the part is near the wanted one."""
        by_rarity = sorted(self.units, key=lambda stratum: (len(self.units[stratum]), str(stratum)))
        for stratum in by_rarity:
            if len(self.units[stratum]) > self.keep:
                self._fill(self.units[stratum], self.wanted[stratum] - self.taken[stratum], stratum)
        everything = self.rng.permutation(len(self.side)).tolist()
        self._fill(everything, self.wanted_images - self.taken_images)
        self._repair()
        if max(self.images) > 1:
            self._even_out(everything)
        self._leave_no_side_empty(everything)
        return self.side

    def take_exactly(self) -> list[int]:
        """As ``share_out``, but the part has the wanted number of images, whatever that costs. For single images."""
        self.share_out()
        chosen = [unit for unit, side in enumerate(self.side) if side == PART]
        chosen.sort(key=lambda unit: sum(self.taken[stratum] > self.wanted[stratum] for stratum in self.shown[unit]))
        for harmless in (True, False):
            for unit in reversed(chosen):
                if self.taken_images <= self.wanted_images:
                    break
                if self.side[unit] == PART and not (harmless and self._newly_broken(unit) > 0):
                    self._move(unit)
        rest = [unit for unit, side in enumerate(self.side) if side == REST]
        self._fill(self.rng.permutation(rest).tolist(), self.wanted_images - self.taken_images)
        return self.side

    def broken(self) -> list[Hashable]:
        """Strata of enough units for both sides that miss one nevertheless."""
        return [stratum for stratum, count in self.count.items() if self._is_broken(*count)]

    def _is_broken(self, in_rest: int, in_part: int) -> bool:
        return in_rest + in_part > self.keep and (in_part == 0 or in_rest < self.keep)

    def _share(self, number: int, fraction: float) -> int:
        """``fraction`` of ``number``, rounded, but at least one in the part and ``keep`` in the rest, if there are."""
        return min(max(round(number * fraction), 1), max(number - self.keep, 0))

    def _fill(self, units: list[int], number: int, stratum: Hashable | None = None) -> None:
        """
        Moves ``number`` images (of the stratum) to the part, the fitting units first and of these the large ones,
        while the rest keeps some of each stratum. A unit that would overshoot by more than is missing stays.
        """
        staying = [unit for unit in units if self.side[unit] == REST]
        for unit in sorted(staying, key=lambda unit: (self._satisfied(unit), -self.images[unit])):
            if number <= 0:
                return
            gained = self.images[unit] if stratum is None else self.shown[unit][stratum]
            if gained <= 2 * number and all(self.count[shown][REST] > self.keep for shown in self.shown[unit]):
                self._move(unit)
                number -= gained

    def _satisfied(self, unit: int) -> int:
        """Of how many of its strata the part has its share already."""
        return sum(self.taken[stratum] >= self.wanted[stratum] for stratum in self.shown[unit])

    def _repair(self) -> None:
        """Moves single units until no stratum is broken or the moves are used up; keeps the best."""
        best, fewest = list(self.side), len(self.broken())
        for _ in range(MAX_REPAIRS):
            broken = self.broken()
            if len(broken) < fewest:
                best, fewest = list(self.side), len(broken)
            if not broken:
                break
            units = self.units[broken[int(self.rng.integers(len(broken)))]]
            if self.rng.random() < RANDOM_REPAIRS:
                self._move(units[int(self.rng.integers(len(units)))])
            else:
                self._move(min(units, key=self._newly_broken))
        for unit, side in enumerate(best):
            if self.side[unit] != side:
                self._move(unit)

    def _newly_broken(self, unit: int) -> int:
        """How many more strata would be broken if the unit changed sides."""
        step = 1 if self.side[unit] == REST else -1
        counts = [self.count[stratum] for stratum in self.shown[unit]]
        return sum(self._is_broken(rest - step, part + step) - self._is_broken(rest, part) for rest, part in counts)

    def _even_out(self, units: list[int]) -> None:
        """Moves single groups for as long as that brings the part nearer to its shares, and breaks nothing."""
        for _ in range(MAX_SWEEPS):
            helpful = False
            for unit in units:
                if self._newly_broken(unit) <= 0 and self._nearer(unit) > 0 and self._stays_filled(unit):
                    self._move(unit)
                    helpful = True
            if not helpful:
                return

    def _nearer(self, unit: int) -> float:
        """By how much of a share the part would come nearer to its wanted ones if the unit changed sides."""
        sign = 1 if self.side[unit] == REST else -1

        def gain(taken: int, wanted: int, images: int) -> float:
            return (abs(taken - wanted) - abs(taken + sign * images - wanted)) / max(wanted, 1)

        of_strata = sum(
            gain(self.taken[stratum], self.wanted[stratum], images) for stratum, images in self.shown[unit].items()
        )
        return gain(self.taken_images, self.wanted_images, self.images[unit]) + of_strata / len(self.units)

    def _stays_filled(self, unit: int) -> bool:
        """Whether the side that the unit would leave keeps enough units."""
        here = self.side[unit]
        return self.side.count(here) > (self.keep if here == REST else 1)

    def _leave_no_side_empty(self, units: list[int]) -> None:
        """Where nothing but classes of a single unit is left, any unit will do."""
        if PART not in self.side:
            self._move(units[0])
        for unit in units:
            if self.side.count(REST) >= min(self.keep, len(self.side) - 1):
                return
            if self.side[unit] == PART:
                self._move(unit)

    def _move(self, unit: int) -> None:
        here = self.side[unit]
        self.side[unit] = 1 - here
        sign = 1 if here == REST else -1
        self.taken_images += sign * self.images[unit]
        for stratum, images in self.shown[unit].items():
            self.count[stratum][here] -= 1
            self.count[stratum][1 - here] += 1
            self.taken[stratum] += sign * images
