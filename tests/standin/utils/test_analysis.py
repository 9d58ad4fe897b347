"""Counting, on models small enough to count by hand."""

from __future__ import annotations

import pytest
import torch
from detectron2.utils.analysis import (
    FlopCountAnalysis,
    activation_count_operators,
    find_unused_parameters,
    flop_count_operators,
    parameter_count,
    parameter_count_table,
)
from torch import nn


class Detector(nn.Module):
    """Takes and gives what a detection model does."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.unused = nn.Linear(2, 2)

    def forward(self, batch):
        feature = self.norm(self.conv(batch[0]["image"][None]))
        if self.training:
            return {"loss_a": feature.mean(), "loss_b": feature.abs().sum()}
        return [{"instances": {"feature": feature}, "height": batch[0]["height"]}]


BATCH = [{"image": torch.ones(3, 8, 8), "height": 8, "file_name": "a.png"}]
OUTPUTS = 4 * 6 * 6  # channels and places of the convolution's result


def test_flops_and_activations():
    model = Detector()
    flops = flop_count_operators(model, BATCH)
    assert flops == {"conv": pytest.approx(OUTPUTS * 3 * 3 * 3 / 1e9)}  # a multiply-add for each weight
    assert flops["no such operator"] == 0
    assert activation_count_operators(model, BATCH) == {"conv": pytest.approx(OUTPUTS / 1e6)}
    assert model.training  # left as it was


def test_analysis_of_several_arguments():
    class Product(nn.Module):
        def forward(self, a, b):
            return a @ b["right"]

    assert FlopCountAnalysis(Product(), (torch.ones(2, 3), {"right": torch.ones(3, 5)})).total() == 2 * 3 * 5


def test_parameters():
    assert parameter_count(Detector())[""] == 4 * 3 * 3 * 3 + 2 * 4 + 2 * 2 + 2
    assert "conv" in parameter_count_table(Detector())


def test_unused_parameters():
    model = Detector()
    model.norm.bias.requires_grad_(False)
    assert find_unused_parameters(model, BATCH) == ["unused.weight", "unused.bias"]
    assert all(p.grad is None for p in model.parameters())
    with pytest.raises(AssertionError, match=r"call model\.train\(\) first"):
        find_unused_parameters(model.eval(), BATCH)
