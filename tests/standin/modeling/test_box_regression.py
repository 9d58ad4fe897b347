"""Box coding, by hand and there and back."""

import math

import pytest
import torch
from detectron2.modeling.box_regression import Box2BoxTransform

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
