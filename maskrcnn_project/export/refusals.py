"""What cannot be exported, and why, before minutes are spent on it."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.modeling import GeneralizedRCNN
from torch import nn


def refuse_what_no_graph_can_be(cfg: CfgNode, model: nn.Module) -> None:
    """
    Raises ValueError, one sentence with the reason and what to do, for a model that no format can hold.

    What is not known here, or of one format alone, is said by the recorder (``formats.py``) or found by the check of
    the file.
    """
    reason = _reason(cfg, model)
    if reason is not None:
        raise ValueError(reason)


def _reason(cfg: CfgNode, model: nn.Module) -> str | None:
    if not isinstance(model, GeneralizedRCNN):
        return (
            f"MODEL.META_ARCHITECTURE {cfg.MODEL.META_ARCHITECTURE} cannot be exported: only a GeneralizedRCNN gives "
            "boxes, classes, scores and masks from one image in a way known here."
        )
    if cfg.TEST.AUG.ENABLED:
        return (
            "Test-time augmentation cannot be exported: it runs the model many times on resized and mirrored copies, "
            "and a file holds one run; export without it (TEST.AUG.ENABLED False)."
        )
    if model.proposal_generator is None:
        return (
            f"MODEL.PROPOSAL_GENERATOR.NAME {cfg.MODEL.PROPOSAL_GENERATOR.NAME} cannot be exported: such a model takes "
            "its proposals from a file, and the exported one gets nothing but the image."
        )
    heads = cfg.MODEL.ROI_HEADS
    if heads.NAME == "CrowdedROIHeads" and heads.MASK_NMS_THRESH_TEST < 1:
        return (
            "Suppression of masks cannot be exported: it looks at one mask after the other, as often as there are "
            "instances, and a graph has no such loop; export without it (MODEL.ROI_HEADS.MASK_NMS_THRESH_TEST 1.0) and "
            "suppress afterwards."
        )
    return None
