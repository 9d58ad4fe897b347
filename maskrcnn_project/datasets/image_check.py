"""Decodes every image of a data set before training, so that a broken one is found now and not mid-epoch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from maskrcnn_project.datasets.coco_file import CocoFile, DatasetError

# A truncated JPEG only shows when all of it is read; decoding at an eighth of the size reads all and is fast.
DRAFT_SIZE = (1, 1)
WORKERS = 4


def check_images(data: CocoFile) -> None:
    """
    Reads every image of ``data`` in full.

    Raises:
        DatasetError: names the images that cannot be decoded or whose size (height, width) disagrees with the JSON.
    """
    root = Path(data.image_root)
    with ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(lambda record: image_fault(root / record["file_name"], record), data.images)
        bar = tqdm(found, total=len(data.images), desc="Checking images", unit="image", leave=False, disable=None)
        faults = [fault for fault in bar if fault]
    if faults:
        shown = "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
        raise DatasetError(
            f"{len(faults)} of {len(data.images)} images of {data.path} cannot be used: {shown}. Mend or remove them "
            "(or train past them with --skip-image-check)."
        )


def image_fault(path: Path, record: dict) -> str | None:
    """What is wrong with one image (a phrase naming file and image id), or None."""
    name = f"{path} (image id {record['id']})"
    try:
        with Image.open(path) as image:
            size = upright_size(image)
            image.draft("RGB", DRAFT_SIZE)
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"{name} cannot be decoded ({error})"
    stated = (record.get("height"), record.get("width"))
    if stated != size:
        return f"{name} is {size[0]}x{size[1]} (height x width), but the JSON says {stated[0]}x{stated[1]}"
    return None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) after the EXIF rotation that Detectron2's reader applies."""
    width, height = image.size
    turned = image.getexif().get(0x0112, 1) >= 5  # orientations 5 to 8 exchange the sides (EXIF 2.3, tag 274)
    return (width, height) if turned else (height, width)
