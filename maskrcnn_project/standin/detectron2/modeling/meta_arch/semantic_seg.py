"""Semantic segmentation is left out; its builder stays, to say so."""

from __future__ import annotations

from typing import NoReturn

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.utils._refused import refuse

__all__ = ["build_sem_seg_head"]


def build_sem_seg_head(cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> NoReturn:
    """Raises NotImplementedError: there are no semantic segmentation heads here."""
    raise NotImplementedError(
        f"MODEL.SEM_SEG_HEAD.NAME={cfg.MODEL.SEM_SEG_HEAD.NAME!r} was asked for, but this stand-in leaves semantic "
        "segmentation out: install the real Detectron2 to use it."
    )


__getattr__ = refuse(
    __name__,
    {
        "SEM_SEG_HEADS_REGISTRY": "semantic segmentation",
        "SemanticSegmentor": "semantic segmentation",
        "SemSegFPNHead": "semantic segmentation",
    },
)
