"""Images read ahead of the model, by threads (decoders release Python's lock), and gathered into batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from maskrcnn_project.datasets.checking.image_reading import read_picture
from maskrcnn_project.datasets.image_file import ValueRange, read_image
from maskrcnn_project.prediction.sources import Source
from maskrcnn_project.prediction.video import read_frames

# So many batches' worth of images wait for others of their size before the largest group goes without.
BATCHES_WAITING = 4
STOP_AFTER = 0.2  # seconds until the reading thread looks whether anyone still waits for it

Stamp = tuple[int, int]  # of a file: bytes, and nanoseconds since 1970 of its last change


@dataclass(frozen=True)
class InputImage:
    """An image, or a frame of a video: what it is called in tables, and below the output folder."""

    source: Source
    name: PurePosixPath
    stamp: Stamp


Loaded = tuple[InputImage, np.ndarray]  # (H, W, 3) uint8 BGR


def stamp_of(path: Path) -> Stamp:
    """Changes with the file's content, as far as a look at the folder tells; (0, 0) where there is none."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


def image_picture(source: Source) -> InputImage:
    return InputImage(source, source.name, stamp_of(source.path))


def frame_picture(source: Source, index: int, stamp: Stamp) -> InputImage:
    return InputImage(source, source.name / f"{index:06d}", stamp)


def read_input(path: Path, values: ValueRange | None = None) -> np.ndarray:
    """An image file as (H, W, 3) uint8 BGR, upright. Raises OSError, which says what the file is instead."""
    try:
        return read_image(path, "BGR", values)
    except Exception as error:  # on damaged files Pillow's decoders raise nearly every type of error
        detail = read_picture(str(path), hashed=False).detail
        if not detail:  # it can be decoded, but not be made an image of three channels
            raise
        raise OSError(f"{path} {detail}") from error


def read_ahead(
    images: Iterable[InputImage],
    videos: Mapping[Source, Callable[[int], bool]],
    workers: int,
    values: ValueRange | None = None,
) -> Generator[tuple[InputImage, np.ndarray | Exception], None, None]:
    """
    Reads on ``workers`` threads, in order, at most some images ahead.

    Args:
        images: files.
        videos: which frames of each are wanted, by number.
        values: how images of more than 8 bits are read.

    Yields:
        the picture with its pixels (H, W, 3) uint8 BGR, or with what reading it has raised.
    """
    waiting: queue.Queue = queue.Queue(workers)
    stop = threading.Event()

    def put(entry: object) -> bool:
        while not stop.is_set():
            try:
                waiting.put(entry, timeout=STOP_AFTER)
                return True
            except queue.Full:
                continue
        return False

    with ThreadPoolExecutor(workers) as pool:
        feeder = threading.Thread(target=_feed, args=(images, videos, pool, put, values), daemon=True)
        feeder.start()
        try:
            while (entry := waiting.get()) is not None:
                picture, future = entry
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield picture, error or future.result()
        finally:
            stop.set()
            feeder.join()


def _feed(
    images: Iterable[InputImage],
    videos: Mapping[Source, Callable[[int], bool]],
    pool: ThreadPoolExecutor,
    put: Callable[[object], bool],
    values: ValueRange | None,
) -> None:
    """Puts (picture, future) for every image and frame, then None; ends early when nobody takes them any more."""
    for picture in images:
        if not put((picture, pool.submit(read_input, picture.source.path, values))):
            return
    for source, wanted in videos.items():
        stamp = stamp_of(source.path)
        try:
            for index, frame in read_frames(source.path, wanted):
                if not put((frame_picture(source, index, stamp), _done(frame))):
                    return
        except Exception as error:  # decoders raise nearly every type of error: it goes to whoever reads the entry
            if not put((InputImage(source, source.name, stamp), _done(error))):
                return
    put(None)


def _done(result: np.ndarray | Exception) -> Future:
    future: Future = Future()
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


def batches(loaded: Iterable[Loaded], size: int) -> Iterator[list[Loaded]]:
    """
    Lists of at most ``size`` images of one shape each: none is padded for another's sake, so that what is found in an
    image does not depend on its company.
    """
    groups: dict[tuple[int, ...], list[Loaded]] = {}
    for picture, image in loaded:
        group = groups.setdefault(image.shape, [])
        group.append((picture, image))
        if len(group) < size and sum(map(len, groups.values())) > BATCHES_WAITING * size:
            group = max(groups.values(), key=len)
        elif len(group) < size:
            continue
        yield groups.pop(group[0][1].shape)
    yield from groups.values()
