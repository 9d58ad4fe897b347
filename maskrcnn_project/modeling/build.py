"""From a config to the model that trains or predicts: Detectron2's, with this project's heads and freezing."""

from __future__ import annotations

import detectron2.modeling
from detectron2.config import CfgNode
from torch import nn

from maskrcnn_project.modeling.freezing import freeze_norms, freeze_parameters

# Keys of MODEL.ROI_HEADS that CrowdedROIHeads alone heed, and the value at which they ask for nothing.
CROWDED_KEYS = {"CLASS_WEIGHTS": (), "ACROSS_CLASSES_NMS": False, "MASK_NMS_THRESH_TEST": 1.0}


def build_model(cfg: CfgNode) -> nn.Module:
    """
    The model of ``cfg``, on its device, with what MODEL.FREEZE and MODEL.FREEZE_NORMS name frozen.

    Raises:
        ValueError: a key is set that the chosen heads would ignore, or a pattern of MODEL.FREEZE matches nothing.
    """
    check_heads(cfg)
    model = detectron2.modeling.build_model(cfg)
    if cfg.MODEL.FREEZE_NORMS:
        model = freeze_norms(model)
    freeze_parameters(model, cfg.MODEL.FREEZE)
    return model


def check_heads(cfg: CfgNode) -> None:
    """Raises ValueError where StandardROIHeads would silently ignore what only CrowdedROIHeads do."""
    heads = cfg.MODEL.ROI_HEADS
    asked = [key for key, nothing in CROWDED_KEYS.items() if _plain(heads[key]) != nothing]
    if asked and heads.NAME in ("StandardROIHeads", "Res5ROIHeads", "CascadeROIHeads"):
        raise ValueError(
            f"MODEL.ROI_HEADS.{asked[0]} is heeded by CrowdedROIHeads, but MODEL.ROI_HEADS.NAME is {heads.NAME}: set "
            f"MODEL.ROI_HEADS.NAME CrowdedROIHeads, or leave {', '.join(asked)} out."
        )


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
