"""What is wrong with a box, in an image of 100 x 120 (height x width)."""

import pytest

from maskrcnn_project.datasets.checking.box_rules import box_faults, reads_as_corners
from maskrcnn_project.datasets.coco_rows import is_box
from tests.plugin.datasets.checking.sound_set import side_of, sound_coco

MASK = (50, 20, 80, 50)  # x1, y1, x2, y2


def rules(box, mask_box=MASK, likely_corners=False, **keys):
    return [rule_id for rule_id, _ in box_faults({"bbox": box, **keys}, mask_box, 100, 120, likely_corners)]


@pytest.mark.parametrize(
    ("box", "broken"),
    [
        ([50, 20, 30, 30], []),
        ([49, 19, 32, 32], []),  # a pixel on each side
        ([47, 20, 33, 30], []),  # 3 pixels, a tenth of the width
        ([46, 20, 34, 30], ["box-mask-differ"]),
        (None, ["box-malformed"]),
        ([1, 2, 3], ["box-malformed"]),
        ([1, 2, 3, "4"], ["box-malformed"]),
        ([1, 2, 3, 1e9], ["box-malformed"]),
        ([50, 20, 0, 30], ["box-empty"]),
        ([50, 20, 30, -3], ["box-empty"]),
        ([50, 20, 80, 50], ["box-corners"]),
        ([50, 20, 71, 30], ["box-outside", "box-mask-differ"]),
        ([-20, -20, 10, 10], ["box-outside", "box-mask-differ"]),
    ],
)
def test_against_a_mask(box, broken):
    assert rules(box) == broken


def test_a_box_that_is_right_both_ways_is_right():
    assert rules([0, 0, 60, 60], mask_box=(0, 0, 60, 60)) == []
    assert rules([1, 1, 60, 60], mask_box=(1, 1, 60, 60)) == []  # a pixel off, if they are corners


def test_corners_at_the_far_edge_are_not_taken_for_a_box_to_clip():
    assert rules([60, 60, 120, 100], mask_box=(60, 60, 120, 100)) == ["box-corners"]


def test_a_box_a_pixel_too_large_is_not_taken_for_corners():
    assert rules([1, 1, 120, 100], mask_box=(1, 1, 120, 100)) == ["box-outside"]


def test_a_crowds_box_may_differ():
    assert rules([50, 20, 10, 10], iscrowd=1) == []


@pytest.mark.parametrize(("likely_corners", "broken"), [(True, ["box-corners"]), (False, ["box-outside"])])
def test_without_a_mask_the_other_boxes_tell(likely_corners, broken):
    assert rules([50, 20, 80, 50], mask_box=None, likely_corners=likely_corners) == broken


def test_the_file_reads_as_corners_only_where_nearly_all_boxes_do():
    coco = sound_coco()
    for row in coco["annotations"]:
        row["segmentation"] = []
    assert not reads_as_corners(side_of(coco))
    for row in coco["annotations"]:
        x, y, w, h = row["bbox"]
        row["bbox"] = [x, y, x + w, y + h]
    assert reads_as_corners(side_of(coco))
    coco["annotations"] = []
    assert not reads_as_corners(side_of(coco))


@pytest.mark.parametrize("box", [(1, 2, 3, 4), [1, 2, 3, True], [1, 2, 3, None], "1234", {}])
def test_no_box(box):
    assert not is_box(box)
