"""The flags of ``tools/predict.py``. Imports no torch."""

from __future__ import annotations

import argparse
import math

IMAGE_FORMATS = ("drawn", "labelme", "instances", "cutouts")  # a file or a folder for each image
TABLE_FORMATS = ("coco", "measurements")  # one file for all
DEFAULT_FORMATS = ("drawn", "coco", "measurements")
OVERLAP_POLICIES = ("keep", "highest")

EPILOG = """
what --write takes:
  drawn         every image with what was found drawn on it (PNG; a video as MP4), laid out as the inputs are
  coco          predictions.json
  measurements  measurements.csv: area, perimeter, orientation, ... of each instance
  labelme       labelme/: files for the annotation tool, to be corrected by hand
  instances     instances/: 16-bit PNG, each pixel the number of its instance
  cutouts       cutouts/: each instance as a picture, transparent round it

examples:
  predict.py --run output/photos --input new_photos --output predictions
  predict.py --run output/cells --input 'plates/*.tif' film.mp4 --score-threshold cell=0.6,dirt=0.3
  predict.py --run output/cells --input plates --write coco,measurements --overlap highest --pixel-size 0.32 --unit um
  predict.py --run output/cells --input slide.tif --tile 1024 --tile-overlap 128
  predict.py --config-file output/photos/config.yaml --weights model.pth --input val.json --images photos
  torchrun --nproc-per-node 4 -- tools/predict.py --run output/photos --input new_photos

The same command again goes on where it was stopped; images that are done are not done again.
"""


def prediction_parser() -> argparse.ArgumentParser:
    """The parser of ``tools/predict.py``."""
    parser = argparse.ArgumentParser(
        description="Finds instances in images and videos with a trained model, draws, lists and measures them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--input",
        nargs="+",
        required=True,
        metavar="PATH",
        help="images, videos, folders, quoted patterns, COCO files (.json)",
    )
    parser.add_argument("--images", metavar="DIR", help="the folder of the images that a COCO file lists")
    add_finding_arguments(parser)
    add_output_arguments(parser)
    parser.add_argument("--batch-size", type=int, metavar="N", help="images at once (default: 4 on a GPU, 1 on a CPU)")
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="threads that read images (default 4)")
    parser.add_argument(
        "opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config options, e.g. MODEL.DEVICE cpu"
    )
    return parser


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model."""
    parser.add_argument(
        "--run",
        metavar="DIR",
        help="a training's output folder: its config.yaml, and its model_best.pth or else model_final.pth, are used",
    )
    parser.add_argument("--config-file", metavar="FILE", help="instead of --run: a config")
    parser.add_argument("--weights", metavar="FILE", help="default: those of --run, else MODEL.WEIGHTS of the config")


def add_finding_arguments(parser: argparse.ArgumentParser) -> None:
    """What is looked for, and how."""
    group = parser.add_argument_group("finding")
    group.add_argument(
        "--score-threshold",
        metavar="P",
        help="keep what has this score, 0 to 1 (default 0.5), or a higher one; by class: cell=0.6,dirt=0.3, or as "
        """JSON: '{"screw, long": 0.6}'""",
    )
    group.add_argument(
        "--overlap",
        choices=OVERLAP_POLICIES,
        default=OVERLAP_POLICIES[0],
        help="where instances lie on one another: keep both (default), or give each pixel to the highest score",
    )
    group.add_argument("--tile", type=int, metavar="SIZE", help="look at large images in tiles of SIZE pixels, as well")
    group.add_argument(
        "--tile-overlap", type=int, metavar="N", help="pixels that tiles have in common (default: a quarter of SIZE)"
    )
    group.add_argument("--tta", action="store_true", help="look at each image several times, resized and mirrored")


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """What is written."""
    group = parser.add_argument_group("output")
    group.add_argument("--output", default="predictions", metavar="DIR", help="the folder of all that is written")
    group.add_argument("--write", metavar="LIST", help=f"of those below; default {','.join(DEFAULT_FORMATS)}")
    group.add_argument("--no-pictures", action="store_true", help="the same as --write without drawn")
    group.add_argument(
        "--polygon-tolerance",
        type=float,
        metavar="PIXELS",
        help="how far LabelMe's polygons may lie off the masks (default 1)",
    )
    group.add_argument("--pixel-size", type=float, default=1.0, metavar="S", help="side of a pixel in --unit")
    group.add_argument("--unit", default="", metavar="NAME", help="of --pixel-size, e.g. um")
    group.add_argument("--force", action="store_true", help="begin anew in a folder that holds something else")


def check_arguments(args: argparse.Namespace) -> None:
    """Makes ``write`` a tuple and fills what has a default by another. Raises ValueError with one sentence."""
    if (args.run is None) == (args.config_file is None):
        raise ValueError(
            "Give either --run DIR (a training's output folder) or --config-file FILE with --weights FILE."
        )
    output_formats = (
        DEFAULT_FORMATS
        if args.write is None
        else tuple(output_format.strip() for output_format in args.write.split(","))
    )
    known = (*IMAGE_FORMATS, *TABLE_FORMATS)
    for output_format in output_formats:
        if output_format not in known:
            raise ValueError(f"--write takes {', '.join(known)}, separated by commas, but {output_format!r} was given.")
    args.write = tuple(
        output_format
        for output_format in known
        if output_format in output_formats and not (args.no_pictures and output_format == "drawn")
    )
    if not args.write:
        raise ValueError("--no-pictures leaves nothing of --write to be written: leave one of them out.")
    if args.polygon_tolerance is not None and "labelme" not in args.write:
        raise ValueError("--polygon-tolerance is of LabelMe's polygons: add labelme to --write, or leave it out.")
    args.polygon_tolerance = 1.0 if args.polygon_tolerance is None else args.polygon_tolerance
    if args.score_threshold is not None and "PREDICT.SCORE_THRESHOLD" in args.opts[::2]:
        raise ValueError("--score-threshold and PREDICT.SCORE_THRESHOLD say two things: give one of them.")
    if args.tile is None and args.tile_overlap is not None:
        raise ValueError("--tile-overlap is of tiles: give their size as well, --tile SIZE.")
    if args.tile is not None:
        args.tile_overlap = args.tile // 4 if args.tile_overlap is None else args.tile_overlap
        if args.tile < 1 or not 0 <= args.tile_overlap < args.tile:
            raise ValueError(
                "--tile should be 1 or more, and --tile-overlap from 0 to below it, "
                f"but {args.tile} and {args.tile_overlap} were given."
            )
    check_numbers(args)


def check_numbers(args: argparse.Namespace) -> None:
    """Raises ValueError for one that means nothing."""
    for flag in ("batch_size", "workers"):
        if getattr(args, flag) is not None and getattr(args, flag) < 1:
            raise ValueError(f"--{flag.replace('_', '-')} should be 1 or more, but {getattr(args, flag)} was given.")
    if not (math.isfinite(args.polygon_tolerance) and args.polygon_tolerance >= 0):
        raise ValueError(f"--polygon-tolerance should be 0 or more pixels, but {args.polygon_tolerance} was given.")
    if not (math.isfinite(args.pixel_size) and args.pixel_size > 0):
        raise ValueError(f"--pixel-size should be more than 0, but {args.pixel_size} was given.")
    if args.unit and not args.unit.isalpha():
        raise ValueError(f"--unit should be letters, such as um or mm, but {args.unit!r} was given.")
    if args.unit and args.pixel_size == 1.0:
        raise ValueError(f"--unit {args.unit} is of --pixel-size: give the side of a pixel in {args.unit} as well.")
