"""Finds instances in images and videos with a trained model: pictures, one COCO JSON, measurements, and more."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from maskrcnn_project.errors import run_tool
from maskrcnn_project.prediction.arguments import check_arguments, prediction_parser

if TYPE_CHECKING:
    from maskrcnn_project.inference.thresholds import ScoreThresholds
    from maskrcnn_project.prediction.predict_files import PredictionSummary

MAX_NAMED = 10  # images that went wrong are named at the end, of each kind


def main() -> None:
    args = prediction_parser().parse_args()
    check_arguments(args)

    from maskrcnn_project.config import get_config_of
    from maskrcnn_project.inference import Predictor
    from maskrcnn_project.modeling.weights import chosen_weights
    from maskrcnn_project.prediction.options import Options
    from maskrcnn_project.prediction.predict_files import predict_files
    from maskrcnn_project.prediction.shard import join_shards
    from maskrcnn_project.prediction.sources import find_sources

    sources = find_sources(args.input, args.images, args.output)
    tta = ["TEST.AUG.ENABLED", "True"] if args.tta else []
    cfg = get_config_of(args.run, args.config_file, [*args.opts, *tta])
    options = Options.from_arguments(args, cfg)
    weights = chosen_weights(args.run, args.weights, args.opts)
    with join_shards() as shard:
        if shard.is_first:
            print(f"Weights: {weights or cfg.MODEL.WEIGHTS}", flush=True)
        predictor = Predictor(cfg, weights, options.thresholds.lowest)
        outcome = predict_files(predictor, sources, Path(args.output), options, shard)
    if outcome is not None:
        report(outcome, options.thresholds, args.output)
        if outcome.failures or outcome.undone:
            sys.exit(1)


def report(outcome: "PredictionSummary", thresholds: "ScoreThresholds", output: str) -> None:
    """Says what was found, and what could not be read or not be done."""
    print(
        f"{outcome.instances} instances in {outcome.images} images at score {thresholds} or above"
        f"{f' ({outcome.earlier} of them done earlier)' if outcome.earlier else ''}: {output}"
    )
    for failures, what in ((outcome.failures, "read"), (outcome.undone, "done")):
        for name, why in failures[:MAX_NAMED]:
            print(f"warning: {name} could not be {what}: {why}", file=sys.stderr)
        if failures:
            number = len(failures)
            print(f"warning: {number} input{'s' if number > 1 else ''} could not be {what}.", file=sys.stderr)


if __name__ == "__main__":
    run_tool(main)
