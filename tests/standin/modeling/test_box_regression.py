"""Box coding, by hand and there and back."""

import math

import pytest
import torch
from detectron2.modeling.box_regression import Box2BoxTransform, box_regression_loss, check_box_reg_loss_type

UNIT = Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0))


def test_deltas_by_hand():
    # From a 10 x 20 box centred at (5, 10) to a 20 x 10 box centred at (10, 15).
    source, target = torch.tensor([[0.0, 0.0, 10.0, 20.0]]), torch.tensor([[0.0, 10.0, 20.0, 20.0]])
    deltas = UNIT.get_deltas(source, target)
    torch.testing.assert_close(deltas, torch.tensor([[0.5, 0.25, math.log(2), -math.log(2)]]))
    torch.testing.assert_close(UNIT.apply_deltas(deltas, source), target)


def test_weights_multiply_what_is_coded():
    source, target = torch.tensor([[0.0, 0.0, 10.0, 20.0]]), torch.tensor([[0.0, 10.0, 20.0, 20.0]])
    weighted = Box2BoxTransform(weights=(10.0, 10.0, 5.0, 5.0)).get_deltas(source, target)
    torch.testing.assert_close(weighted, torch.tensor([[5.0, 2.5, 5 * math.log(2), -5 * math.log(2)]]))


def test_there_and_back():
    torch.manual_seed(0)
    corners = torch.rand(50, 2, 2, 2) * 100
    boxes = torch.cat((corners.amin(2), corners.amax(2) + 1), dim=2)  # (50, 2, 4), at least 1 pixel wide
    coder = Box2BoxTransform(weights=(10.0, 10.0, 5.0, 5.0), scale_clamp=10.0)
    back = coder.apply_deltas(coder.get_deltas(boxes[:, 0], boxes[:, 1]), boxes[:, 0])
    torch.testing.assert_close(back, boxes[:, 1], rtol=1e-4, atol=1e-3)


def test_growth_is_clamped():
    grown = UNIT.apply_deltas(torch.tensor([[0.0, 0.0, 50.0, 50.0]]), torch.tensor([[0.0, 0.0, 16.0, 16.0]]))
    torch.testing.assert_close(grown, torch.tensor([[-492.0, -492.0, 508.0, 508.0]]))  # 16 * 1000 / 16 wide


def test_several_classes_lie_side_by_side():
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    deltas = torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]])
    moved = UNIT.apply_deltas(deltas, box)
    assert moved.tolist() == [[0.0, 0.0, 10.0, 10.0, 10.0, 0.0, 20.0, 10.0]]


@pytest.mark.parametrize("classes", [1, 3])
def test_no_boxes(classes):
    none = torch.zeros(0, 4)
    assert UNIT.get_deltas(none, none).shape == (0, 4)
    assert UNIT.apply_deltas(torch.zeros(0, 4 * classes), none).shape == (0, 4 * classes)


def test_half_precision_is_decoded_in_single():
    boxes = torch.tensor([[1000.0, 0.0, 1011.0, 10.0]])
    decoded = UNIT.apply_deltas(torch.zeros(1, 4, dtype=torch.bfloat16), boxes)
    assert decoded.dtype == torch.float32
    assert decoded.tolist() == boxes.tolist()


CODER = Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0))
ANCHORS = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 10.0]])
GT = torch.tensor([[[2.0, 0.0, 12.0, 10.0], [0.0, 0.0, 0.0, 0.0]]])  # dx = 0.2; the second is no box at all
FOREGROUND = torch.tensor([[True, False]])


def loss_of(deltas, foreground=FOREGROUND, **kwargs):
    return box_regression_loss(ANCHORS, CODER, deltas, GT, foreground, **kwargs)


def test_l1_counts_the_foreground_only():
    deltas = torch.tensor([[[0.0, 0.0, 0.0, -0.1], [9.0, 9.0, 9.0, 9.0]]], requires_grad=True)
    loss = loss_of(deltas)
    loss.backward()
    assert loss.item() == pytest.approx(0.3)  # |0 - 0.2| + |-0.1 - 0|
    assert deltas.grad.tolist() == [[[-1.0, 0.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]]]


def test_smooth_l1_is_quadratic_below_beta():
    loss = loss_of(torch.zeros(1, 2, 4), smooth_l1_beta=1.0)
    assert loss.item() == pytest.approx(0.5 * 0.2**2)


def test_giou_of_a_shifted_box():
    # 8 x 10 in common, 12 x 10 in union and in the hull: IoU = GIoU = 2 / 3.
    assert loss_of(torch.zeros(1, 2, 4), loss_type="giou").item() == pytest.approx(1 / 3, abs=1e-5)


def test_diou_of_a_shifted_box():
    # Centres 2 apart, the hull's diagonal squared is 12^2 + 10^2; equal shapes, hence CIoU is the same.
    expected = 1 / 3 + 4 / 244
    assert loss_of(torch.zeros(1, 2, 4), loss_type="diou").item() == pytest.approx(expected, abs=1e-5)
    assert loss_of(torch.zeros(1, 2, 4), loss_type="ciou").item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("loss_type", ["smooth_l1", "giou", "diou", "ciou"])
def test_without_foreground_the_loss_is_zero_and_has_a_gradient(loss_type):
    deltas = torch.zeros(1, 2, 4, requires_grad=True)
    loss = loss_of(deltas, torch.tensor([[False, False]]), loss_type=loss_type)
    loss.backward()
    assert loss.item() == 0
    assert deltas.grad.abs().sum() == 0


def test_an_unknown_type_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="smooth_l1, giou, diou, ciou, but is 'l2'"):
        check_box_reg_loss_type("l2")
