"""Splits, merges, cuts down or tiles COCO sets. Writes new files only; images are never moved or changed."""

import argparse

from maskrcnn_project.errors import run_tool

EPILOG = """
examples:
  edit_dataset.py split --annotations all.json --output parts --parts train=0.7 val=0.15 test=0.15 --group-by patient
  edit_dataset.py merge --annotations a.json b.json --images photos_a photos_b --output both.json
  edit_dataset.py subset --annotations all.json --output trial.json --classes screw nut --number 200
  edit_dataset.py tile --annotations scans.json --images scans --output tiles --tile 1024 --tile-overlap 256
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = p.add_subparsers(dest="command", required=True)
    add_split(commands.add_parser("split", help="train and val, or more parts; related images stay together"))
    add_merge(commands.add_parser("merge", help="several COCO files into one"))
    add_subset(commands.add_parser("subset", help="some of the images or classes"))
    add_tile(commands.add_parser("tile", help="large images into overlapping tiles"))
    return p


def add_split(p: argparse.ArgumentParser) -> None:
    p.add_argument("--annotations", required=True, metavar="FILE", help="COCO JSON")
    p.add_argument("--output", required=True, metavar="DIR", help="where PART.json of each part goes")
    p.add_argument("--parts", nargs="+", default=["train=0.8", "val=0.2"], metavar="PART=SHARE",
                   help="shares of the images (default train=0.8 val=0.2)")  # fmt: skip
    group = p.add_mutually_exclusive_group()
    group.add_argument("--group-by", metavar="KEY", help="images of the same value of this key stay together (default: "
                       "tiles of one image; 'id' lets every image be by itself)")  # fmt: skip
    group.add_argument("--group-by-name", metavar="REGEX", help="the same by part of file_name, e.g. '^(P[0-9]+)_'")
    p.add_argument("--seed", type=int, default=0, metavar="N", help="equal seeds give equal splits (default 0)")
    p.add_argument("--force", action="store_true", help="overwrite an earlier split")


def add_merge(p: argparse.ArgumentParser) -> None:
    p.add_argument("--annotations", required=True, nargs="+", metavar="FILE", help="COCO JSON files")
    p.add_argument("--images", nargs="+", default=[], metavar="DIR", help="their image folders, or one for all")
    p.add_argument("--output", required=True, metavar="FILE", help="the new COCO JSON")
    p.add_argument("--root", metavar="DIR", help="what file names start from (default: the nearest common folder)")
    p.add_argument("--prefixes", nargs="+", default=[], metavar="NAME", help="instead: folders you will gather them in")
    p.add_argument("--same-image", choices=("refuse", "join", "first", "keep"), default="refuse", help="an image in "
                   "two files: refuse (default), join the annotations, keep the first, or keep it twice")  # fmt: skip


def add_subset(p: argparse.ArgumentParser) -> None:
    p.add_argument("--annotations", required=True, metavar="FILE", help="COCO JSON")
    p.add_argument("--output", required=True, metavar="FILE", help="the new COCO JSON")
    p.add_argument("--number", type=int, metavar="N", help="so many images, every class in its share")
    p.add_argument("--seed", type=int, default=0, metavar="N", help="of the draw of these (default 0)")
    p.add_argument("--classes", nargs="+", metavar="NAME", help="these classes, and the images that show one of them")
    p.add_argument("--keep-empty", action="store_true", help="with --classes: the other images too, without objects")
    only = p.add_mutually_exclusive_group()
    only.add_argument(
        "--only", nargs="+", metavar="IMAGE", help="these images: ids, or file names as the JSON has them"
    )
    only.add_argument("--only-list", metavar="FILE", help="the images that a text file lists so, one per line")


def add_tile(p: argparse.ArgumentParser) -> None:
    p.add_argument("--annotations", required=True, metavar="FILE", help="COCO JSON")
    p.add_argument("--images", required=True, metavar="DIR", help="folder of the images")
    p.add_argument("--output", required=True, metavar="DIR", help="a new folder: images/ and annotations.json")
    p.add_argument("--tile", "--size", type=int, required=True, metavar="SIZE", help="both sides of a tile, in pixels")
    p.add_argument("--tile-overlap", "--overlap", type=int, metavar="N",
                   help="pixels that tiles share: as much as most objects measure (default: a quarter)")  # fmt: skip
    p.add_argument("--min-visible", type=float, default=0.1, metavar="P",
                   help="leave out remnants with less than this share of the object, 0-1 (default 0.1)")  # fmt: skip
    p.add_argument("--page", type=int, metavar="N", help="of images that are stacks of pages, from 0")
    p.add_argument("--drop-empty", action="store_true", help="leave out tiles that show no object")
    p.add_argument("--format", choices=("png", "jpg"), default="png", help="png (default) keeps every pixel")
    p.add_argument("--quality", type=int, default=95, metavar="Q", help="of jpg, 1-100 (default 95)")


def split(args: argparse.Namespace) -> None:
    from maskrcnn_project.datasets.coco_file import read_json
    from maskrcnn_project.datasets.editing.grouping import name_pattern
    from maskrcnn_project.datasets.editing.split import parts_from_text, shares_table, write_parts

    group_by = name_pattern(args.group_by_name) if args.group_by_name else args.group_by
    how = {"group_by": group_by, "force": args.force}
    files = write_parts(args.annotations, args.output, parts_from_text(args.parts), args.seed, **how)
    print(shares_table({part: read_json(file) for part, file in files.items()}, group_by))


def merge(args: argparse.Namespace) -> None:
    from maskrcnn_project.datasets.editing.merge import write_merged

    where = {"root": args.root, "prefixes": args.prefixes}
    print(write_merged(args.annotations, args.output, args.images, same_image=args.same_image, **where).text())


def subset(args: argparse.Namespace) -> None:
    from maskrcnn_project.datasets.editing.split import shares_table
    from maskrcnn_project.datasets.editing.subset import SubsetOptions, image_keys, read_image_list, write_subset

    only = read_image_list(args.only_list) if args.only_list else args.only and image_keys(args.only)
    options = SubsetOptions(only, args.classes, args.keep_empty, args.number, args.seed)
    print(shares_table({"subset": write_subset(args.annotations, args.output, options)}))


def tile(args: argparse.Namespace) -> None:
    from maskrcnn_project.datasets.editing.tile import TileOptions, write_tiled

    overlap = args.tile // 4 if args.tile_overlap is None else args.tile_overlap
    options = TileOptions(
        args.tile, overlap, args.min_visible, not args.drop_empty, args.format, args.quality, args.page
    )
    print(write_tiled(args.annotations, args.images, args.output, options).text(options))


def main() -> None:
    args = parser().parse_args()
    {"split": split, "merge": merge, "subset": subset, "tile": tile}[args.command](args)


if __name__ == "__main__":
    run_tool(main)
