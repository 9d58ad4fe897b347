"""A folded model computes what it did before."""

import pytest
import torch
from detectron2.layers import Conv2d, FrozenBatchNorm2d
from torch import nn

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.modeling import build_model
from maskrcnn_project.modeling.fold_norms import fold_norms
from tests.contract.tiny import tiny_cfg


def test_by_hand():
    norm = FrozenBatchNorm2d(1, eps=0.0)
    norm.weight.fill_(6.0), norm.bias.fill_(1.0), norm.running_mean.fill_(2.0), norm.running_var.fill_(9.0)
    convolution = Conv2d(1, 1, kernel_size=1, bias=False, norm=norm)
    nn.init.constant_(convolution.weight, 5.0)
    assert fold_norms(nn.Sequential(convolution)) == 1
    # 6 (5 x - 2) / 3 + 1 = 10 x - 3
    assert (convolution.weight.item(), convolution.bias.item(), convolution.norm) == (10.0, -3.0, None)


@pytest.mark.parametrize("norm", ["FrozenBN", "BN"])
def test_a_whole_model(norm):
    cfg = tiny_cfg()
    add_maskrcnn_config(cfg)
    cfg.MODEL.RESNETS.NORM, cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = norm, 0.0
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    for module in model.modules():
        if isinstance(module, (FrozenBatchNorm2d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
    image = [{"image": torch.rand(3, 64, 96) * 255}]
    with torch.no_grad():
        before = model.backbone(model.preprocess_image(image).tensor)
        assert fold_norms(model) > 10
        after = model.backbone(model.preprocess_image(image).tensor)
        [found] = model(image)
    for name, features in before.items():
        torch.testing.assert_close(after[name], features, rtol=1e-4, atol=1e-4 * float(features.abs().max()))
    assert not [module for module in model.modules() if isinstance(module, (FrozenBatchNorm2d, nn.BatchNorm2d))]
    assert len(found["instances"])
    assert fold_norms(model) == 0


def test_a_norm_that_looks_at_its_input_stays():
    convolution = Conv2d(4, 4, kernel_size=1, norm=nn.GroupNorm(2, 4))
    assert fold_norms(convolution) == 0
    assert isinstance(convolution.norm, nn.GroupNorm)
