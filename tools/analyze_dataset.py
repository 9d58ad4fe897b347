"""Writes one page on a dataset: classes, sizes, positions, what anchors cover, what is wrong, settings to paste."""

import argparse
from pathlib import Path

from maskrcnn_project.errors import run_tool

EPILOG = """
examples:
  analyze_dataset.py --images photos --annotations photos.json --output photos.html
  analyze_dataset.py --images photos --annotations photos.json --config-file output/photos/config.yaml --quick

The page is one file without scripts: it opens in any browser, offline, and can be sent and printed.
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--images", required=True, metavar="DIR", help="folder of the images")
    p.add_argument("--annotations", required=True, metavar="FILE", help="COCO JSON of their annotations")
    p.add_argument(
        "--config-file", metavar="FILE", help="whose anchors and sizes to evaluate (default: those for COCO)"
    )
    p.add_argument("--output", default="dataset_analysis.html", metavar="FILE", help="default dataset_analysis.html")
    p.add_argument(
        "--page", type=int, metavar="N", help="of images that are stacks of pages, from 0 (default: the config's)"
    )
    p.add_argument("--quick", action="store_true", help="leave out the checks that decode every image and mask")
    p.add_argument("--force", action="store_true", help="write over an earlier page of this tool")
    return p


def main() -> None:
    args = parser().parse_args()
    output = Path(args.output)

    from maskrcnn_project.analysis import GENERATOR
    from maskrcnn_project.pages.html_page import refuse_output

    refuse_output(output, GENERATOR, args.force)

    from maskrcnn_project.analysis.analyze import analyze_dataset
    from maskrcnn_project.analysis.check_section import count_of
    from maskrcnn_project.analysis.page import analysis_page
    from maskrcnn_project.files import write_text

    analysis = analyze_dataset(args.annotations, args.images, args.config_file, quick=args.quick, page=args.page)
    write_text(output, analysis_page(analysis))
    errors, warnings = (count_of(analysis.findings, severity) for severity in ("error", "warning"))
    print(
        f"{output}: {analysis.statistics.num_images} images, {len(analysis.objects.boxes)} objects; "
        f"errors: {errors}, warnings: {warnings}"
    )


if __name__ == "__main__":
    run_tool(main)
