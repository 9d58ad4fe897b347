"""Norms by hand, their conversion into one another, and old state dicts."""

import pytest
import torch
from detectron2.layers import CycleBatchNormList, FrozenBatchNorm2d, get_norm
from detectron2.layers.batch_norm import LayerNorm
from torch import nn


def fill(norm):
    """A norm of two channels whose scale is 3 / sqrt(4) and 1 / sqrt(1), whose shift follows from mean 2 and 0."""
    norm.eps = 0.0
    norm.load_state_dict(
        {
            **norm.state_dict(),
            "weight": torch.tensor([3.0, 1.0]),
            "bias": torch.tensor([1.0, -1.0]),
            "running_mean": torch.tensor([2.0, 0.0]),
            "running_var": torch.tensor([4.0, 1.0]),
        }
    )
    return norm.eval()


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_frozen_batch_norm_by_hand(requires_grad, memory_format):
    x = torch.tensor([[6.0, 2.0], [5.0, -3.0]]).reshape(1, 2, 1, 2).to(memory_format=memory_format)
    x.requires_grad_(requires_grad)
    y = fill(FrozenBatchNorm2d(2))(x)
    assert y.flatten().tolist() == [7.0, 1.0, 4.0, -4.0]  # (6 - 2) / 2 * 3 + 1 = 7, ...
    if requires_grad:
        y.sum().backward()
        assert x.grad.flatten().tolist() == [1.5, 1.5, 1.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_frozen_batch_norm_keeps_the_dtype_of_its_input(dtype, requires_grad):
    x = torch.ones(1, 2, 3, 3, dtype=dtype, requires_grad=requires_grad)
    norm = FrozenBatchNorm2d(2).to(torch.float64) if dtype == torch.float64 else FrozenBatchNorm2d(2)
    assert norm(x).dtype == dtype


def test_frozen_batch_norm_has_buffers_only_and_starts_as_the_identity():
    norm = FrozenBatchNorm2d(3)
    assert not list(norm.parameters())
    assert sorted(norm.state_dict()) == ["bias", "running_mean", "running_var", "weight"]
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(norm(x), x)
    assert norm(torch.zeros(0, 3, 4, 5)).shape == (0, 3, 4, 5)


def test_a_plain_dict_without_statistics_loads_as_scale_and_shift():
    norm = FrozenBatchNorm2d(1)
    norm.load_state_dict({"weight": torch.tensor([2.0]), "bias": torch.tensor([5.0])})
    torch.testing.assert_close(norm(torch.full((1, 1, 1, 1), 3.0)), torch.full((1, 1, 1, 1), 11.0))


def test_a_variance_saved_by_version_2_already_holds_eps():
    saved = FrozenBatchNorm2d(1, eps=0.5).state_dict()
    saved._metadata[""]["version"] = 2
    saved["running_var"] = torch.tensor([4.0])
    norm = FrozenBatchNorm2d(1, eps=0.5)
    norm.load_state_dict(saved)
    assert norm.running_var.item() == 3.5
    assert saved["running_var"].item() == 4.0  # the caller's dict keeps its tensor


def test_conversion_there_and_back_keeps_every_number():
    source = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Sequential(fill(nn.BatchNorm2d(2))))
    x = torch.randn(2, 3, 4, 4)
    want, state = source(x), {k: v.clone() for k, v in source.state_dict().items()}
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(source)
    assert isinstance(frozen[1][0], FrozenBatchNorm2d)
    torch.testing.assert_close(frozen(x), want)
    thawed = FrozenBatchNorm2d.convert_frozenbatchnorm2d_to_batchnorm2d(frozen)
    assert type(thawed[1][0]) is nn.BatchNorm2d and thawed[1][0].weight.requires_grad
    assert thawed.state_dict().keys() == state.keys()
    for key, value in thawed.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_conversion_of_a_norm_itself_and_of_one_without_affine_terms():
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(nn.SyncBatchNorm(4, affine=False))
    assert isinstance(frozen, FrozenBatchNorm2d) and frozen.weight.tolist() == [1.0] * 4


@pytest.mark.parametrize(
    "name, kind",
    [
        ("BN", nn.BatchNorm2d),
        ("SyncBN", nn.SyncBatchNorm),
        ("FrozenBN", FrozenBatchNorm2d),
        ("GN", nn.GroupNorm),
        ("LN", LayerNorm),
        (nn.InstanceNorm2d, nn.InstanceNorm2d),
    ],
)
def test_get_norm_by_name_or_callable(name, kind):
    assert isinstance(get_norm(name, 64), kind)


def test_get_norm_of_nothing_and_of_an_unknown_name():
    assert get_norm("", 64) is None and get_norm(None, 64) is None
    assert get_norm("GN", 64).num_groups == 32
    with pytest.raises(ValueError, match="No norm is named 'BatchNorm': use one of BN, SyncBN"):
        get_norm("BatchNorm", 64)


def test_layer_norm_works_on_the_channels_of_each_cell():
    norm = LayerNorm(2, eps=0.0)
    x = torch.tensor([3.0, 1.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 3)
    y = norm(x)
    assert y.shape == x.shape
    torch.testing.assert_close(y, torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 3))


def test_cycled_batch_norms_take_turns_and_share_the_affine_terms():
    norms = CycleBatchNormList(2, num_features=1, eps=0.0).eval()
    norms[0].running_mean.fill_(1.0)
    norms[1].running_mean.fill_(4.0)
    with torch.no_grad():
        norms.weight.fill_(10.0)
        norms.bias.fill_(1.0)
        got = [norms(torch.full((1, 1, 1, 1), 5.0)).item() for _ in range(3)]
    assert got == [41.0, 11.0, 41.0]
    assert sorted(name for name, _ in norms.named_parameters()) == ["bias", "weight"]
    assert not list(CycleBatchNormList(2, num_features=1, affine=False).parameters())
