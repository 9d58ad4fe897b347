"""Converts a dataset to COCO from LabelMe, YOLO, Pascal VOC, CVAT or a folder of masks; and to LabelMe and YOLO."""

import argparse
from collections.abc import Callable
from pathlib import Path

from maskrcnn_project.errors import run_tool

SOURCES = ("labelme", "yolo", "voc", "cvat", "masks")
TARGETS = ("labelme", "yolo")
# Which of the options that not every format has are for which format.
ONLY_FOR = {"split": ("yolo", "voc"), "layout": ("masks",), "class_from": ("masks",), "labels": ("yolo",)}
EPILOG = """
examples:
  convert_dataset.py --from labelme --input photos --output photos.json
  convert_dataset.py --from yolo --input set/data.yaml --split train --images set/images/train --output train.json
  convert_dataset.py --from voc --input VOC2012 --split train --output train.json
  convert_dataset.py --from cvat --input annotations.xml --images photos --output photos.json
  convert_dataset.py --from masks --layout ids --input masks --images photos --classes cell --output photos.json
  convert_dataset.py --to labelme --input photos.json --images photos --output photos
  convert_dataset.py --to yolo --input train.json --images photos --split train --output yolo_set

Images are never copied or changed, and no file is overwritten. datasets/README.md says what each format has to look
like; what the pixels of masks mean is said by --layout: ids (each number is an object), instances (a picture for each
object), binary (each connected part is an object).
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--from", dest="source", choices=SOURCES, help="convert this format to COCO")
    p.add_argument("--to", dest="target", choices=TARGETS, help="convert COCO to this format")
    p.add_argument("--input", required=True, metavar="PATH", help="the annotations: a folder or a file, see examples")
    p.add_argument("--images", metavar="DIR", help="folder of the images (default: where the format has them)")
    p.add_argument("--output", required=True, metavar="PATH", help="the COCO file to write; with --to, a folder")
    p.add_argument("--classes", metavar="A,B,C", help="classes wanted, in order, or a JSON list (default: all)")
    p.add_argument("--split", metavar="NAME", help="yolo, voc: only this split; --to yolo: the split written (train)")
    p.add_argument("--labels", metavar="DIR", help="yolo: folder of the label files (default: where YOLO looks)")
    p.add_argument("--layout", choices=("ids", "instances", "binary"), help="masks: what their pixels mean")
    p.add_argument("--class-from", choices=("none", "folder", "suffix"), help="masks: what tells the class (none)")
    p.add_argument("--annotated-only", action="store_true", help="leave out images that nobody has annotated")
    return p


def check(args: argparse.Namespace) -> None:
    """Raises ValueError for options that do not go together."""
    if (args.source is None) == (args.target is None):
        raise ValueError(
            f"Give either --from ({', '.join(SOURCES)}) to convert to COCO, or --to ({', '.join(TARGETS)}) to convert "
            "from it."
        )
    for option, formats in ONLY_FOR.items():
        if getattr(args, option) is not None and (args.source or args.target) not in formats:
            raise ValueError(f"--{option.replace('_', '-')} is for {', '.join(formats)} only: leave it out.")
    if args.target and (args.classes or args.layout or args.class_from or args.labels or args.annotated_only):
        raise ValueError("--to writes every class and image of the COCO file: leave out what chooses some of them.")
    if args.images is None and (args.target or args.source == "masks"):
        raise ValueError("Name the folder of the images: --images DIR.")


def to_coco(args: argparse.Namespace) -> None:
    from maskrcnn_project.datasets.conversion.class_names import parse_class_names
    from maskrcnn_project.datasets.conversion.coco_content import Conversion, check_new
    from maskrcnn_project.datasets.conversion.cvat import read_cvat
    from maskrcnn_project.datasets.conversion.labelme import read_labelme
    from maskrcnn_project.datasets.conversion.mask_folder import read_mask_folder
    from maskrcnn_project.datasets.conversion.voc import read_voc
    from maskrcnn_project.datasets.conversion.yolo import read_yolo

    functions = (read_labelme, read_yolo, read_voc, read_cvat, read_mask_folder)
    readers: dict[str, Callable[..., Conversion]] = dict(zip(SOURCES, functions, strict=True))
    output = Path(args.output)
    check_new(output)  # now, and not after minutes of reading
    classes = parse_class_names(args.classes) if args.classes else None
    chosen = {option: getattr(args, option) for option in ONLY_FOR if getattr(args, option) is not None}
    images = Path(args.images) if args.images else None
    found = readers[args.source](Path(args.input), images, classes, args.annotated_only, **chosen)
    found.write(output)
    print(found.report())
    print(f"Written to {output}; file names are relative to {found.image_root}. Check it next:")
    print(f"  python tools/check_dataset.py --images {found.image_root} --annotations {output}")


def from_coco(args: argparse.Namespace) -> None:
    from maskrcnn_project.datasets.conversion.coco_source import IMAGE, read_source
    from maskrcnn_project.datasets.conversion.labelme import write_labelme
    from maskrcnn_project.datasets.conversion.write_report import labelme_commands, report
    from maskrcnn_project.datasets.conversion.yolo_set import DATA_FILE
    from maskrcnn_project.datasets.conversion.yolo_writer import splits_wanted, write_yolo

    images, output = Path(args.images), Path(args.output)
    data = read_source(Path(args.input), images)
    if args.target == "labelme":
        left_out = write_labelme(data, output)
        print(f"{len(data.images) - left_out.counts.get(IMAGE, 0)} LabelMe files are in {output}. Open them with:")
        print("".join(f"  {command}\n" for command in labelme_commands(data, images, output)), end="")
    else:
        left_out = write_yolo(data, output, args.split or "train")
        written = len(data.images) - left_out.counts.get(IMAGE, 0)
        print(f"{written} label files are in {output}, described by {output / DATA_FILE}.")
        if wanted := splits_wanted(output):
            print(f"Still wanted to train YOLO: a {wanted[0]} split (--split {wanted[0]}, with the same --output).")
    print(report(data, args.target, left_out))


def main() -> None:
    args = parser().parse_args()
    check(args)
    if args.source:
        to_coco(args)
    else:
        from_coco(args)


if __name__ == "__main__":
    run_tool(main)
