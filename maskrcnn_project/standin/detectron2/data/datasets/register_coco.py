"""The path under which older projects import the registration of COCO sets."""

from detectron2.data.datasets.coco import register_coco_instances
from detectron2.utils._refused import refuse

__all__ = ["register_coco_instances"]

__getattr__ = refuse(__name__, {"register_coco_panoptic_separated": "panoptic segmentation"})
