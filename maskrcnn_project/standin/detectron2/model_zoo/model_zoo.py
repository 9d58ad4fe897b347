"""
Access to published models by the name of their config, such as
``COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml``.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from detectron2.config import CfgNode, get_cfg
from detectron2.utils.file_io import Detectron2Handler

__all__ = ["get", "get_checkpoint_url", "get_config", "get_config_file"]

if TYPE_CHECKING:
    from torch import nn


_FOLDER = Path(__file__).resolve().parent / "configs"


class Entry(NamedTuple):
    """Weights of one config, and the average precision (AP, in percent) they were published with."""

    weights: str  # below <config name>/ in Detectron2's storage
    box_ap: float
    mask_ap: float | None = None  # None: the model has no masks


ENTRIES = {
    "COCO-Detection/faster_rcnn_R_50_C4_1x": Entry("137257644/model_final_721ade.pkl", 35.7),
    "COCO-Detection/faster_rcnn_R_50_DC5_1x": Entry("137847829/model_final_51d356.pkl", 37.3),
    "COCO-Detection/faster_rcnn_R_50_FPN_1x": Entry("137257794/model_final_b275ba.pkl", 37.9),
    "COCO-Detection/faster_rcnn_R_50_C4_3x": Entry("137849393/model_final_f97cb7.pkl", 38.4),
    "COCO-Detection/faster_rcnn_R_50_DC5_3x": Entry("137849425/model_final_68d202.pkl", 39.0),
    "COCO-Detection/faster_rcnn_R_50_FPN_3x": Entry("137849458/model_final_280758.pkl", 40.2),
    "COCO-Detection/faster_rcnn_R_101_C4_3x": Entry("138204752/model_final_298dad.pkl", 41.1),
    "COCO-Detection/faster_rcnn_R_101_DC5_3x": Entry("138204841/model_final_3e0943.pkl", 40.6),
    "COCO-Detection/faster_rcnn_R_101_FPN_3x": Entry("137851257/model_final_f6e8b1.pkl", 42.0),
    "COCO-Detection/faster_rcnn_X_101_32x8d_FPN_3x": Entry("139173657/model_final_68b088.pkl", 43.0),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x": Entry("137259246/model_final_9243eb.pkl", 36.8, 32.2),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_DC5_1x": Entry("137260150/model_final_4f86c3.pkl", 38.3, 34.2),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x": Entry("137260431/model_final_a54504.pkl", 38.6, 35.2),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_3x": Entry("137849525/model_final_4ce675.pkl", 39.8, 34.4),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_DC5_3x": Entry("137849551/model_final_84107b.pkl", 40.0, 35.9),
    "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x": Entry("137849600/model_final_f10217.pkl", 41.0, 37.2),
    "COCO-InstanceSegmentation/mask_rcnn_R_101_C4_3x": Entry("138363239/model_final_a2914c.pkl", 42.6, 36.7),
    "COCO-InstanceSegmentation/mask_rcnn_R_101_DC5_3x": Entry("138363294/model_final_0464b7.pkl", 41.9, 37.3),
    "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x": Entry("138205316/model_final_a3ec72.pkl", 42.9, 38.6),
    "COCO-InstanceSegmentation/mask_rcnn_X_101_32x8d_FPN_3x": Entry("139653917/model_final_2d9806.pkl", 44.3, 39.5),
    "Misc/cascade_mask_rcnn_R_50_FPN_1x": Entry("138602847/model_final_e9d89b.pkl", 42.1, 36.4),
    "Misc/cascade_mask_rcnn_R_50_FPN_3x": Entry("144998488/model_final_480dd8.pkl", 44.3, 38.5),
    "new_baselines/mask_rcnn_R_50_FPN_100ep_LSJ": Entry("42047764/model_final_bb69de.pkl", 44.6, 40.3),
    "new_baselines/mask_rcnn_R_50_FPN_200ep_LSJ": Entry("42047638/model_final_89a8d3.pkl", 46.3, 41.7),
    "new_baselines/mask_rcnn_R_50_FPN_400ep_LSJ": Entry("42019571/model_final_14d201.pkl", 47.4, 42.5),
    "new_baselines/mask_rcnn_R_101_FPN_100ep_LSJ": Entry("42025812/model_final_4f7b58.pkl", 46.4, 41.6),
    "new_baselines/mask_rcnn_R_101_FPN_200ep_LSJ": Entry("42131867/model_final_0bb7ae.pkl", 48.0, 43.1),
    "new_baselines/mask_rcnn_R_101_FPN_400ep_LSJ": Entry("42073830/model_final_f96b26.pkl", 48.9, 43.7),
}


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
