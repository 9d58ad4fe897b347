"""The forms in which predictions over files are written, each by its writer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from detectron2.data.catalog import Metadata
from tqdm import tqdm

from maskrcnn_project.modeling.class_table import ClassTable
from maskrcnn_project.prediction.journal import Journal
from maskrcnn_project.prediction.loading import InputImage
from maskrcnn_project.prediction.options import Options
from maskrcnn_project.prediction.sources import Source
from maskrcnn_project.prediction.video import frame_rate, read_frames, write_video
from maskrcnn_project.prediction.writing import TableWriter, Writer
from maskrcnn_project.prediction.writing.coco_writer import CocoWriter
from maskrcnn_project.prediction.writing.cut_out_writer import CutOutWriter
from maskrcnn_project.prediction.writing.drawn_writer import DrawnWriter
from maskrcnn_project.prediction.writing.instance_png_writer import InstancePngWriter
from maskrcnn_project.prediction.writing.labelme_writer import LabelMeWriter
from maskrcnn_project.prediction.writing.layout import Layout
from maskrcnn_project.prediction.writing.measurements_writer import MeasurementsWriter
from maskrcnn_project.visualization.follow_objects import ObjectFollower
from maskrcnn_project.visualization.pictures import draw_frame

JSON_NAME = "predictions.json"
TABLE_NAME = "measurements.csv"
MASK_FORMATS = ("labelme", "instances", "cutouts", "measurements")
FOLDERS = ("labelme", "instances", "cutouts")  # below the output; what is drawn lies in the output itself


@dataclass(frozen=True)
class OutputFormat:
    """
    Files of each image.

    Attributes:
        variant: how they are written; other options are another variant.
        of_frames: whether frames of videos get them, too.
    """

    writer: Writer
    variant: str = ""
    of_frames: bool = False


def require_masks(has_masks: bool, write: Sequence[str]) -> None:
    """Raises ValueError where masks are to be written of a model that finds boxes only."""
    wanting = [output_format for output_format in write if output_format in MASK_FORMATS]
    if wanting and not has_masks:
        raise ValueError(
            f"The model finds boxes only (MODEL.MASK_ON False), but {', '.join(wanting)} want masks: "
            "leave them out, --write drawn,coco."
        )


def image_formats(
    output: Path, sources: list[Source], classes: ClassTable, options: Options, metadata: Metadata
) -> dict[str, OutputFormat]:
    """
    Those of ``options.write`` that have a file or a folder for each image, by name.

    Args:
        metadata: its ``thing_colors``, if any, are drawn in.

    Raises:
        ValueError: an input folder is called as one of the output, so that two files would have one place.
    """
    names = [source.name for source in sources if not source.is_video]
    first = {source.name.parts[0] for source in sources if len(source.name.parts) > 1 or source.is_video}
    for folder in FOLDERS:
        if folder in first and folder in options.write and "drawn" in options.write:
            raise ValueError(
                f"--write {folder} makes the folder {output / folder}, where pictures of the inputs in their folder "
                f"{folder} are to be drawn: predict on them with another --output, or without drawn."
            )
    below = {folder: Layout(output / folder, names) for folder in FOLDERS}
    drawn = DrawnWriter(Layout(output, names), classes.names, metadata.get("thing_colors", None))
    labelme = LabelMeWriter(below["labelme"], classes.names, sources[0].root, options.polygon_tolerance)
    output_formats = {
        "drawn": OutputFormat(drawn),  # a video is drawn as a whole
        "labelme": OutputFormat(
            labelme, f"tolerance {options.polygon_tolerance:g}"
        ),  # a frame has no image file to name
        "instances": OutputFormat(InstancePngWriter(below["instances"]), of_frames=True),
        "cutouts": OutputFormat(CutOutWriter(below["cutouts"], classes.names), of_frames=True),
    }
    return {key: output_format for key, output_format in output_formats.items() if key in options.write}


def table_writers(output: Path, sources: list[Source], classes: ClassTable, options: Options) -> list[TableWriter]:
    """Writers of those of ``options.write`` that are one file for all images; each begins its file at once."""
    writers: list[TableWriter] = []
    if "coco" in options.write:
        ids = {source.name: source.image_id for source in sources if source.image_id is not None}
        writers.append(CocoWriter(output / JSON_NAME, classes, ids or None))
    if "measurements" in options.write:
        path = output / TABLE_NAME
        writers.append(MeasurementsWriter(path, classes.names, options.pixel_size, options.unit))
    return writers


def write_drawn_video(
    source: Source, frames: list[InputImage], journal: Journal, metadata: Metadata, output: Path
) -> None:
    """
    Writes a video with what was found in it drawn on it, an object in one colour as long as it can be followed. One
    that is newer than what was found stays.

    Args:
        frames: those that the journal knows.
    """
    path = output / source.name.with_name(source.name.name + ".mp4")
    lines = {frame.name: journal.get(frame.name, frame.stamp) for frame in frames}
    newest = max((line.at for line in lines.values() if line is not None), default=0)
    if not frames or (path.is_file() and path.stat().st_mtime_ns > newest):
        return
    known = {int(name.name): line for name, line in lines.items() if line is not None}

    def drawn() -> Iterator[np.ndarray]:
        follower = ObjectFollower()
        for index, frame in read_frames(source.path, known.__contains__):
            yield draw_frame(frame, journal.found(known[index]), metadata, follower)

    bar = tqdm(drawn(), desc=f"Drawing {path.name}", total=len(known), unit="frame", disable=None)
    write_video(path, bar, frame_rate(source.path))
