"""Selecting proposals, and the ground truth among them, by hand."""

import math

import pytest
import torch
from detectron2.modeling.proposal_generator.proposal_utils import (
    add_ground_truth_to_proposals,
    find_top_rpn_proposals,
)
from detectron2.structures import Boxes, Instances

NEAR = [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0], [20.0, 20.0, 30.0, 30.0]]  # IoU of the first two: 0.9


def top(levels, scores, size=(40, 40), pre=10, post=10, min_size=0.0, training=False):
    boxes = [torch.tensor([level]) for level in levels]
    logits = [torch.tensor([s]) for s in scores]
    (result,) = find_top_rpn_proposals(boxes, logits, [size], 0.7, pre, post, min_size, training)
    return result


def test_the_lower_scored_of_two_close_boxes_is_removed():
    result = top([NEAR], [[0.5, 2.0, 1.0]])
    assert result.proposal_boxes.tensor.tolist() == [NEAR[1], NEAR[2]]
    assert result.objectness_logits.tolist() == [2.0, 1.0]


def test_levels_do_not_suppress_each_other():
    result = top([NEAR[:1], NEAR[1:2]], [[1.0], [2.0]])
    assert result.proposal_boxes.tensor.tolist() == [NEAR[1], NEAR[0]]


def test_counts_before_and_after_suppression():
    apart = [[10.0 * i, 0.0, 10.0 * i + 5, 5.0] for i in range(4)]
    scores = [4.0, 3.0, 2.0, 1.0]
    assert top([apart, apart], [scores, scores], pre=2).objectness_logits.tolist() == [4, 4, 3, 3]
    assert top([apart], [scores], post=3).objectness_logits.tolist() == [4, 3, 2]


def test_boxes_are_clipped_and_small_ones_dropped():
    boxes = [[-5.0, -5.0, 5.0, 5.0], [38.0, 0.0, 60.0, 10.0], [50.0, 50.0, 60.0, 60.0]]
    result = top([boxes], [[3.0, 2.0, 1.0]], min_size=2.0)
    assert result.proposal_boxes.tensor.tolist() == [[0, 0, 5, 5]]  # 2 pixels wide is not more than 2


def test_what_is_not_finite_is_dropped_in_testing_and_an_error_in_training():
    boxes = [[0.0, 0.0, math.nan, 10.0], [0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0]]
    scores = [3.0, 1.0, math.inf]
    assert top([boxes], [scores]).objectness_logits.tolist() == [1.0]
    with pytest.raises(FloatingPointError, match=r"diverged.*SOLVER.BASE_LR"):
        top([boxes], [scores], training=True)


def test_no_anchors():
    empty = [torch.zeros(2, 0, 4)], [torch.zeros(2, 0)]
    results = find_top_rpn_proposals(*empty, [(4, 4), (5, 5)], 0.7, 10, 10, 0.0, True)
    assert [len(r) for r in results] == [0, 0]
    assert [r.image_size for r in results] == [(4, 4), (5, 5)]


def proposals():
    return Instances((40, 40), proposal_boxes=Boxes(torch.tensor(NEAR[:1])), objectness_logits=torch.tensor([0.5]))


@pytest.mark.parametrize("wrap", [lambda b: b, lambda b: Instances((40, 40), gt_boxes=b)], ids=["Boxes", "Instances"])
def test_ground_truth_is_appended_as_certain(wrap):
    (joined,) = add_ground_truth_to_proposals([wrap(Boxes(torch.tensor(NEAR[2:])))], [proposals()])
    assert joined.proposal_boxes.tensor.tolist() == [NEAR[0], NEAR[2]]
    # log(p / (1 - p)) at p = 1 - 1e-10
    assert joined.objectness_logits.tolist() == pytest.approx([0.5, 10 * math.log(10)], rel=1e-6)


def test_no_ground_truth_and_no_images():
    (joined,) = add_ground_truth_to_proposals([Boxes(torch.zeros(0, 4))], [proposals()])
    assert len(joined) == 1
    assert add_ground_truth_to_proposals([], []) == []


def test_a_field_that_the_ground_truth_lacks_is_named():
    with_more = proposals()
    with_more.depth = torch.tensor([1.0])
    with pytest.raises(ValueError, match="'depth'"):
        add_ground_truth_to_proposals([Boxes(torch.zeros(0, 4))], [with_more])
