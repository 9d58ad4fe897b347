"""Evaluates results that are on disk, without the model: one file of detections, or two runs against each other."""

import argparse
from pathlib import Path

from maskrcnn_project.errors import run_tool

EPILOG = """
examples:
  evaluate_results.py --annotations val.json --results predictions.json --images val --output report
  evaluate_results.py --compare output/first output/second --output comparison

The first writes report.html, metrics.json and per_class.csv, the second compare.html. A page is one file without
scripts: it opens in any browser, offline, and can be sent and printed.
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--results",
        metavar="FILE",
        help="COCO results (a JSON list of detections), or the predictions.json of predict.py",
    )
    what.add_argument(
        "--compare", nargs=2, metavar=("RUN_A", "RUN_B"), help="folders of two runs that were evaluated on the same set"
    )
    p.add_argument("--annotations", metavar="FILE", help="COCO JSON of the ground truth, for --results")
    p.add_argument("--images", metavar="DIR", help="folder of the images, for the pictures")
    p.add_argument("--output", required=True, metavar="DIR", help="folder to write into; it is made if need be")
    p.add_argument("--score-threshold", type=float, metavar="P", help="where counts are taken, 0 to 1 (default 0.5)")
    p.add_argument(
        "--max-detections",
        type=int,
        metavar="N",
        help="per image and class that count (default: all, at least COCO's 100)",
    )
    p.add_argument("--dataset", metavar="NAME", help="of --compare: which of DATASETS.TEST (default: the first)")
    p.add_argument("--resamples", type=int, metavar="N", help="of --compare: draws (default 1000)")
    p.add_argument("--force", action="store_true", help="write over an earlier page of this tool")
    return p


def main() -> None:
    p = parser()
    args = p.parse_args()
    if args.results and not args.annotations:
        p.error("--results needs --annotations FILE, the ground truth")
    compare_only = {"--dataset": args.dataset, "--resamples": args.resamples}
    results_only = {"--annotations": args.annotations, "--max-detections": args.max_detections}
    for flag, value in (results_only if args.compare else compare_only).items():
        if value is not None:
            p.error(f"{flag} does not go with {'--compare' if args.compare else '--results'}: leave out {flag}")
    if args.images is not None and not Path(args.images).is_dir():
        p.error(f"the image folder {args.images} does not exist")
    args.resamples = 1000 if args.resamples is None else args.resamples
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    (compare_runs if args.compare else evaluate_file)(args, output)


def evaluate_file(args: argparse.Namespace, output: Path) -> None:
    from maskrcnn_project.evaluation.evaluation_result import evaluate
    from maskrcnn_project.evaluation.metrics_files import write_metrics
    from maskrcnn_project.evaluation.read_pairs import read_pairs
    from maskrcnn_project.evaluation.report.report_page import GENERATOR, RunMetadata, write_report
    from maskrcnn_project.pages.html_page import refuse_output

    page = output / "report.html"
    refuse_output(page, GENERATOR, args.force)
    pairs = read_pairs(
        Path(args.annotations),
        Path(args.results),
        name=Path(args.annotations).name,
        image_root=None if args.images is None else Path(args.images),
        max_detections=args.max_detections,
    )
    evaluation = evaluate(pairs, 0.5 if args.score_threshold is None else args.score_threshold)
    write_metrics(output, evaluation)
    write_report(page, pairs, evaluation, run=RunMetadata(title=Path(args.results).name))
    counted = f"{pairs.max_detections} detections per image and class count"
    print(f"{page}: mask AP {evaluation.mask['AP']:.1f}, box AP {evaluation.box['AP']:.1f} ({counted})")


def compare_runs(args: argparse.Namespace, output: Path) -> None:
    from dataclasses import replace

    from maskrcnn_project.evaluation.compare import compare
    from maskrcnn_project.evaluation.evaluation_result import NamedResult, evaluate
    from maskrcnn_project.evaluation.report.compare_page import GENERATOR, conclusion, write_comparison
    from maskrcnn_project.evaluation.run_folder import pairs_of_run, score_threshold_of
    from maskrcnn_project.pages.html_page import refuse_output

    page = output / "compare.html"
    refuse_output(page, GENERATOR, args.force)
    folders = [Path(folder) for folder in args.compare]
    evaluated = []
    for folder, other in zip(folders, reversed(folders), strict=True):
        pairs = pairs_of_run(folder, args.dataset)
        if args.images is not None:
            pairs = replace(pairs, image_root=Path(args.images))
        threshold = score_threshold_of(folder) if args.score_threshold is None else args.score_threshold
        name = folder.resolve().name if folder.resolve().name != other.resolve().name else str(folder)
        evaluated.append(NamedResult(name, pairs, evaluate(pairs, threshold)))
    comparison = compare(*evaluated, resamples=args.resamples)
    write_comparison(page, comparison, *evaluated)
    measure, difference = next(iter(comparison.measures.items()))
    print(f"{page}: {conclusion(measure, difference)}")


if __name__ == "__main__":
    run_tool(main)
