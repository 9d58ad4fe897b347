"""Flattening there and back, and graphs that give what the model gives."""

import pytest
import torch
from detectron2.export import TracingAdapter
from detectron2.export.flatten import flatten_to_tuple
from detectron2.structures import BitMasks, Boxes, ImageList, Instances, ROIMasks
from torch import nn


def instances():
    return Instances(
        (20, 30),
        pred_masks=torch.rand(2, 1, 7, 7),
        boxes=Boxes(torch.tensor([[0.0, 0.0, 4.0, 5.0], [2.0, 2.0, 8.0, 8.0]])),
        roi=ROIMasks(torch.rand(2, 7, 7)),
        bits=BitMasks(torch.rand(2, 4, 4) > 0.5),
    )


def test_every_kind_of_structure_comes_back():
    image = torch.rand(3, 4, 5)
    rich = [{"image": image, "instances": instances(), "more": (image, [])}, "name", None]
    leaves, schema = flatten_to_tuple(rich)
    assert len(leaves) == 1 + 5 + 1 + 2
    back = schema(leaves)
    assert back[1:] == ["name", None] and back[0]["image"] is image and back[0]["more"] == (image, [])
    got = back[0]["instances"]
    assert got.image_size == (20, 30) and sorted(got.get_fields()) == ["bits", "boxes", "pred_masks", "roi"]
    assert isinstance(got.boxes, Boxes) and isinstance(got.roi, ROIMasks) and isinstance(got.bits, BitMasks)
    assert flatten_to_tuple(back)[1] == schema


def test_fields_are_flattened_by_name_and_the_size_comes_last():
    leaves, _ = flatten_to_tuple(instances())
    assert [tuple(leaf.shape) for leaf in leaves] == [(2, 4, 4), (2, 4), (2, 1, 7, 7), (2, 7, 7), (2,)]
    assert leaves[-1].tolist() == [20, 30]


def test_schemas_check_the_number_of_values_and_keys_are_strings():
    leaves, schema = flatten_to_tuple([torch.zeros(1), (torch.zeros(1),)])
    with pytest.raises(ValueError, match="ListSchema needs 2 values, but got 1"):
        schema(leaves[:1])
    with pytest.raises(KeyError, match="string keys"):
        flatten_to_tuple({3: torch.zeros(1)})


class Detector(nn.Module):
    """Two boxes that depend on the image, filtered by a score: sizes that only the data tell."""

    def forward(self, batch):
        images = ImageList.from_tensors([x["image"] for x in batch], 4)
        boxes = Boxes(images.tensor[0, :, :2, :4].flatten(0, 1) * 10)
        boxes.clip(images.image_sizes[0])
        found = Instances(images.image_sizes[0], boxes=boxes, scores=images.tensor[0, :, :2, 0].flatten())
        found.masks = ROIMasks(torch.ones(6, 5, 5) * found.scores[:, None, None])
        found = found[(found.scores > 0.3) & found.boxes.nonempty()]
        found.bits = found.masks.to_bitmasks(found.boxes, 9, 8)
        return [{"instances": found}]


def batch_of(height, width, seed):
    return [{"image": torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))}]


def assert_same_instances(got, want):
    assert sorted(got.get_fields()) == sorted(want.get_fields())
    for name, value in want.get_fields().items():
        one, two = (getattr(v, "tensor", v) for v in (got.get(name), value))
        assert torch.equal(one, two), name
    assert tuple(got.image_size) == tuple(want.image_size)


def test_a_traced_model_equals_the_model_on_another_image():
    model = Detector().eval()
    adapter = TracingAdapter(model, batch_of(6, 7, 0))
    traced = torch.jit.trace(adapter, adapter.flattened_inputs, check_trace=False)
    for other in (batch_of(6, 7, 0), batch_of(11, 5, 1), batch_of(5, 9, 2)):
        want = model(other)[0]["instances"]
        got = adapter.outputs_schema(traced(*flatten_to_tuple((other,))[0]))[0]["instances"]
        assert_same_instances(got, want)


def test_an_exported_model_equals_the_model_on_another_image():
    model = Detector().eval()
    adapter = TracingAdapter(model, batch_of(6, 7, 0))
    sides = {1: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    program = torch.export.export(adapter, adapter.flattened_inputs, dynamic_shapes=((sides,),))
    for other in (batch_of(6, 7, 0), batch_of(11, 5, 1)):
        want = model(other)[0]["instances"]
        got = adapter.outputs_schema(program.module()(other[0]["image"]))[0]["instances"]
        assert_same_instances(got, want)


def test_several_arguments_and_an_inference_function():
    model = nn.Bilinear(2, 3, 4)
    inputs = (torch.rand(5, 2), torch.rand(5, 3))
    adapter = TracingAdapter(model, inputs, lambda module, *args: {"out": module(*args)})
    assert torch.equal(adapter(*inputs)[0], model(*inputs))
    assert not adapter(*inputs)[0].requires_grad
    assert list(adapter.outputs_schema(adapter(*inputs))) == ["out"]
    assert TracingAdapter(nn.DataParallel(model), inputs).model is model


def test_inputs_and_outputs_that_are_no_tensors():
    class Named(nn.Module):
        def forward(self, x):
            return x["image"] + x["height"], "name"

    inputs = {"image": torch.zeros(2), "height": 7}
    with pytest.raises(ValueError, match="an input holds 7 of type int.*allow_non_tensor"):
        TracingAdapter(Named(), inputs)
    adapter = TracingAdapter(Named(), inputs, allow_non_tensor=True)
    assert adapter(*adapter.flattened_inputs)[0].tolist() == [7, 7]
    assert adapter.inputs_schema is None and adapter.outputs_schema is None
    with pytest.raises(ValueError, match="only be run with its own flattened_inputs"):
        adapter(torch.zeros(2))
    with pytest.raises(ValueError, match="an output holds 'name' of type str"):
        TracingAdapter(nn.Module(), torch.zeros(1), lambda model, x: "name")(torch.zeros(1))


def test_a_structure_that_changes_from_call_to_call_is_named():
    adapter = TracingAdapter(nn.Module(), torch.zeros(1), lambda model, x: [x] * int(x.sum() + 1))
    adapter(torch.zeros(1))
    with pytest.raises(ValueError, match="must always return the same structure"):
        adapter(torch.ones(1))
