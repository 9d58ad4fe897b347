"""
One set of objects out of what overlapping tiles, and the whole image, show of them.

A *part* is one detection of one tile. An edge of a tile *cuts* a part that reaches it, unless it is the image's edge
too. Two parts are compared only within one class, and between different tiles: what one tile shows twice are two
objects, for the model itself has removed its duplicates there.

1. **Seen better.** A part that is cut, and lies for more than half in a part of the tile behind that edge, which is not
   cut towards the first, falls: the other tile has seen all that this one saw, and more. With an overlap as wide as
   the objects, this and rule 3 are all that happens: each object is whole in some tile.
2. **Joined.** Two parts that are cut towards one another are one object if, of the pixels that both tiles show, they
   share more than half of what the smaller has there. (Of the smaller, for a sliver is drawn badly, and an object may
   enter a tile twice.) It is the smaller that chooses: only the part of the other tile that it agrees with best (IoU
   of those pixels). Otherwise one unsure detection of two neighbours as one would glue the neighbours together. The
   object has the pixels of all its parts, a box round theirs, and the highest of their scores: it is there as surely
   as the part that shows most.
3. **Duplicates.** Of two objects with an IoU of more than half, one stays: rather one that no edge leaves unfinished,
   then the more confident. (Not by the share of the smaller: a small object on a large one is no duplicate of it.)
4. **The whole image** is seen coarsely, but nothing is cut in it. An object found there that is no larger than a tile
   is the tiles' business: it stays only where none of theirs lies for more than half in it. A larger one falls if more
   than half of its pixels are covered by *fine* objects of the tiles, which no edge leaves unfinished and which are no
   larger than a tile; otherwise it stays, and what lies for more than half in it and is not fine falls. What is less
   than half as sure as the other makes nothing fall: an unsure detection over half of the image would take all with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from maskrcnn_project.inference.tiling.tile_parts import (
    Agreement,
    Places,
    TilePart,
    agreement,
    edges,
    parts_of,
)
from maskrcnn_project.masks.coding import encode_crop
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox, unite
from maskrcnn_project.masks.tile_grid import Grid
from maskrcnn_project.masks.window import Window

# "More than half", in all rules: of two disjoint objects, no more than one can have so much of a third.
HALF = 0.5
WHOLE_IMAGE = -1  # the number of the view that is no tile


@dataclass(frozen=True, eq=False)
class Merged:
    """An object: one part, or several that belong together."""

    parts: tuple[TilePart, ...]

    @cached_property
    def window(self) -> Window:
        left, top, right, bottom = np.array([edges(part.window) for part in self.parts]).max(axis=0).tolist()
        return Window(-left, -top, right + left, bottom + top)

    @cached_property
    def area(self) -> int:
        return self.parts[0].area if len(self.parts) == 1 else self.mask().area

    @property
    def score(self) -> float:
        return max(part.score for part in self.parts)

    @property
    def category(self) -> int:
        return self.parts[0].category

    @cached_property
    def is_unfinished(self) -> bool:
        """Whether an edge cuts it behind which none of its parts goes on."""
        sides = np.array([edges(part.tile) for part in self.parts])
        return bool((np.array([part.cut for part in self.parts]) & (sides == sides.max(axis=0))).any())

    @property
    def views(self) -> set[int]:
        return {part.view for part in self.parts}

    @property
    def box(self) -> np.ndarray:
        """(4,) float32 XYXY."""
        boxes = np.stack([part.box for part in self.parts])
        return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])

    def mask(self) -> MaskInBox:
        return unite([part.mask() for part in self.parts]) if len(self.parts) > 1 else self.parts[0].mask()


def merge_tiles(
    grid: Grid, found: Sequence[Detections], size: tuple[int, int], whole: Detections | None = None
) -> Detections:
    """
    By the rules of this module. Detections without a pixel are left out.

    Args:
        grid: the tiles of the image.
        found: of each tile, in its own frame; all with masks, or all without (then boxes stand for them).
        size: (height, width) of the image.
        whole: what was found in the image as a whole.

    Returns:
        The most confident first, as many as there are.
    """
    parts = [
        part
        for view, (tile, detections) in enumerate(zip(grid.tiles, found, strict=True))
        for part in parts_of(view, tile, detections, size)
    ]
    objects = without_duplicates(grid, join(grid, parts))
    if whole is not None:
        objects = with_whole_image(grid, objects, parts_of(WHOLE_IMAGE, Window(0, 0, size[1], size[0]), whole, size))
    objects.sort(key=lambda one: -one.score)
    return _detections(objects, size, with_masks=all(detections.masks is not None for detections in found))


def _detections(objects: Sequence[Merged], size: tuple[int, int], with_masks: bool) -> Detections:
    masks = None
    if with_masks:
        masks = [encode_crop(one.mask(), size) for one in objects]
    return Detections(
        size,
        np.array([one.box for one in objects], np.float32).reshape(-1, 4),
        np.array([one.score for one in objects], np.float32),
        np.array([one.category for one in objects], np.int64),
        masks,
    )


def join(grid: Grid, parts: Sequence[TilePart]) -> list[Merged]:
    """Rules 1 and 2, in the order of the parts."""
    pairs = compare_parts(grid, parts)
    best = best_partners(parts, pairs)
    fallen = best_seen(parts, pairs, best)
    roots = list(range(len(parts)))  # union-find

    def root(index: int) -> int:
        while roots[index] != index:
            roots[index] = index = roots[roots[index]]
        return index

    for (first, second), agreed in pairs.items():
        if first in fallen or second in fallen or agreed.of_smaller <= HALF:
            continue
        if not (parts[first].is_cut_within(parts[second].tile) and parts[second].is_cut_within(parts[first].tile)):
            continue
        chosen_by_first = best[first, parts[second].view] == second and agreed.first <= agreed.second
        chosen_by_second = best[second, parts[first].view] == first and agreed.second <= agreed.first
        if chosen_by_first or chosen_by_second:
            low, high = sorted((root(first), root(second)))
            roots[high] = low
    groups: dict[int, list[TilePart]] = {}
    for index, part in enumerate(parts):
        if index not in fallen:
            groups.setdefault(root(index), []).append(part)
    return [Merged(tuple(group)) for group in groups.values()]


def compare_parts(grid: Grid, parts: Sequence[TilePart]) -> dict[tuple[int, int], Agreement]:
    """
    By two rising indices: the parts of one class and of different tiles that have pixels in common, and of which one at
    least is cut where the other's tile goes on. Rules 1 and 2 ask for no others.
    """
    places = Places(grid, [part.window for part in parts])
    pairs = {}
    for first, part in enumerate(parts):
        for second in places.near(part.window):
            other = parts[second]
            if second <= first or other.view == part.view or other.category != part.category:
                continue
            if part.is_cut_within(other.tile) or other.is_cut_within(part.tile):
                agreed = agreement(part, other)
                if agreed is not None:
                    pairs[first, second] = agreed
    return pairs


def best_partners(parts: Sequence[TilePart], pairs: dict[tuple[int, int], Agreement]) -> dict[tuple[int, int], int]:
    """
    By part and tile: the part of that tile that agrees with it best; of equals the more confident, then the earlier.
    """
    best: dict[tuple[int, int], tuple[float, float, int]] = {}
    for (first, second), agreed in pairs.items():
        for one, other in ((first, second), (second, first)):
            key, rank = (one, parts[other].view), (agreed.iou, parts[other].score, -other)
            best[key] = max(best.get(key, rank), rank)
    return {key: -rank[2] for key, rank in best.items()}


def best_seen(
    parts: Sequence[TilePart], pairs: dict[tuple[int, int], Agreement], best: dict[tuple[int, int], int]
) -> set[int]:
    """Rule 1: the indices that fall, each to one that stays or has fallen to another later."""
    fallen: set[int] = set()
    for (one, _), other in sorted(best.items()):
        part, better = parts[one], parts[other]
        if one in fallen or other in fallen or not part.is_cut_within(better.tile) or better.is_cut_within(part.tile):
            continue
        # Of all its pixels: a part that goes on outside of the other tile was not seen better there.
        if pairs[min(one, other), max(one, other)].both > HALF * part.area:
            fallen.add(one)
    return fallen


def without_duplicates(grid: Grid, objects: Sequence[Merged]) -> list[Merged]:
    """Rule 3, in the order of the objects."""
    places = Places(grid, [one.window for one in objects])
    standing: set[int] = set()
    for index in sorted(range(len(objects)), key=lambda i: (objects[i].is_unfinished, -objects[i].score, i)):
        rivals = (objects[other] for other in places.near(objects[index].window) if other in standing)
        if not any(is_duplicate(objects[index], rival) for rival in rivals):
            standing.add(index)
    return [objects[index] for index in sorted(standing)]


def is_duplicate(one: Merged, other: Merged) -> bool:
    """Whether two objects, of one class and of no tile in common, have an IoU of more than half."""
    if one.category != other.category or one.views & other.views:
        return False
    common = one.window.cut(other.window)
    most = min(one.area, other.area, common.width * common.height)
    if most <= HALF * (one.area + other.area - most):
        return False  # whatever their pixels are
    both = one.mask().common_pixels(other.mask())
    return both > HALF * (one.area + other.area - both)


def with_whole_image(grid: Grid, objects: Sequence[Merged], coarse: Sequence[TilePart]) -> list[Merged]:
    """Rule 4: the objects that stay, then those of the whole image that do."""
    places = Places(grid, [one.window for one in objects])
    fallen: set[int] = set()
    added = []
    for part in coarse:
        mask = part.mask()
        near = [index for index in places.near(part.window) if objects[index].category == part.category]
        inside = [index for index in near if objects[index].mask().common_pixels(mask) > HALF * objects[index].area]
        sure = [index for index in near if objects[index].score >= HALF * part.score]
        if fits(part.window, grid) and not set(inside).isdisjoint(sure):
            continue
        if cover(mask, [objects[index] for index in sure if is_fine(objects[index], grid)]) > HALF * part.area:
            continue
        added.append(Merged((part,)))
        unsound = (index for index in inside if not is_fine(objects[index], grid))
        fallen.update(index for index in unsound if part.score >= HALF * objects[index].score)
    return [one for index, one in enumerate(objects) if index not in fallen] + added


def is_fine(one: Merged, grid: Grid) -> bool:
    """Whether the tiles have seen all of it, and it would fit into one."""
    return not one.is_unfinished and fits(one.window, grid)


def fits(window: Window, grid: Grid) -> bool:
    """Whether it is no larger than a tile."""
    tile = grid.tiles[0]  # all are of one size
    return window.width <= tile.width and window.height <= tile.height


def cover(mask: MaskInBox, objects: Sequence[Merged]) -> int:
    """How many of the pixels of ``mask`` lie in any of the objects."""
    return unite([one.mask() for one in objects], mask.window).common_pixels(mask) if objects else 0
