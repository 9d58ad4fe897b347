"""
Registers COCO under its usual names, where ``$DETECTRON2_DATASETS`` (default: ``./datasets``) has its folder.
"""

from __future__ import annotations

import os

from detectron2.data.catalog import DatasetCatalog
from detectron2.data.datasets.builtin_meta import _get_builtin_metadata
from detectron2.data.datasets.coco import register_coco_instances
from detectron2.utils._refused import refuse

__all__ = ["register_all_coco"]

# Name -> image folder and annotation file, both below the root.
_COCO = {
    "coco_2014_train": ("coco/train2014", "coco/annotations/instances_train2014.json"),
    "coco_2014_val": ("coco/val2014", "coco/annotations/instances_val2014.json"),
    "coco_2014_minival": ("coco/val2014", "coco/annotations/instances_minival2014.json"),
    "coco_2014_valminusminival": ("coco/val2014", "coco/annotations/instances_valminusminival2014.json"),
    "coco_2017_train": ("coco/train2017", "coco/annotations/instances_train2017.json"),
    "coco_2017_val": ("coco/val2017", "coco/annotations/instances_val2017.json"),
    "coco_2017_test": ("coco/test2017", "coco/annotations/image_info_test2017.json"),
    "coco_2017_test-dev": ("coco/test2017", "coco/annotations/image_info_test-dev2017.json"),
    "coco_2017_val_100": ("coco/val2017", "coco/annotations/instances_val2017_100.json"),
}


def register_all_coco(root: str) -> None:
    """
    Registers the splits of COCO 2014 and 2017. Nothing is read until a split is used.

    Args:
        root: folder that holds the folder "coco".
    """
    for name, (images, json_file) in _COCO.items():
        register_coco_instances(
            name, _get_builtin_metadata("coco"), os.path.join(root, json_file), os.path.join(root, images)
        )


if "coco_2017_train" not in DatasetCatalog:  # reloading this module does not register again
    register_all_coco(os.path.expanduser(os.getenv("DETECTRON2_DATASETS", "datasets")))

__getattr__ = refuse(
    __name__,
    {
        "register_all_ade20k": "the ADE20K dataset",
        "register_all_cityscapes": "the Cityscapes dataset",
        "register_all_lvis": "the LVIS dataset",
        "register_all_pascal_voc": "the Pascal VOC benchmark",
    },
)
