"""Videos: their frames one after the other, and frames as a video again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskrcnn_project.files import atomic_path

# What OpenCV's readers open on every system that it is built for.
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
# Frames a second, where a file does not say its own: PAL's.
USUAL_RATE = 25.0
# MPEG-4 part 2: the one encoder for .mp4 that every build of OpenCV has.
CODEC = "mp4v"
# Encoders of H.264, the best first: FFmpeg may be built with one of them, or none.
H264_CODECS = ("libx264", "libopenh264", "h264_videotoolbox")
# What COLOR_BGR2YUV_I420 makes, by its numbers in ITU-T H.273, so that a player does not guess another.
BT_601, LIMITED_RANGE = 6, 1
# Rates are fractions in a file: 29.97 is 30000/1001.
MAX_DENOMINATOR = 1001
NOT_FOR_BROWSERS = (
    "Browsers may not play the drawn videos, which are MPEG-4 part 2: pip install av makes them H.264 from then on."
)


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


def h264_codec() -> str | None:
    """The encoder of H.264 that PyAV brings, or None where PyAV is not installed or was built without one."""
    try:
        import av
    except ImportError:
        return None
    return next((name for name in H264_CODECS if name in av.codecs_available), None)


def write_video(path: Path, frames: Iterable[np.ndarray], rate: float) -> None:
    """
    Writes an .mp4 beside its place and renames it: H.264, which browsers play, where PyAV is installed (the extra
    "video"), else MPEG-4 part 2, which many do not.

    Args:
        frames: at least one, (H, W, 3) uint8 BGR, all of one size. The codecs want even sides: an odd one loses its
            last row or column of pixels; a single one is doubled.
        rate: frames per second.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    codec, even = h264_codec(), (_with_even_sides(frame) for frame in frames)
    with atomic_path(path) as beside:
        written = _write_plain(beside, even, rate) if codec is None else _write_h264(beside, even, rate, codec)
        if not written:
            raise OSError(f"The video {path} could not be written: is the folder writable, and is there a frame?")


def _with_even_sides(frame: np.ndarray) -> np.ndarray:
    height, width = (max(2, side - side % 2) for side in frame.shape[:2])
    rows, columns = height - frame.shape[0], width - frame.shape[1]
    if rows > 0 or columns > 0:
        frame = np.pad(frame, ((0, max(0, rows)), (0, max(0, columns)), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame[:height, :width])


def _write_h264(path: Path, frames: Iterable[np.ndarray], rate: float, codec: str) -> bool:
    """Writes frames (H, W, 3) uint8 BGR with even sides; False where there is none. Raises OSError."""
    import av

    stream: Any = None
    exact = Fraction(rate).limit_denominator(MAX_DENOMINATOR)
    # The index before the frames: a page plays the file while it loads.
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        for frame in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=exact)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"  # the one layout of pixels that every browser decodes
                stream.codec_context.colorspace, stream.codec_context.color_range = BT_601, LIMITED_RANGE
            # by OpenCV, as the conversion that FFmpeg takes by default is some shades off
            planes: Any = cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        if stream is not None:
            container.mux(stream.encode())
    return stream is not None


def _write_plain(path: Path, frames: Iterable[np.ndarray], rate: float) -> bool:
    """The same in the codec that OpenCV has; False also where it cannot be written."""
    writer = None
    for frame in frames:
        if writer is None:
            size = (frame.shape[1], frame.shape[0])
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODEC), rate, size)
        writer.write(frame)
    opened = writer is not None and writer.isOpened()
    if writer is not None:
        writer.release()
    return opened


def _open(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise OSError(f"The video {path} cannot be opened: is it there, and a video?")
    return capture
