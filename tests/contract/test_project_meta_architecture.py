"""A project with its own whole model: one from nothing, one that extends the two-stage detector, and an RPN alone."""

import torch
import torch.nn.functional as F
from detectron2.config import configurable
from detectron2.layers import batched_nms
from detectron2.modeling import (
    META_ARCH_REGISTRY,
    GeneralizedRCNN,
    build_backbone,
    build_model,
    detector_postprocess,
)
from detectron2.structures import Boxes, ImageList, Instances
from torch import nn

from tests.contract.tiny import CLASSES, detect, tiny_batch, tiny_cfg, train_step

LEVEL = "p3"  # stride 8


@META_ARCH_REGISTRY.register()
class CentreDetector(nn.Module):
    """Every cell that holds an object's centre is that object: class scores and the four distances to its sides."""

    def __init__(self, cfg):
        super().__init__()
        self.backbone = build_backbone(cfg)
        shape = self.backbone.output_shape()[LEVEL]
        self.stride, self.num_classes = shape.stride, cfg.MODEL.ROI_HEADS.NUM_CLASSES
        self.scores = nn.Conv2d(shape.channels, self.num_classes, 1)
        self.sides = nn.Conv2d(shape.channels, 4, 1)
        self.register_buffer("pixel_mean", torch.tensor(cfg.MODEL.PIXEL_MEAN).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(cfg.MODEL.PIXEL_STD).view(-1, 1, 1), False)

    @property
    def device(self):
        return self.pixel_mean.device

    def forward(self, batched_inputs):
        images = [(x["image"].to(self.device) - self.pixel_mean) / self.pixel_std for x in batched_inputs]
        images = ImageList.from_tensors(images, self.backbone.size_divisibility)
        feature = self.backbone(images.tensor)[LEVEL]
        scores, sides = self.scores(feature), self.sides(feature).exp().clamp(max=64)  # (N, K, H, W), (N, 4, H, W)
        if self.training:
            return self.losses(scores, sides, [x["instances"].to(self.device) for x in batched_inputs])
        results = [self.decode(*x) for x in zip(scores, sides, images.image_sizes, strict=True)]
        return [
            {"instances": detector_postprocess(found, x.get("height", size[0]), x.get("width", size[1]))}
            for found, x, size in zip(results, batched_inputs, images.image_sizes, strict=True)
        ]

    def losses(self, scores, sides, targets):
        heat, loss_sides = torch.zeros_like(scores), sides.sum() * 0
        for i, x in enumerate(targets):
            cells = (x.gt_boxes.get_centers() / self.stride).long()  # (G, 2) column, row
            heat[i, x.gt_classes, cells[:, 1], cells[:, 0]] = 1
            centers = (cells + 0.5) * self.stride
            wanted = torch.cat([centers - x.gt_boxes.tensor[:, :2], x.gt_boxes.tensor[:, 2:] - centers], dim=1)
            loss_sides = loss_sides + F.l1_loss(sides[i, :, cells[:, 1], cells[:, 0]].T, wanted)
        return {"loss_heat": F.binary_cross_entropy_with_logits(scores, heat), "loss_sides": loss_sides / 64}

    def decode(self, scores, sides, image_size):
        best, where = scores.sigmoid().flatten().topk(10)
        height, width = scores.shape[1:]
        classes, cells = where // (height * width), where % (height * width)
        centers = torch.stack([cells % width, cells // width], dim=1).add(0.5) * self.stride
        distances = sides.flatten(1)[:, cells].T  # (10, 4)
        boxes = Boxes(torch.cat([centers - distances[:, :2], centers + distances[:, 2:]], dim=1))
        boxes.clip(image_size)
        keep = batched_nms(boxes.tensor, best, classes, 0.5)
        return Instances(image_size, pred_boxes=boxes[keep], scores=best[keep], pred_classes=classes[keep])


def test_a_model_from_nothing():
    cfg = tiny_cfg()
    cfg.MODEL.META_ARCHITECTURE = "CentreDetector"
    model = build_model(cfg)
    assert isinstance(model, CentreDetector)
    assert not any(key.startswith("pixel_") for key in model.state_dict())
    assert train_step(cfg, model).keys() == {"loss_heat", "loss_sides"}
    for found in detect(model):
        assert 0 < len(found) <= 10
        assert set(found.pred_classes.tolist()) <= set(range(len(CLASSES)))


@META_ARCH_REGISTRY.register()
class SceneRCNN(GeneralizedRCNN):
    """The two-stage detector, which also tells what kind of scene the whole picture shows."""

    @configurable
    def __init__(self, *, num_scenes, scene_channels, **kwargs):
        super().__init__(**kwargs)
        self.scene = nn.Linear(scene_channels, num_scenes)

    @classmethod
    def from_config(cls, cfg):
        arguments = super().from_config(cfg)
        arguments["scene_channels"] = arguments["backbone"].output_shape()["p5"].channels
        arguments["num_scenes"] = cfg.MODEL.NUM_SCENES
        return arguments

    def forward(self, batched_inputs, branch="all"):
        if not self.training:
            return self.inference(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        truth = [x["instances"].to(self.device) for x in batched_inputs]
        scenes = torch.tensor([x["scene"] for x in batched_inputs], device=self.device)
        losses = {"loss_scene": F.cross_entropy(self.scene(features["p5"].mean(dim=(2, 3))), scenes)}
        if branch == "scene":
            return losses
        proposals, proposal_losses = self.proposal_generator(images, features, truth)
        _, detector_losses = self.roi_heads(images, features, proposals, truth)
        return {**losses, **proposal_losses, **detector_losses}

    def inference(self, batched_inputs, detected_instances=None, do_postprocess=True):
        results = super().inference(batched_inputs, detected_instances, do_postprocess)
        features = self.backbone(self.preprocess_image(batched_inputs).tensor)
        for result, logits in zip(results, self.scene(features["p5"].mean(dim=(2, 3))), strict=True):
            result["scene"] = int(logits.argmax())
        return results


def test_the_two_stage_detector_extended():
    cfg = tiny_cfg()
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.NUM_SCENES = "SceneRCNN", 3
    model = build_model(cfg)
    batch = [{**x, "scene": i} for i, x in enumerate(tiny_batch())]
    names = {"loss_scene", "loss_cls", "loss_box_reg", "loss_mask", "loss_rpn_cls", "loss_rpn_loc"}
    assert train_step(cfg, model, batch).keys() == names
    assert model(batch, branch="scene").keys() == {"loss_scene"}
    detect(model, batch)
    with torch.no_grad():
        assert all(output["scene"] in range(3) for output in model(batch))


def test_built_from_parts_without_cfg():
    parts = build_model(tiny_cfg())
    model = GeneralizedRCNN(
        backbone=parts.backbone,
        proposal_generator=parts.proposal_generator,
        roi_heads=parts.roi_heads,
        pixel_mean=[0.0, 0.0, 0.0],
        pixel_std=[1.0, 1.0, 1.0],
        input_format="RGB",
    )
    assert model.device.type == "cpu"
    images = model.preprocess_image(tiny_batch())
    assert images.image_sizes == [(64, 80), (80, 64)]
    assert images.tensor.shape == (2, 3, 96, 96)  # padded to multiples of 32
    assert torch.equal(images[0], tiny_batch()[0]["image"].float())
    detect(model)


def test_an_rpn_alone():
    cfg = tiny_cfg()
    cfg.MODEL.META_ARCHITECTURE = "ProposalNetwork"
    model = build_model(cfg)
    assert train_step(cfg, model).keys() == {"loss_rpn_cls", "loss_rpn_loc"}
    model.eval()
    with torch.no_grad():
        outputs = model(tiny_batch())
    for x, output in zip(tiny_batch(), outputs, strict=True):
        proposals = output["proposals"]
        assert proposals.image_size == (x["height"], x["width"])
        assert 0 < len(proposals) <= cfg.MODEL.RPN.POST_NMS_TOPK_TEST
        assert (proposals.objectness_logits.diff() <= 0).all()
