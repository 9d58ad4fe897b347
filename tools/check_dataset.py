"""Says on one page what is wrong with a COCO dataset, and writes a fixed copy of its JSON."""

import argparse
import json
import sys
from pathlib import Path

from maskrcnn_project.errors import run_tool

EPILOG = """
examples:
  Look for everything that can be wrong:
    check_dataset.py --images photos --annotations photos.json
  Both splits, and whether they fit together:
    check_dataset.py --images train --annotations train.json --val-images val --val-annotations val.json
  Write a fixed copy, and beside it fixed.changes.json, the list of every change:
    check_dataset.py --images photos --annotations photos.json --fix fixed.json

The exit code is 0 where there are no errors in the files given, and 1 otherwise. Warnings and notes do not count.
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--annotations", metavar="FILE", required=True, help="COCO JSON of the annotations")
    p.add_argument("--images", metavar="DIR", help="folder of the images; without it the files are not looked at")
    p.add_argument("--val-annotations", metavar="FILE", help="the same for the validation set")
    p.add_argument("--val-images", metavar="DIR")
    p.add_argument("--fix", metavar="FILE", help="write a fixed copy of the annotations; must not exist yet")
    p.add_argument("--val-fix", metavar="FILE", help="the same for the validation set")
    p.add_argument(
        "--grow-outlines",
        action="store_true",
        help="with --fix: add the pixels that outlines through pixel centres run through (polygon-centres)",
    )
    p.add_argument("--report", "--json", metavar="FILE", help="write the findings as JSON as well; must not exist yet")
    p.add_argument(
        "--page",
        type=int,
        default=0,
        metavar="N",
        help="of images that are stacks of pages, the one that was annotated, from 0 (default 0)",
    )
    p.add_argument("--quick", action="store_true", help="neither decode the images nor draw the masks")
    p.add_argument("--detections-per-image", type=int, default=100, metavar="N",
                   help="TEST.DETECTIONS_PER_IMAGE of the model to be trained (default 100)")  # fmt: skip
    return p


def main() -> None:
    args = parser().parse_args()
    if args.val_annotations is None and (args.val_images or args.val_fix):
        raise ValueError("--val-images and --val-fix need --val-annotations: name the COCO JSON of the validation set.")
    if args.grow_outlines and not (args.fix or args.val_fix):
        raise ValueError(
            "--grow-outlines changes what --fix and --val-fix write: name a file to write with one of them."
        )
    if args.page < 0:
        raise ValueError(f"--page counts from 0, but {args.page} was given.")
    if args.quick and args.page:
        raise ValueError("--quick looks at no image, and so at no page: leave out --page.")
    if args.detections_per_image < 1:
        raise ValueError(f"--detections-per-image must be at least 1, but {args.detections_per_image} was given.")

    from maskrcnn_project.datasets.checking.check import check_dataset
    from maskrcnn_project.datasets.checking.check_report import (
        as_json,
        as_text,
        changes_table,
        remaining,
        removals_line,
    )
    from maskrcnn_project.datasets.checking.fix import fix, refuse_existing, write_fixed
    from maskrcnn_project.datasets.checking.split_tables import SplitTables
    from maskrcnn_project.files import write_text

    refuse_existing(args.fix, args.val_fix, args.report)  # before the work, not after
    train = SplitTables.read("train", args.annotations, args.images)
    val = None if args.val_annotations is None else SplitTables.read("val", args.val_annotations, args.val_images)
    findings = check_dataset(
        train, val, quick=args.quick, detections_per_image=args.detections_per_image, page=args.page
    )
    print(as_text(findings, train, val))
    if args.report is not None:
        Path(args.report).parent.mkdir(parents=True, exist_ok=True)
        write_text(Path(args.report), json.dumps(as_json(findings), indent=2))
    if args.grow_outlines and not findings.of("polygon-centres"):
        raise ValueError(
            "--grow-outlines is for polygons through pixel centres (polygon-centres), but the check has found "
            "none: leave it out."
        )
    fixed = {}
    for tables, other, output in ((train, val, args.fix), (val, train, args.val_fix)):
        if tables is not None and output is not None:
            coco, changes = fix(tables, findings, other=other, grow_outlines=args.grow_outlines)
            fixed[tables.split] = (output, coco, changes)
            totals = {table: len(getattr(tables, table)) for table in ("images", "annotations", "categories")}
            print(f"\n{removals_line(changes, totals)}")
    for output, coco, changes in fixed.values():
        written, listed = write_fixed(coco, changes, output)
        print(f"\n{written} is written. {listed} lists its changes, {len(changes)} in all:\n{changes_table(changes)}")
    left = remaining(findings, {split: changes for split, (_, _, changes) in fixed.items()})
    if left and fixed:
        print(f"Errors that are left: {', '.join(left)}.")
    if findings.count("error"):
        sys.exit(1)


if __name__ == "__main__":
    run_tool(main)
