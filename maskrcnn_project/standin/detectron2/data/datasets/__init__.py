"""Readers of dataset formats, and the built-in datasets, which importing this registers."""

from detectron2.data.datasets.coco import (
    convert_to_coco_json,
    load_coco_json,
    load_sem_seg,
    register_coco_instances,
)
from detectron2.data.datasets.pascal_voc import load_voc_instances
from detectron2.utils._refused import refuse

from detectron2.data.datasets import builtin  # noqa: F401  # isort: skip

__all__ = [
    "convert_to_coco_json",
    "load_coco_json",
    "load_sem_seg",
    "load_voc_instances",
    "register_coco_instances",
]

__getattr__ = refuse(
    __name__,
    {
        "get_lvis_instances_meta": "the LVIS dataset",
        "load_lvis_json": "the LVIS dataset",
        "register_lvis_instances": "the LVIS dataset",
        "register_coco_panoptic": "panoptic segmentation",
        "register_coco_panoptic_separated": "panoptic segmentation",
        "register_pascal_voc": "the Pascal VOC benchmark",
    },
)
