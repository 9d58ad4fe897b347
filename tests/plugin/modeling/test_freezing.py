"""Which parameters train, by the pattern of their names; norms whose statistics stay."""

import pytest
import torch
from torch import nn

from maskrcnn_project.modeling.freezing import freeze_norms, freeze_parameters, part_of


def detector():
    """Names as in a detector with a pyramid."""
    return nn.ModuleDict(
        {
            "backbone": nn.ModuleDict(
                {
                    "bottom_up": nn.ModuleDict({"stem": nn.Linear(1, 1), "res2": nn.Linear(1, 2)}),
                    "fpn_lateral2": nn.Linear(1, 1),
                }
            ),
            "roi_heads": nn.ModuleDict({"mask_head": nn.Linear(1, 3)}),
        }
    )


def test_names_are_frozen_by_pattern():
    model = detector()
    assert freeze_parameters(model, [r"bottom_up\.stem", "mask_head.bias"]) == [
        "backbone.bottom_up.stem.weight",
        "backbone.bottom_up.stem.bias",
        "roi_heads.mask_head.bias",
    ]
    assert [name for name, p in model.named_parameters() if p.requires_grad] == [
        "backbone.bottom_up.res2.weight",
        "backbone.bottom_up.res2.bias",
        "backbone.fpn_lateral2.weight",
        "backbone.fpn_lateral2.bias",
        "roi_heads.mask_head.weight",
    ]


def test_no_pattern_freezes_nothing():
    model = detector()
    assert freeze_parameters(model, ()) == []
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("res9", "'res9' matches none of the model's 8 parameters; its parts are backbone.bottom_up.stem, "),
        ("res(", "'res\\(' is no regular expression"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_named(pattern, sentence):
    with pytest.raises(ValueError, match=sentence):
        freeze_parameters(detector(), [pattern])


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("backbone.bottom_up.res2.0.conv1.weight", "backbone.bottom_up.res2"),
        ("backbone.fpn_output3.weight", "backbone.fpn"),
        ("backbone.res4.0.conv1.weight", "backbone.res4"),
        ("proposal_generator.rpn_head.conv.weight", "proposal_generator.rpn_head"),
        ("roi_heads.box_predictor.cls_score.bias", "roi_heads.box_predictor"),
    ],
)
def test_parts_of_a_detector(name, part):
    assert part_of(name) == part


def test_frozen_norms_keep_names_and_numbers():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    x = torch.randn(2, 3, 5, 5)
    model(x)  # gives the norm statistics of its own
    expected = model.eval()(x)
    names = set(model.state_dict()) - {"1.num_batches_tracked"}
    frozen = freeze_norms(model).train()
    assert set(frozen.state_dict()) - {"1.num_batches_tracked"} == names
    torch.testing.assert_close(frozen(x), expected)
    assert [name for name, _ in frozen.named_parameters()] == ["0.weight", "0.bias"]
