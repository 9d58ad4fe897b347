"""The helpers for tests."""

from __future__ import annotations

import unittest
from types import SimpleNamespace

import pytest
import torch
from detectron2.structures import Boxes, Instances
from detectron2.utils import testing


def instances(score: float = 0.5, size=(10, 20)) -> Instances:
    return Instances(
        size,
        pred_boxes=Boxes(torch.tensor([[0.0, 0.0, 4.0, 100.0]])),
        scores=torch.tensor([score]),
        pred_classes=torch.tensor([3]),
    )


def test_same_instances():
    testing.assert_instances_allclose(instances(), instances())
    testing.assert_instances_allclose(instances(0.5), instances(0.5000001))
    testing.assert_instances_allclose(instances(0.5), instances(0.54), rtol=0.1)
    nothing = Instances((1, 1), scores=torch.zeros(0))
    testing.assert_instances_allclose(nothing, nothing)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (instances(0.6), "here: scores differs by up to 0.1"),
        (instances(size=(10, 21)), r"here: image sizes are \(10, 20\) and \(10, 21\)"),
        (Instances((10, 20)), "here: fields are"),
        (Instances.cat([instances(), instances()]), "has shapes"),
    ],
)
def test_different_instances(other, sentence):
    with pytest.raises(AssertionError, match=sentence):
        testing.assert_instances_allclose(instances(), other, msg="here")


def test_scripted_instances():
    scripted = SimpleNamespace(
        image_size=(10, 20), _field_names=["scores", "absent"], _scores=torch.ones(1), _absent=None
    )
    plain = testing.convert_scripted_instances(scripted)
    assert (plain.image_size, list(plain.get_fields())) == ((10, 20), ["scores"])
    sized = Instances((10, 20), scores=torch.ones(1))
    testing.assert_instances_allclose(sized, scripted)
    scripted.image_size = torch.tensor([10, 20])
    testing.assert_instances_allclose(sized, scripted, size_as_tensor=True)


def test_random_boxes():
    boxes = testing.random_boxes(100, max_coord=50)
    assert boxes.shape == (100, 4)
    assert (boxes >= 0).all()
    assert (boxes <= 50).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= 0.5 - 1e-5).all()  # a hundredth of 50
    assert testing.random_boxes(0).shape == (0, 4)


def test_reloaded_script_is_the_same_function():
    module = torch.jit.trace(torch.nn.Linear(2, 3), torch.ones(1, 2))
    again = testing.reload_script_model(module)
    assert torch.equal(again(torch.ones(1, 2)), module(torch.ones(1, 2)))


@pytest.mark.parametrize(("sizes", "dynamic"), [([[None, 3], [-1]], True), ([[2, 3], [None]], False)])
def test_dynamic_axes(sizes, dynamic):
    def dim(size):
        return SimpleNamespace(dim_value=size, HasField=lambda name: size is not None)

    def value(dims):
        shape = SimpleNamespace(dim=[dim(d) for d in dims])
        return SimpleNamespace(type=SimpleNamespace(tensor_type=SimpleNamespace(shape=shape)))

    model = SimpleNamespace(graph=SimpleNamespace(input=[value(dims) for dims in sizes]))
    assert testing.has_dynamic_axes(model) is dynamic


@pytest.mark.parametrize(
    ("decorator", "runs"),
    [
        (testing.skipIfUnsupportedMinTorchVersion("1.8"), True),
        (testing.skipIfUnsupportedMinTorchVersion("99.0"), False),
        (testing.skipIfUnsupportedMinOpsetVersion(16, 17), True),
        (testing.skipIfUnsupportedMinOpsetVersion(18, 17), False),
        (testing.skipIfUnsupportedMinOpsetVersion(9), True),
    ],
)
def test_skips(decorator, runs):
    @decorator
    def test():
        return "ran"

    if runs:
        assert test() == "ran"
    else:
        with pytest.raises(unittest.SkipTest, match="needs"):
            test()


def test_operators_that_torch_exports_itself_are_left_alone(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.onnx, "register_custom_op_symbolic", lambda *a: calls.append(a), raising=False)
    monkeypatch.setattr(torch.onnx, "unregister_custom_op_symbolic", lambda *a: calls.append(a), raising=False)
    testing.register_custom_op_onnx_export("a::b", len, 11, "1.8")
    testing.unregister_custom_op_onnx_export("a::b", 11, "1.8")
    assert calls == []
    testing.register_custom_op_onnx_export("a::b", len, 11, "99.0")
    testing.unregister_custom_op_onnx_export("a::b", 11, "99.0")
    assert calls == [("a::b", len, 11), ("a::b", 11)]


def test_lazy_config_is_left_out():
    with pytest.raises(NotImplementedError, match="LazyConfig"):
        testing.reload_lazy_config({})
