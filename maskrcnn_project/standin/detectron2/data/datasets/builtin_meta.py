"""What is known about COCO without reading it: the names, ids and colours of its 80 classes."""

from __future__ import annotations

import colorsys
from typing import Any

__all__ = ["COCO_CATEGORIES"]

# Category id -> name, as in COCO's instance annotations. Ids run to 90: eleven were given up before
# publication.
_COCO_NAMES = {
    1: "person",
    2: "bicycle",
    3: "car",
    4: "motorcycle",
    5: "airplane",
    6: "bus",
    7: "train",
    8: "truck",
    9: "boat",
    10: "traffic light",
    11: "fire hydrant",
    13: "stop sign",
    14: "parking meter",
    15: "bench",
    16: "bird",
    17: "cat",
    18: "dog",
    19: "horse",
    20: "sheep",
    21: "cow",
    22: "elephant",
    23: "bear",
    24: "zebra",
    25: "giraffe",
    27: "backpack",
    28: "umbrella",
    31: "handbag",
    32: "tie",
    33: "suitcase",
    34: "frisbee",
    35: "skis",
    36: "snowboard",
    37: "sports ball",
    38: "kite",
    39: "baseball bat",
    40: "baseball glove",
    41: "skateboard",
    42: "surfboard",
    43: "tennis racket",
    44: "bottle",
    46: "wine glass",
    47: "cup",
    48: "fork",
    49: "knife",
    50: "spoon",
    51: "bowl",
    52: "banana",
    53: "apple",
    54: "sandwich",
    55: "orange",
    56: "broccoli",
    57: "carrot",
    58: "hot dog",
    59: "pizza",
    60: "donut",
    61: "cake",
    62: "chair",
    63: "couch",
    64: "potted plant",
    65: "bed",
    67: "dining table",
    70: "toilet",
    72: "tv",
    73: "laptop",
    74: "mouse",
    75: "remote",
    76: "keyboard",
    77: "cell phone",
    78: "microwave",
    79: "oven",
    80: "toaster",
    81: "sink",
    82: "refrigerator",
    84: "book",
    85: "clock",
    86: "vase",
    87: "scissors",
    88: "teddy bear",
    89: "hair drier",
    90: "toothbrush",
}

# Steps of the golden ratio around the colour circle keep any few neighbours in the list far apart.
_GOLDEN_STEP = 0.6180339887498949


def _class_colour(index: int) -> list[int]:
    """
    RGB in [0, 255] of the class with this index: golden-ratio hues, over three levels of saturation and
    value.
    """
    hue = (index * _GOLDEN_STEP) % 1.0
    saturation = (0.85, 0.6, 0.75)[index % 3]
    value = (1.0, 0.85, 0.7)[(index // 3) % 3]
    return [round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, value)]


COCO_CATEGORIES: list[dict[str, Any]] = [
    {"id": category_id, "name": name, "isthing": 1, "color": _class_colour(index)}
    for index, (category_id, name) in enumerate(_COCO_NAMES.items())
]


def _get_coco_instances_meta() -> dict[str, Any]:
    return {
        "thing_dataset_id_to_contiguous_id": {c["id"]: i for i, c in enumerate(COCO_CATEGORIES)},
        "thing_classes": [c["name"] for c in COCO_CATEGORIES],
        "thing_colors": [c["color"] for c in COCO_CATEGORIES],
    }


def _get_builtin_metadata(dataset_name: str) -> dict[str, Any]:
    """Metadata of a dataset known by name; only "coco" is."""
    if dataset_name != "coco":
        raise KeyError(f"No metadata are built in for dataset {dataset_name!r}, only for 'coco'.")
    return _get_coco_instances_meta()
