"""Masks in their three forms, drawn small enough to be checked by eye."""

import copy

import numpy as np
import pytest
import torch
from detectron2.structures import BitMasks, Boxes, PolygonMasks, ROIMasks, polygons_to_bitmask
from detectron2.structures.masks import polygon_area, rasterize_polygons_within_box

SQUARE = [2.0, 1.0, 6.0, 1.0, 6.0, 4.0, 2.0, 4.0]  # x 2..6, y 1..4
TRIANGLE = [0.0, 0.0, 8.0, 0.0, 0.0, 8.0]


def square_bits(height=8, width=10):
    bits = torch.zeros(height, width, dtype=torch.bool)
    bits[1:4, 2:6] = True
    return bits


def choose_rows(item):
    return np.arange(3)[item.numpy() if isinstance(item, torch.Tensor) else item].reshape(-1).tolist()


ITEMS = [
    1,
    -1,
    slice(0, 2),
    torch.tensor([True, False, True]),
    torch.tensor([2, 0, 2, 1]),
    torch.tensor([], dtype=torch.int64),
]


# Polygons


def test_polygon_area_by_the_shoelace_formula():
    assert polygon_area(np.array(SQUARE[0::2]), np.array(SQUARE[1::2])) == 12
    assert polygon_area(np.array(TRIANGLE[0::2]), np.array(TRIANGLE[1::2])) == 32
    assert polygon_area(np.array(TRIANGLE[-2::-2]), np.array(TRIANGLE[::-2])) == 32  # the other way round


def test_a_square_on_pixel_borders_covers_its_pixels():
    assert torch.equal(torch.from_numpy(polygons_to_bitmask([np.array(SQUARE)], 8, 10)), square_bits())
    nothing = polygons_to_bitmask([], 3, 4)
    assert nothing.shape == (3, 4) and nothing.dtype == bool and not nothing.any()


def test_parts_of_one_object_are_united():
    shifted = (np.array(SQUARE).reshape(-1, 2) + [2, 0]).ravel()
    assert polygons_to_bitmask([np.array(SQUARE), shifted], 8, 10).sum() == 3 * 6


def test_rasterising_in_a_box_stretches_it_to_the_grid():
    box = np.array([2.0, 1.0, 10.0, 4.0])  # the square fills its left half
    mask = rasterize_polygons_within_box([np.array(SQUARE)], box, 4)
    assert mask.dtype == torch.bool and mask.tolist() == [[True, True, False, False]] * 4


def test_a_box_without_area_is_rasterised_as_if_a_tenth_of_a_pixel_wide():
    mask = rasterize_polygons_within_box([np.array(SQUARE)], np.array([3.0, 2.0, 3.0, 2.0]), 4)
    assert mask.all()
    assert rasterize_polygons_within_box([], np.array([0.0, 0, 1, 1]), 4).sum() == 0


# PolygonMasks


def polygon_masks():
    return PolygonMasks([[SQUARE], [], [TRIANGLE, np.array(SQUARE)]])


def test_polygon_masks_measure_themselves():
    masks = polygon_masks()
    assert len(masks) == 3 and masks.nonempty().tolist() == [True, False, True]
    assert masks.area().tolist() == [12, 0, 44]
    assert masks.get_bounding_boxes().tensor.tolist() == [[2, 1, 6, 4], [0, 0, 0, 0], [0, 0, 8, 8]]
    assert masks.to("cpu") is masks and masks.device.type == "cpu"
    assert all(part.dtype == np.float64 for parts in masks for part in parts)


@pytest.mark.parametrize("item", [*ITEMS, [2, 0], np.array([2, 1])])
def test_polygon_masks_are_chosen_as_rows(item):
    masks, rows = polygon_masks(), choose_rows(item)
    chosen = masks[item]
    assert isinstance(chosen, PolygonMasks) and len(chosen) == len(rows)
    assert chosen.polygons == [masks.polygons[row] for row in rows]
    assert len(masks) == 3


def test_choosing_twice_and_cropping_equals_cropping_everything():
    masks = polygon_masks()
    boxes = torch.tensor([[2.0, 1.0, 10.0, 4.0], [0.0, 0.0, 8.0, 8.0], [1.0, 1.0, 6.5, 7.0]])
    everything = masks.crop_and_resize(boxes, 14)
    first, second = torch.tensor([2, 0, 2, 1]), torch.tensor([False, True, True, False])
    rows = first[second]
    chosen = masks[first][second]
    assert torch.equal(chosen.crop_and_resize(boxes[rows], 14), everything[rows])
    assert torch.equal(copy.deepcopy(chosen).crop_and_resize(boxes[rows], 14), everything[rows])
    one_by_one = [rasterize_polygons_within_box(p, b.numpy(), 14) for p, b in zip(masks, boxes, strict=True)]
    assert torch.equal(everything, torch.stack(one_by_one))
    assert len(chosen.polygons) == 2 and torch.equal(chosen.crop_and_resize(boxes[rows], 14), everything[rows])


def test_polygon_masks_of_nothing():
    none = PolygonMasks([])
    assert none.crop_and_resize(torch.zeros(0, 4), 28).shape == (0, 28, 28)
    assert none.crop_and_resize(torch.zeros(0, 4), 28).dtype == torch.bool
    assert none.get_bounding_boxes().tensor.shape == (0, 4)
    assert none.area().shape == none.nonempty().shape == (0,)
    assert len(PolygonMasks.cat([none, polygon_masks()])) == 3


def test_polygons_may_be_set():
    masks = polygon_masks()[torch.tensor([0, 2])]
    masks.polygons = [[np.array(TRIANGLE)]]
    assert len(masks) == 1 and masks.area().tolist() == [32]


@pytest.mark.parametrize(
    "polygons, sentence",
    [
        (np.zeros((1, 1, 6)), "lists .parts. of polygons, but was given ndarray"),
        ([np.zeros(6)], "even for a single one, but was given ndarray"),
        ([[[1.0, 2.0, 3.0, 4.0]]], r"three points or more, but has shape \(4,\)"),
        ([[np.zeros(7)]], r"shape \(7,\)"),
        ([[np.zeros((4, 2))]], r"shape \(4, 2\)"),
    ],
)
def test_what_is_no_polygon_is_named(polygons, sentence):
    with pytest.raises(ValueError, match=sentence):
        PolygonMasks(polygons)


# BitMasks


def bit_masks():
    bits = torch.zeros(3, 8, 10, dtype=torch.bool)
    bits[0] = square_bits()
    bits[2, 7, 9] = True
    return BitMasks(bits)


def test_bit_masks_measure_themselves():
    masks = bit_masks()
    assert len(masks) == 3 and masks.image_size == (8, 10) and masks.nonempty().tolist() == [True, False, True]
    assert masks.get_bounding_boxes().tensor.tolist() == [[2, 1, 6, 4], [0, 0, 0, 0], [9, 7, 10, 8]]
    assert repr(masks) == "BitMasks(num_instances=3)" and [mask.shape for mask in masks] == [(8, 10)] * 3
    assert BitMasks(np.full((1, 2, 2), 255, dtype=np.uint8)).tensor.all()


@pytest.mark.parametrize("item", ITEMS)
def test_bit_masks_are_chosen_as_rows(item):
    masks, rows = bit_masks(), choose_rows(item)
    chosen = masks[item]
    assert isinstance(chosen, BitMasks) and len(chosen) == len(rows) and chosen.image_size == (8, 10)
    assert torch.equal(chosen.tensor, masks.tensor[rows])
    assert torch.equal(masks.tensor, bit_masks().tensor)


def test_bit_masks_chosen_twice_crop_as_their_copies_do():
    masks = BitMasks(torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0)) > 0.4)
    first, second = torch.tensor([2, 0, 2, 1]), torch.tensor([False, True, True, True])
    chosen = masks[first][second]
    boxes = torch.tensor([[2.0, 1.0, 30.0, 24.0], [0.0, 0.0, 8.0, 8.0], [11.0, 1.0, 46.5, 37.0]])
    want = BitMasks(masks.tensor[first[second]]).crop_and_resize(boxes, 28)
    assert torch.equal(chosen.crop_and_resize(boxes, 28), want) and want.any()


def test_cropping_a_bitmap_at_its_box_gives_a_full_target():
    boxes = torch.tensor([[2.0, 1.0, 6.0, 4.0], [0.0, 0.0, 10.0, 8.0], [9.0, 7.0, 10.0, 8.0]])
    target = bit_masks().crop_and_resize(boxes, 4)
    assert target.dtype == torch.bool
    # The lone pixel: a corner cell's centre lies at 0.625 between its neighbour and it, in both axes: 0.39 < 0.5.
    assert target.flatten(1).sum(1).tolist() == [16, 0, 15]
    half = bit_masks()[:1].crop_and_resize(torch.tensor([[2.0, 1.0, 10.0, 4.0]]), 4)
    assert half[0].tolist() == [[True, True, False, False]] * 4


def test_bit_masks_of_nothing():
    none = BitMasks(torch.zeros(0, 8, 10))
    assert none.get_bounding_boxes().tensor.shape == (0, 4) and none.nonempty().shape == (0,)
    assert none.crop_and_resize(torch.zeros(0, 4), 28).shape == (0, 28, 28)
    assert none.crop_and_resize(torch.zeros(0, 4), 28).dtype == torch.bool
    assert BitMasks.from_polygon_masks([], 8, 10).tensor.shape == (0, 8, 10)


def test_bit_masks_from_polygons():
    from_masks = BitMasks.from_polygon_masks(polygon_masks(), 8, 10)
    assert torch.equal(from_masks.tensor[0], square_bits()) and not from_masks.tensor[1].any()
    from_lists = BitMasks.from_polygon_masks([[np.array(SQUARE)]], 8, 10)
    assert torch.equal(from_lists.tensor[0], square_bits())


def test_bit_masks_join_and_take_a_new_tensor():
    masks = BitMasks.cat([bit_masks(), bit_masks()[torch.tensor([0])]])
    assert len(masks) == 4 and torch.equal(masks.tensor[3], square_bits())
    masks.tensor = masks.tensor[:2]
    assert len(masks) == 2 and masks.to("cpu").tensor.dtype == torch.bool


def test_wrong_bit_masks_are_named():
    with pytest.raises(AssertionError, match=r"\(N, H, W\), but was given \(2, 2\)"):
        BitMasks(torch.zeros(2, 2))
    for masks in (bit_masks(), polygon_masks()):
        with pytest.raises(AssertionError, match="one box per mask, but got 2 and 3"):
            masks.crop_and_resize(torch.zeros(2, 4), 28)
        with pytest.raises(IndexError, match="3 masks were indexed by a bool tensor of length 2"):
            masks[torch.tensor([True, False])]
        with pytest.raises(IndexError, match="one-dimensional"):
            masks[torch.zeros(1, 1, dtype=torch.int64)]
        with pytest.raises(AssertionError, match="at least one"):
            type(masks).cat([])


# ROIMasks


def test_roi_masks_are_pasted_into_an_image():
    masks = ROIMasks(torch.ones(2, 28, 28))
    boxes = torch.tensor([[2.0, 1.0, 6.0, 4.0], [0.0, 0.0, 10.0, 8.0]])
    for given in (boxes, Boxes(boxes)):
        pasted = masks.to_bitmasks(given, 8, 10)
        assert torch.equal(pasted.tensor[0], square_bits()) and pasted.tensor[1].all()
    assert len(masks[0]) == 1 and len(masks[torch.tensor([False, True])]) == 1 and masks.to("cpu").device.type == "cpu"
    assert repr(masks) == "ROIMasks(num_instances=2)"


def test_roi_masks_without_boxes_or_rank_are_refused():
    with pytest.raises(NotImplementedError, match="to_bitmasks"):
        BitMasks.from_roi_masks(ROIMasks(torch.ones(1, 2, 2)), 8, 10)
    with pytest.raises(ValueError, match=r"\(N, M, M\), but was given \(2, 2\)"):
        ROIMasks(torch.ones(2, 2))
