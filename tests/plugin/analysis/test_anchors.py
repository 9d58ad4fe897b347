"""The nearest anchors against all of them, and numbers that can be followed by hand."""

import numpy as np
import pytest
import torch
from detectron2.modeling import build_anchor_generator, build_backbone
from detectron2.structures import Boxes, pairwise_iou
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.analysis import anchors as anchors_module
from maskrcnn_project.analysis.anchors import AnchorGrids, anchor_fit, best_overlaps, recalls, resize_boxes
from maskrcnn_project.analysis.objects import ObjectTable
from maskrcnn_project.config import get_config

SMALL_MODEL = [
    *("MODEL.RESNETS.DEPTH", 18, "MODEL.RESNETS.RES2_OUT_CHANNELS", 64, "MODEL.FPN.OUT_CHANNELS", 8),
    *("MODEL.ANCHOR_GENERATOR.SIZES", [[8], [16], [32], [64], [128]]),
]


def config(*overrides):
    return get_config("configs/Base-RCNN-FPN.yaml", [*SMALL_MODEL, *overrides])


CFG = config()
GRIDS = AnchorGrids.from_config(CFG)


def best_of_all(cfg, boxes, height, width):
    """IoU with the best of all anchors, made one by one on the maps that the backbone really gives."""
    backbone = build_backbone(cfg).eval()
    divisor = max(1, backbone.size_divisibility)
    padded = [int(np.ceil(tables / divisor)) * divisor for tables in (height, width)]
    with torch.no_grad():
        features = backbone(torch.zeros(1, 3, *padded))
    names = cfg.MODEL.RPN.IN_FEATURES
    generator = build_anchor_generator(cfg, [backbone.output_shape()[name] for name in names])
    every = Boxes.cat(generator([features[name] for name in names]))
    return pairwise_iou(Boxes(torch.as_tensor(boxes, dtype=torch.float32)), every).max(dim=1).values.numpy()


def sizes_like(boxes, height, width):
    return np.tile([[float(height), float(width)]], (len(boxes), 1))


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (70, 131)])
def test_the_nearest_anchors_are_the_best_of_all(height, width, offset):
    cfg = config("MODEL.ANCHOR_GENERATOR.OFFSET", offset)
    rng = np.random.default_rng(0)
    low = rng.uniform(0, [width - 2, height - 2], (200, 2))
    high = low + rng.uniform(1, [width, height], (200, 2))
    boxes = np.hstack([low, np.minimum(high, [width, height])])
    got = best_overlaps(boxes, sizes_like(boxes, height, width), AnchorGrids.from_config(cfg))
    assert got == pytest.approx(best_of_all(cfg, boxes, height, width), abs=1e-5)


def test_one_feature_map_without_padding():
    """C4: all sizes on one map of stride 16; the image is not padded."""
    cfg = config(
        *("MODEL.BACKBONE.NAME", "build_resnet_backbone", "MODEL.RESNETS.OUT_FEATURES", ["res4"]),
        *("MODEL.RPN.IN_FEATURES", ["res4"], "MODEL.ANCHOR_GENERATOR.SIZES", [[8, 16, 32]]),
    )
    grids = AnchorGrids.from_config(cfg)
    assert len(grids.sizes) == 9 and (grids.steps == 16).all()
    boxes = np.array([[0, 0, 30, 30], [40, 20, 50, 37], [44, 33, 50, 37.0]])
    got = best_overlaps(boxes, sizes_like(boxes, 37, 50), grids)
    assert got == pytest.approx(best_of_all(cfg, boxes, 37, 50), abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(x=st.floats(0, 90), y=st.floats(0, 90), w=st.floats(0.5, 100), h=st.floats(0.5, 100))
def test_overlaps_are_fractions(x, y, w, h):
    boxes = np.array([[x, y, x + w, y + h]])
    assert 0 <= best_overlaps(boxes, sizes_like(boxes, 200, 200), GRIDS)[0] <= 1


def test_a_box_that_is_an_anchor_fits_wholly():
    boxes = np.array([[8.0 - 4, 16 - 4, 8 + 4, 16 + 4]])  # size 8 on stride 4, centre at (8, 16)
    assert best_overlaps(boxes, sizes_like(boxes, 64, 64), GRIDS) == pytest.approx([1.0])
    moved = boxes + 1  # the nearest is a pixel off in x and in y: 7 * 7 in common
    assert best_overlaps(moved, sizes_like(boxes, 64, 64), GRIDS) == pytest.approx([49 / (128 - 49)])


def test_many_boxes_are_done_in_parts(monkeypatch):
    boxes = np.array([[i, i, i + 20.0, i + 10] for i in range(17)])
    whole = best_overlaps(boxes, sizes_like(boxes, 64, 64), GRIDS)
    monkeypatch.setattr(anchors_module, "ROWS_AT_ONCE", 4)
    assert best_overlaps(boxes, sizes_like(boxes, 64, 64), GRIDS) == pytest.approx(whole)


def objects(boxes, image_index, image_sizes):
    return ObjectTable(
        np.array(boxes, dtype=float).reshape(-1, 4),
        np.array(image_index, dtype=int),
        np.array(image_sizes, dtype=float).reshape(-1, 2),
    )


def test_boxes_are_resized_with_their_images():
    found = objects([[0, 0, 10, 20], [5, 5, 10, 10]], [1, 0], [[100, 200], [50, 50]])
    boxes, input_sizes = resize_boxes(found, short_edge=100, max_size=150)
    # 100 x 200 shrinks to 75 x 150, the longest allowed; 50 x 50 doubles
    assert input_sizes.tolist() == [[100, 100], [75, 150]]
    assert boxes.tolist() == [[0, 0, 20, 40], [3.75, 3.75, 7.5, 7.5]]


def test_a_short_edge_of_zero_leaves_the_size():
    found = objects([[0, 0, 10, 20]], [0], [[100, 200]])
    boxes, input_sizes = resize_boxes(found, short_edge=0, max_size=150)
    assert boxes.tolist() == [[0, 0, 10, 20]] and input_sizes.tolist() == [[100, 200]]


def test_no_objects():
    found = objects([], [], [])
    assert anchor_fit(found, CFG).shape == (0,)
    assert all(np.isnan(recalls(anchor_fit(found, CFG))))


def test_recalls():
    assert recalls(np.array([0.49, 0.5, 0.69, 0.7])) == (0.75, 0.25)
