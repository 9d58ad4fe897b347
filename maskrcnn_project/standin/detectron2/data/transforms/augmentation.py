"""What an augmentation is, and how a list of them is applied to an image with its boxes and segmentation."""

from __future__ import annotations

import inspect
import pprint
from collections.abc import Sequence
from typing import Any

import numpy as np
from fvcore.transforms.transform import Transform, TransformList

__all__ = [
    "AugInput",
    "Augmentation",
    "AugmentationList",
    "StandardAugInput",
    "TransformGen",
    "apply_augmentations",
    "apply_transform_gens",
]


def _check_image(image: Any) -> None:
    """Raises TypeError or ValueError unless ``image`` is (H, W) or (H, W, C), uint8 or floating point."""
    if not isinstance(image, np.ndarray):
        raise TypeError(f"An augmentation needs the image as a numpy array, but got {type(image).__name__}.")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise TypeError(
            "An augmentation needs an image of uint8 in [0, 255] or of floating point, but got "
            f"{image.dtype}: convert it first."
        )
    if image.ndim not in (2, 3):
        raise ValueError(f"An augmentation needs an image (H, W) or (H, W, C), but got shape {image.shape}.")


class Augmentation:
    """
    A random policy: :meth:`get_transform` draws the transform for one input.

    Subclasses name the parameters of ``get_transform`` after the attributes of the input they want to see: an
    augmentation with ``get_transform(self, image, boxes)`` is given ``aug_input.image`` and
    ``aug_input.boxes``.
    """

    # Names of the attributes to pass to get_transform; None: read from its signature at the first call.
    input_args: tuple[str, ...] | None = None

    def _init(self, params: dict[str, Any] | None = None) -> None:
        """Sets each of ``params`` as an attribute; called with ``locals()`` in a constructor."""
        for name, value in (params or {}).items():
            if name != "self" and not name.startswith("_"):
                setattr(self, name, value)

    def get_transform(self, *args: Any) -> Transform:
        """
        Draws the transform for an input.

        Args:
            args: the image, (H, W) or (H, W, C); or what the subclass names.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say which transform it draws (get_transform).")

    def __call__(self, aug_input: Any) -> Transform:
        """Draws a transform for ``aug_input``, applies it to it in place, and returns it."""
        transform = self.get_transform(*_wanted_values(self, aug_input))
        if not isinstance(transform, Transform):
            raise TypeError(f"{type(self).__name__}.get_transform must return a Transform, but returned {transform!r}.")
        aug_input.transform(transform)
        return transform

    def _rand_range(self, low: float = 1.0, high: float | None = None, size: Any = None) -> Any:
        """One uniform number of numpy's global generator: in [0, low), or in [low, high)."""
        if high is None:
            low, high = 0.0, low
        return np.random.uniform(low, high, [] if size is None else size)

    def __repr__(self) -> str:
        """The call that makes it, without arguments that have their default."""
        given = []
        for name, parameter in inspect.signature(type(self).__init__).parameters.items():
            if name == "self":
                continue
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or not hasattr(self, name):
                return super().__repr__()
            value = getattr(self, name)
            if value is not parameter.default:
                text = pprint.pformat(value)
                given.append(f"{name}={'...' if chr(10) in text else text}")
        return f"{type(self).__name__}({', '.join(given)})"

    __str__ = __repr__


def _wanted_values(augmentation: Augmentation, aug_input: Any) -> list[Any]:
    """The attributes of ``aug_input`` that the augmentation's ``get_transform`` names."""
    if augmentation.input_args is None:
        parameters = list(inspect.signature(augmentation.get_transform).parameters.values())
        if len(parameters) == 1 and parameters[0].kind is parameters[0].VAR_POSITIONAL:
            augmentation.input_args = ("image",)
        else:
            for p in parameters:
                if p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                    raise TypeError(
                        f"{type(augmentation).__name__}.get_transform must name the attributes of the input "
                        f"it needs, without defaults, but has the parameter '{p}'."
                    )
            augmentation.input_args = tuple(p.name for p in parameters)
    for name in augmentation.input_args:
        if not hasattr(aug_input, name):
            raise AttributeError(
                f"{type(augmentation).__name__} needs {name!r}, which the {type(aug_input).__name__} it was "
                "given does not have."
            )
    return [getattr(aug_input, name) for name in augmentation.input_args]


class _Always(Augmentation):
    """A fixed transform where an augmentation is wanted."""

    def __init__(self, transform: Transform) -> None:
        self.transform = transform

    def get_transform(self, *args: Any) -> Transform:
        return self.transform

    def __repr__(self) -> str:
        return repr(self.transform)

    __str__ = __repr__


def _as_augmentation(item: Augmentation | Transform) -> Augmentation:
    if isinstance(item, Augmentation):
        return item
    if isinstance(item, Transform):
        return _Always(item)
    raise TypeError(f"An Augmentation or a Transform was wanted, but got {item!r}.")


class AugmentationList(Augmentation):
    """Several augmentations, one after the other: each sees the input as those before it left it."""

    def __init__(self, augs: Sequence[Augmentation | Transform]) -> None:
        """
        Args:
            augs: augmentations or fixed transforms.
        """
        self.augs = [_as_augmentation(x) for x in augs]

    def __call__(self, aug_input: Any) -> TransformList:
        return TransformList([augmentation(aug_input) for augmentation in self.augs])

    def __repr__(self) -> str:
        return f"AugmentationList[{', '.join(str(x) for x in self.augs)}]"

    __str__ = __repr__


class AugInput:
    """
    What augmentations look at and change: an image, and boxes and a semantic segmentation where there are.

    A project with other data makes its own class with ``transform`` and ``apply_augmentations``.
    """

    def __init__(
        self, image: np.ndarray, *, boxes: np.ndarray | None = None, sem_seg: np.ndarray | None = None
    ) -> None:
        """
        Args:
            image: (H, W) or (H, W, C), uint8 in [0, 255] or floating point.
            boxes: (N, 4) float, XYXY absolute pixels.
            sem_seg: (H, W) uint8, a class at each pixel.
        """
        _check_image(image)
        self.image = image
        self.boxes = boxes
        self.sem_seg = sem_seg

    def transform(self, tfm: Transform) -> None:
        """Applies ``tfm`` to all that there is, in place."""
        self.image = tfm.apply_image(self.image)
        if self.boxes is not None:
            self.boxes = tfm.apply_box(self.boxes)
        if self.sem_seg is not None:
            self.sem_seg = tfm.apply_segmentation(self.sem_seg)

    def apply_augmentations(self, augmentations: list[Augmentation | Transform]) -> TransformList:
        """Applies all augmentations in place and returns what they did, to be applied to more data."""
        return AugmentationList(augmentations)(self)


def apply_augmentations(augmentations: list[Augmentation | Transform], inputs: Any) -> tuple[Any, TransformList]:
    """
    Applies augmentations to an image or to an input with more than an image.

    Args:
        augmentations: in the order to apply them.
        inputs: (H, W[, C]) image, or an :class:`AugInput`, which is changed in place.

    Returns:
        The augmented image, or ``inputs``; and the transforms that were applied.
    """
    is_image = isinstance(inputs, np.ndarray)
    aug_input = AugInput(inputs) if is_image else inputs
    transforms = aug_input.apply_augmentations(augmentations)
    return (aug_input.image if is_image else aug_input), transforms


# Their names before Detectron2 0.2.
apply_transform_gens = apply_augmentations
TransformGen = Augmentation
StandardAugInput = AugInput
