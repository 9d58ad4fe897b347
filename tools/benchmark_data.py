"""Measures what a large COCO file costs: seconds and memory of reading, checking, loading and one epoch of workers."""

import argparse
import tempfile
from pathlib import Path

from maskrcnn_project.errors import run_tool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--num-images", "--images", type=int, default=100_000, metavar="N", help="images to make (default 100000)"
    )
    parser.add_argument(
        "--num-instances",
        "--instances",
        type=int,
        default=1_000_000,
        metavar="N",
        help="and instances (default 1000000)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="equal seeds give equal files (default 0)")
    parser.add_argument(
        "--folder", metavar="DIR", help="where to make them for the time being (default: a temporary one)"
    )
    args = parser.parse_args()
    if args.num_images < 1 or args.num_instances < 1:
        raise ValueError(
            f"--num-images and --num-instances must be at least 1, but {args.num_images} and {args.num_instances} came."
        )

    from maskrcnn_project.benchmarks.large_dataset import measure_costs, write_synthetic_set

    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=args.folder) as folder:
        json_file, image_root = write_synthetic_set(Path(folder), args.num_images, args.num_instances, args.seed)
        size = json_file.stat().st_size / 2**20
        print(f"{args.num_images} images, {args.num_instances} instances, {size:.0f} MB of JSON; no image is opened.")
        print(f"{'step':<32}{'seconds':>9}{'peak MB':>9}")
        for cost in measure_costs(json_file, image_root):
            print(f"{cost.step:<32}{cost.seconds:>9.1f}{cost.peak_megabytes:>9.0f}", flush=True)
            for remark in cost.remarks:
                print(f"  {remark}", flush=True)


if __name__ == "__main__":
    run_tool(main)
