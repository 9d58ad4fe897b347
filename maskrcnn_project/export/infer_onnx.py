#!/usr/bin/env python3
"""
Runs an ONNX file of this project on images: python run_onnx.py model.onnx photo.jpg ... --output found

It needs nothing but Python and three packages (pip install onnxruntime numpy Pillow): copy this one file to wherever
the model has to run. For each image it writes photo.jpg.json (boxes, scores, classes) and photo.jpg.masks.png, a
picture of the image's size whose pixels are instance numbers from 1 in the order of the JSON, 0 for none; where masks
overlap, the more confident instance has the pixel.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def read_image(path):
    """(H, W, 3) uint8, RGB, turned upright as its EXIF orientation says."""
    with Image.open(path) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def input_size(height, width, short_edge, max_size):
    """(height, width) in whole pixels: the shorter edge brought to ``short_edge``, the longer one to no more than
    ``max_size``; a ``short_edge`` of 0 leaves the size as it is."""
    if short_edge == 0:
        return height, width
    scale = short_edge / min(height, width)
    sides = (short_edge, scale * width) if height < width else (scale * height, short_edge)
    shrink = min(1.0, max_size / max(sides))
    return tuple(int(side * shrink + 0.5) for side in sides)


def paste(mask, box, height, width):
    """
    A mask of probabilities that fills its box, brought to the image.

    Args:
        mask: (S, S) float, from the left upper to the right lower corner of the box.
        box: x1, y1, x2, y2 in pixels of the image.

    Returns:
        (x, y, part): the bilinear values (h, w) at the pixel centres round the box, and where they lie.
    """
    cells = np.arange(len(mask))
    weights, starts = [], []
    for low, high, length in ((box[0], box[2], width), (box[1], box[3], height)):
        start = max(int(np.floor(low)) - 1, 0)
        pixels = np.arange(start, max(min(int(np.ceil(high)) + 1, length), start))
        # in cells, whose centres lie at whole numbers; how much a cell gives falls to 0 over the width of one
        position = (pixels + 0.5 - low) * len(mask) / max(high - low, 1e-6) - 0.5
        weights.append(np.clip(1 - np.abs(position[:, None] - cells), 0, None))
        starts.append(start)
    return starts[0], starts[1], weights[1] @ mask @ weights[0].T


class Model:
    """``Model("model.onnx")(image)``: an image (H, W, 3) uint8 RGB to its instances, at the image's own size."""

    def __init__(self, path):
        if not Path(path).is_file():
            raise FileNotFoundError(f"There is no file {path}.")
        self.session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())
        self.metadata = self.session.get_modelmeta().custom_metadata_map
        if "class_names" not in self.metadata:
            raise ValueError(f"{path} does not name its classes: it was not written by export_model.py.")
        self.class_names = json.loads(self.metadata["class_names"])
        self.class_ids = json.loads(self.metadata["class_ids"])

    def __call__(self, image):
        """
        Returns:
            boxes (N, 4) x1 y1 x2 y2 in pixels, classes (N,) and scores (N,), the most confident first; and a list of N
            masks (x, y, part), part (h, w) bool and the rest of the image empty, or None if the model has no masks.
        """
        height, width = image.shape[:2]
        new_height, new_width = input_size(
            height, width, int(self.metadata["short_edge"]), int(self.metadata["max_size"])
        )
        resized = np.asarray(Image.fromarray(image).resize((new_width, new_height), Image.Resampling.BILINEAR))
        if self.metadata["channel_order"] == "BGR":
            resized = resized[:, :, ::-1]
        pixels = np.ascontiguousarray(resized.transpose(2, 0, 1), dtype=np.float32)
        boxes, classes, scores, *masks = self.session.run(None, {"image": pixels})
        boxes = boxes * np.array([width / new_width, height / new_height] * 2, np.float32)
        boxes = boxes.clip(0, [width, height, width, height])
        parts = None
        if masks:
            parts = [self._part(mask, box, height, width) for mask, box in zip(masks[0], boxes, strict=True)]
        return boxes, classes, scores, parts

    def _part(self, mask, box, height, width):
        threshold = float(self.metadata["mask_threshold"])
        if self.metadata["masks"] == "box":
            x, y, part = paste(mask, box, height, width)
            return x, y, part >= threshold
        # of the input's size: brought back to the image's own, and cut to where something is
        picture = Image.fromarray(mask.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BILINEAR)
        whole = np.asarray(picture) >= threshold * 255
        rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
        if len(rows) == 0:
            return 0, 0, whole[:0, :0]
        return columns[0], rows[0], whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def write(model, name, folder):
    """Runs ``model`` on the image ``name`` and writes what it finds into ``folder``; returns how many."""
    image = read_image(name)
    boxes, classes, scores, masks = model(image)
    found = [
        {
            "class": model.class_names[number],
            "category_id": model.class_ids[number],
            "score": round(float(score), 5),
            "box": [round(float(side), 2) for side in box],
        }
        for box, number, score in zip(boxes, classes, scores, strict=True)
    ]
    content = {"image": name, "height": image.shape[0], "width": image.shape[1], "instances": found}
    (folder / f"{Path(name).name}.json").write_text(json.dumps(content, indent=1), "utf-8")
    if masks is not None:
        numbers = np.zeros(image.shape[:2], dtype=np.uint16)
        for index in reversed(range(len(masks))):  # the most confident last, over the others
            x, y, part = masks[index]
            numbers[y : y + part.shape[0], x : x + part.shape[1]][part] = index + 1
        Image.fromarray(numbers).save(folder / f"{Path(name).name}.masks.png")
    return len(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the .onnx file")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--output", default=".", help="folder for the results (default: this one)")
    args = parser.parse_args()
    try:
        model = Model(args.model)
        folder = Path(args.output)
        folder.mkdir(parents=True, exist_ok=True)
        for name in args.images:
            print(f"{name}: {write(model, name, folder)} instances")
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
