"""The masks of a COCO file that is about to be converted: whether each of them can be drawn."""

from __future__ import annotations

from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.run_lengths import read_run_lengths


def check_run_lengths(data: CocoFile) -> None:
    """
    Raises:
        DatasetError: run lengths that cannot be read, or that do not fill their image; nothing is written then.
    """
    images = {image["id"]: image for image in data.images}
    for row in data.annotations:
        rle = row.get("segmentation")
        if not isinstance(rle, dict):
            continue
        image = images[row["image_id"]]
        size = [image["height"], image["width"]]
        counts = rle.get("counts")
        text = counts.decode("ascii", "replace") if isinstance(counts, bytes) else counts
        if list(rle.get("size") or []) != size:
            fault = f"of the size {rle.get('size')}"
        elif not isinstance(text, str | list) or read_run_lengths(text, size[0] * size[1]) is None:
            fault = "that cannot be read, or do not fill the image"
        else:
            continue
        raise DatasetError(
            f"{data.path}: annotation {row['id']} of the image {image['file_name']} ({size[0]}x{size[1]}, height x "
            f"width) has run lengths {fault}: export it anew, or let tools/check_dataset.py --fix leave it out."
        )
