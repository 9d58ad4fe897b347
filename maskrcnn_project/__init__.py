"""Mask R-CNN on your own COCO dataset: a Detectron2 project plugin. Importing it makes ``import detectron2`` work."""

from maskrcnn_project.provider import detectron2_info, provide_detectron2

provide_detectron2()

__version__ = "0.1.0"

__all__ = ["detectron2_info", "provide_detectron2"]
