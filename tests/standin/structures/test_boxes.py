"""Boxes and their overlap, by numbers that a reader can check on squared paper."""

import numpy as np
import pytest
import torch
from detectron2 import structures
from detectron2.structures import Boxes, BoxMode, pairwise_ioa, pairwise_iou, pairwise_point_box_distance
from detectron2.structures.boxes import matched_pairwise_iou, pairwise_intersection

UNIT = [0.0, 0.0, 1.0, 1.0]
IOU_WITH_UNIT = [
    ([0.0, 0.0, 1.0, 1.0], 1.0, "itself"),
    ([0.0, 0.0, 0.5, 1.0], 0.5, "its left half"),
    ([0.5, 0.0, 1.5, 1.0], 1 / 3, "half of each"),
    ([0.5, 0.5, 1.5, 1.5], 1 / 7, "a quarter of each"),
    ([1.0, 0.0, 2.0, 1.0], 0.0, "they touch"),
    ([5.0, 5.0, 6.0, 6.0], 0.0, "apart in both axes"),
    ([0.0, 5.0, 1.0, 6.0], 0.0, "apart in one axis"),
    ([0.5, 0.5, 0.5, 0.5], 0.0, "no area"),
]


def boxes_of(*rows):
    return Boxes(torch.tensor(rows))


@pytest.mark.parametrize("other, iou, reason", IOU_WITH_UNIT, ids=[row[2] for row in IOU_WITH_UNIT])
def test_iou(other, iou, reason):
    one, two = boxes_of(UNIT), boxes_of(other)
    assert pairwise_iou(one, two).item() == pytest.approx(iou)
    assert pairwise_iou(two, one).item() == pytest.approx(iou)
    assert matched_pairwise_iou(one, two).tolist() == [pytest.approx(iou)]


def test_overlaps_of_all_pairs():
    one, two = boxes_of(UNIT, [0.0, 0.0, 2.0, 2.0]), boxes_of([0.0, 0.0, 2.0, 1.0], UNIT, [4.0, 4.0, 5.0, 5.0])
    assert pairwise_intersection(one, two).tolist() == [[1, 1, 0], [2, 1, 0]]
    assert pairwise_ioa(one, two).tolist() == [[0.5, 1, 0], [1, 1, 0]]
    assert pairwise_iou(one, two).tolist() == [[0.5, 1, 0], [0.5, 0.25, 0]]


def test_two_boxes_without_area_have_no_overlap_rather_than_nan():
    empty = boxes_of([1.0, 1.0, 1.0, 1.0])
    assert pairwise_iou(empty, empty).item() == 0 and pairwise_ioa(empty, empty).item() == 0


@pytest.mark.parametrize("function", [pairwise_iou, pairwise_ioa, pairwise_intersection])
def test_overlap_with_nothing(function):
    none = Boxes(torch.zeros(0, 4))
    assert function(none, boxes_of(UNIT)).shape == (0, 1)
    assert function(boxes_of(UNIT), none).shape == (1, 0)


def test_gradients_of_overlaps_equal_differences():
    def overlaps(one, two):
        first, second = Boxes(torch.zeros(0, 4)), Boxes(torch.zeros(0, 4))
        first.tensor, second.tensor = one, two  # float64, which Boxes themselves do not hold
        return pairwise_iou(first, second), pairwise_ioa(first, second), matched_pairwise_iou(first, second)

    one = torch.tensor([[0.0, 0.0, 2.0, 2.5], [1.0, 1.0, 4.0, 3.0]], dtype=torch.float64, requires_grad=True)
    two = torch.tensor([[1.1, 0.3, 3.0, 2.2], [0.5, 0.7, 2.1, 3.6]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(overlaps, (one, two))


def test_overlap_is_differentiable():
    one = torch.tensor([[0.0, 0.0, 2.0, 2.0]], requires_grad=True)
    pairwise_iou(Boxes(one), boxes_of([1.0, 0.0, 3.0, 2.0])).sum().backward()
    assert one.grad[0, 2] > 0 and one.grad.isfinite().all()


def test_matched_iou_needs_pairs():
    with pytest.raises(AssertionError, match="equally many boxes, but got 1 and 2"):
        matched_pairwise_iou(boxes_of(UNIT), boxes_of(UNIT, UNIT))


def test_distance_from_points_to_sides():
    points = torch.tensor([[2.0, 3.0], [11.0, 0.0]])
    distance = pairwise_point_box_distance(points, boxes_of([1.0, 1.0, 10.0, 5.0]))
    assert distance.tolist() == [[[1, 2, 8, 2]], [[10, -1, -1, 5]]]


def test_area_centres_and_sides():
    boxes = boxes_of([1.0, 2.0, 5.0, 4.0], [3.0, 3.0, 3.0, 9.0])
    assert boxes.area().tolist() == [8, 0]
    assert boxes.get_centers().tolist() == [[3, 3], [3, 6]]
    assert boxes.nonempty().tolist() == [True, False]
    assert boxes.nonempty(threshold=2).tolist() == [False, False]  # a side of 2 is not longer than 2


def test_clip_and_scale_change_the_boxes_but_not_the_tensor_they_came_from():
    tensor = torch.tensor([[-5.0, -1.0, 30.0, 8.0]])
    boxes = Boxes(tensor)
    boxes.clip((10, 20))
    assert boxes.tensor.tolist() == [[0, 0, 20, 8]]
    boxes.scale(0.5, 2.0)
    assert boxes.tensor.tolist() == [[0, 0, 10, 16]]
    assert tensor.tolist() == [[-5, -1, 30, 8]]


def test_inside_box():
    boxes = boxes_of([0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 10.0, 9.0], [-1.0, 0.0, 5.0, 5.0])
    assert boxes.inside_box((10, 10)).tolist() == [True, False, False]
    assert boxes.inside_box((10, 10), boundary_threshold=1).tolist() == [True, True, True]


def test_indexing_always_gives_boxes():
    boxes = Boxes(torch.arange(12.0).reshape(3, 4))
    assert boxes[1].tensor.tolist() == [[4, 5, 6, 7]] and boxes[-1].tensor[0, 0] == 8
    assert len(boxes[1:]) == 2 and len(boxes[torch.tensor([True, False, True])]) == 2
    assert boxes[torch.tensor([2, 0])].tensor[:, 0].tolist() == [8, 0]
    assert [row.shape for row in boxes] == [(4,)] * 3
    with pytest.raises(AssertionError, match=r"instead of \(K, 4\)"):
        boxes[0, 1:3]


def test_construction():
    assert Boxes([[1, 2, 3, 4]]).tensor.dtype == torch.float32
    assert Boxes(np.zeros((2, 4))).tensor.shape == (2, 4)
    assert Boxes(torch.zeros(2, 4, dtype=torch.float64)).tensor.dtype == torch.float32
    for nothing in ([], torch.zeros(0), torch.zeros(0, 5), torch.zeros(0, 4, dtype=torch.int64)):
        assert Boxes(nothing).tensor.shape == (0, 4) and Boxes(nothing).tensor.dtype == torch.float32
    with pytest.raises(AssertionError, match=r"shape \(N, 4\), but was given \(2, 5\)"):
        Boxes(torch.zeros(2, 5))


def test_no_boxes_keep_their_gradient_path():
    assert Boxes(torch.zeros(0, 4, requires_grad=True)).tensor.requires_grad


def test_cat_and_clone():
    one, two = boxes_of(UNIT), boxes_of([2.0, 2.0, 3.0, 3.0], UNIT)
    joined = Boxes.cat([one, two])
    assert joined.tensor[:, 0].tolist() == [0, 2, 0] and len(Boxes.cat([])) == 0
    copied = one.clone()
    copied.tensor[0, 0] = 9
    assert one.tensor[0, 0] == 0 and one.to("cpu").device.type == "cpu"
    with pytest.raises(AssertionError, match="list of Boxes"):
        Boxes.cat([one.tensor])


@pytest.mark.parametrize(
    "make", [list, tuple, np.array, torch.tensor, lambda b: torch.tensor([[b, b]]), lambda b: np.array([b], "int64")]
)
def test_modes_there_and_back_keep_type_and_numbers(make):
    box = make([1.0, 2.0, 4.0, 6.0])
    xyxy = BoxMode.convert(box, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)
    assert type(xyxy) is type(box)
    back = BoxMode.convert(xyxy, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    np.testing.assert_array_equal(np.asarray(back), np.asarray(box))
    np.testing.assert_array_equal(np.asarray(xyxy).reshape(-1, 4)[0], [1, 2, 5, 8])
    if not isinstance(box, (list, tuple)):
        assert xyxy.dtype == box.dtype and xyxy.shape == box.shape


def test_lists_keep_full_precision_and_equal_modes_hand_the_box_through():
    assert BoxMode.convert([0.1, 0.2, 0.3, 0.4], BoxMode.XYWH_ABS, BoxMode.XYXY_ABS) == [0.1, 0.2, 0.3 + 0.1, 0.4 + 0.2]
    box = [1, 2, 3, 4]
    assert BoxMode.convert(box, BoxMode.XYXY_ABS, BoxMode.XYXY_ABS) is box
    assert BoxMode.convert(np.zeros((0, 4)), BoxMode.XYWH_ABS, BoxMode.XYXY_ABS).shape == (0, 4)


def test_modes_keep_their_stored_values_and_others_are_refused():
    assert [int(mode) for mode in BoxMode] == [0, 1, 2, 3, 4]
    with pytest.raises(NotImplementedError, match="XYWHA_ABS -> XYXY_ABS.*real Detectron2"):
        BoxMode.convert([0, 0, 1, 1, 30], BoxMode.XYWHA_ABS, BoxMode.XYXY_ABS)
    with pytest.raises(NotImplementedError, match="XYXY_ABS -> XYWH_REL"):
        BoxMode.convert([0, 0, 1, 1], BoxMode.XYXY_ABS, BoxMode.XYWH_REL)
    with pytest.raises(ValueError, match="4 numbers, but was given 3"):
        BoxMode.convert([0, 0, 1], BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    with pytest.raises(ValueError, match=r"shape \(..., 4\), but was given \(2, 5\)"):
        BoxMode.convert(np.zeros((2, 5)), BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)


@pytest.mark.parametrize("name", ["Keypoints", "RotatedBoxes", "heatmaps_to_keypoints", "pairwise_iou_rotated"])
def test_refused_names_say_so(name):
    with pytest.raises(ImportError, match=f"{name} is not in this stand-in"):
        getattr(structures, name)
