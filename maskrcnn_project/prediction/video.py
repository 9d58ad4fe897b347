"""Videos: their frames one after the other, and frames as a video again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from maskrcnn_project.files import atomic_path

# What OpenCV's readers open on every system that it is built for.
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
# Frames a second, where a file does not say its own: PAL's.
USUAL_RATE = 25.0
# MPEG-4 part 2: the one encoder for .mp4 that every build of OpenCV has.
CODEC = "mp4v"


def read_frames(path: Path, wanted: Callable[[int], bool] = lambda index: True) -> Iterator[tuple[int, np.ndarray]]:
    """
    The frames whose number (from 0) is ``wanted``, with it: (H, W, 3) uint8 BGR, upright. The others are not converted.

    A file that breaks off ends there, as OpenCV does not tell the one from the other.

    Raises:
        OSError: what is no video, or one without any frame.
    """
    capture = _open(path)
    try:
        index = 0
        while capture.grab():
            if wanted(index):
                good, frame = capture.retrieve()
                if good:
                    yield index, frame
            index += 1
        if not index:
            raise OSError(f"The video {path} has no frame that can be read: is it damaged, or of a rare codec?")
    finally:
        capture.release()


def frame_count(path: Path) -> int:
    """How many frames the file says it has, which some say wrongly; 0 where it cannot be opened or does not say."""
    try:
        capture = _open(path)
    except OSError:
        return 0
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    capture.release()
    return max(0, int(count)) if math.isfinite(count) else 0


def frame_rate(path: Path) -> float:
    """Frames a second. Raises OSError for what is no video."""
    capture = _open(path)
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return rate if math.isfinite(rate) and 0 < rate <= 1000 else USUAL_RATE


def write_video(path: Path, frames: Iterable[np.ndarray], rate: float) -> None:
    """
    Writes an .mp4 beside its place and renames it.

    Args:
        frames: at least one, (H, W, 3) uint8 BGR, all of one size. The codec wants even sides: an odd one loses its
            last row or column of pixels.
        rate: frames per second.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as beside:
        writer = None
        for frame in frames:
            height, width = (side - side % 2 for side in frame.shape[:2])
            if writer is None:
                writer = cv2.VideoWriter(str(beside), cv2.VideoWriter.fourcc(*CODEC), rate, (width, height))
            writer.write(np.ascontiguousarray(frame[:height, :width]))
        opened = writer is not None and writer.isOpened()
        if writer is not None:
            writer.release()
        if not opened:
            raise OSError(f"The video {path} could not be written: is the folder writable, and is there a frame?")


def _open(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise OSError(f"The video {path} cannot be opened: is it there, and a video?")
    return capture
