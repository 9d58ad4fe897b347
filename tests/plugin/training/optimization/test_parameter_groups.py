"""Learning rates and weight decays by part, for both optimizers; the table of what trains."""

import pytest
import torch
from detectron2.solver import get_default_optimizer_params
from torch import nn

from maskrcnn_project.config import get_config
from maskrcnn_project.modeling.freezing import freeze_parameters
from maskrcnn_project.training.optimization.parameter_groups import build_optimizer, training_table


@pytest.fixture
def model():
    return nn.ModuleDict(
        {
            "backbone": nn.ModuleDict(
                {
                    "bottom_up": nn.ModuleDict(
                        {"res2": nn.ModuleDict({"conv": nn.Linear(2, 3), "norm": nn.BatchNorm1d(3)})}
                    ),
                    "fpn_output2": nn.Linear(3, 3),
                }
            ),
            "roi_heads": nn.ModuleDict({"mask_head": nn.Linear(3, 1)}),
        }
    )


def settings(optimizer, model):
    """name -> (learning rate, weight decay)"""
    by_id = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    return {name: by_id[id(p)] for name, p in model.named_parameters() if id(p) in by_id}


def config(**solver):
    cfg = get_config()
    cfg.SOLVER.BASE_LR, cfg.SOLVER.WEIGHT_DECAY, cfg.SOLVER.WEIGHT_DECAY_NORM = 0.01, 0.1, 0.0
    for key, value in solver.items():
        cfg.SOLVER[key] = value
    return cfg


def test_the_backbone_moves_slower_and_the_pyramid_does_not(model):
    optimizer = build_optimizer(config(BACKBONE_LR_FACTOR=0.1), model)
    assert settings(optimizer, model) == {
        "backbone.bottom_up.res2.conv.weight": (pytest.approx(0.001), 0.1),
        "backbone.bottom_up.res2.conv.bias": (pytest.approx(0.001), 0.1),
        "backbone.bottom_up.res2.norm.weight": (pytest.approx(0.001), 0.0),
        "backbone.bottom_up.res2.norm.bias": (pytest.approx(0.001), 0.0),
        "backbone.fpn_output2.weight": (0.01, 0.1),
        "backbone.fpn_output2.bias": (0.01, 0.1),
        "roi_heads.mask_head.weight": (0.01, 0.1),
        "roi_heads.mask_head.bias": (0.01, 0.1),
    }


def test_the_first_pattern_that_is_found_counts(model):
    factors = (("mask_head", 2.0), ("head|res2", 3.0))
    optimizer = build_optimizer(config(LR_FACTORS=factors, BACKBONE_LR_FACTOR=0.1), model)
    rates = {name: rate for name, (rate, _) in settings(optimizer, model).items()}
    assert rates["roi_heads.mask_head.weight"] == pytest.approx(0.02)
    assert rates["backbone.bottom_up.res2.conv.weight"] == pytest.approx(0.03)
    assert rates["backbone.fpn_output2.weight"] == 0.01


def test_the_factor_of_biases_multiplies_those_of_the_parts(model):
    factors = (("mask_head", 3.0),)
    optimizer = build_optimizer(config(BACKBONE_LR_FACTOR=0.1, LR_FACTORS=factors, BIAS_LR_FACTOR=2.0), model)
    assert {name: rate for name, (rate, _) in settings(optimizer, model).items()} == {
        "backbone.bottom_up.res2.conv.weight": pytest.approx(0.001),
        "backbone.bottom_up.res2.conv.bias": pytest.approx(0.002),
        "backbone.bottom_up.res2.norm.weight": pytest.approx(0.001),
        "backbone.bottom_up.res2.norm.bias": pytest.approx(0.002),
        "backbone.fpn_output2.weight": 0.01,
        "backbone.fpn_output2.bias": pytest.approx(0.02),
        "roi_heads.mask_head.weight": pytest.approx(0.03),
        "roi_heads.mask_head.bias": pytest.approx(0.06),
    }


@pytest.mark.parametrize(
    ("biases", "of_bias", "of_norm_bias"),
    [
        (None, 0.1, 0.0),  # not set: as the weights of the same layer
        (0.0, 0.0, 0.0),
        (0.5, 0.5, 0.5),  # over that of norms
    ],
)
def test_the_weight_decay_of_biases(model, biases, of_bias, of_norm_bias):
    optimizer = build_optimizer(config(WEIGHT_DECAY_BIAS=biases, BACKBONE_LR_FACTOR=0.1, BIAS_LR_FACTOR=2.0), model)
    decays = {name: decay for name, (_, decay) in settings(optimizer, model).items()}
    assert decays["roi_heads.mask_head.weight"] == 0.1
    assert decays["backbone.bottom_up.res2.norm.weight"] == 0.0
    assert decays["roi_heads.mask_head.bias"] == decays["backbone.bottom_up.res2.conv.bias"] == of_bias
    assert decays["backbone.bottom_up.res2.norm.bias"] == of_norm_bias


@pytest.mark.parametrize("biases", [{}, {"BIAS_LR_FACTOR": 2.0}, {"BIAS_LR_FACTOR": 2.0, "WEIGHT_DECAY_BIAS": 0.5}])
def test_without_factors_the_groups_are_detectron2s(model, biases):
    cfg = config(**biases)
    solver = cfg.SOLVER
    theirs = get_default_optimizer_params(
        model,
        base_lr=solver.BASE_LR,
        weight_decay=solver.WEIGHT_DECAY,
        weight_decay_norm=solver.WEIGHT_DECAY_NORM,
        bias_lr_factor=solver.BIAS_LR_FACTOR,
        weight_decay_bias=solver.WEIGHT_DECAY_BIAS,
    )
    ours = build_optimizer(cfg, model).param_groups
    keys = ("lr", "weight_decay")
    assert [[group[key] for key in keys] for group in ours] == [[group[key] for key in keys] for group in theirs]
    assert [list(map(id, group["params"])) for group in ours] == [list(map(id, group["params"])) for group in theirs]


def test_adamw_decays_apart_from_the_gradient(model):
    optimizer = build_optimizer(config(OPTIMIZER="AdamW"), model)
    assert isinstance(optimizer, torch.optim.AdamW)
    weight = model["roi_heads"]["mask_head"].weight
    before = weight.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), before * (1 - 0.01 * 0.1))  # lr * weight decay, no gradient


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_gradients_are_clipped_in_both(model, name):
    cfg = config(OPTIMIZER=name)
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = True
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE, cfg.SOLVER.CLIP_GRADIENTS.CLIP_VALUE = "value", 0.5
    optimizer = build_optimizer(cfg, model)
    weight = model["roi_heads"]["mask_head"].weight
    weight.grad = torch.full_like(weight, 7.0)
    optimizer.step()
    assert weight.grad.unique().tolist() == [0.5]


def test_what_is_frozen_is_in_the_table_and_in_no_group(model):
    freeze_parameters(model, ["fpn_output2"])
    optimizer = build_optimizer(config(BACKBONE_LR_FACTOR=0.1), model)
    assert "backbone.fpn_output2.weight" not in settings(optimizer, model)
    rows = [line.split() for line in training_table(model, optimizer).splitlines()[2:]]
    assert rows == [
        ["backbone.bottom_up.res2", "15", "0", "0.001", "0", "/", "0.1"],  # 6 + 3 of the layer, 3 + 3 of its norm
        ["backbone.fpn", "0", "12", "-", "-"],
        ["roi_heads.mask_head", "4", "0", "0.01", "0.1"],
    ]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("OPTIMIZER", "Adam", "must be SGD or AdamW, but is 'Adam'"),
        ("LR_FACTORS", (("res9", 0.1),), "'res9' matches none"),
        ("LR_FACTORS", (("res2", -1.0),), "wants entries"),
    ],
)
def test_impossible_wishes_are_named(model, key, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_optimizer(config(**{key: value}), model)
