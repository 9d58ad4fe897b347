"""The shared box loss, by hand."""

import pytest
import torch
from detectron2.modeling._losses import box_regression_loss, check_box_reg_loss_type
from detectron2.modeling.box_regression import Box2BoxTransform

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
