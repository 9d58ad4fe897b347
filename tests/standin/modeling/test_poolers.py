"""Level assignment at the boundaries, and pooling from several levels."""

import pytest
import torch
from detectron2.layers import ROIAlign
from detectron2.modeling.poolers import (
    ROIPooler,
    assign_boxes_to_levels,
    convert_boxes_to_pooler_format,
)
from detectron2.structures import Boxes


@pytest.mark.parametrize(
    ("side", "level"),
    [
        (1, 2),  # clamped from below
        (111, 2),
        (112, 3),
        (223, 3),
        (224, 4),  # ImageNet's size belongs to level 4
        (447, 4),
        (448, 5),
        (5000, 5),  # clamped from above
        (0, 2),  # log2(0) is no level
    ],
)
def test_level_of_a_square(side, level):
    boxes = [Boxes(torch.tensor([[7.0, 7.0, 7.0 + side, 7.0 + side]]))]
    assert assign_boxes_to_levels(boxes, 2, 5, 224, 4).tolist() == [level - 2]


def test_boxes_carry_their_image():
    boxes = [Boxes(torch.tensor([[1.0, 2, 3, 4]])), Boxes(torch.zeros(0, 4)), Boxes(torch.tensor([[5.0, 6, 7, 8]]))]
    assert convert_boxes_to_pooler_format(boxes).tolist() == [[0, 1, 2, 3, 4], [2, 5, 6, 7, 8]]


def make_pooler(pooler_type="ROIAlignV2"):
    return ROIPooler(2, (1 / 4, 1 / 8), 0, pooler_type, canonical_box_size=32, canonical_level=3)


def test_each_box_is_pooled_from_its_level_and_stays_in_its_place():
    features = [torch.full((2, 1, 16, 16), 1.0), torch.full((2, 1, 8, 8), 2.0)]
    features[0][1] = 3.0
    small, large = [0.0, 0.0, 16.0, 16.0], [0.0, 0.0, 48.0, 48.0]
    boxes = [Boxes(torch.tensor([large, small])), Boxes(torch.tensor([small, large]))]
    pooled = make_pooler()(features, boxes)
    assert pooled.shape == (4, 1, 2, 2)
    assert pooled.mean(dim=(1, 2, 3)).tolist() == [2.0, 1.0, 3.0, 2.0]


def test_one_level_is_plain_roi_align():
    torch.manual_seed(0)
    feature, boxes = torch.randn(1, 2, 16, 16), torch.tensor([[3.0, 5.0, 40.0, 30.0]])
    pooled = ROIPooler(3, (1 / 4,), 0, "ROIAlignV2")([feature], [Boxes(boxes)])
    expected = ROIAlign((3, 3), 1 / 4, 0, aligned=True)(feature, torch.cat((torch.zeros(1, 1), boxes), dim=1))
    assert torch.equal(pooled, expected)


def test_v2_is_half_a_pixel_exact():
    # A map that counts its columns: the centre of cell j lies at (j + 0.5) * 4 pixels. The box's two bins have their
    # centres at pixels 16 and 24, which are columns 3.5 and 5.5; the first version looks half a column further.
    feature = torch.arange(16.0).expand(1, 1, 16, 16)
    box = [Boxes(torch.tensor([[12.0, 12.0, 28.0, 28.0]]))]
    assert ROIPooler(2, (1 / 4,), 0, "ROIAlignV2")([feature], box)[0, 0, 0].tolist() == [3.5, 5.5]
    assert ROIPooler(2, (1 / 4,), 0, "ROIAlign")([feature], box)[0, 0, 0].tolist() == [4.0, 6.0]


@pytest.mark.parametrize("pooler_type", ["ROIAlignV2", "ROIAlign", "ROIPool"])
@pytest.mark.parametrize("boxes", [[], [Boxes(torch.zeros(0, 4))]], ids=["no images", "no boxes"])
def test_nothing_to_pool(pooler_type, boxes):
    features = [torch.zeros(1, 5, 16, 16, requires_grad=True), torch.zeros(1, 5, 8, 8)]
    pooled = make_pooler(pooler_type)(features, boxes)
    assert pooled.shape == (0, 5, 2, 2)
    assert pooled.dtype == torch.float32


def test_gradients_reach_every_level():
    features = [torch.zeros(1, 1, 16, 16, requires_grad=True), torch.zeros(1, 1, 8, 8, requires_grad=True)]
    boxes = [Boxes(torch.tensor([[0.0, 0.0, 16.0, 16.0], [0.0, 0.0, 48.0, 48.0]]))]
    make_pooler()(features, boxes).sum().backward()
    # Bilinear weights of a sample sum to one: each of the 4 cells of a box hands its gradient on entirely.
    assert [f.grad.sum().item() for f in features] == pytest.approx([4.0, 4.0])


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"scales": (1 / 4, 1 / 16)}, "halve from one to the next"),
        ({"scales": (1 / 3,)}, "powers of two"),
        ({"pooler_type": "ROIAlignRotated"}, "real Detectron2"),
        ({"output_size": (1, 2, 3)}, r"\(height, width\)"),
    ],
)
def test_errors(kwargs, sentence):
    arguments = {"output_size": 2, "scales": (1 / 4,), "sampling_ratio": 0, "pooler_type": "ROIAlignV2"}
    with pytest.raises(ValueError, match=sentence):
        ROIPooler(**{**arguments, **kwargs})
