"""Times each stage of training and inference; with a real Detectron2 installed beside the stand-in, as ratios."""

import argparse
import json
import os
import subprocess
import sys

from maskrcnn_project.errors import run_tool
from maskrcnn_project.provider import CHOICE_VARIABLE, detectron2_info


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--config-file", default="configs/mask_rcnn_R_50_FPN_1x.yaml", metavar="FILE",
                   help="default configs/mask_rcnn_R_50_FPN_1x.yaml")  # fmt: skip
    p.add_argument("--size", type=int, nargs=2, default=(800, 1088), metavar=("H", "W"), help="default 800 1088")
    p.add_argument("--batch-size", type=int, default=2, metavar="N", help="images at once (default 2)")
    p.add_argument("--objects", type=int, default=10, metavar="N", help="in each image (default 10)")
    p.add_argument("--repeats", type=int, default=5, metavar="N", help="the median of so many counts (default 5)")
    p.add_argument("--json", action="store_true", help="only measure the Detectron2 that answers here; print JSON")
    p.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config options, e.g. MODEL.DEVICE cpu")
    return p


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Seconds of each stage, in their order."""
    from tqdm import tqdm

    from maskrcnn_project.benchmarks.benchmark import median_seconds, noise_batch, stages
    from maskrcnn_project.config import get_config
    from maskrcnn_project.modeling.device import choose_device

    cfg = get_config(args.config_file, ["MODEL.WEIGHTS", "", *args.opts])
    choose_device(cfg)
    batch = noise_batch(args.batch_size, tuple(args.size), args.objects, cfg.MODEL.ROI_HEADS.NUM_CLASSES)
    progress = tqdm(stages(cfg, batch), unit="stage", disable=None)
    return {name: median_seconds(work, args.repeats, cfg.MODEL.DEVICE) for name, work in progress}


def main() -> None:
    args = parser().parse_args()
    if args.json:
        print(json.dumps(measure(args)))
        return
    kinds = ["standin", *(["installed"] if detectron2_info().kind == "installed" else [])]
    seconds = {}
    for kind in kinds:
        command = [sys.executable, __file__, "--json", *sys.argv[1:]]
        done = subprocess.run(command, env={**os.environ, CHOICE_VARIABLE: kind}, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f"The measurement on the {kind} Detectron2 failed (see above).")
        seconds[kind] = json.loads(done.stdout.splitlines()[-1])
    print(f"{'seconds, median':<36}" + "".join(f"{kind:>12}" for kind in kinds) + "  ratio" * (len(kinds) > 1))
    for stage, own in seconds["standin"].items():
        row = f"{stage:<36}" + "".join(f"{seconds[kind][stage]:>12.4f}" for kind in kinds)
        print(row + (f"{own / seconds['installed'][stage]:>7.2f}" if len(kinds) > 1 else ""))


if __name__ == "__main__":
    run_tool(main)
