"""Wrappers: what they add to torch."""

import pytest
import torch
import torch.nn.functional as F
from detectron2 import layers
from detectron2.layers import Conv2d, ShapeSpec, batched_nms, cat, cross_entropy, nonzero_tuple
from detectron2.layers.wrappers import check_if_dynamo_compiling, disable_torch_compiler
from torch import nn


def test_conv_applies_norm_and_then_activation():
    conv = Conv2d(1, 1, 1, bias=False, norm=nn.BatchNorm2d(1).eval(), activation=F.relu)
    nn.init.constant_(conv.weight, -2.0)
    conv.norm.running_mean.fill_(-4.0)
    x = torch.tensor([1.0, 3.0]).reshape(1, 1, 1, 2)
    torch.testing.assert_close(conv(x).flatten(), torch.tensor([2.0, 0.0]), rtol=1e-4, atol=1e-4)
    assert sorted(conv.state_dict())[:2] == ["norm.bias", "norm.num_batches_tracked"]


def test_conv_without_either_is_torchs_also_for_no_images():
    conv = Conv2d(3, 5, kernel_size=3, stride=2, padding=1)
    x = torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, conv.bias, 2, 1))
    assert conv(x[:0]).shape == (0, 5, 5, 4)


def test_mean_loss_over_nothing_is_zero_and_reaches_its_input():
    scores = torch.zeros(0, 4, requires_grad=True)
    loss = cross_entropy(scores, torch.zeros(0, dtype=torch.int64))
    assert loss.item() == 0.0
    loss.backward()
    assert scores.grad.shape == (0, 4)


def test_losses_over_something_are_torchs():
    scores, classes = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    for reduction in ("mean", "sum", "none"):
        want = F.cross_entropy(scores, classes, reduction=reduction, label_smoothing=0.1)
        got = cross_entropy(scores, classes, reduction=reduction, label_smoothing=0.1)
        assert torch.equal(got, want)


def test_cat_hands_a_single_tensor_through():
    x = torch.arange(3)
    assert cat([x]) is x
    assert cat([x, x], dim=0).tolist() == [0, 1, 2, 0, 1, 2]
    with pytest.raises(TypeError, match="list or tuple of tensors, but was given Tensor"):
        cat(x)


def test_nonzero_tuple_counts_a_scalar_as_one_element():
    rows, columns = nonzero_tuple(torch.tensor([[0, 1], [1, 0]]))
    assert rows.tolist() == [0, 1] and columns.tolist() == [1, 0]
    assert nonzero_tuple(torch.tensor(3))[0].tolist() == [0]


def test_shapes_stay_variable_in_a_traced_graph():
    class Sizes(nn.Module):
        def forward(self, x):
            return layers.shapes_to_tensor([x.shape[0], x.shape[1], 7], device=x.device)

    assert layers.shapes_to_tensor([2, 3]).tolist() == [2, 3]
    traced = torch.jit.trace(Sizes(), torch.zeros(2, 3))
    assert traced(torch.zeros(4, 5)).tolist() == [4, 5, 7]


def test_device_and_compiler_helpers():
    x = torch.zeros(2)
    assert layers.move_device_like(x, torch.zeros(1)).device == x.device
    assert check_if_dynamo_compiling() is False
    assert disable_torch_compiler(lambda a: a + 1)(1) == 2


def test_shape_spec_compares_by_value():
    assert ShapeSpec(channels=3) == ShapeSpec(3, None, None, None)
    assert ShapeSpec(stride=4).channels is None


def test_batched_nms_suppresses_within_a_group_only():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30]])
    scores = torch.tensor([0.6, 0.9, 0.5, 0.7])
    assert batched_nms(boxes, scores, torch.tensor([0, 0, 1, 0]), 0.5).tolist() == [1, 3, 2]
    assert batched_nms(boxes.half(), scores.half(), torch.tensor([0, 0, 1, 0]), 0.5).tolist() == [1, 3, 2]
    assert batched_nms(boxes[:0], scores[:0], torch.zeros(0, dtype=torch.int64), 0.5).tolist() == []
    with pytest.raises(ValueError, match=r"\(R, 4\) boxes in XYXY, but was given shape \(4, 5\)"):
        batched_nms(torch.zeros(4, 5), scores, torch.zeros(4), 0.5)


def test_batched_nms_in_a_graph_equals_that_outside():
    class Suppress(nn.Module):
        def forward(self, boxes, scores, groups):
            return batched_nms(boxes, scores, groups, 0.5)

    def scene(number, seed):
        generator = torch.Generator().manual_seed(seed)
        low = torch.rand(number, 2, generator=generator) * 20 - 10
        boxes = torch.cat([low, low + torch.rand(number, 2, generator=generator) * 20], dim=1)
        return boxes, torch.rand(number, generator=generator), torch.randint(0, 3, (number,), generator=generator)

    traced = torch.jit.trace(Suppress(), scene(20, 0))
    for number in (0, 1, 50):
        assert torch.equal(traced(*scene(number, 1)), batched_nms(*scene(number, 1), 0.5))


def test_a_frozen_block_asks_for_no_gradient():
    block = layers.CNNBlockBase(3, 4, 2)
    block.conv = Conv2d(3, 4, 3, norm=nn.BatchNorm2d(4))
    assert block.freeze() is block
    assert not any(p.requires_grad for p in block.parameters())
    assert isinstance(block.conv.norm, layers.FrozenBatchNorm2d)
    assert (block.in_channels, block.out_channels, block.stride) == (3, 4, 2)


@pytest.mark.parametrize("name", ["DeformConv", "ROIAlignRotated", "nms_rotated", "NaiveSyncBatchNorm", "ASPP"])
def test_refused_names_say_so(name):
    with pytest.raises(ImportError, match=f"{name} is not in this stand-in"):
        getattr(layers, name)
