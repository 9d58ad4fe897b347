"""Draws the results JSON of an evaluation beside the ground truth."""

import argparse
from pathlib import Path

from maskrcnn_project.errors import run_tool

EPILOG = """
example:
  visualize_json_results.py --run output/photos --output output/photos/pictures --score-threshold 0.5
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--run", metavar="DIR", help="a training's output folder: its config, results and test set are used")
    p.add_argument(
        "--config-file",
        metavar="FILE",
        help="instead of --run: a config whose DATASETS.DESCRIPTIONS are registered",
    )
    p.add_argument(
        "--results",
        "--input",
        metavar="FILE",
        help="results JSON (default with --run: inference/coco_instances_results.json)",
    )
    p.add_argument("--dataset", metavar="NAME", help="name of the data set (default: the first of DATASETS.TEST)")
    p.add_argument("--output", required=True, metavar="DIR", help="where the pictures go")
    p.add_argument(
        "--score-threshold",
        "--conf-threshold",
        type=float,
        default=0.5,
        metavar="P",
        help="draw from this score on (default 0.5)",
    )
    p.add_argument("--number", type=int, metavar="N", help="draw the first N images only")
    return p


def main() -> None:
    args = parser().parse_args()
    if (args.run is None) == (args.config_file is None):
        raise ValueError(
            "Give either --run DIR (a training's output folder) or --config-file FILE with --results FILE."
        )
    if args.run is None and args.results is None:
        raise ValueError("--config-file needs --results FILE: the results JSON to draw.")
    if not 0 <= args.score_threshold <= 1:
        raise ValueError(f"--score-threshold must be between 0 and 1, but {args.score_threshold} was given.")

    from maskrcnn_project.config import get_config_of
    from maskrcnn_project.datasets.register import register_descriptions
    from maskrcnn_project.visualization.json_results import draw_results

    cfg = get_config_of(args.run, args.config_file)
    register_descriptions(cfg.DATASETS.DESCRIPTIONS)
    results = args.results or Path(args.run) / "inference" / "coco_instances_results.json"
    dataset = args.dataset or next(iter(cfg.DATASETS.TEST), None)
    if dataset is None:
        raise ValueError("The config has no DATASETS.TEST: name the data set with --dataset.")
    count = draw_results(Path(results), dataset, Path(args.output), args.score_threshold, args.number, cfg.INPUT.PAGE)
    print(f"{count} pictures in {args.output}: prediction left, ground truth right")


if __name__ == "__main__":
    run_tool(main)
