"""Draws the sample set: circles, rectangles and triangles on textured grounds, as a COCO dataset."""

import argparse
from pathlib import Path

import maskrcnn_project  # noqa: F401  (every door imports it first)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    default = Path(__file__).resolve().parent / "shapes"
    parser.add_argument("--output", type=Path, default=default, help="folder to make; it must not exist yet")
    parser.add_argument("--train", type=int, default=240, help="number of training images")
    parser.add_argument("--val", type=int, default=48, help="number of validation images")
    parser.add_argument("--size", type=int, default=128, help="height and width of the images, in pixels")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal bytes")
    parser.add_argument("--force", action="store_true", help="replace an earlier sample set at --output")
    args = parser.parse_args()

    # after parsing, so that --help answers at once
    from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes
    from maskrcnn_project.errors import DatasetError

    try:
        options = ShapesOptions(train=args.train, val=args.val, size=args.size, seed=args.seed)
        print(write_shapes(args.output, options, force=args.force))
    except DatasetError as error:
        raise SystemExit(f"prepare_shapes: {error}") from None


if __name__ == "__main__":
    main()
