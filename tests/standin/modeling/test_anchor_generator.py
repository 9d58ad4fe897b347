"""Anchors of one cell and of small maps, by hand."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import (
    BufferList,
    DefaultAnchorGenerator,
    build_anchor_generator,
)

HALF_ROOT = 32 / 2**0.5 / 2  # half the short side of a 1:2 box of area 32^2: 11.31...


def generator(**kwargs):
    arguments = {"sizes": [[32]], "aspect_ratios": [[1.0]], "strides": [16], "offset": 0.0}
    return DefaultAnchorGenerator(**{**arguments, **kwargs})


def test_one_cell_by_hand():
    cell = generator().generate_cell_anchors((32,), (0.5, 1, 2))
    expected = [
        [-2 * HALF_ROOT, -HALF_ROOT, 2 * HALF_ROOT, HALF_ROOT],  # height / width = 0.5
        [-16.0, -16.0, 16.0, 16.0],
        [-HALF_ROOT, -2 * HALF_ROOT, HALF_ROOT, 2 * HALF_ROOT],
    ]
    torch.testing.assert_close(cell, torch.tensor(expected))


def test_sizes_vary_slowest():
    areas = [(a[2] - a[0]) * (a[3] - a[1]) for a in generator().generate_cell_anchors((8, 16), (0.5, 2)).tolist()]
    assert areas == pytest.approx([64, 64, 256, 256])


def test_rows_then_columns_then_anchors():
    (boxes,) = generator(sizes=[[4, 8]])([torch.zeros(1, 1, 2, 3)])
    assert boxes.get_centers().tolist() == [[x, y] for y in (0.0, 16.0) for x in (0.0, 16.0, 32.0) for _ in (4, 8)]
    assert boxes.tensor[:2].tolist() == [[-2, -2, 2, 2], [-4, -4, 4, 4]]


def test_offset_is_a_fraction_of_the_stride():
    (boxes,) = generator(offset=0.5)([torch.zeros(1, 1, 1, 2)])
    assert boxes.get_centers().tolist() == [[8.0, 8.0], [24.0, 8.0]]


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [([[8], [16]], [3, 3]), ([[8, 16]], [6, 6]), ([8, 16], [6, 6])],
    ids=["one list per level", "one list for all", "a flat list for all"],
)
def test_sizes_are_shared_out_to_levels(sizes, counts):
    assert generator(sizes=sizes, aspect_ratios=[[0.5, 1, 2]], strides=[4, 8]).num_anchors == counts


def test_built_from_a_config(cfg):
    built = build_anchor_generator(cfg, [ShapeSpec(stride=s) for s in (4, 8, 16, 32, 64)])
    assert built.num_cell_anchors == [3] * 5
    assert built.strides == [4, 8, 16, 32, 64]


def test_anchors_are_not_saved_with_the_weights():
    assert not generator().state_dict()
    assert len(BufferList([torch.zeros(1), torch.zeros(2)])) == 2


def test_an_empty_map_has_no_anchors():
    (boxes,) = generator()([torch.zeros(1, 1, 0, 3)])
    assert boxes.tensor.shape == (0, 4)


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"offset": 1.0}, "OFFSET must lie in"),
        ({"sizes": [[8], [16]], "strides": [4, 8, 16]}, "SIZES must hold one list for each of the 3"),
    ],
)
def test_errors(kwargs, sentence):
    with pytest.raises(ValueError, match=sentence):
        generator(**kwargs)


def test_the_count_of_maps_is_checked():
    with pytest.raises(ValueError, match="made for 1 feature maps, but got 2"):
        generator()([torch.zeros(1, 1, 1, 1)] * 2)
