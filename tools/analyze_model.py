"""Says what a model costs: parameters, multiply-adds and activations of each part, and memory, at a size of image."""

import argparse
import json

from maskrcnn_project.errors import run_tool

EPILOG = """
The weights do not matter and are not loaded. Memory is measured, in processes of their own: one inference, and one
training step on one image.

examples:
  analyze_model.py --config-file configs/mask_rcnn_R_50_FPN_1x.yaml
  analyze_model.py --run output/photos --height 480 --width 640 --depth 3 --json
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--run", metavar="DIR", help="a training's output folder: its config.yaml is used")
    p.add_argument("--config-file", metavar="FILE", help="instead of --run: a config")
    p.add_argument("--height", type=int, metavar="H", help="of the model's input (default: INPUT.MIN_SIZE_TEST)")
    p.add_argument("--width", type=int, metavar="W", help="of the model's input (default: INPUT.MAX_SIZE_TEST)")
    p.add_argument("--depth", type=int, default=2, metavar="N", help="levels of parts to list (default 2)")
    p.add_argument("--no-memory", action="store_true", help="only count, which is quicker")
    p.add_argument("--json", action="store_true", help="print JSON instead of tables")
    p.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config options")
    return p


def main() -> None:
    args = parser().parse_args()
    if (args.run is None) == (args.config_file is None):
        raise ValueError("Give either --run DIR (a training's output folder) or --config-file FILE.")
    for name in ("height", "width", "depth"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, but is {value}.")

    from maskrcnn_project.benchmarks.model_costs import costs_of
    from maskrcnn_project.config import get_config_of
    from maskrcnn_project.modeling.device import choose_device

    cfg = get_config_of(args.run, args.config_file, args.opts)
    choose_device(cfg)
    size = (args.height or cfg.INPUT.MIN_SIZE_TEST, args.width or cfg.INPUT.MAX_SIZE_TEST)
    costs = costs_of(cfg, size, args.depth, memory=not args.no_memory)
    print(json.dumps(costs.as_dict(), indent=1) if args.json else costs.table())


if __name__ == "__main__":
    run_tool(main)
