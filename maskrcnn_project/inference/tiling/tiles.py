"""Detection in images larger than the model was trained for: tile by tile, and put together again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from maskrcnn_project.inference.tiling.tile_merge import merge_tiles
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.tile_grid import Grid

DetectImages = Callable[[list[np.ndarray]], list[Detections]]


def detect_tiled(
    detect_images: DetectImages,
    image: np.ndarray,
    size: int,
    overlap: int,
    batch_size: int = 1,
    full_image: bool = True,
) -> Detections:
    """
    What is found in overlapping tiles of an image, with what the edges of the tiles cut joined again.

    The limit on detections of an image (TEST.DETECTIONS_PER_IMAGE) holds for each tile, not for the image. Each tile is
    resized as an image would be: best is a size near that of the training images.

    Args:
        detect_images: finds objects in images (H, W, 3) uint8 in BGR, each at its own size: ``Predictor.detect``.
        image: (H, W, 3) uint8 in BGR.
        size: both sides of a tile in pixels. An image no larger is seen as it is.
        overlap: what neighbours have in common at least, in pixels. An object no larger is whole in some tile.
        batch_size: tiles given to ``detect_images`` at once.
        full_image: look at the image as a whole too, for objects larger than a tile.

    Returns:
        The most confident first. How parts become objects: see ``tile_merge``.

    Raises:
        ValueError: a size or an overlap that makes no tiles.
    """
    check_tiles(size, overlap)
    height, width = image.shape[:2]
    grid = Grid(height, width, size, overlap)
    if len(grid.tiles) == 1:
        return detect_images([image])[0]
    found: list[Detections] = []
    cuts = [image[t.y : t.y + t.height, t.x : t.x + t.width] for t in grid.tiles]  # views: no pixel is copied
    with tqdm(total=len(cuts), desc="Tiles", unit="tile", leave=False, disable=None) as progress:
        for start in range(0, len(cuts), batch_size):
            found.extend(detect_images(cuts[start : start + batch_size]))
            progress.update(len(found) - progress.n)
    whole = detect_images([image])[0] if full_image else None
    return merge_tiles(grid, found, (height, width), whole)


def check_tiles(size: int, overlap: int) -> None:
    """Raises ValueError where tiles of ``size`` pixels with this ``overlap`` cannot be."""
    if size < 1 or not 0 <= overlap < size:
        raise ValueError(
            "Tiles want a size of 1 pixel or more and an overlap from 0 to below the size, "
            f"but the size is {size} and the overlap is {overlap}."
        )
