"""Which device a run uses where the config asks for one that this machine does not have."""

from __future__ import annotations

import logging

import torch
from detectron2.config import CfgNode

logger = logging.getLogger(__name__)


def choose_device(cfg: CfgNode) -> None:
    """
    Keeps MODEL.DEVICE where it can be used; "cuda", Detectron2's default, becomes "cpu" without a GPU.

    The change is logged: a run that is meant for a GPU and silently takes a week on a CPU helps nobody.
    """
    if not cfg.MODEL.DEVICE.startswith("cuda") or torch.cuda.is_available():
        return
    cfg.MODEL.DEVICE = "cpu"
    logger.warning("No CUDA device is available: running on the CPU (on Apple silicon, try MODEL.DEVICE mps).")
