"""
Normalisation layers, and ``get_norm``, which finds one by its config name.

Shapes: N images, C channels, H x W cells; all inputs are (N, C, H, W).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.layers.wrappers import BatchNorm2d
from detectron2.utils._refused import refuse
from torch import nn

GROUPS_OF_GN = 32  # Wu & He, "Group Normalization", section 3: the default number of groups


class FrozenBatchNorm2d(nn.Module):
    """
    Batch norm whose statistics and affine terms are constants: y = (x - mean) / sqrt(var + eps) * weight +
    bias.

    All four are buffers of length C, under the keys of ``torch.nn.BatchNorm2d``, so weights load either way.
    The usual choice for detection, where a batch holds too few images for statistics of its own.
    """

    # Version 2 added the statistics, version 3 began to add eps to the variance; see _load_from_state_dict.
    _version = 3

    weight: torch.Tensor
    bias: torch.Tensor
    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor | None

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.register_buffer("weight", torch.ones(num_features))
        self.register_buffer("bias", torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features) - eps)  # a fresh layer is the identity
        self.register_buffer("num_batches_tracked", None)  # set only by conversion from a BatchNorm2d

    def scale_and_shift(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The layer as y = x * scale + shift: two (C,) tensors of the buffers' dtype."""
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale  # rounded as Detectron2 rounds, so that runs stay together

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape and dtype."""
        if not x.requires_grad:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        # F.batch_norm would keep x for a gradient of the statistics that nobody asks for; one multiply-add
        # does not.
        scale, shift = (term.to(x.dtype).reshape(1, -1, 1, 1) for term in self.scale_and_shift())
        if x.device.type == "cpu" and x.is_contiguous():
            return (x * scale).add_(shift)  # the CPU's addcmul is not vectorised where two operands are broadcast
        return torch.addcmul(shift, x, scale)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        version = local_metadata.get("version")
        if version is None or version < 2:  # the statistics were folded into weight and bias then
            state_dict.setdefault(prefix + "running_mean", torch.zeros_like(self.running_mean))
            state_dict.setdefault(prefix + "running_var", torch.ones_like(self.running_var) - self.eps)
        elif version < 3 and prefix + "running_var" in state_dict:  # the variance was used without eps then
            state_dict[prefix + "running_var"] = state_dict[prefix + "running_var"] - self.eps
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args, **kwargs)

    def __repr__(self) -> str:
        return f"FrozenBatchNorm2d(num_features={self.num_features}, eps={self.eps})"

    @classmethod
    def convert_frozen_batchnorm(cls, module: nn.Module) -> nn.Module:
        """``module`` with each BatchNorm2d and SyncBatchNorm in it replaced by an equal frozen one."""

        def freeze(norm: nn.Module) -> nn.Module:
            return _copy_statistics(norm, cls(norm.num_features, norm.eps))  # type: ignore[arg-type]

        return _replace_modules(module, (nn.BatchNorm2d, nn.SyncBatchNorm), freeze)

    @classmethod
    def convert_frozenbatchnorm2d_to_batchnorm2d(cls, module: nn.Module) -> nn.Module:
        """The way back: every frozen norm inside ``module`` becomes a trainable ``torch.nn.BatchNorm2d``."""

        def thaw(norm: nn.Module) -> nn.Module:
            return _copy_statistics(norm, nn.BatchNorm2d(norm.num_features, norm.eps))  # type: ignore[arg-type]

        return _replace_modules(module, (FrozenBatchNorm2d,), thaw)


def _copy_statistics(source: nn.Module, target: nn.Module) -> nn.Module:
    """``target`` with the numbers, device, dtype and mode of the batch norm ``source``."""
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        value = getattr(source, name, None)
        if value is None:  # affine=False or track_running_stats=False: the target's own initial value stands
            continue
        old = getattr(target, name)
        if isinstance(old, nn.Parameter):
            old.data = value.detach().clone()
        else:
            setattr(target, name, value.detach().clone())
    return target.train(source.training)


def _replace_modules(
    module: nn.Module, kinds: tuple[type[nn.Module], ...], make: Callable[[nn.Module], nn.Module]
) -> nn.Module:
    if isinstance(module, kinds):
        return make(module)
    for name, child in module.named_children():
        replaced = _replace_modules(child, kinds, make)
        if replaced is not child:
            setattr(module, name, replaced)
    return module


class LayerNorm(nn.Module):
    """Layer norm over the channels of each cell of an (N, C, H, W) map, as ConvNeXt and ViTDet use it."""

    def __init__(self, normalized_shape: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(normalized_shape))
        self.bias = nn.Parameter(torch.zeros(normalized_shape))
        self.eps = eps
        self.normalized_shape = (normalized_shape,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape."""
        last = x.permute(0, 2, 3, 1)  # (N, H, W, C)
        return F.layer_norm(last, self.normalized_shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class CycleBatchNormList(nn.ModuleList):
    """
    A batch norm with ``length`` sets of statistics, used in turn, and one shared weight and bias.

    A head that runs over several feature levels (or domains) calls it once per level, always in the same
    order ("Rethinking 'Batch' in BatchNorm", Wu & Johnson, section 5).

    Args:
        length: number of statistics = calls per cycle.
        bn_class: the batch norm to build.
        kwargs: its arguments; ``num_features`` is required, ``affine`` (default True) is for the shared
            terms.
    """

    def __init__(self, length: int, bn_class: Callable[..., nn.Module] = nn.BatchNorm2d, **kwargs: Any) -> None:
        self._affine = kwargs.pop("affine", True)
        super().__init__([bn_class(**kwargs, affine=False) for _ in range(length)])
        if self._affine:
            channels = kwargs["num_features"]
            self.weight = nn.Parameter(torch.ones(channels))
            self.bias = nn.Parameter(torch.zeros(channels))
        self._position = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same shape, by the statistics whose turn it is."""
        x = self[self._position](x)
        self._position = (self._position + 1) % len(self)
        if not self._affine:
            return x
        return torch.addcmul(self.bias.reshape(1, -1, 1, 1), x, self.weight.reshape(1, -1, 1, 1))

    def extra_repr(self) -> str:
        return f"affine={self._affine}"


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS_OF_GN, channels)


_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "BN": BatchNorm2d,
    "SyncBN": nn.SyncBatchNorm,
    "nnSyncBN": nn.SyncBatchNorm,  # an older config spelling of the same
    "FrozenBN": FrozenBatchNorm2d,
    "GN": _group_norm,
    "LN": LayerNorm,
}


def get_norm(norm: str | Callable[[int], nn.Module] | None, out_channels: int) -> nn.Module | None:
    """
    A norm for ``out_channels`` channels.

    Args:
        norm: one of "BN", "SyncBN", "FrozenBN", "GN", "LN"; or a callable that takes the number of channels;
            "" or None for no norm.

    Raises:
        ValueError: another name.
    """
    if norm is None or norm == "":
        return None
    if callable(norm):
        return norm(out_channels)
    if norm not in _NORMS:
        raise ValueError(f"No norm is named {norm!r}: use one of {', '.join(_NORMS)}, or an empty string for none.")
    return _NORMS[norm](out_channels)


__getattr__ = refuse(__name__, {"NaiveSyncBatchNorm": "its own synchronised batch norm (SyncBN is torch's)"})
