"""
The two-stage detector from pixels to losses or detections (Mask R-CNN, arXiv:1703.06870).

Shapes: N images, C channels, H x W pixels of one image, padded to the batch's common size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling.backbone import Backbone, build_backbone
from detectron2.modeling.meta_arch.build import META_ARCH_REGISTRY
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.modeling.proposal_generator import build_proposal_generator
from detectron2.modeling.roi_heads import build_roi_heads
from detectron2.structures import ImageList, Instances
from detectron2.utils.events import get_event_storage
from torch import nn
from torchvision.utils import draw_bounding_boxes

__all__ = ["GeneralizedRCNN", "ProposalNetwork"]

Inputs = list[dict[str, Any]]


class _ImageModel(nn.Module):
    """What both models do with their input: normalise, pad, and collect what belongs to the images."""

    backbone: Backbone
    proposal_generator: Any
    roi_heads: Any
    pixel_mean: torch.Tensor
    pixel_std: torch.Tensor

    def _register_pixel_statistics(self, mean: Sequence[float], std: Sequence[float]) -> None:
        if len(mean) != len(std):
            raise ValueError(
                f"MODEL.PIXEL_MEAN and MODEL.PIXEL_STD must have one value a channel, but are {mean} and {std}."
            )
        # Part of the config rather than of what was learnt: not saved with the weights.
        self.register_buffer("pixel_mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the model lies; inputs are moved there."""
        return self.pixel_mean.device

    def preprocess_image(self, batched_inputs: Inputs) -> ImageList:
        """The inputs' ``image``, each (C, H, W), normalised and padded with zeros to one (N, C, H', W')."""
        images = []
        for x in batched_inputs:
            image = x["image"].to(self.device, non_blocking=True)
            if image.dim() != 3 or image.shape[0] != self.pixel_mean.shape[0]:
                raise ValueError(
                    f"An input image must have the shape ({self.pixel_mean.shape[0]}, H, W), but "
                    f"{x.get('file_name', 'the one given')} has {tuple(image.shape)}."
                )
            images.append((image - self.pixel_mean) / self.pixel_std)
        return ImageList.from_tensors(
            images, self.backbone.size_divisibility, padding_constraints=self.backbone.padding_constraints
        )

    def _ground_truth(self, batched_inputs: Inputs) -> list[Instances] | None:
        """Each input's ``instances`` on the model's device; None if the first has none."""
        if "instances" not in batched_inputs[0]:
            return None
        return [x["instances"].to(self.device) for x in batched_inputs]

    def _given_proposals(self, batched_inputs: Inputs) -> list[Instances]:
        if "proposals" not in batched_inputs[0]:
            raise ValueError("Without a proposal generator each input dict must have the key 'proposals'.")
        return [x["proposals"].to(self.device) for x in batched_inputs]


def _to_output_frame(
    instances: list[Instances], batched_inputs: Inputs, image_sizes: list[tuple[int, int]]
) -> list[Instances]:
    """Each image's instances at the size its input dict asks for, by default the input's own."""
    return [
        detector_postprocess(x, inputs.get("height", size[0]), inputs.get("width", size[1]))
        for x, inputs, size in zip(instances, batched_inputs, image_sizes, strict=True)
    ]


@META_ARCH_REGISTRY.register()
class GeneralizedRCNN(_ImageModel):
    """
    Backbone, proposal generator and per-region heads, one after the other.

    Args:
        proposal_generator: None where each input brings its ``proposals``.
        pixel_mean, pixel_std: one value a channel, in the order of ``input_format``.
        input_format: order of the channels ("BGR", "RGB"); needed with ``vis_period``.
        vis_period: every so many training steps a picture of proposals is put into the event storage; 0 never.
    """

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        proposal_generator: nn.Module | None,
        roi_heads: nn.Module,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        input_format: str | None = None,
        vis_period: int = 0,
    ):
        super().__init__()
        self.backbone = backbone
        self.proposal_generator = proposal_generator
        self.roi_heads = roi_heads
        self.input_format = input_format
        self.vis_period = vis_period
        if vis_period > 0 and input_format is None:
            raise ValueError("vis_period needs input_format, the order of the channels (INPUT.FORMAT).")
        self._register_pixel_statistics(pixel_mean, pixel_std)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        backbone = build_backbone(cfg)
        return {
            "backbone": backbone,
            "proposal_generator": build_proposal_generator(cfg, backbone.output_shape()),
            "roi_heads": build_roi_heads(cfg, backbone.output_shape()),
            "input_format": cfg.INPUT.FORMAT,
            "vis_period": cfg.VIS_PERIOD,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }

    def forward(self, batched_inputs: Inputs) -> Any:
        """
        Args:
            batched_inputs: one dict an image, with the keys
                ``image``: (C, H, W), uint8 or float, in ``input_format``;
                ``instances``: its ground truth, in training;
                ``proposals``: where there is no proposal generator;
                ``height``, ``width``: the size wanted for the output; by default the input's.

        Returns:
            In training the losses by name; in testing for each image ``{"instances": Instances}`` with
            ``pred_boxes``, ``scores``, ``pred_classes`` and, with a mask head, ``pred_masks`` (R, height, width).
        """
        if not self.training:
            return self.inference(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        gt_instances = self._ground_truth(batched_inputs)
        features = self.backbone(images.tensor)
        if self.proposal_generator is not None:
            proposals, proposal_losses = self.proposal_generator(images, features, gt_instances)
        else:
            proposals, proposal_losses = self._given_proposals(batched_inputs), {}
        _, detector_losses = self.roi_heads(images, features, proposals, gt_instances)
        if self.vis_period > 0 and get_event_storage().iter % self.vis_period == 0:
            self.visualize_training(batched_inputs, proposals)
        return {**detector_losses, **proposal_losses}

    def inference(
        self,
        batched_inputs: Inputs,
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> Any:
        """
        Args:
            batched_inputs: as for :meth:`forward`.
            detected_instances: for each image Instances with ``pred_boxes`` and ``pred_classes`` in the input's
                frame; then these are not searched for, and only masks are added.
            do_postprocess: bring the results to the size wanted.

        Returns:
            As :meth:`forward`; without ``do_postprocess`` a list of Instances in the input's frame, whose
            ``pred_masks`` are (R, 1, m, m) in each box.
        """
        assert not self.training, "inference is for testing: call model.eval() first"
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        if detected_instances is not None:
            detected_instances = [x.to(self.device) for x in detected_instances]
            results = self.roi_heads.forward_with_given_boxes(features, detected_instances)
        else:
            if self.proposal_generator is not None:
                proposals, _ = self.proposal_generator(images, features, None)
            else:
                proposals = self._given_proposals(batched_inputs)
            results, _ = self.roi_heads(images, features, proposals, None)
        if not do_postprocess:
            return results
        return self._postprocess(results, batched_inputs, images.image_sizes)

    @staticmethod
    def _postprocess(
        instances: list[Instances], batched_inputs: Inputs, image_sizes: list[tuple[int, int]]
    ) -> list[dict[str, Instances]]:
        return [{"instances": x} for x in _to_output_frame(instances, batched_inputs, image_sizes)]

    @torch.no_grad()
    def visualize_training(self, batched_inputs: Inputs, proposals: list[Instances]) -> None:
        """Puts the first image into the event storage twice: with its ground truth, and with its best proposals."""
        max_boxes = 20  # more would hide the image
        image = batched_inputs[0]["image"].detach().cpu()
        if self.input_format == "BGR":
            image = image.flip(0)
        image = image.clamp(0, 255).to(torch.uint8)
        pictures = []
        for boxes in (batched_inputs[0]["instances"].gt_boxes, proposals[0].proposal_boxes[:max_boxes]):
            corners = boxes.tensor.detach().cpu()
            pictures.append(draw_bounding_boxes(image, corners, width=2) if len(corners) else image)
        get_event_storage().put_image(
            "Left: GT bounding boxes;  Right: Predicted proposals", torch.cat(pictures, dim=2)
        )


@META_ARCH_REGISTRY.register()
class ProposalNetwork(_ImageModel):
    """Backbone and proposal generator alone: an RPN on its own."""

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        proposal_generator: nn.Module,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ):
        super().__init__()
        self.backbone = backbone
        self.proposal_generator = proposal_generator
        self._register_pixel_statistics(pixel_mean, pixel_std)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        backbone = build_backbone(cfg)
        return {
            "backbone": backbone,
            "proposal_generator": build_proposal_generator(cfg, backbone.output_shape()),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }

    def forward(self, batched_inputs: Inputs) -> Any:
        """
        Args:
            batched_inputs: as for :class:`GeneralizedRCNN`.

        Returns:
            In training the losses by name; in testing for each image ``{"proposals": Instances}`` with
            ``proposal_boxes`` and ``objectness_logits``.
        """
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        proposals, losses = self.proposal_generator(images, features, self._ground_truth(batched_inputs))
        if self.training:
            return losses
        return [{"proposals": x} for x in _to_output_frame(proposals, batched_inputs, images.image_sizes)]
