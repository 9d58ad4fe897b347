"""Images that several COCO files list: by their path, or by their content where the paths differ."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence

from tqdm import tqdm

ImageLocation = tuple[int, int]  # index of the COCO file, image id
CHUNK = 1 << 20  # bytes read at a time


def find_same_images(files: Sequence[dict[int, str]], *, on_disk: bool) -> dict[ImageLocation, ImageLocation]:
    """
    Args:
        files: image id -> path, for each COCO file.
        on_disk: look at the content too; without it the paths need not exist.

    Returns:
        image -> the first image of an earlier file that is the same. A file is never compared with itself.
    """
    links = {path: os.path.realpath(path) if on_disk else path for images in files for path in images.values()}
    digests = _digests([{links[path] for path in images.values()} for images in files]) if on_disk else {}
    first: dict[str, ImageLocation] = {}  # path or digest -> image
    same: dict[ImageLocation, ImageLocation] = {}
    for index, images in enumerate(files):
        for image_id, path in images.items():
            keys = [key for key in (links[path], digests.get(links[path])) if key is not None]
            earlier = [first[key] for key in keys if key in first and first[key][0] < index]
            if earlier:
                same[index, image_id] = min(earlier)
            for key in keys:
                first.setdefault(key, (index, image_id))
    return same


def _digests(files: Sequence[set[str]]) -> dict[str, str]:
    """Path -> SHA-256, of those only that have the same number of bytes as one of another COCO file."""
    by_length: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for index, paths in enumerate(files):
        for path in sorted(paths):
            by_length[os.path.getsize(path)].append((index, path))
    alike = {path for group in by_length.values() if _several(group) for _, path in group}
    bar = tqdm(sorted(alike), desc="Comparing images", unit="image", leave=False, disable=None)
    return {path: _digest(path) for path in bar}


def _several(group: Iterable[tuple[int, str]]) -> bool:
    """Whether different paths of different files are in the group."""
    group = list(group)
    return len({index for index, _ in group}) > 1 and len({path for _, path in group}) > 1


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
