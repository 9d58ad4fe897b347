"""Finds instances in images with a trained model: drawn pictures and one COCO JSON."""

import argparse
from pathlib import Path

from maskrcnn_project.errors import run_tool

EPILOG = """
examples:
  predict.py --run output/photos --input new_photos --output predictions
  predict.py --config-file output/photos/config.yaml --weights output/photos/model_final.pth --input 'a/*.jpg' b.png
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument(
        "--run",
        metavar="DIR",
        help="a training's output folder: its config.yaml and model_final.pth are used",
    )
    p.add_argument("--config-file", metavar="FILE", help="instead of --run: a config")
    p.add_argument("--weights", metavar="FILE", help="default: those of --run, else MODEL.WEIGHTS of the config")
    p.add_argument("--input", nargs="+", required=True, metavar="PATH", help="images, folders or quoted patterns")
    p.add_argument("--output", default="predictions", metavar="DIR", help="where pictures and predictions.json go")
    p.add_argument("--score-threshold", type=float, metavar="P", help="keep predictions from this score on, 0 to 1")
    p.add_argument("--no-pictures", action="store_true", help="write predictions.json only")
    p.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config options, e.g. MODEL.DEVICE cpu")
    return p


def main() -> None:
    args = parser().parse_args()
    if (args.run is None) == (args.config_file is None):
        raise ValueError(
            "Give either --run DIR (a training's output folder) or --config-file FILE with --weights FILE."
        )
    if args.score_threshold is not None and not 0 <= args.score_threshold <= 1:
        raise ValueError(f"--score-threshold must be between 0 and 1, but {args.score_threshold} was given.")

    from maskrcnn_project.config import get_config
    from maskrcnn_project.inference.inputs import expand_inputs
    from maskrcnn_project.inference.predict_files import predict_files
    from maskrcnn_project.inference.predictor import Predictor
    from maskrcnn_project.inference.weights import weights_of_run

    files = expand_inputs(args.input)
    cfg = get_config(args.config_file or Path(args.run) / "config.yaml", args.opts)
    weights = args.weights or (weights_of_run(Path(args.run)) if args.run else None)
    predictor = Predictor(cfg, weights, args.score_threshold)
    found = predict_files(predictor, files, Path(args.output), pictures=not args.no_pictures)
    print(f"{found} instances in {len(files)} images at score {predictor.score_threshold:g} or above: {args.output}")


if __name__ == "__main__":
    run_tool(main)
