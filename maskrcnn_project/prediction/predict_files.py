"""
Prediction over files: read ahead, found in batches, written image by image, and listed at the end.

What was found in an image goes to the journal once all files of that image are written. A run that was stopped goes on
from there, and several processes share the work without a word between them until all are done.
"""

from __future__ import annotations

import errno
import logging
import os
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np
from detectron2.data.catalog import Metadata
from tqdm import tqdm

from maskrcnn_project.datasets.image_file import ValueRange
from maskrcnn_project.errors import TRACEBACK_VARIABLE, sentence
from maskrcnn_project.inference.overlap import remove_overlap
from maskrcnn_project.inference.predictor import Predictor
from maskrcnn_project.inference.thin_images import with_thin_images
from maskrcnn_project.inference.thresholds import select_above
from maskrcnn_project.inference.tiling.tiles import DetectImages, detect_tiled
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.journal import Journal, LogRecord, prepare_folder
from maskrcnn_project.prediction.loading import (
    InputImage,
    Loaded,
    Stamp,
    batches,
    frame_picture,
    image_picture,
    read_ahead,
    stamp_of,
)
from maskrcnn_project.prediction.options import Options, settings_of
from maskrcnn_project.prediction.output_formats import (
    OutputFormat,
    image_formats,
    require_masks,
    table_writers,
    write_drawn_video,
)
from maskrcnn_project.prediction.shard import Shard
from maskrcnn_project.prediction.sources import Source
from maskrcnn_project.prediction.video import NOT_FOR_BROWSERS, frame_count, h264_codec

logger = logging.getLogger(__name__)

Written = tuple[PurePosixPath, Stamp, dict[str, str], Detections]  # name, stamp, variant by format, and what was found
# With these the next image would fare no better: the run stops.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
Failure = tuple[PurePosixPath, str]  # which image, and why


@dataclass(frozen=True)
class PredictionSummary:
    """
    Attributes:
        images: and frames of videos, whenever they were done.
        instances: in all of them.
        earlier: images and frames that were done already by an earlier run.
        failures: what could not be read.
        undone: what could be read, but not be looked at by the model or not be written. It is in no table.
    """

    images: int
    instances: int
    earlier: int
    failures: list[Failure]
    undone: list[Failure] = field(default_factory=list)


@dataclass
class Troubles:
    """Which images went wrong, and why: those that could not be read, and those that could be read but not be done."""

    unread: list[Failure] = field(default_factory=list)
    undone: list[Failure] = field(default_factory=list)

    def add_undone(self, picture: InputImage, error: Exception) -> None:
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exception(error)
        why = sentence(error)
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            why = "the name of its result would be too long for the file system: give the image a shorter name"
        self.undone.append((picture.name, why))

    def nothing_left(self, first: Source) -> OSError:
        """The error where no image is left for the tables; ``first``: of the inputs."""
        done, named = ("done", self.undone) if self.undone and not self.unread else ("read", self.unread)
        name, why = named[0] if named else (first.name, "it changed while it was read")
        others = len(self.unread) + len(self.undone) - 1
        return OSError(f"{name} could not be {done}{f', nor could {others} more' if others > 0 else ''}: {why}")


@dataclass(frozen=True)
class Work:
    """What is done with each image: ``detect`` gives what is to be kept, ``output_formats`` write files of it."""

    detect: DetectImages
    output_formats: Mapping[str, OutputFormat]
    batch_size: int
    workers: int
    values: ValueRange | None = None  # how images of more than 8 bits are read

    def missing(self, picture: InputImage, line: LogRecord | None) -> dict[str, OutputFormat]:
        """The formats in which an image is not written yet, or otherwise than they would now."""
        done = {} if line is None else line.written
        wanted = {
            key: output_format
            for key, output_format in self.output_formats.items()
            if output_format.of_frames or not picture.source.is_video
        }
        return {key: output_format for key, output_format in wanted.items() if done.get(key) != output_format.variant}

    def write(self, picture: InputImage, image: np.ndarray, line: LogRecord | None, found: Detections) -> Written:
        """Writes the formats that are missing. Returns what the journal is to note down."""
        missing = self.missing(picture, line)
        for output_format in missing.values():
            output_format.writer.add(picture.name, image, found)
        variants = {key: output_format.variant for key, output_format in missing.items()}
        return picture.name, picture.stamp, {**(line.written if line else {}), **variants}, found


def predict_files(
    predictor: Predictor, sources: list[Source], output: Path, options: Options, shard: Shard | None = None
) -> PredictionSummary | None:
    """
    Finds instances in every source, and writes below ``output`` in the formats that ``options.write`` names.

    Args:
        sources: at least one; the same on every process.
        shard: this process's part of them.

    Returns:
        None on every process but the first, which writes the tables.

    Raises:
        FileExistsError: ``output`` holds something else.
        OSError: not one source can be read.
        ValueError: a threshold of an unknown class; masks are needed, but the model has none.
    """
    shard = shard or Shard()
    require_masks(predictor.cfg.MODEL.MASK_ON, options.write)
    detect = detector(predictor, options)
    output_formats = image_formats(output, sources, predictor.classes, options, predictor.metadata)
    if shard.is_first:
        prepare_folder(output, settings_of(predictor.cfg, sources, options), options.force)
    shard.wait()
    batch_size = options.images_at_once(predictor.cfg.MODEL.DEVICE)
    work = Work(detect, output_formats, batch_size, options.workers, predictor.values)
    with closing(Journal(output, shard.rank)) as journal:
        plan = plan_shard(sources, journal, shard, work)
        shard.wait()  # what one writes would change another's plan
        troubles = do_shard(plan, journal, work, show=shard.is_first)
        failures, undone = shard.gathered(troubles.unread), shard.gathered(troubles.undone)
        if not shard.is_first:
            return None
        troubles = Troubles(list(dict(failures).items()), undone)  # a broken video is told by every process
        journal.read()
        images, instances = write_tables(predictor, sources, output, options, journal, troubles)
    for output_format in output_formats.values():
        output_format.writer.finish()
    return PredictionSummary(images, instances, plan.earlier, troubles.unread, troubles.undone)


def detector(predictor: Predictor, options: Options) -> DetectImages:
    """From images (H, W, 3) uint8 BGR to what is to be kept of what is found in them."""
    thresholds = options.thresholds.per_class(predictor.classes.names)
    detect_images = with_thin_images(predictor.detect, predictor.cfg)

    def detect(images: list[np.ndarray]) -> list[Detections]:
        if options.tile is None:
            found = detect_images(images)
        else:
            tiles = (options.tile, options.tile_overlap, options.images_at_once(predictor.cfg.MODEL.DEVICE))
            found = [detect_tiled(detect_images, image, *tiles) for image in images]
        return [remove_overlap(select_above(one, thresholds), options.overlap) for one in found]

    return detect


@dataclass(frozen=True)
class Plan:
    """
    Attributes:
        images: what this process has to do.
        videos: which of their frames, by number.
        count: of both, as far as the videos tell.
        earlier: images and frames that are done, by whatever process.
    """

    images: list[InputImage]
    videos: dict[Source, Callable[[int], bool]]
    count: int
    earlier: int


def plan_shard(sources: list[Source], journal: Journal, shard: Shard, work: Work) -> Plan:
    """What is left to do, and of that this process's part."""

    def is_done(picture: InputImage) -> bool:
        line = journal.get(picture.name, picture.stamp)
        return line is not None and not work.missing(picture, line)

    pictures = [image_picture(source) for source in sources if not source.is_video]
    waiting = [picture for picture in pictures if not is_done(picture)]
    images, earlier = list(shard.of(waiting)), len(pictures) - len(waiting)
    videos: dict[Source, Callable[[int], bool]] = {}
    count = len(images)
    for source in sources:
        if source.is_video:
            done = {int(p.name.name) for p in frames_of(source, journal) if is_done(p)}
            videos[source] = partial(_is_left, shard, done)
            earlier += len(done)
            count += sum(map(videos[source], range(frame_count(source.path))))
    return Plan(images, videos, count, earlier)


def _is_left(shard: Shard, done: set[int], index: int) -> bool:
    return shard.has(index) and index not in done


def frames_of(source: Source, journal: Journal) -> list[InputImage]:
    """The frames of a video that the journal knows, in their order."""
    stamp = stamp_of(source.path)
    numbers = [int(name.name) for name in journal.names() if name.parent == source.name and name.name.isdigit()]
    frames = [frame_picture(source, number, stamp) for number in sorted(numbers)]
    return [frame for frame in frames if journal.get(frame.name, stamp)]


def do_shard(plan: Plan, journal: Journal, work: Work, show: bool) -> Troubles:
    """
    Finds, writes and notes down. An image that goes wrong, wherever that is, costs no other.

    Args:
        show: a progress bar.

    Raises:
        OSError: the disk is full, or cannot be written to at all.
    """
    troubles = Troubles()
    with (
        tqdm(total=plan.count, desc="Predicting", unit="image", disable=None if show else True) as progress,
        closing(read_ahead(plan.images, plan.videos, work.workers, work.values)) as loaded,
        ThreadPoolExecutor(work.workers) as pool,  # drawing may take as long as finding
    ):
        written: deque[tuple[InputImage, Future[Written]]] = deque()

        def note_down() -> None:
            picture, future = written.popleft()
            error = future.exception()
            if error is None:
                journal.add(*future.result())
            elif not isinstance(error, Exception) or getattr(error, "errno", None) in DISK_ERRORS:
                raise error
            else:
                troubles.add_undone(picture, error)
            progress.update()

        try:
            for batch in batches(_readable(loaded, troubles, progress), work.batch_size):
                for entry in search(batch, journal, work.detect, troubles, progress):
                    written.append((entry[0], pool.submit(work.write, *entry)))
                while len(written) > work.workers:
                    note_down()
        finally:  # also where the run is stopped: what is written is noted down
            while written:
                note_down()
    return troubles


def _readable(
    loaded: Iterable[tuple[InputImage, np.ndarray | Exception]], troubles: Troubles, progress: tqdm
) -> Iterator[Loaded]:
    """Those that could be read; the others go to ``troubles``."""
    for picture, image in loaded:
        if isinstance(image, Exception):
            troubles.unread.append((picture.name, str(image) or type(image).__name__))
            progress.update()
        else:
            yield picture, image


def search(
    batch: list[Loaded], journal: Journal, detect: DetectImages, troubles: Troubles, progress: tqdm
) -> Iterator[tuple[InputImage, np.ndarray, LogRecord | None, Detections]]:
    """What is found in each image of a batch; where only other files are wanted, the journal knows it."""
    lines = [journal.get(picture.name, picture.stamp) for picture, _ in batch]
    fresh = [image for (_, image), line in zip(batch, lines, strict=True) if line is None]
    detected = iter(detect_each(detect, fresh) if fresh else ())
    for (picture, image), line in zip(batch, lines, strict=True):
        found = next(detected) if line is None else journal.found(line)
        if isinstance(found, Exception):
            troubles.add_undone(picture, found)
            progress.update()
        else:
            yield picture, image, line, found


def detect_each(detect: DetectImages, images: list[np.ndarray]) -> list[Detections | Exception]:
    """What ``detect`` gives for each image, or has raised; where a batch goes wrong, each is shown alone."""
    try:
        return list(detect(images))
    except Exception as error:  # a model may raise anything on one image, and do well on the next
        if len(images) == 1:
            return [error]
    return [outcome for image in images for outcome in detect_each(detect, [image])]


def write_tables(
    predictor: Predictor,
    sources: list[Source],
    output: Path,
    options: Options,
    journal: Journal,
    troubles: Troubles,
) -> tuple[int, int]:
    """
    Writes what is one file for many images, in the order of ``sources``.

    Returns:
        How many images and instances there are.

    Raises:
        OSError: there is no image.
    """
    done = done_pictures(sources, journal)
    first = next(done, None)
    if first is None:
        raise troubles.nothing_left(sources[0])
    writers = table_writers(output, sources, predictor.classes, options)
    images = instances = 0
    try:
        for picture, line in chain([first], done):
            found = journal.found(line)
            images, instances = images + 1, instances + len(found)
            for writer in writers:
                writer.add(picture.name, None, found)
    except BaseException:
        for writer in writers:
            writer.discard()
        raise
    for writer in writers:
        writer.finish()
    if "drawn" in options.write:
        draw_videos(sources, journal, predictor.metadata, output, troubles)
    return images, instances


def draw_videos(sources: list[Source], journal: Journal, metadata: Metadata, output: Path, troubles: Troubles) -> None:
    """Draws every video of ``sources`` of which frames are done; one that cannot be drawn goes to ``troubles``."""
    if any(source.is_video for source in sources) and h264_codec() is None:
        logger.warning(NOT_FOR_BROWSERS)
    for source in sources:
        frames = frames_of(source, journal) if source.is_video else []
        if frames:
            try:
                write_drawn_video(source, frames, journal, metadata, output)
            except Exception as error:  # decoders and encoders raise nearly every type of error
                troubles.add_undone(InputImage(source, source.name, frames[0].stamp), error)


def done_pictures(sources: list[Source], journal: Journal) -> Iterator[tuple[InputImage, LogRecord]]:
    """All that is done of ``sources``, in their order."""
    for source in sources:
        for picture in frames_of(source, journal) if source.is_video else [image_picture(source)]:
            line = journal.get(picture.name, picture.stamp)
            if line is not None:
                yield picture, line
