"""
Masks with sharp borders: the usual 28x28 mask, refined point by point where it is uncertain.

After PointRend (Kirillov et al., arXiv:1912.08193), with Mask R-CNN's own head as the coarse one, so that COCO weights
of a Mask R-CNN fit all of it but the small point head.

Shapes: N images, R regions of all images, K classes, P points of each region, S the side of a mask's grid.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec, cat
from detectron2.modeling import ROI_MASK_HEAD_REGISTRY
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.roi_heads.mask_head import (
    MaskRCNNConvUpsampleHead,
    mask_rcnn_inference,
    mask_rcnn_loss,
)
from detectron2.structures import Boxes, Instances
from fvcore.nn import weight_init
from torch import nn

from maskrcnn_project.modeling.points import sample_grids, sample_map, training_points, uncertain_cells

Features = dict[str, torch.Tensor]


class PointHead(nn.Module):
    """
    A small network that is run at single points (section 3.2 of the paper).

    Args:
        fine_channels: of the feature map at a point.
        num_classes: K masks; the coarse ones at the point are an input to every layer.
        width, depth: of the hidden layers.
    """

    def __init__(self, fine_channels: int, num_classes: int, width: int = 256, depth: int = 3):
        super().__init__()
        channels = fine_channels + num_classes
        self.hidden = nn.ModuleList()
        for _ in range(depth):
            layer = nn.Conv1d(channels, width, kernel_size=1)
            weight_init.c2_msra_fill(layer)
            self.hidden.append(layer)
            channels = width + num_classes
        self.predictor = nn.Conv1d(channels, num_classes, kernel_size=1)
        nn.init.normal_(self.predictor.weight, std=0.001)  # as the coarse masks: at first one half everywhere
        nn.init.zeros_(self.predictor.bias)  # type: ignore[arg-type]

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        """Fine features (R, C, P) and coarse logits (R, K, P) -> logits (R, K, P)."""
        x = fine
        for layer in self.hidden:
            x = F.relu(layer(torch.cat([x, coarse], dim=1)))
        return self.predictor(torch.cat([x, coarse], dim=1))


@ROI_MASK_HEAD_REGISTRY.register()
class PointRefinedMaskHead(MaskRCNNConvUpsampleHead):
    """
    MaskRCNNConvUpsampleHead with a PointHead on the finest feature map.

    It pools by itself, so MODEL.ROI_MASK_HEAD.POOLER_TYPE must be "". Keys: MODEL.ROI_MASK_HEAD.POINTS.

    Args:
        pooler: of the coarse head, from the maps ``in_features``.
        fine_feature: name of the map that the points are read from.
        fine_stride, fine_channels: of that map.
        train_points, oversample, important: see :func:`points.training_points`.
        subdivisions: how often the mask doubles its side in testing: 2 makes 28x28 into 112x112.
        points_per_subdivision: most cells that are looked at again after each doubling.
        width, depth: of the point head.
        kwargs: see MaskRCNNConvUpsampleHead.
    """

    @configurable
    def __init__(
        self,
        input_shape: ShapeSpec,
        *,
        pooler: ROIPooler,
        in_features: list[str],
        fine_feature: str,
        fine_stride: int,
        fine_channels: int,
        train_points: int,
        oversample: float,
        important: float,
        subdivisions: int,
        points_per_subdivision: int,
        width: int,
        depth: int,
        **kwargs: Any,
    ):
        super().__init__(input_shape, **kwargs)
        self._coarse = [name for name, _ in self.named_children()]
        self.in_features, self.fine_feature, self.fine_stride = in_features, fine_feature, fine_stride
        self.train_points, self.oversample, self.important = train_points, oversample, important
        self.subdivisions, self.points_per_subdivision = subdivisions, points_per_subdivision
        self.pooler = pooler
        self.point_head = PointHead(fine_channels, kwargs["num_classes"], width, depth)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, Any]) -> dict[str, Any]:  # type: ignore[override]
        head = cfg.MODEL.ROI_MASK_HEAD
        if head.POOLER_TYPE:
            raise ValueError(
                'PointRefinedMaskHead pools by itself: set MODEL.ROI_MASK_HEAD.POOLER_TYPE "" '
                f"(it is {head.POOLER_TYPE!r})."
            )
        in_features = list(input_shape)
        channels = input_shape[in_features[0]].channels
        fine = min(in_features, key=lambda name: input_shape[name].stride)
        coarse = ShapeSpec(channels=channels, height=head.POOLER_RESOLUTION, width=head.POOLER_RESOLUTION)
        return {
            **super().from_config(cfg, coarse),
            "pooler": ROIPooler(
                output_size=head.POOLER_RESOLUTION,
                scales=tuple(1.0 / input_shape[name].stride for name in in_features),
                sampling_ratio=head.POOLER_SAMPLING_RATIO,
                pooler_type="ROIAlignV2",
            ),
            "in_features": in_features,
            "fine_feature": fine,
            "fine_stride": input_shape[fine].stride,
            "fine_channels": input_shape[fine].channels,
            "train_points": head.POINTS.TRAIN_POINTS,
            "oversample": head.POINTS.OVERSAMPLE,
            "important": head.POINTS.IMPORTANT,
            "subdivisions": head.POINTS.SUBDIVISIONS,
            "points_per_subdivision": head.POINTS.PER_SUBDIVISION,
            "width": head.POINTS.WIDTH,
            "depth": head.POINTS.DEPTH,
        }

    def forward(self, x: Features, instances: list[Instances]) -> Any:  # type: ignore[override]
        """
        Args:
            x: maps (N, C, H, W) by name.
            instances: for each image foreground proposals (training) or detections (testing), R in all.

        Returns:
            ``loss_mask`` and ``loss_mask_point`` in training; else ``instances`` with ``pred_masks`` (R_i, 1, S, S).
        """
        boxes = [(item.proposal_boxes if self.training else item.pred_boxes) for item in instances]
        coarse = self.layers(self.pooler([x[name] for name in self.in_features], boxes))
        if self.training:
            return {
                "loss_mask": mask_rcnn_loss(coarse, instances, self.vis_period) * self.loss_weight,
                "loss_mask_point": self._point_loss(x, coarse, boxes, instances) * self.loss_weight,
            }
        classes = cat([item.pred_classes for item in instances])
        mask_rcnn_inference(self._refined(x, coarse, boxes, classes), instances)
        return instances

    def layers(self, x: torch.Tensor) -> torch.Tensor:
        """Pooled features (R, C, S, S) -> coarse logits (R, K, 2 * S, 2 * S)."""
        for name in self._coarse:
            x = self.get_submodule(name)(x)
        return x

    def _fine(self, x: Features, boxes: list[Boxes], points: torch.Tensor) -> torch.Tensor:
        """The finest map at (R, P, 2) points -> (R, C, P)."""
        maps = x[self.fine_feature]
        # One image keeps its points whole: in a traced graph, lengths would be those of the example for ever.
        per_image = [points] if len(boxes) == 1 else points.split([len(of_image) for of_image in boxes])
        parts = [
            sample_map(maps[index], of_image.tensor, of_points, self.fine_stride)
            for index, (of_image, of_points) in enumerate(zip(boxes, per_image, strict=True))
        ]
        return torch.cat(parts)

    def _point_loss(
        self, x: Features, coarse: torch.Tensor, boxes: list[Boxes], instances: list[Instances]
    ) -> torch.Tensor:
        """Binary cross entropy of the true class at random points, the mean over points and regions."""
        if coarse.shape[0] == 0:
            return (coarse.sum() + sum(p.sum() for p in self.point_head.parameters())) * 0
        classes = cat([item.gt_classes for item in instances])
        points = training_points(_of_class(coarse, classes), self.train_points, self.oversample, self.important)
        logits = self.point_head(self._fine(x, boxes, points), sample_grids(coarse, points))  # (R, K, P)
        # As fine as the refined mask will be; cropping works for polygons and bitmasks alike.
        side = coarse.shape[-1] * 2**self.subdivisions
        truth = [
            item.gt_masks.crop_and_resize(item.proposal_boxes.tensor, side).to(coarse.device)
            for item in instances
            if len(item)
        ]
        labels = sample_grids(cat(truth).float().unsqueeze(1), points)[:, 0]  # (R, P), soft at borders
        return F.binary_cross_entropy_with_logits(_of_class(logits, classes)[:, 0].float(), labels)

    def _refined(self, x: Features, coarse: torch.Tensor, boxes: list[Boxes], classes: torch.Tensor) -> torch.Tensor:
        """
        Doubles the predicted classes' masks and looks again where they are uncertain (algorithm of section 3.1).

        Returns:
            (R, 1, S, S) logits.
        """
        masks = _of_class(coarse, classes)
        for _ in range(self.subdivisions):
            masks = F.interpolate(masks, scale_factor=2, mode="bilinear", align_corners=False)
            cells, points = uncertain_cells(masks, self.points_per_subdivision)
            logits = self.point_head(self._fine(x, boxes, points), sample_grids(coarse, points))
            values = _of_class(logits, classes)[:, 0].to(masks.dtype)  # (R, P)
            masks = masks.flatten(2).scatter(2, cells.unsqueeze(1), values.unsqueeze(1)).view_as(masks)
        return masks


def _of_class(values: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """(R, K, ...) at (R,) classes -> (R, 1, ...); one mask for all classes (K = 1) stays as it is."""
    if values.shape[1] == 1:
        return values
    return values[torch.arange(values.shape[0], device=values.device), classes].unsqueeze(1)
