"""What counts as the same: hand-sized outputs of a model and of a file."""

import pytest
import torch

from maskrcnn_project.export.parity import Tolerance, check, compare_outputs, pair, parity_table

SIZE = (10, 10)
BOX = [[1.0, 1.0, 4.0, 4.0], [5.0, 5.0, 9.0, 9.0]]


def outputs(boxes=BOX, classes=(0, 1), scores=(0.9, 0.8), masks=None):
    boxes = torch.tensor(boxes).reshape(-1, 4)
    if masks is None:
        masks = torch.zeros(len(boxes), 10, 10, dtype=torch.bool)
        for index, (x0, y0, x1, y1) in enumerate(boxes.int().tolist()):
            masks[index, y0:y1, x0:x1] = True
    return boxes, torch.tensor(classes, dtype=torch.int64), torch.tensor(scores), masks


def compared(came, wanted=None, tolerance=None):
    return compare_outputs(wanted or outputs(), came, SIZE, 0.5, tolerance or Tolerance())


def test_the_same_passes():
    comparison = compared(outputs())
    assert comparison.passed and comparison.count == 2 and comparison.size == SIZE
    assert comparison.unpaired == comparison.box == comparison.score == comparison.mask == 0


def test_nothing_equals_nothing():
    nothing = outputs([], (), ())
    assert compared(nothing, nothing).passed
    assert not compared(nothing).passed and not compared(outputs(), nothing).passed
    assert compared(nothing).unpaired == 2


def test_order_does_not_matter_where_scores_are_nearly_equal():
    swapped = outputs(BOX[::-1], (1, 0), (0.8, 0.9))
    assert pair(outputs(), swapped) == ([0, 1], [1, 0])
    assert compared(swapped).passed


def test_two_of_one_do_not_both_fit():
    twice = outputs([BOX[0], BOX[0]], (0, 0), (0.9, 0.8))
    assert pair(outputs(), twice) == ([0], [0])
    assert compared(twice).unpaired == 2


@pytest.mark.parametrize(
    ("changed", "passes"),
    [
        ({"boxes": [[1.0, 1.0, 4.0, 4.04], BOX[1]]}, True),
        ({"boxes": [[1.0, 1.0, 4.0, 4.06], BOX[1]]}, False),
        ({"scores": (0.9, 0.8009)}, True),
        ({"scores": (0.9, 0.8011)}, False),
        ({"classes": (0, 0)}, False),
    ],
)
def test_tolerances(changed, passes):
    assert compared(outputs(**changed)).passed is passes


def test_an_instance_at_the_threshold_may_be_on_one_side_alone():
    for score, passes in ((0.5005, True), (0.502, False)):
        more = outputs([*BOX, [0.0, 0.0, 1.0, 1.0]], (0, 1, 0), (0.9, 0.8, score))
        assert compared(more).passed is passes and compared(outputs(), more).passed is passes


def test_masks_may_differ_in_two_pixels_or_one_in_a_hundred():
    wanted = outputs()[3]
    for flipped, passes in ((2, True), (3, False)):
        masks = wanted.clone()
        masks[0, 1, 1 : 1 + flipped] = False
        comparison = compared(outputs(masks=masks))
        assert comparison.passed is passes and comparison.mask == pytest.approx(flipped / 9)
    assert not compared((*outputs()[:3], torch.zeros(2, 28, 28))).passed
    assert not compared(outputs()[:3]).passed


def test_probabilities_are_compared_as_numbers():
    soft = torch.full((2, 28, 28), 0.5)
    for change, passes in ((0.009, True), (0.011, False)):
        comparison = compared(outputs(masks=soft + change), outputs(masks=soft))
        assert comparison.passed is passes and comparison.mask == pytest.approx(change, rel=1e-3)


def test_each_image_is_a_row():
    comparisons = list(check(lambda image: outputs(), lambda image: outputs(), [torch.zeros(3, 4, 6)] * 2, 0.5))
    lines = parity_table(comparisons, Tolerance()).splitlines()
    assert [line.split()[:4] for line in lines[2:4]] == [["4", "x", "6", "2"]] * 2
    assert lines[-1].split() == ["tolerated", "0", "0.05", "0.001", "0.01"]
