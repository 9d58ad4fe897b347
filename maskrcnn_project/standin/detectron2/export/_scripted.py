"""
What ``scripting_with_instances`` returns: a TorchScript module that is called like the detector itself.

The graph inside is traced, image by image; only this thin shell is compiled. It is written in TorchScript's subset of
Python, which wants ``typing``'s names and no postponed annotations.
"""

from typing import Dict, List, Optional, Tuple  # noqa: UP035

import torch
from torch import nn


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
