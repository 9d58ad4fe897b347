"""TorchScript: what a traced model does, as text. How to trace: ``TracingAdapter``."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Dict, List, Optional, Tuple  # noqa: UP035

import torch
from detectron2.export.flatten import TracingAdapter
from detectron2.modeling.meta_arch import GeneralizedRCNN
from detectron2.utils.file_io import PathManager
from torch import nn

__all__ = ["dump_torchscript_IR", "scripting_with_instances"]

# (height, width) of the picture of noise that the graph is recorded on: each level has some anchors.
_EXAMPLE_SIZE = (256, 320)


def scripting_with_instances(model: nn.Module, fields: dict[str, type]) -> torch.jit.ScriptModule:
    """
    A TorchScript module that detects as ``model.inference(batched_inputs, do_postprocess=False)`` does.

    What the model computes is recorded (traced) rather than compiled, for an image of any size, and each image of
    the list runs by itself, without padding to the largest. PyTorch has deprecated TorchScript in favour of
    ``torch.export``.

    Args:
        model: a GeneralizedRCNN in evaluation mode.
        fields: name -> type of the fields of Instances, as the model sets them; those of a detection must be there.

    Returns:
        A module that takes a list of dicts with ``image`` (C, H, W) and returns for each an object with
        ``image_size``, ``pred_boxes.tensor``, ``scores``, ``pred_classes`` and, if the model has them, ``pred_masks``.

    Raises:
        TypeError: another kind of model.
        ValueError: it is in training mode, or ``fields`` lack one.
    """
    if not isinstance(model, GeneralizedRCNN):
        raise TypeError(
            f"scripting_with_instances takes a GeneralizedRCNN here, but got a {type(model).__name__}: record other "
            "models with detectron2.export.TracingAdapter and torch.jit.trace."
        )
    if model.training:
        raise ValueError("scripting_with_instances takes a model in evaluation mode: call model.eval() first.")
    image = torch.rand(len(model.pixel_mean), *_EXAMPLE_SIZE, device=model.device) * 255
    adapter = TracingAdapter(model, ([{"image": image}],), _fields_of_detections)
    graph = torch.jit.trace(adapter, adapter.flattened_inputs, check_trace=False)
    detected = adapter.outputs_schema.keys  # type: ignore[union-attr]
    missing = [name for name in detected if name not in fields]
    if missing:
        raise ValueError(f"The model sets the fields {', '.join(detected)}, of which 'fields' lack {missing}.")
    return torch.jit.script(ScriptedDetector(graph, masks="pred_masks" in detected))


def _fields_of_detections(model: GeneralizedRCNN, batched_inputs: list[dict[str, torch.Tensor]]) -> dict[str, Any]:
    return model.inference(batched_inputs, do_postprocess=False)[0].get_fields()


def dump_torchscript_IR(model: torch.jit.ScriptModule, dir: str) -> None:
    """
    Writes what a scripted or traced model consists of into ``dir``, which is made where it is absent.

    Files:
        model_ts_code.txt: the source of each submodule, as TorchScript reads it back.
        model_ts_IR.txt: the graph of each submodule.
        model_ts_IR_inlined.txt: the graph of the whole, calls resolved.
        model.txt: the tree of submodules.
    """
    if not isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        raise TypeError(f"dump_torchscript_IR needs a scripted or traced model, but got {type(model).__name__}.")
    PathManager.mkdirs(dir)
    _write(dir, "model_ts_code.txt", _listing(model, lambda part: part.code))
    _write(dir, "model_ts_IR.txt", _listing(model, lambda part: str(part.graph)))
    _write(dir, "model_ts_IR_inlined.txt", str(model.inlined_graph))
    if isinstance(model, torch.jit.ScriptModule):
        _write(dir, "model.txt", str(model))


def _listing(model: Any, text_of: Callable[[Any], str]) -> str:
    """``text_of`` each submodule that was compiled, under its name; submodules never called have no code."""
    if isinstance(model, torch.jit.ScriptFunction):
        return text_of(model)
    compiled = [(name, part) for name, part in model.named_modules() if hasattr(part, "graph")]
    return "\n".join(f"===== {name or 'model'} ({part.original_name})\n{text_of(part)}" for name, part in compiled)


def _write(folder: str, name: str, text: str) -> None:
    with PathManager.open(os.path.join(folder, name), "w") as file:
        file.write(text)


class ScriptBoxes:
    """``Boxes`` as far as detections need them: (R, 4) XYXY in absolute pixels."""

    def __init__(self, tensor: torch.Tensor):
        self.tensor = tensor

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def area(self) -> torch.Tensor:
        return (self.tensor[:, 2] - self.tensor[:, 0]) * (self.tensor[:, 3] - self.tensor[:, 1])


class ScriptInstances:
    """
    ``Instances`` as a detector returns them.

    Attributes:
        image_size: (height, width) of the image as it was given.
        pred_boxes: R boxes; scores (R,) float32; pred_classes (R,) int64.
        pred_masks: (R, 1, S, S) probabilities inside the boxes; None where the model predicts none.
    """

    def __init__(
        self,
        image_size: Tuple[int, int],  # noqa: UP006
        pred_boxes: ScriptBoxes,
        scores: torch.Tensor,
        pred_classes: torch.Tensor,
        pred_masks: Optional[torch.Tensor],  # noqa: UP045
    ):
        self.image_size = image_size
        self.pred_boxes = pred_boxes
        self.scores = scores
        self.pred_classes = pred_classes
        self.pred_masks = pred_masks

    def __len__(self) -> int:
        return self.scores.shape[0]

    def has(self, name: str) -> bool:
        if name == "pred_masks":
            return self.pred_masks is not None
        return name == "pred_boxes" or name == "scores" or name == "pred_classes"


class ScriptedDetector(nn.Module):
    """Calls the traced ``graph`` for each image: boxes, masks if ``masks``, classes, scores."""

    def __init__(self, graph: torch.jit.ScriptModule, masks: bool):
        super().__init__()
        self.graph = graph
        self.masks = masks

    def forward(self, batched_inputs: List[Dict[str, torch.Tensor]]) -> List[ScriptInstances]:  # noqa: UP006
        return self.inference(batched_inputs, None, False)

    @torch.jit.export
    def inference(
        self,
        batched_inputs: List[Dict[str, torch.Tensor]],  # noqa: UP006
        detected_instances: Optional[List[ScriptInstances]] = None,  # noqa: UP006, UP045
        do_postprocess: bool = False,
    ) -> List[ScriptInstances]:  # noqa: UP006
        assert detected_instances is None, "a scripted detector detects; it takes no detected_instances"
        assert not do_postprocess, "masks are pasted outside of the graph: call with do_postprocess=False"
        found: List[ScriptInstances] = []  # noqa: UP006
        for item in batched_inputs:
            image = item["image"]
            outputs = self.graph(image)
            size = (image.shape[1], image.shape[2])
            masks: Optional[torch.Tensor] = outputs[2] if self.masks else None  # noqa: UP045
            found.append(ScriptInstances(size, ScriptBoxes(outputs[0]), outputs[-1], outputs[1], masks))
        return found
