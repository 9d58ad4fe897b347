"""
Classes and boxes of regions (Girshick, "Fast R-CNN", arXiv:1504.08083): predictor, losses, and the final selection.

Shapes: N images, R regions of all images, R_i of one image, K classes without the background, which is the last of
the K + 1 scores. Boxes are XYXY in absolute pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec, batched_nms, cat, cross_entropy
from detectron2.layers.wrappers import split_per_image
from detectron2.modeling.box_regression import Box2BoxTransform, box_regression_loss, check_box_reg_loss_type
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import get_event_storage
from torch import nn

__all__ = ["FastRCNNOutputLayers", "fast_rcnn_inference", "fast_rcnn_inference_single_image"]


def fast_rcnn_inference(
    boxes: list[torch.Tensor],
    scores: list[torch.Tensor],
    image_shapes: list[tuple[int, int]],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[list[Instances], list[torch.Tensor]]:
    """
    :func:`fast_rcnn_inference_single_image` for each image: a list of detections and one of kept region indices.
    """
    results = [
        fast_rcnn_inference_single_image(*per_image, score_thresh, nms_thresh, topk_per_image)
        for per_image in zip(boxes, scores, image_shapes, strict=True)
    ]
    return [instances for instances, _ in results], [regions for _, regions in results]


def fast_rcnn_inference_single_image(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    image_shape: tuple[int, int],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[Instances, torch.Tensor]:
    """
    The best boxes of one image, after non-maximum suppression within each class.

    Args:
        boxes: (R_i, K * 4), or (R_i, 4) where all classes share a box.
        scores: (R_i, K + 1) probabilities; one region may be found as several classes.
        image_shape: (height, width), to which boxes are clipped.
        score_thresh: detections must score more.
        nms_thresh: IoU above which the lower-scored of two boxes of a class is removed.
        topk_per_image: detections kept; below 0 all.

    Returns:
        Instances with ``pred_boxes``, ``scores``, ``pred_classes``, in descending order of score; and the (D,)
        region of each.
    """
    foreground = scores[:, :-1]  # (R_i, K)
    finite = boxes.isfinite().all(dim=1) & scores.isfinite().all(dim=1)
    regions, classes = ((foreground > score_thresh) & finite.unsqueeze(1)).nonzero().unbind(1)
    scores = foreground[regions, classes]
    shared = boxes.shape[1] == 4
    per_class = boxes.unflatten(1, (-1, 4))  # (R_i, K or 1, 4)
    candidates = Boxes(per_class[regions, torch.zeros_like(classes) if shared else classes])
    candidates.clip(image_shape)

    keep = batched_nms(candidates.tensor, scores, classes, nms_thresh)
    if topk_per_image >= 0:
        keep = keep[:topk_per_image]
    result = Instances(image_shape)
    result.pred_boxes = candidates[keep]
    result.scores = scores[keep]
    result.pred_classes = classes[keep]
    return result, regions[keep]


def _log_classification_stats(pred_logits: torch.Tensor, gt_classes: torch.Tensor, prefix: str = "fast_rcnn") -> None:
    """
    Puts accuracies into the event storage, as tensors, so that the host does not wait for the device.

    Args:
        pred_logits: (R, K + 1).
        gt_classes: (R,), K for background.
        prefix: scalars are named ``prefix/cls_accuracy``, ``prefix/fg_cls_accuracy``, ``prefix/false_negative``.
    """
    if gt_classes.numel() == 0:
        return
    background = pred_logits.shape[1] - 1
    predicted = pred_logits.argmax(dim=1)
    correct = predicted == gt_classes
    foreground = (gt_classes >= 0) & (gt_classes < background)
    storage = get_event_storage()
    storage.put_scalar(f"{prefix}/cls_accuracy", correct.float().mean())
    # Shares of nothing are not put. Where looking would make the host wait, they are 0: a batch without any object.
    num_foreground = foreground.sum()
    if num_foreground.device.type == "cpu" and num_foreground == 0:
        return
    num_foreground = num_foreground.clamp(min=1)
    missed = foreground & (predicted == background)
    storage.put_scalar(f"{prefix}/fg_cls_accuracy", (correct & foreground).sum() / num_foreground)
    storage.put_scalar(f"{prefix}/false_negative", missed.sum() / num_foreground)


class FastRCNNOutputLayers(nn.Module):
    """
    Two linear layers, to K + 1 class scores and to box deltas; their losses and inference.

    Args:
        input_shape: of the regions' features, or their count of channels.
        num_classes: K.
        test_score_thresh, test_nms_thresh, test_topk_per_image: see :func:`fast_rcnn_inference_single_image`.
        cls_agnostic_bbox_reg: one box for all classes instead of K.
        smooth_l1_beta, box_reg_loss_type: see ``box_regression_loss``.
        loss_weight: one factor, or one by name of the loss (``loss_cls``, ``loss_box_reg``).
        use_sigmoid_ce: K binary classifiers instead of one softmax.
        use_fed_loss: federated loss (arXiv:2104.05239, section 3.3): every step trains the classes present and a
            few drawn at random; needs ``use_sigmoid_ce``.
        get_fed_loss_cls_weights: called once, gives the (K,) weights of that draw.
        fed_loss_num_classes: classes trained each step.
    """

    fed_loss_cls_weights: torch.Tensor

    @configurable
    def __init__(
        self,
        input_shape: ShapeSpec,
        *,
        box2box_transform: Box2BoxTransform,
        num_classes: int,
        test_score_thresh: float = 0.0,
        test_nms_thresh: float = 0.5,
        test_topk_per_image: int = 100,
        cls_agnostic_bbox_reg: bool = False,
        smooth_l1_beta: float = 0.0,
        box_reg_loss_type: str = "smooth_l1",
        loss_weight: float | dict[str, float] = 1.0,
        use_fed_loss: bool = False,
        use_sigmoid_ce: bool = False,
        get_fed_loss_cls_weights: Callable[[], torch.Tensor] | None = None,
        fed_loss_num_classes: int = 50,
    ):
        super().__init__()
        if isinstance(input_shape, int):  # as older releases called it
            input_shape = ShapeSpec(channels=input_shape)
        channels: Any = input_shape.channels
        in_features = channels * (input_shape.width or 1) * (input_shape.height or 1)
        self.num_classes = num_classes
        self.cls_score = nn.Linear(in_features, num_classes + 1)
        num_boxes = 1 if cls_agnostic_bbox_reg else num_classes
        self.bbox_pred = nn.Linear(in_features, num_boxes * len(box2box_transform.weights))
        nn.init.normal_(self.cls_score.weight, std=0.01)  # section 2.3, "Initializing", of Fast R-CNN
        nn.init.normal_(self.bbox_pred.weight, std=0.001)
        nn.init.constant_(self.cls_score.bias, 0)
        nn.init.constant_(self.bbox_pred.bias, 0)

        self.box2box_transform = box2box_transform
        self.smooth_l1_beta = smooth_l1_beta
        self.test_score_thresh = test_score_thresh
        self.test_nms_thresh = test_nms_thresh
        self.test_topk_per_image = test_topk_per_image
        self.box_reg_loss_type = check_box_reg_loss_type(box_reg_loss_type)
        if not isinstance(loss_weight, dict):
            loss_weight = dict.fromkeys(("loss_cls", "loss_box_reg"), loss_weight)
        self.loss_weight = loss_weight
        self.use_fed_loss = use_fed_loss
        self.use_sigmoid_ce = use_sigmoid_ce
        self.fed_loss_num_classes = fed_loss_num_classes
        if use_fed_loss:
            if not use_sigmoid_ce or get_fed_loss_cls_weights is None:
                raise ValueError(
                    "The federated loss (MODEL.ROI_BOX_HEAD.USE_FED_LOSS) needs use_sigmoid_ce=True and "
                    "get_fed_loss_cls_weights, a function that gives the weight of each class, which no config key "
                    "names: pass it to FastRCNNOutputLayers in code."
                )
            # Follows from the dataset, hence not saved.
            self.register_buffer("fed_loss_cls_weights", get_fed_loss_cls_weights(), persistent=False)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        head = cfg.MODEL.ROI_BOX_HEAD
        return {
            "input_shape": input_shape,
            "box2box_transform": Box2BoxTransform(weights=head.BBOX_REG_WEIGHTS),
            "num_classes": cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            "test_score_thresh": cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST,
            "test_nms_thresh": cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST,
            "test_topk_per_image": cfg.TEST.DETECTIONS_PER_IMAGE,
            "cls_agnostic_bbox_reg": head.CLS_AGNOSTIC_BBOX_REG,
            "smooth_l1_beta": head.SMOOTH_L1_BETA,
            "box_reg_loss_type": head.BBOX_REG_LOSS_TYPE,
            "loss_weight": {"loss_box_reg": head.BBOX_REG_LOSS_WEIGHT},
            "use_fed_loss": head.USE_FED_LOSS,
            "use_sigmoid_ce": head.USE_SIGMOID_CE,
            "fed_loss_num_classes": head.FED_LOSS_NUM_CLASSES,
        }

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(R, ...) features -> scores (R, K + 1) and deltas (R, K * 4), or (R, 4) if all classes share a box."""
        if x.dim() > 2:
            x = x.flatten(1)
        return self.cls_score(x), self.bbox_pred(x)

    def losses(
        self, predictions: tuple[torch.Tensor, torch.Tensor], proposals: list[Instances]
    ) -> dict[str, torch.Tensor]:
        """
        Args:
            predictions: as from :meth:`forward`.
            proposals: for each image the sampled ones, with ``proposal_boxes``, ``gt_classes`` and, if the image
                has objects, ``gt_boxes``; R in all.

        Returns:
            ``loss_cls`` and ``loss_box_reg``.
        """
        scores, deltas = predictions
        if proposals:
            gt_classes = cat([p.gt_classes for p in proposals])
            proposal_boxes = cat([p.proposal_boxes.tensor for p in proposals])  # (R, 4)
            # An image without objects has background only, whose boxes are never looked at.
            gt_boxes = cat([(p.gt_boxes if p.has("gt_boxes") else p.proposal_boxes).tensor for p in proposals])
        else:
            gt_classes = torch.empty(0, dtype=torch.int64, device=scores.device)
            proposal_boxes = gt_boxes = torch.empty((0, 4), device=deltas.device)
        assert not proposal_boxes.requires_grad, "proposals must not carry a gradient"
        _log_classification_stats(scores, gt_classes)

        if self.use_sigmoid_ce:
            loss_cls = self.sigmoid_cross_entropy_loss(scores, gt_classes)
        else:
            loss_cls = cross_entropy(scores, gt_classes, reduction="mean")
        losses = {
            "loss_cls": loss_cls,
            "loss_box_reg": self.box_reg_loss(proposal_boxes, gt_boxes, deltas, gt_classes),
        }
        return {name: loss * self.loss_weight.get(name, 1.0) for name, loss in losses.items()}

    def get_fed_loss_classes(
        self, gt_classes: torch.Tensor, num_fed_loss_classes: int, num_classes: int, weight: torch.Tensor
    ) -> torch.Tensor:
        """
        The classes that this step trains: all present, and others drawn without repetition up to the count wanted.

        Args:
            gt_classes: (R,), ``num_classes`` for background, which is never drawn.
            weight: (num_classes,) of the draw.

        Returns:
            Distinct classes, those present first.
        """
        present = torch.unique(gt_classes)
        missing = num_fed_loss_classes - len(present)
        if missing <= 0:
            return present
        chances = F.pad(weight.float(), (0, 1)).to(present.device)  # (num_classes + 1,), 0 for background
        chances[present] = 0
        return torch.cat((present, torch.multinomial(chances, missing, replacement=False)))

    def sigmoid_cross_entropy_loss(self, pred_class_logits: torch.Tensor, gt_classes: torch.Tensor) -> torch.Tensor:
        """
        Binary cross entropies summed over the K classes (with the federated loss, the chosen ones), mean over regions.

        Args:
            pred_class_logits: (R, K + 1); the background's is not used.
            gt_classes: (R,), K for background.
        """
        num_regions, num_classes = pred_class_logits.shape[0], pred_class_logits.shape[1] - 1
        if num_regions == 0:
            return pred_class_logits.sum() * 0
        targets = F.one_hot(gt_classes, num_classes + 1)[:, :num_classes]
        logits = pred_class_logits[:, :num_classes]
        losses = F.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none")  # (R, K)
        if self.use_fed_loss:
            classes = self.get_fed_loss_classes(
                gt_classes, self.fed_loss_num_classes, num_classes, self.fed_loss_cls_weights
            )
            chosen = losses.new_zeros(num_classes + 1)
            chosen[classes] = 1
            losses = losses * chosen[:num_classes]
        return losses.sum() / num_regions

    def box_reg_loss(
        self,
        proposal_boxes: torch.Tensor,
        gt_boxes: torch.Tensor,
        pred_deltas: torch.Tensor,
        gt_classes: torch.Tensor,
    ) -> torch.Tensor:
        """
        The sum of the foreground's box losses divided by the count of all regions.

        Dividing by R rather than by the foreground gives every foreground region the same weight, whether it is
        one of few or of many in its batch.

        Args:
            proposal_boxes, gt_boxes: (R, 4).
            pred_deltas: (R, 4) or (R, K * 4); then those of the true class count.
            gt_classes: (R,), K for background.
        """
        foreground = (gt_classes >= 0) & (gt_classes < self.num_classes)
        deltas = _select_class(pred_deltas, gt_classes.clamp(0, self.num_classes - 1), proposal_boxes.shape[1])
        loss = box_regression_loss(
            proposal_boxes.unsqueeze(0),
            self.box2box_transform,
            deltas.unsqueeze(0),
            gt_boxes.unsqueeze(0),
            foreground.unsqueeze(0),
            self.box_reg_loss_type,
            self.smooth_l1_beta,
        )
        return loss / max(gt_classes.numel(), 1)

    def inference(
        self, predictions: tuple[torch.Tensor, torch.Tensor], proposals: list[Instances]
    ) -> tuple[list[Instances], list[torch.Tensor]]:
        """Detections of each image and the regions they came from, as :func:`fast_rcnn_inference` gives them."""
        return fast_rcnn_inference(
            self.predict_boxes(predictions, proposals),
            self.predict_probs(predictions, proposals),
            [p.image_size for p in proposals],
            self.test_score_thresh,
            self.test_nms_thresh,
            self.test_topk_per_image,
        )

    def predict_boxes_for_gt_classes(
        self, predictions: tuple[torch.Tensor, torch.Tensor], proposals: list[Instances]
    ) -> list[torch.Tensor]:
        """For each image (R_i, 4): the box predicted for the true class; any of them for background."""
        if not proposals:
            return []
        boxes = self._decode(predictions[1], proposals)
        gt_classes = cat([p.gt_classes for p in proposals]).clamp(0, self.num_classes - 1)
        box_dim = proposals[0].proposal_boxes.tensor.shape[1]
        return split_per_image(_select_class(boxes, gt_classes, box_dim), proposals)

    def predict_boxes(
        self, predictions: tuple[torch.Tensor, torch.Tensor], proposals: list[Instances]
    ) -> list[torch.Tensor]:
        """For each image (R_i, K * 4) boxes, or (R_i, 4) if all classes share one; not clipped."""
        if not proposals:
            return []
        return split_per_image(self._decode(predictions[1], proposals), proposals)

    def _decode(self, deltas: torch.Tensor, proposals: list[Instances]) -> torch.Tensor:
        proposal_boxes = cat([p.proposal_boxes.tensor for p in proposals])
        return self.box2box_transform.apply_deltas(deltas, proposal_boxes)

    def predict_probs(
        self, predictions: tuple[torch.Tensor, torch.Tensor], proposals: list[Instances]
    ) -> list[torch.Tensor]:
        """For each image (R_i, K + 1) float32 probabilities."""
        scores = predictions[0].float()
        probs = scores.sigmoid() if self.use_sigmoid_ce else scores.softmax(dim=-1)
        return split_per_image(probs, proposals)


def _select_class(values: torch.Tensor, classes: torch.Tensor, dim: int) -> torch.Tensor:
    """(R, K * dim) at (R,) classes -> (R, dim); (R, dim), shared by all classes, stays as it is."""
    if values.shape[1] == dim:
        return values
    return values.unflatten(1, (-1, dim))[torch.arange(values.shape[0], device=values.device), classes]
