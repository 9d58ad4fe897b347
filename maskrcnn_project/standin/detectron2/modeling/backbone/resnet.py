"""
Residual networks (He et al., "Deep Residual Learning", arXiv:1512.03385) and ResNeXt (arXiv:1611.05431).

Shapes: N images, C channels, H x W pixels; a stage ``res{k}`` has stride 2^k with k = 2..5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import fvcore.nn.weight_init as weight_init
import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import CNNBlockBase, Conv2d, ShapeSpec, get_norm
from detectron2.modeling.backbone.backbone import Backbone
from detectron2.modeling.backbone.build import BACKBONE_REGISTRY
from detectron2.utils._refused import refuse
from torch import nn

__all__ = [
    "BasicBlock",
    "BasicStem",
    "BottleneckBlock",
    "ResNet",
    "ResNetBlockBase",
    "build_resnet_backbone",
    "make_stage",
]

ResNetBlockBase = CNNBlockBase  # the name of older releases

# Blocks in res2..res5, table 1 of the ResNet paper.
BLOCKS_PER_STAGE = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
FIRST_BOTTLENECK_DEPTH = 50  # shallower networks are built of two 3x3 convolutions per block, without a bottleneck


def _conv_norm(in_channels: int, out_channels: int, kernel: int, norm: Any, **kwargs: Any) -> Conv2d:
    """A convolution without bias (the normalisation has one), He initialised, that keeps the size at stride 1."""
    padding = kwargs.get("dilation", 1) * (kernel // 2)
    conv = Conv2d(
        in_channels,
        out_channels,
        kernel_size=kernel,
        padding=padding,
        bias=False,
        norm=get_norm(norm, out_channels),
        **kwargs,
    )
    weight_init.c2_msra_fill(conv)
    return conv


def _projection(in_channels: int, out_channels: int, stride: int, norm: Any) -> Conv2d | None:
    """The 1x1 convolution on the skip path where channels change (option B of the paper), else None: identity."""
    if in_channels == out_channels:
        return None
    return _conv_norm(in_channels, out_channels, 1, norm, stride=stride)


class BasicBlock(CNNBlockBase):
    """Two 3x3 convolutions and a skip path: the block of ResNet-18 and -34."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, norm: Any = "BN"):
        super().__init__(in_channels, out_channels, stride)
        self.shortcut = _projection(in_channels, out_channels, stride, norm)
        self.conv1 = _conv_norm(in_channels, out_channels, 3, norm, stride=stride)
        self.conv2 = _conv_norm(out_channels, out_channels, 3, norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C_in, H, W) -> (N, C_out, H / stride, W / stride)."""
        residual = self.conv2(F.relu_(self.conv1(x)))
        skip = x if self.shortcut is None else self.shortcut(x)
        return F.relu_(residual + skip)


class BottleneckBlock(CNNBlockBase):
    """
    1x1, 3x3, 1x1 convolutions and a skip path: the block of ResNet-50 and deeper, and of ResNeXt.

    Args:
        bottleneck_channels: channels of the 3x3 convolution.
        num_groups: its groups (more than one: ResNeXt).
        stride_in_1x1: the stride lies in the first 1x1 convolution (as in the paper and the MSRA weights) and not
            in the 3x3 one (as in torchvision's weights).
        dilation: of the 3x3 convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bottleneck_channels: int,
        stride: int = 1,
        num_groups: int = 1,
        norm: Any = "BN",
        stride_in_1x1: bool = False,
        dilation: int = 1,
    ):
        super().__init__(in_channels, out_channels, stride)
        stride_1x1, stride_3x3 = (stride, 1) if stride_in_1x1 else (1, stride)
        self.shortcut = _projection(in_channels, out_channels, stride, norm)
        self.conv1 = _conv_norm(in_channels, bottleneck_channels, 1, norm, stride=stride_1x1)
        self.conv2 = _conv_norm(
            bottleneck_channels,
            bottleneck_channels,
            3,
            norm,
            stride=stride_3x3,
            groups=num_groups,
            dilation=dilation,
        )
        self.conv3 = _conv_norm(bottleneck_channels, out_channels, 1, norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C_in, H, W) -> (N, C_out, H / stride, W / stride)."""
        residual = F.relu_(self.conv1(x))
        residual = F.relu_(self.conv2(residual))
        residual = self.conv3(residual)
        skip = x if self.shortcut is None else self.shortcut(x)
        return F.relu_(residual + skip)


class BasicStem(CNNBlockBase):
    """The first 7x7 convolution of stride 2 and the 3x3 max pooling of stride 2: stride 4 in all."""

    def __init__(self, in_channels: int = 3, out_channels: int = 64, norm: Any = "BN"):
        super().__init__(in_channels, out_channels, 4)
        self.in_channels = in_channels
        self.conv1 = _conv_norm(in_channels, out_channels, 7, norm, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C_in, H, W) -> (N, C_out, H / 4, W / 4)."""
        return F.max_pool2d(F.relu_(self.conv1(x)), kernel_size=3, stride=2, padding=1)


class ResNet(Backbone):
    """
    A stem and stages ``res2``, ``res3``, ...; with ``num_classes`` also a classifier ``linear``.

    Args:
        stem: a CNNBlockBase.
        stages: one list of CNNBlockBase for each stage.
        num_classes: adds global average pooling and a linear layer named ``linear``.
        out_features: names to return out of ``stem``, ``res2``, ..., ``linear``; by default the last one.
            Stages that none of them needs are not built into the network.
        freeze_at: see :meth:`freeze`.
    """

    def __init__(
        self,
        stem: CNNBlockBase,
        stages: Sequence[Sequence[CNNBlockBase]],
        num_classes: int | None = None,
        out_features: Sequence[str] | None = None,
        freeze_at: int = 0,
    ):
        super().__init__()
        self.stem = stem
        self.num_classes = num_classes
        self.stage_names, self.stages = [], []
        stage_numbers = {f"res{i}": i for i in range(2, 2 + len(stages))}
        if out_features is not None and not set(out_features) - {"stem", *stage_numbers}:
            deepest = max([1] + [stage_numbers[f] for f in out_features if f != "stem"])
            stages = stages[: deepest - 1]

        self._out_feature_strides = {"stem": stem.stride}
        self._out_feature_channels = {"stem": stem.out_channels}
        stride, channels = stem.stride, stem.out_channels
        for name, blocks in zip(stage_numbers, stages, strict=False):
            if not blocks or not all(isinstance(block, CNNBlockBase) for block in blocks):
                raise TypeError(f"Stage {name} of a ResNet must be a list of CNNBlockBase, but is {blocks!r}.")
            stage = nn.Sequential(*blocks)
            self.add_module(name, stage)
            self.stage_names.append(name)
            self.stages.append(stage)
            for block in blocks:
                stride *= block.stride
            channels = blocks[-1].out_channels
            self._out_feature_strides[name], self._out_feature_channels[name] = stride, channels
        last = self.stage_names[-1] if self.stage_names else "stem"

        if num_classes is not None:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.linear = nn.Linear(channels, num_classes)
            nn.init.normal_(self.linear.weight, std=0.01)  # section 5.1 of arXiv:1706.02677
            last = "linear"
        self._out_features = [last] if out_features is None else list(out_features)
        known = set(dict(self.named_children()))
        if not self._out_features or set(self._out_features) - known:
            raise ValueError(
                f"out_features of a ResNet must be some of {', '.join(sorted(known))}, but are {out_features}."
            )
        self.freeze(freeze_at)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """(N, C, H, W) -> name -> (N, C_f, H / stride_f, W / stride_f); ``linear`` is (N, num_classes)."""
        if x.dim() != 4:
            raise ValueError(f"A ResNet takes images of shape (N, C, H, W), but got {tuple(x.shape)}.")
        outputs = {}
        x = self.stem(x)
        if "stem" in self._out_features:
            outputs["stem"] = x
        for name, stage in zip(self.stage_names, self.stages, strict=True):
            x = stage(x)
            if name in self._out_features:
                outputs[name] = x
        if self.num_classes is not None and "linear" in self._out_features:
            outputs["linear"] = self.linear(self.avgpool(x).flatten(1))
        return outputs

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride of each map; ``linear`` has ``num_classes`` channels and no stride."""
        channels: dict[str, int | None] = {**self._out_feature_channels, "linear": self.num_classes}
        return {
            name: ShapeSpec(channels=channels[name], stride=self._out_feature_strides.get(name))
            for name in self._out_features
        }

    def freeze(self, freeze_at: int = 0) -> ResNet:
        """
        Stops training of the first parts: 1 freezes the stem, 2 also res2, and so on; 0 freezes nothing.

        Their parameters get ``requires_grad=False`` and their batch norms become frozen ones. Returns self.
        """
        if freeze_at >= 1:
            self.stem.freeze()
        for number, stage in enumerate(self.stages, start=2):
            if freeze_at >= number:
                for block in cast(Iterator[CNNBlockBase], stage.children()):
                    block.freeze()
        return self

    @staticmethod
    def make_stage(
        block_class: type[CNNBlockBase],
        num_blocks: int,
        *,
        in_channels: int,
        out_channels: int,
        **kwargs: Any,
    ) -> list[CNNBlockBase]:
        """
        The blocks of one stage: the first takes ``in_channels``, all the others ``out_channels``.

        Args:
            kwargs: passed to every block; an argument named ``X_per_block`` is a list, whose i-th value is passed
                to the i-th block as ``X``.

        Raises:
            ValueError: an ``X_per_block`` does not have one value per block, or comes beside a plain ``X``.
        """
        suffix = "_per_block"
        per_block = {k.removesuffix(suffix): v for k, v in kwargs.items() if k.endswith(suffix)}
        shared = {k: v for k, v in kwargs.items() if not k.endswith(suffix)}
        for name, values in per_block.items():
            if len(values) != num_blocks or name in shared:
                raise ValueError(
                    f"{name}{suffix} must hold one value for each of the {num_blocks} blocks and replace "
                    f"{name}, but is {values}" + (f" beside {name}={shared[name]}." if name in shared else ".")
                )
        return [
            block_class(
                in_channels=in_channels if i == 0 else out_channels,
                out_channels=out_channels,
                **shared,
                **{name: values[i] for name, values in per_block.items()},
            )
            for i in range(num_blocks)
        ]

    @staticmethod
    def make_default_stages(
        depth: int, block_class: type[CNNBlockBase] | None = None, **kwargs: Any
    ) -> list[list[CNNBlockBase]]:
        """
        The four stages of table 1 of the ResNet paper.

        Args:
            depth: 18, 34, 50, 101 or 152.
            block_class: by default the paper's for that depth.
            kwargs: passed to every block, but for stride and channels.
        """
        if depth not in BLOCKS_PER_STAGE:
            raise ValueError(f"A ResNet's depth must be one of {sorted(BLOCKS_PER_STAGE)}, but is {depth}.")
        bottleneck = depth >= FIRST_BOTTLENECK_DEPTH
        if block_class is None:
            block_class = BottleneckBlock if bottleneck else BasicBlock
        stages, in_channels = [], 64
        for i, num_blocks in enumerate(BLOCKS_PER_STAGE[depth]):
            width = 64 * 2**i
            out_channels = 4 * width if bottleneck else width
            if issubclass(block_class, BottleneckBlock):
                kwargs["bottleneck_channels"] = width
            first_stride = 1 if i == 0 else 2  # the stem has pooled already
            stages.append(
                ResNet.make_stage(
                    block_class,
                    num_blocks,
                    in_channels=in_channels,
                    out_channels=out_channels,
                    stride_per_block=[first_stride] + [1] * (num_blocks - 1),
                    **kwargs,
                )
            )
            in_channels = out_channels
        return stages


def make_stage(*args: Any, **kwargs: Any) -> list[CNNBlockBase]:
    """:meth:`ResNet.make_stage` under the name of older releases."""
    return ResNet.make_stage(*args, **kwargs)


def build_res5_stage(cfg: CfgNode) -> tuple[nn.Sequential, int]:
    """The last stage of the ResNet that MODEL.RESNETS describes, to be run on regions, and its channels."""
    nets = cfg.MODEL.RESNETS
    if any(nets.DEFORM_ON_PER_STAGE):
        raise ValueError("MODEL.RESNETS.DEFORM_ON_PER_STAGE must be off: it needs the real Detectron2.")
    widening = 2**3  # res5 lies three stages behind res2, and each doubles
    out_channels = nets.RES2_OUT_CHANNELS * widening
    blocks = ResNet.make_stage(
        BottleneckBlock,
        3,
        stride_per_block=[2, 1, 1],
        in_channels=out_channels // 2,
        out_channels=out_channels,
        bottleneck_channels=nets.NUM_GROUPS * nets.WIDTH_PER_GROUP * widening,
        num_groups=nets.NUM_GROUPS,
        norm=nets.NORM,
        stride_in_1x1=nets.STRIDE_IN_1X1,
    )
    return nn.Sequential(*blocks), out_channels


def _check_basic_block_config(depth: int, nets: CfgNode) -> None:
    """Two-convolution blocks have no groups, no dilation and no fourfold widening."""
    wanted = {"RES2_OUT_CHANNELS": 64, "RES5_DILATION": 1, "NUM_GROUPS": 1}
    for key, value in wanted.items():
        if nets[key] != value:
            raise ValueError(
                f"MODEL.RESNETS.{key} must be {value} with MODEL.RESNETS.DEPTH={depth}, but is {nets[key]}."
            )


@BACKBONE_REGISTRY.register()
def build_resnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNet:
    """A ResNet of MODEL.RESNETS.*, frozen up to MODEL.BACKBONE.FREEZE_AT, only as deep as its outputs need."""
    nets = cfg.MODEL.RESNETS
    depth, norm = nets.DEPTH, nets.NORM
    if depth not in BLOCKS_PER_STAGE:
        raise ValueError(f"MODEL.RESNETS.DEPTH must be one of {sorted(BLOCKS_PER_STAGE)}, but is {depth}.")
    if nets.RES5_DILATION not in (1, 2):
        raise ValueError(f"MODEL.RESNETS.RES5_DILATION must be 1 or 2, but is {nets.RES5_DILATION}.")
    bottleneck = depth >= FIRST_BOTTLENECK_DEPTH
    if not bottleneck:
        _check_basic_block_config(depth, nets)

    numbers = {"stem": 1, "res2": 2, "res3": 3, "res4": 4, "res5": 5}
    unknown = [name for name in nets.OUT_FEATURES if name not in numbers]
    if unknown or not nets.OUT_FEATURES:
        raise ValueError(
            f"MODEL.RESNETS.OUT_FEATURES must be some of {', '.join(numbers)}, but is {nets.OUT_FEATURES}."
        )
    deepest = max(numbers[name] for name in nets.OUT_FEATURES)

    stages = []
    in_channels, out_channels = nets.STEM_OUT_CHANNELS, nets.RES2_OUT_CHANNELS
    bottleneck_channels = nets.NUM_GROUPS * nets.WIDTH_PER_GROUP
    for number, num_blocks in zip(range(2, deepest + 1), BLOCKS_PER_STAGE[depth], strict=False):
        dilation = nets.RES5_DILATION if number == 5 else 1
        first_stride = 1 if number == 2 or dilation == 2 else 2  # dilation stands in for the stride ("DC5")
        kwargs: dict[str, Any] = {"stride_per_block": [first_stride] + [1] * (num_blocks - 1), "norm": norm}
        if bottleneck:
            kwargs.update(
                bottleneck_channels=bottleneck_channels,
                stride_in_1x1=nets.STRIDE_IN_1X1,
                dilation=dilation,
                num_groups=nets.NUM_GROUPS,
            )
        block_class = BottleneckBlock if bottleneck else BasicBlock
        stages.append(
            ResNet.make_stage(block_class, num_blocks, in_channels=in_channels, out_channels=out_channels, **kwargs)
        )
        in_channels, out_channels, bottleneck_channels = out_channels, 2 * out_channels, 2 * bottleneck_channels
    stem = BasicStem(in_channels=cast(int, input_shape.channels), out_channels=nets.STEM_OUT_CHANNELS, norm=norm)
    return ResNet(stem, stages, out_features=nets.OUT_FEATURES, freeze_at=cfg.MODEL.BACKBONE.FREEZE_AT)


__getattr__ = refuse(__name__, {"DeformBottleneckBlock": "deformable convolutions"})
