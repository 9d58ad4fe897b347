"""Layers: tensor operations and small modules that know nothing of boxes' classes, images or configs."""

from detectron2.layers.batch_norm import CycleBatchNormList, FrozenBatchNorm2d, get_norm
from detectron2.layers.blocks import CNNBlockBase
from detectron2.layers.losses import ciou_loss, diou_loss
from detectron2.layers.mask_ops import paste_masks_in_image
from detectron2.layers.nms import batched_nms
from detectron2.layers.roi_align import ROIAlign
from detectron2.layers.shape_spec import ShapeSpec
from detectron2.layers.wrappers import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Linear,
    cat,
    cross_entropy,
    empty_input_loss_func_wrapper,
    interpolate,
    move_device_like,
    nonzero_tuple,
    shapes_to_tensor,
)
from detectron2.utils._refused import refuse
from torchvision.ops import nms, roi_align

__all__ = [
    "BatchNorm2d",
    "CNNBlockBase",
    "Conv2d",
    "ConvTranspose2d",
    "CycleBatchNormList",
    "FrozenBatchNorm2d",
    "Linear",
    "ROIAlign",
    "ShapeSpec",
    "batched_nms",
    "cat",
    "ciou_loss",
    "cross_entropy",
    "diou_loss",
    "empty_input_loss_func_wrapper",
    "get_norm",
    "interpolate",
    "move_device_like",
    "nms",
    "nonzero_tuple",
    "paste_masks_in_image",
    "roi_align",
    "shapes_to_tensor",
]

__getattr__ = refuse(
    __name__,
    {
        "ASPP": "semantic segmentation (DeepLab)",
        "DeformConv": "deformable convolution",
        "DepthwiseSeparableConv2d": "semantic segmentation (DeepLab)",
        "ModulatedDeformConv": "deformable convolution",
        "NaiveSyncBatchNorm": "its own synchronised batch norm (SyncBN is torch's)",
        "ROIAlignRotated": "rotated boxes",
        "batched_nms_rotated": "rotated boxes",
        "nms_rotated": "rotated boxes",
        "roi_align_rotated": "rotated boxes",
    },
)
