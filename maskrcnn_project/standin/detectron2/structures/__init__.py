"""Structures: what an image holds, as objects over tensors."""

from detectron2.structures.boxes import (
    Boxes,
    BoxMode,
    pairwise_ioa,
    pairwise_iou,
    pairwise_point_box_distance,
)
from detectron2.structures.image_list import ImageList
from detectron2.structures.instances import Instances
from detectron2.structures.masks import BitMasks, PolygonMasks, ROIMasks, polygons_to_bitmask
from detectron2.utils._refused import refuse

__all__ = [
    "BitMasks",
    "BoxMode",
    "Boxes",
    "ImageList",
    "Instances",
    "PolygonMasks",
    "ROIMasks",
    "pairwise_ioa",
    "pairwise_iou",
    "pairwise_point_box_distance",
    "polygons_to_bitmask",
]

__getattr__ = refuse(
    __name__,
    {
        "Keypoints": "keypoints",
        "RotatedBoxes": "rotated boxes",
        "heatmaps_to_keypoints": "keypoints",
        "pairwise_iou_rotated": "rotated boxes",
    },
)
