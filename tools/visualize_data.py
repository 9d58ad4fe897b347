"""Draws a data set: its annotations, or the augmented samples that the model will see in training."""

import argparse
from pathlib import Path

from maskrcnn_project.errors import run_tool

EPILOG = """
examples:
  visualize_data.py --images photos --annotations photos.json
  visualize_data.py --source dataloader --config-file output/photos/config.yaml
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--source", choices=("annotation", "dataloader"), default="annotation",
                   help="annotation: as annotated (default); dataloader: resized, flipped, augmented")  # fmt: skip
    p.add_argument("--config-file", metavar="FILE", help="a config, or the config.yaml of a run")
    p.add_argument(
        "--split",
        choices=("train", "test"),
        help="which sets of the config, with --source annotation (default train)",
    )
    p.add_argument("--output", "--output-dir", default="data_pictures", metavar="DIR",
                   help="folder of the pictures (default data_pictures)")  # fmt: skip
    p.add_argument("--number", type=int, default=16, metavar="N", help="pictures to draw (default 16)")
    p.add_argument("--images", metavar="DIR", help="instead of a config: folder of the images")
    p.add_argument("--annotations", metavar="FILE", help="and the COCO JSON of their annotations")
    p.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config options")
    return p


def main() -> None:
    args = parser().parse_args()
    if (args.images is None) != (args.annotations is None) or (args.images is None) == (args.config_file is None):
        raise ValueError("Give either --config-file FILE, or --images DIR with --annotations FILE.")
    if args.split is not None and (args.config_file is None or args.source == "dataloader"):
        raise ValueError("--split chooses among the sets of a config whose annotations are drawn: leave it out here.")
    if args.number < 1:
        raise ValueError(f"--number must be at least 1, but {args.number} was given.")

    from maskrcnn_project.analysis.data_pictures import (
        annotated_pictures,
        config_to_draw,
        files_of,
        sample_pictures,
        write_pictures,
    )
    from maskrcnn_project.files import ResultFolder

    cfg = config_to_draw(args.config_file, args.images, args.annotations, args.opts)
    names = cfg.DATASETS.TEST if args.split == "test" and args.source == "annotation" else cfg.DATASETS.TRAIN
    folder = ResultFolder(Path(args.output), files_of(names))
    if args.source == "dataloader":
        pictures = sample_pictures(cfg, args.number)
    else:
        pictures = annotated_pictures(names, args.number, cfg.INPUT.PAGE)
    sheet, count = write_pictures(pictures, folder, args.number)
    print(f"{count} pictures in {args.output}, all on one sheet: {sheet}")


if __name__ == "__main__":
    run_tool(main)
