"""Pasting: against ``grid_sample``, which defines the numbers, and against masks that a reader can draw."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from detectron2.layers import mask_ops, paste_masks_in_image
from detectron2.structures import Boxes


def paste_by_grid_sample(masks, boxes, height, width):
    """The definition: bilinear samples of the mask at pixel centres, in a frame of [-1, 1] over the box."""
    x0, y0, x1, y1 = boxes.unbind(1)
    x = (torch.arange(width) + 0.5 - x0[:, None]) / (x1 - x0)[:, None] * 2 - 1
    y = (torch.arange(height) + 0.5 - y0[:, None]) / (y1 - y0)[:, None] * 2 - 1
    shape = (len(masks), height, width)
    grid = torch.stack([x[:, None, :].expand(shape), y[:, :, None].expand(shape)], dim=3)
    return F.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]


def random_case(number=12, size=28, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(number, 2, generator=generator) * 80 - 20
    side = torch.rand(number, 2, generator=generator) * 90 + 0.5
    masks = torch.rand(number, size, size, generator=generator)
    return masks, torch.cat([low, low + side], dim=1)


@pytest.mark.parametrize("size", [1, 7, 28])
@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_hard_masks_equal_grid_sample(size, threshold):
    masks, boxes = random_case(size=size)
    want = paste_by_grid_sample(masks, boxes, 90, 110) >= threshold
    got = paste_masks_in_image(masks, boxes, (90, 110), threshold)
    assert got.dtype == torch.bool and got.shape == (12, 90, 110)
    assert (got != want).sum() <= 2  # rounding, where a value meets the threshold
    assert got.any()


def test_soft_masks_equal_grid_sample_near_the_box_and_end_one_pixel_outside():
    masks, boxes = random_case(size=4)
    soft = paste_masks_in_image(masks, boxes, (90, 110), threshold=-1)
    assert soft.dtype == torch.uint8
    want = paste_by_grid_sample(masks, boxes, 90, 110) * 255
    for i, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        rows = slice(max(int(np.floor(y0)) - 1, 0), max(int(np.ceil(y1)) + 1, 0))
        columns = slice(max(int(np.floor(x0)) - 1, 0), max(int(np.ceil(x1)) + 1, 0))
        assert ((soft[i, rows, columns].float() - want[i, rows, columns]).abs() <= 1.001).all()
        assert soft[i].sum() == soft[i, rows, columns].sum()


def test_a_full_mask_covers_exactly_the_pixels_whose_centres_lie_in_its_box():
    pasted = paste_masks_in_image(torch.ones(1, 28, 28), torch.tensor([[2.0, 1.0, 6.0, 4.0]]), (6, 8))
    want = torch.zeros(6, 8, dtype=torch.bool)
    want[1:4, 2:6] = True
    assert torch.equal(pasted[0], want)


def test_accelerators_and_graphs_get_the_same_numbers_as_the_cpu():
    masks, boxes = random_case(size=5, seed=3)
    for threshold in (0.5, -1):
        on_cpu = paste_masks_in_image(masks, boxes, (60, 70), threshold)
        by_chunks = torch.zeros_like(on_cpu)
        mask_ops._paste_by_chunks(masks, boxes, threshold, by_chunks)
        assert (on_cpu.int() - by_chunks.int()).abs().max() <= (1 if threshold < 0 else 0)


def test_chunks_cover_all_masks(monkeypatch):
    monkeypatch.setattr(mask_ops, "CHUNK_BYTES", 60 * 70 * 4 * 5)  # five masks per chunk
    masks, boxes = random_case()
    pasted = torch.zeros(12, 60, 70, dtype=torch.bool)
    mask_ops._paste_by_chunks(masks, boxes, 0.5, pasted)
    assert torch.equal(pasted, paste_masks_in_image(masks, boxes, (60, 70)))


@pytest.mark.parametrize("threshold, dtype", [(0.5, torch.bool), (-1, torch.uint8)])
def test_nothing_keeps_shape_and_dtype(threshold, dtype):
    pasted = paste_masks_in_image(torch.zeros(0, 28, 28), Boxes(torch.zeros(0, 4)), (5, 6), threshold)
    assert pasted.shape == (0, 5, 6) and pasted.dtype == dtype


@pytest.mark.parametrize(
    "box",
    [
        [50.0, 50.0, 60.0, 60.0],  # outside the image, below and to the right
        [-30.0, -30.0, -20.0, -20.0],  # outside, above and to the left
        [3.2, 3.2, 3.2, 3.2],  # no area
        [6.0, 6.0, 2.0, 2.0],  # turned over
        [float("nan")] * 4,
    ],
)
def test_boxes_that_hold_no_pixel_paste_nothing(box):
    pasted = paste_masks_in_image(torch.ones(1, 28, 28), torch.tensor([box]), (20, 20))
    assert not pasted.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.uint8, torch.bool])
def test_any_number_type_is_taken(dtype):
    masks = torch.ones(1, 4, 4).to(dtype)
    assert paste_masks_in_image(masks, torch.tensor([[0.0, 0.0, 3.0, 2.0]]), (4, 4)).sum() == 6


def test_masks_that_need_gradients_are_taken():
    masks = torch.ones(1, 4, 4, requires_grad=True)
    assert not paste_masks_in_image(masks, torch.tensor([[0.0, 0.0, 3.0, 2.0]]), (4, 4)).requires_grad


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"square \(R, M, M\) masks, but was given \(1, 3, 4\)"):
        paste_masks_in_image(torch.ones(1, 3, 4), torch.zeros(1, 4), (5, 5))
    with pytest.raises(ValueError, match="one box per mask, but got 2 and 1"):
        paste_masks_in_image(torch.ones(1, 3, 3), torch.zeros(2, 4), (5, 5))


def test_the_old_rule_counts_the_last_pixel_of_a_box():
    pasted = mask_ops.paste_mask_in_image_old(torch.ones(4, 4), torch.tensor([1.0, 1.0, 3.0, 2.0]), 5, 6, 0.5)
    want = torch.zeros(5, 6, dtype=torch.uint8)
    want[1:3, 1:4] = 1
    assert torch.equal(pasted, want)
    outside = mask_ops.paste_mask_in_image_old(torch.ones(4, 4), torch.tensor([9.0, 9.0, 12.0, 12.0]), 5, 6, 0.5)
    assert not outside.any()


def test_the_old_rule_cuts_at_the_border_and_gives_soft_masks():
    soft = mask_ops.paste_mask_in_image_old(torch.ones(2, 2), torch.tensor([-2.0, -1.0, 1.0, 0.0]), 4, 4, -1)
    assert soft[0, :2].tolist() == [255, 255] and soft.sum() == 510


def test_padding_a_mask_and_scaling_its_box_leave_the_object_where_it_is():
    masks, scale = mask_ops.pad_masks(torch.ones(1, 4, 4), padding=2)
    assert masks.shape == (1, 8, 8) and scale == 2 and masks.sum() == 16
    boxes = mask_ops.scale_boxes(torch.tensor([[10.0, 20.0, 14.0, 26.0]]), scale)
    assert boxes.tolist() == [[8.0, 17.0, 16.0, 29.0]]
