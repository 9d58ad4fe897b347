"""Decodes every image of a data set before training, so that a broken one is found now and not mid-epoch."""

from __future__ import annotations

from maskrcnn_project.datasets.checking.image_listing import image_path
from maskrcnn_project.datasets.checking.image_reading import read_pictures
from maskrcnn_project.datasets.checking.image_rules import size_fault
from maskrcnn_project.datasets.coco_file import CocoFile, DatasetError

MOST_NAMED = 3  # so many examples make an error readable; the rest is counted


def check_images(data: CocoFile) -> None:
    """
    Reads every image of ``data`` in full.

    Raises:
        DatasetError: names the images that cannot be decoded or whose size (height, width) disagrees with the JSON.
    """
    paths = [image_path(data.image_root, image["file_name"]) for image in data.images]
    pictures = read_pictures(paths, hashed=False, label="Checking images")
    faults = []
    for image, path in zip(data.images, paths, strict=True):
        fault = pictures[path].detail or size_fault(image, pictures[path])
        if fault:
            faults.append(f"{path} (image id {image['id']}) {fault}")
    if faults:
        more = f"; and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        raise DatasetError(
            f"{len(faults)} of {len(data.images)} images of {data.path} cannot be used: "
            f"{'; '.join(faults[:MOST_NAMED])}{more}. Mend or remove them (or train past them with --skip-image-check)."
        )
