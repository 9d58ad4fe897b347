"""Padding images into one batch."""

import pytest
import torch
from detectron2.structures import ImageList
from torch import nn


def images(*sizes):
    return [torch.full((3, *size), float(i + 1)) for i, size in enumerate(sizes)]


@pytest.mark.parametrize(
    "divisor, constraints, shape",
    [
        (0, None, (50, 40)),
        (1, None, (50, 40)),
        (32, None, (64, 64)),
        (32, {"size_divisibility": 20}, (60, 40)),
        (0, {"square_size": 100}, (100, 100)),
        (32, {"square_size": 100}, (128, 128)),
        (0, {"square_size": 0}, (50, 40)),
    ],
)
def test_batch_size(divisor, constraints, shape):
    batch = ImageList.from_tensors(images((30, 40), (50, 20)), divisor, 7.0, constraints)
    assert batch.tensor.shape == (2, 3, *shape)
    assert batch.image_sizes == [(30, 40), (50, 20)] and len(batch) == 2
    assert (batch[0] == 1).all() and batch[1].shape == (3, 50, 20) and (batch[1] == 2).all()
    assert batch.tensor.sum() == 3 * (30 * 40 + 2 * 50 * 20 + 7 * (2 * shape[0] * shape[1] - 2200))


def test_a_single_image_and_images_without_channels():
    single = ImageList.from_tensors(images((5, 6)), 4, pad_value=9)
    assert single.tensor.shape == (1, 3, 8, 8) and single.tensor[0, 0, 7, 7] == 9
    flat = ImageList.from_tensors([torch.zeros(4, 5), torch.ones(3, 7)])
    assert flat.tensor.shape == (2, 4, 7) and flat[1].shape == (3, 7)


def test_dtype_and_device_are_kept():
    batch = ImageList.from_tensors([torch.ones(1, 2, 2, dtype=torch.uint8), torch.ones(1, 3, 1, dtype=torch.uint8)])
    assert batch.tensor.dtype == torch.uint8 and batch.device.type == "cpu"
    assert batch.to(torch.float16).tensor.dtype == torch.float16


def test_gradients_reach_every_image():
    sources = [image.requires_grad_() for image in images((2, 3), (3, 2))]
    ImageList.from_tensors(sources, 4).tensor.sum().backward()
    assert all((image.grad == 1).all() for image in sources)


def test_what_does_not_fit_is_named():
    with pytest.raises(AssertionError, match="at least one tensor"):
        ImageList.from_tensors([])
    with pytest.raises(AssertionError, match=r"shapes \(3, 2, 2\) and \(1, 2, 2\)"):
        ImageList.from_tensors([torch.zeros(3, 2, 2), torch.zeros(1, 2, 2)])


class Pad(nn.Module):
    def forward(self, *batch):
        padded = ImageList.from_tensors(list(batch), 4, pad_value=2.0)
        return padded.tensor, padded[0]


@pytest.mark.parametrize("number", [1, 2])
def test_sizes_stay_variable_in_a_traced_graph(number):
    traced = torch.jit.trace(Pad(), tuple(images((5, 6), (3, 9))[:number]), check_trace=False)
    other = tuple(images((9, 2), (3, 11))[:number])
    for got, want in zip(traced(*other), Pad()(*other), strict=True):
        assert torch.equal(got, want)


def test_sizes_stay_variable_in_an_exported_graph():
    dims = {1: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    program = torch.export.export(Pad(), tuple(images((5, 6))), dynamic_shapes=((dims,),))
    other = images((9, 11))[0]
    assert torch.equal(program.module()(other)[0], Pad()(other)[0])
