"""RoIAlign on a ramp, whose average over a box is the value at its centre, and box losses by hand."""

import math

import pytest
import torch
from detectron2.layers import ROIAlign, ciou_loss, diou_loss


def ramp(height=20, width=30):
    """(1, 2, H, W): the first channel is the x, the second the y of each cell's centre."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y])[None]


@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_each_grid_cell_averages_its_part_of_the_box(sampling_ratio):
    rois = torch.tensor([[0.0, 8.0, 4.0, 24.0, 12.0]])  # in input pixels; stride 2
    out = ROIAlign((2, 4), 0.5, sampling_ratio, aligned=True)(ramp(), rois)
    assert out.shape == (1, 2, 2, 4)
    torch.testing.assert_close(out[0, 0, 0], torch.tensor([5.0, 7.0, 9.0, 11.0]))
    torch.testing.assert_close(out[0, 1, :, 0], torch.tensor([3.0, 5.0]))


def test_without_alignment_samples_lie_half_a_cell_off():
    rois = torch.tensor([[0.0, 8.0, 4.0, 24.0, 12.0]])
    aligned, old = (ROIAlign(2, 0.5, 2, aligned=flag)(ramp(), rois) for flag in (True, False))
    torch.testing.assert_close(old, aligned + 0.5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_the_regions_exact(dtype):
    features = torch.zeros(1, 1, 4, 2100)
    features[..., 2050:] = 1.0  # float16 knows only even numbers there
    rois = torch.tensor([[0.0, 2049.0, 0.0, 2051.0, 4.0]])
    out = ROIAlign(1, 1.0, 4)(features.to(dtype), rois)
    assert out.dtype == dtype
    torch.testing.assert_close(out.item(), 0.5)


def test_no_regions_keep_shape_and_gradient_path():
    features = torch.zeros(2, 3, 8, 8, requires_grad=True)
    out = ROIAlign(7, 1.0, 0)(features, torch.zeros(0, 5))
    assert out.shape == (0, 3, 7, 7)
    out.sum().backward()
    assert features.grad.abs().sum() == 0


def test_regions_without_an_image_index_are_named():
    with pytest.raises(ValueError, match=r"\(R, 5\) regions \(image index, then XYXY\), but was given \(3, 4\)"):
        ROIAlign(7, 1.0, 0)(ramp(), torch.zeros(3, 4))


# Two squares of side 2, one apart by 1 in x: IoU = 2 / 6, d^2 = 1, c^2 = 3^2 + 2^2.
FIRST = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
SECOND = torch.tensor([[1.0, 0.0, 3.0, 2.0]])


def test_diou_by_hand():
    torch.testing.assert_close(diou_loss(FIRST, SECOND), torch.tensor([1 - 2 / 6 + 1 / 13]))
    assert diou_loss(FIRST, FIRST).item() == pytest.approx(0, abs=1e-6)


def test_ciou_adds_the_difference_of_aspect_ratios():
    wide = torch.tensor([[0.0, 0.0, 4.0, 2.0]])  # IoU 4 / 8, d^2 = 1, c^2 = 20
    v = 4 / math.pi**2 * (math.atan(2) - math.atan(1)) ** 2
    want = 1 - 0.5 + 1 / 20 + v * v / (1 - 0.5 + v)
    assert ciou_loss(FIRST, wide, reduction="sum").item() == pytest.approx(want, abs=1e-5)
    assert ciou_loss(FIRST, SECOND).item() == pytest.approx(diou_loss(FIRST, SECOND).item(), abs=1e-6)


@pytest.mark.parametrize("loss", [diou_loss, ciou_loss])
def test_mean_box_loss_over_nothing_is_zero_with_a_gradient(loss):
    boxes = torch.zeros(0, 4, requires_grad=True)
    value = loss(boxes, torch.zeros(0, 4), reduction="mean")
    value.backward()
    assert value.item() == 0 and boxes.grad.shape == (0, 4)
