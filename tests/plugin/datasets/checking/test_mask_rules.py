"""Crowds that a tool made, and rules that look at all masks of a file."""

import pytest

from maskrcnn_project.datasets.checking.mask_rules import wrong_crowds
from tests.plugin.datasets.checking.sound_set import found_in, row_of, sound_coco, square

POLYGON, RLE = [square(1, 1, 5)[0]], {"size": [9, 9], "counts": "abc"}


def rows(*kinds):
    """Annotations of (number, mask, iscrowd)."""
    return [{"segmentation": mask, "iscrowd": crowd} for number, mask, crowd in kinds for _ in range(number)]


@pytest.mark.parametrize(
    ("annotations", "wrong"),
    [
        (rows(), 0),
        (rows((99, POLYGON, 0), (1, RLE, 1)), 0),  # COCO
        (rows((5, POLYGON, 0), (5, RLE, 0)), 0),
        (rows((5, RLE, 1)), 5),
        (rows((5, POLYGON, 1)), 5),
        (rows((5, POLYGON, 0), (5, RLE, 1)), 5),  # half of all masks
        (rows((6, POLYGON, 0), (5, RLE, 1)), 0),
        (rows((2, POLYGON, 0), (5, RLE, 1), (1, RLE, 0)), 0),  # somebody told crowds from objects
        (rows((5, [], 1)), 0),  # no mask at all is another matter
    ],
)
def test_crowds_by_the_kind_of_their_mask(annotations, wrong):
    assert len(wrong_crowds(annotations)) == wrong


def test_rectangles_are_boxes_only_where_nearly_all_masks_are():
    coco = sound_coco()
    few = [{**row_of(coco, 11), "id": 100 + i, "segmentation": [square(2 + 5 * i, 5, 4)[0]],
            "bbox": [2 + 5 * i, 5, 4, 4], "area": 16, "category_id": 1 + 4 * (i % 2)} for i in range(22)]  # fmt: skip
    assert "masks-all-boxes" not in found_in({**coco, "annotations": few[:19]})
    assert "masks-all-boxes" in found_in({**coco, "annotations": few[:20]})
    assert "masks-all-boxes" not in found_in({**coco, "annotations": [*few, *coco["annotations"]]})


def test_a_mask_that_cannot_be_drawn_breaks_no_rule_on_pixels():
    coco = sound_coco()
    row_of(coco, 12).update(segmentation=[[1, 2, 3, 4]], area=5)
    assert set(found_in(coco)) == {"polygon-short"}


def test_crowds_may_have_far_parts_and_repeat():
    coco = sound_coco()
    coco["annotations"].append({**row_of(coco, 23), "id": 41})
    assert found_in(coco) == {}
