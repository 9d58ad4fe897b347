"""The other form of a group norm: the same numbers, also of nothing, also in an ONNX file."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from maskrcnn_project.export import onnx_file
from maskrcnn_project.export.group_norm import GroupNormByMeans, with_group_norms_by_means


def norm(affine=True):
    made = nn.GroupNorm(2, 6, affine=affine)
    if affine:
        nn.init.normal_(made.weight)
        nn.init.normal_(made.bias)
    return made.requires_grad_(False)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("regions", [0, 1, 3])
def test_both_forms_give_the_same(affine, regions):
    norms, x = norm(affine), torch.rand(regions, 6, 4, 5) * 100
    torch.testing.assert_close(GroupNormByMeans(norms)(x), norms(x))


def test_a_module_is_copied_only_where_it_has_one():
    module = nn.Sequential(OrderedDict(body=norm(), heads=nn.Sequential(norm(), nn.ReLU())))
    assert with_group_norms_by_means(module, below="tail") is module
    changed = with_group_norms_by_means(module, below="heads")
    kinds = [type(part) for part in (changed.body, changed.heads[0], module.heads[0])]
    assert kinds == [nn.GroupNorm, GroupNormByMeans, nn.GroupNorm]
    x = torch.rand(2, 6, 3, 3)
    torch.testing.assert_close(changed(x), module(x))


class Chosen(nn.Module):
    """The norm (in the part ``roi_heads``) of those cells of an image (3, H, W) that are above 0, as regions of 2x2."""

    def __init__(self):
        super().__init__()
        self.roi_heads = norm()

    def forward(self, image):
        rows = image.flatten().unsqueeze(1)[image.flatten() > 0]  # (R, 1)
        return (self.roi_heads((rows * torch.arange(1.0, 25)).unflatten(1, (6, 2, 2))),)


def test_nothing_in_an_onnx_file(tmp_path):
    pytest.importorskip("onnxscript", reason="ONNX files need the extra onnx")
    pytest.importorskip("onnxruntime", reason="ONNX files need the extra onnx")
    module = Chosen().eval()
    onnx_file.write(module, torch.rand(3, 8, 9) - 0.5, tmp_path / "norm.onnx", {})
    file = onnx_file.load(tmp_path / "norm.onnx")
    for image in (torch.rand(3, 5, 7) - 0.5, -torch.ones(3, 4, 4)):
        torch.testing.assert_close(file(image)[0], module(image)[0], rtol=1e-4, atol=1e-4)
    assert file(-torch.ones(3, 4, 4))[0].shape == (0, 6, 2, 2)
