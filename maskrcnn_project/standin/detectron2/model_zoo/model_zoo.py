"""
Access to published models by the name of their config, such as
``COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml``.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from detectron2.config import CfgNode, get_cfg
from detectron2.model_zoo._entries import ENTRIES
from detectron2.utils.file_io import Detectron2Handler

if TYPE_CHECKING:
    from torch import nn

__all__ = ["get", "get_checkpoint_url", "get_config", "get_config_file"]

_FOLDER = Path(__file__).resolve().parent / "configs"


def get_config_file(config_path: str) -> str:
    """
    The absolute path of a published model's config.

    Args:
        config_path: name below the zoo's folder, ending in ``.yaml``. Models that are published as Python
            configs (``new_baselines``) may also end in ``.py``: the file given is YAML all the same.

    Raises:
        RuntimeError: the zoo has no such config.
    """
    file = (_FOLDER / f"{_name(config_path)}.yaml").resolve()
    if _FOLDER not in file.parents or not file.is_file():
        raise RuntimeError(_not_in_zoo(config_path))
    return str(file)


def get_checkpoint_url(config_path: str) -> str:
    """The URL of the weights that were trained with a config. RuntimeError if none are published."""
    name = _name(config_path)
    if name not in ENTRIES:
        raise RuntimeError(_not_in_zoo(config_path))
    return f"{Detectron2Handler.URL}{name}/{ENTRIES[name].weights}"


def get_config(config_path: str, trained: bool = False) -> CfgNode:
    """
    The config of a published model.

    Args:
        config_path: as in ``get_config_file``.
        trained: whether ``MODEL.WEIGHTS`` are those trained on COCO; else those that its training began from.

    Raises:
        RuntimeError: the zoo has no such config, or no weights for it.
    """
    cfg = get_cfg()
    cfg.merge_from_file(get_config_file(config_path))
    if trained:
        cfg.MODEL.WEIGHTS = get_checkpoint_url(config_path)
    return cfg


def get(config_path: str, trained: bool = False, device: str | None = None) -> nn.Module:
    """
    A published model, in training mode, with its weights (downloaded once).

    Args:
        config_path: as in ``get_config_file``.
        trained: as in ``get_config``.
        device: where it shall lie; default: the GPU if there is one, else the CPU.
    """
    import torch  # here, so that asking for a config stays quick
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.modeling import build_model

    cfg = get_config(config_path, trained)
    if device is not None:
        cfg.MODEL.DEVICE = device
    elif not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    model = build_model(cfg)
    DetectionCheckpointer(model).load(cfg.MODEL.WEIGHTS)
    return model


def _name(config_path: str) -> str:
    return config_path.removesuffix(".yaml").removesuffix(".py")


def _not_in_zoo(config_path: str) -> str:
    closest = difflib.get_close_matches(_name(config_path), ENTRIES, n=3, cutoff=0.5)
    advice = ", ".join(f"{name}.yaml" for name in closest) or "no similar name"
    return (
        f"{config_path} is not available in this stand-in's model zoo, which holds the Mask R-CNN family; closest: "
        f"{advice}."
    )
