#!/usr/bin/env python3
"""
Runs an ONNX file of this project on images: python infer_onnx.py model.onnx photo.jpg ... --output found

It needs nothing but Python and three packages (pip install onnxruntime numpy Pillow): copy this one file to wherever
the model has to run. For each image it writes photo.jpg.json (boxes, scores, classes) and photo.jpg.masks.png, a
picture of the image's size whose pixels are instance numbers from 1 in the order of the JSON, 0 for none; where masks
overlap, the more confident instance has the pixel. Images of one name in several folders get results in folders of
these names. Nothing but earlier results is overwritten, and an image that goes wrong costs no other; the exit code
is 1 then.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps, UnidentifiedImageError

# This file beside results has the name of one in each line, so that no tool takes them for photographs.
RESULTS_FILE = ".maskrcnn_results"
SUFFIXES = (".json", ".masks.png")
HEIC_HEADS = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1")  # bytes 4 to 12


def read_image(path, value_range=(), page=0):
    """
    (H, W, 3) uint8, RGB, turned upright as its EXIF orientation says. Raises OSError, ValueError in a sentence.

    Args:
        value_range: (low, high), the values of an image of more than 8 bits that become 0 and 255; (): the full range.
        page: of a stack of pages (TIFF), from 0.
    """
    try:
        with Image.open(path) as picture:
            is_stack = picture.format == "TIFF" and getattr(picture, "n_frames", 1) > 1
            is_deep = picture.mode.startswith(("I", "F"))
            if any("16" in str(tile[3]) for tile in picture.tile) and not is_deep:
                raise ValueError("it has colours of 16 bits, which Pillow cuts to 8: convert it to 8 bits")
            if page and (is_stack or is_deep):
                picture.seek(page)
            upright = ImageOps.exif_transpose(picture)
            if not is_deep:
                return np.asarray(upright.convert("RGB"))
            values = np.asarray(upright)
            low, high = value_range or (0, np.iinfo(values.dtype).max if values.dtype.kind in "ui" else 1)
            scaled = np.rint((values.astype(np.float32) - low) * (255 / (high - low)))
            pixels = np.nan_to_num(scaled.clip(0, 255)).astype(np.uint8)
            return np.repeat(pixels[:, :, None], 3, axis=2)
    except EOFError:
        raise ValueError(f"it has no page {page}") from None
    except UnidentifiedImageError:
        head = Path(path).read_bytes()[:12]
        kind = "HEIC, which is" if head[4:] in HEIC_HEADS else "no image, or of a kind that is"
        raise ValueError(f"it is {kind} not read: convert it to JPEG or PNG") from None


def input_size(height, width, short_edge, max_size):
    """(height, width) in whole pixels: the shorter edge brought to ``short_edge``, the longer one to no more than
    ``max_size``; a ``short_edge`` of 0 leaves the size as it is."""
    if short_edge == 0:
        return height, width
    scale = short_edge / min(height, width)
    sides = (short_edge, scale * width) if height < width else (scale * height, short_edge)
    shrink = min(1.0, max_size / max(sides))
    return tuple(max(1, int(side * shrink + 0.5)) for side in sides)  # a thin image keeps a pixel


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
        try:
            self.session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())
        except Exception as error:  # onnxruntime's own types of error
            raise ValueError(
                f"{path} is no ONNX file that can be loaded: write it anew ({one_line(error)})."
            ) from error
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


def places(names, folder):
    """
    {path of an image: path of its results less their suffixes}, each image once: below ``folder`` by its name alone,
    or, where two images have one name, by its path below the folder that all of them lie in.
    """
    images = {os.path.realpath(name): name for name in reversed(names)}
    images = {name: Path(os.path.abspath(name)) for name in sorted(images.values(), key=names.index)}
    if len({path.name.casefold() for path in images.values()}) == len(images):
        return {name: folder / path.name for name, path in images.items()}
    root = os.path.commonpath([path.parent for path in images.values()])
    return {name: folder / path.relative_to(root) for name, path in images.items()}


def check_free(place, name, inputs):
    """
    Raises FileExistsError where results at ``place`` would replace one of the ``inputs``, a stranger's file, or the
    results of another image than ``name``.
    """
    noted = place.parent / RESULTS_FILE
    earlier = noted.read_text("utf-8").splitlines() if noted.is_file() else []
    for suffix in SUFFIXES:
        path = place.with_name(place.name + suffix)
        if path.exists() and (path.name not in earlier or os.path.realpath(path) in inputs):
            raise FileExistsError(f"{path} exists already and is not overwritten: choose another --output.")
    path = place.with_name(place.name + SUFFIXES[0])
    of = json.loads(path.read_text("utf-8"))["image"] if path.exists() else name
    if of != name:
        raise FileExistsError(f"{path} holds what was found in {of} and is not overwritten: choose another --output.")


def note_results(place):
    """Notes down that what lies at ``place`` are results: in RESULTS_FILE beside them, each once."""
    noted = place.parent / RESULTS_FILE
    earlier = noted.read_text("utf-8").splitlines() if noted.is_file() else []
    with noted.open("a", encoding="utf-8") as stream:
        stream.writelines(f"{place.name}{suffix}\n" for suffix in SUFFIXES if place.name + suffix not in earlier)


def write(model, name, place):
    """Runs ``model`` on the image ``name``; writes what it finds to ``place`` with two suffixes; returns how many."""
    value_range = json.loads(model.metadata.get("value_range", "[]"))
    image = read_image(name, value_range, int(model.metadata.get("page", "0")))
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
    place.parent.mkdir(parents=True, exist_ok=True)
    note_results(place)
    if masks is not None:
        numbers = np.zeros(image.shape[:2], dtype=np.uint16)
        for index in reversed(range(len(masks))):  # the most confident last, over the others
            x, y, part = masks[index]
            numbers[y : y + part.shape[0], x : x + part.shape[1]][part] = index + 1
        Image.fromarray(numbers).save(place.with_name(f"{place.name}{SUFFIXES[1]}"))
    place.with_name(f"{place.name}{SUFFIXES[0]}").write_text(json.dumps(content, indent=1), "utf-8")
    return len(found)


def one_line(error):
    """What an error says, or its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the .onnx file")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--output", default=".", metavar="DIR", help="folder for the results (default: this one)")
    args = parser.parse_args()
    try:
        model = Model(args.model)
        folder = Path(args.output)
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    failed = 0
    inputs = {os.path.realpath(name) for name in args.images}
    for name, place in places(args.images, folder).items():
        try:
            check_free(place, name, inputs)
            print(f"{name}: {write(model, name, place)} instances", flush=True)
        except Exception as error:  # decoders and onnxruntime raise nearly every type of error
            failed += 1
            print(f"error: {name}: {one_line(error)}", file=sys.stderr)
    if failed:
        sys.exit(f"error: {failed} of {len(inputs)} images could not be done.")


if __name__ == "__main__":
    main()
