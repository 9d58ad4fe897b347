"""Helpers for tests. Stands above the rest of the package: what it needs is imported inside the functions."""

from __future__ import annotations

import io
import re
import unittest
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch

__all__ = [
    "assert_instances_allclose",
    "convert_scripted_instances",
    "get_model_no_weights",
    "get_sample_coco_image",
    "has_dynamic_axes",
    "random_boxes",
    "register_custom_op_onnx_export",
    "reload_lazy_config",
    "reload_script_model",
    "skipIfUnsupportedMinOpsetVersion",
    "skipIfUnsupportedMinTorchVersion",
    "unregister_custom_op_onnx_export",
]

# An image of COCO val2017: a rider among horses and cars, with many instances.
SAMPLE_IMAGE = "http://images.cocodataset.org/val2017/000000439715.jpg"


def get_model_no_weights(config_path: str) -> torch.nn.Module:
    """The model of a model-zoo config with random weights, on the GPU if there is one."""
    from detectron2 import model_zoo
    from detectron2.modeling import build_model

    cfg = model_zoo.get_config(config_path)
    cfg.MODEL.WEIGHTS = ""
    if not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    return build_model(cfg)


def random_boxes(num_boxes: int, max_coord: float = 100, device: Any = "cpu") -> torch.Tensor:
    """
    (num_boxes, 4) XYXY, float32: corners in [0, max_coord / 2], sides from max_coord / 100 to max_coord / 2
    more.
    """
    corner = torch.rand(num_boxes, 2, device=device) * (max_coord * 0.5)
    smallest = max_coord * 0.01
    side = smallest + torch.rand(num_boxes, 2, device=device) * (max_coord * 0.5 - smallest)
    return torch.cat([corner, corner + side], dim=1)


def get_sample_coco_image(tensor: bool = True) -> Any:
    """
    A COCO photograph, downloaded once.

    Returns:
        BGR uint8: a (3, height, width) tensor, or a (height, width, 3) array if ``tensor`` is False.
    """
    from detectron2.data.detection_utils import read_image
    from detectron2.utils.file_io import PathManager

    image = read_image(PathManager.get_local_path(SAMPLE_IMAGE), format="BGR")
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))) if tensor else image


def assert_instances_allclose(
    input: Any, other: Any, *, rtol: float = 1e-5, msg: str = "", size_as_tensor: bool = False
) -> None:
    """
    AssertionError unless two ``Instances`` hold the same fields with the same numbers.

    Args:
        input, other: Instances, also scripted ones.
        rtol: for floating-point fields, relative to the largest absolute value of ``input``; the rest must be
            equal.
        msg: goes in front of the error.
        size_as_tensor: whether the image sizes are tensors.
    """
    from detectron2.structures import Boxes, Instances

    input, other = (x if isinstance(x, Instances) else convert_scripted_instances(x) for x in (input, other))
    prefix = f"{msg}: " if msg else ""
    if size_as_tensor:
        same_size = bool((torch.as_tensor(input.image_size) == torch.as_tensor(other.image_size)).all())
    else:
        same_size = input.image_size == other.image_size
    assert same_size, f"{prefix}image sizes are {input.image_size} and {other.image_size}"
    ours, theirs = input.get_fields(), other.get_fields()
    assert sorted(ours) == sorted(theirs), f"{prefix}fields are {sorted(ours)} and {sorted(theirs)}"
    for name, value in ours.items():
        left, right = (v.tensor if isinstance(v, Boxes) else v for v in (value, theirs[name]))
        if isinstance(left, torch.Tensor):
            assert left.shape == right.shape, f"{prefix}{name} has shapes {left.shape} and {right.shape}"
            if left.is_floating_point() and left.numel():
                worst = (left - right).abs().max().item()
                allowed = rtol * left.abs().max().item()
                assert worst <= allowed, f"{prefix}{name} differs by up to {worst}, and {allowed} is allowed"
            else:
                assert torch.equal(left, right), f"{prefix}{name} differs"
        else:
            assert left == right, f"{prefix}{name} is {left} and {right}"


def convert_scripted_instances(instances: Any) -> Any:
    """Instances with the fields of a scripted Instances, which keeps each as an attribute ``_<name>``."""
    from detectron2.structures import Instances

    assert hasattr(instances, "image_size"), f"{type(instances).__name__} is no scripted Instances"
    result = Instances(instances.image_size)
    if hasattr(instances, "get_fields"):
        fields = dict(instances.get_fields())
    else:
        fields = {name: getattr(instances, f"_{name}", None) for name in instances._field_names}
    for name, value in fields.items():
        if value is not None:  # a field that was declared and never set
            result.set(name, value)
    return result


def reload_script_model(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """The module after saving and loading: what a deployed one is."""
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    buffer.seek(0)
    return torch.jit.load(buffer)


def reload_lazy_config(cfg: Any) -> NoReturn:
    """Refused: LazyConfig is not in this stand-in."""
    raise NotImplementedError(
        "This stand-in leaves out configuration in Python files (LazyConfig): install the real Detectron2 to use it."
    )


def has_dynamic_axes(onnx_model: Any) -> bool:
    """Whether every input of an ONNX model has a dimension whose size is open."""
    shapes = [value.type.tensor_type.shape.dim for value in onnx_model.graph.input]
    return all(any(not dim.HasField("dim_value") or dim.dim_value < 0 for dim in dims) for dims in shapes)


def register_custom_op_onnx_export(
    opname: str, symbolic_fn: Callable[..., Any], opset_version: int, min_version: str
) -> None:
    """
    Registers an ONNX symbolic function, unless this PyTorch exports the operator by itself.

    Args:
        opname: such as ``"torchvision::nms"``.
        symbolic_fn: builds the operator's ONNX nodes.
        opset_version: the opset it is for.
        min_version: the first PyTorch that exports the operator by itself.
    """
    if _torch_version() < _version(min_version):
        torch.onnx.register_custom_op_symbolic(opname, symbolic_fn, opset_version)


def unregister_custom_op_onnx_export(opname: str, opset_version: int, min_version: str) -> None:
    """Takes back ``register_custom_op_onnx_export`` of the same arguments."""
    if _torch_version() < _version(min_version):
        torch.onnx.unregister_custom_op_symbolic(opname, opset_version)


def skipIfUnsupportedMinOpsetVersion(
    min_opset_version: int, current_opset_version: int | None = None
) -> Callable[..., Any]:
    """
    Decorator: skips a test where the ONNX opset is older. ``current_opset_version`` defaults to PyTorch's
    own.
    """
    if current_opset_version is None:
        from torch.onnx._constants import ONNX_DEFAULT_OPSET

        current_opset_version = ONNX_DEFAULT_OPSET
    return unittest.skipIf(
        current_opset_version < min_opset_version,
        f"needs ONNX opset {min_opset_version}, but it is {current_opset_version}",
    )


def skipIfUnsupportedMinTorchVersion(min_version: str) -> Callable[..., Any]:
    """Decorator: skips a test where PyTorch is older than ``"major.minor"``."""
    return unittest.skipIf(
        _torch_version() < _version(min_version),
        f"needs PyTorch {min_version}, but it is {torch.__version__}",
    )


def _torch_version() -> tuple[int, ...]:
    return _version(torch.__version__)


def _version(text: str) -> tuple[int, ...]:
    """Major and minor number of a version."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
