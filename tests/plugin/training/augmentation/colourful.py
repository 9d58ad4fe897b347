"""A small set whose pixels say what they are: each class has one colour, and every object is filled with it."""

from pathlib import Path

import numpy as np
from detectron2.structures import BoxMode
from PIL import Image

from maskrcnn_project.masks.coding import encode

COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])  # RGB of classes 0, 1, 2; what is no object is black


def record_of(folder: Path, number: int, size: tuple[int, int], objects, *, rle: bool = False) -> dict:
    """Draws rectangles (class, x0, y0, x1, y1) in whole pixels and returns their Detectron2 dataset dict."""
    height, width = size
    image = np.zeros((height, width, 3), dtype=np.uint8)
    annotations = []
    for label, x0, y0, x1, y1 in objects:
        image[y0:y1, x0:x1] = COLOURS[label]
        mask = np.zeros((height, width), dtype=bool)
        mask[y0:y1, x0:x1] = True
        polygon = [float(v) for v in (x0, y0, x1, y0, x1, y1, x0, y1)]
        annotations.append(
            {
                "bbox": [float(x0), float(y0), float(x1), float(y1)],
                "bbox_mode": BoxMode.XYXY_ABS,
                "category_id": label,
                "segmentation": encode(mask) if rle else [polygon],
                "iscrowd": 0,
            }
        )
    file = folder / f"{number}.png"
    Image.fromarray(image).save(file)
    return {
        "file_name": str(file),
        "image_id": number,
        "height": height,
        "width": width,
        "annotations": annotations,
    }


def colourful_records(folder: Path, *, rle: bool) -> list[dict]:
    """Six images of three sizes: objects apart, objects at the border, one without any."""
    folder.mkdir()
    apart = [(0, 8, 10, 40, 30), (1, 50, 12, 70, 44), (2, 20, 40, 44, 60)]
    border = [(2, 0, 0, 25, 20), (0, 60, 30, 80, 64), (1, 30, 50, 55, 64)]
    contents = [apart, border, [], [(1, 2, 2, 78, 62)], [(0, 5 * i, 5 * i, 5 * i + 4, 5 * i + 4) for i in range(12)]]
    records = [record_of(folder, i, (64, 80), objects, rle=rle) for i, objects in enumerate(contents)]
    return [*records, record_of(folder, 9, (120, 60), [(2, 10, 70, 50, 110), (0, 10, 10, 50, 50)], rle=rle)]
