"""Trains or evaluates Mask R-CNN: from a config file, or straight from a folder of images and a COCO JSON."""

import maskrcnn_project
from maskrcnn_project.arguments import own_data_given, training_parser
from maskrcnn_project.errors import run_tool


def run(cfg, args) -> None:
    """One process of the run: all of it on one device, or its share under ``launch``."""
    from maskrcnn_project.run import evaluate, set_up, train

    cfg = set_up(cfg, args)
    if args.eval_only:
        evaluate(cfg, resume=args.resume)
    else:
        train(cfg, resume=args.resume)


def main() -> None:
    args = training_parser().parse_args()
    from_own_data = own_data_given(args)

    from detectron2.engine import launch

    from maskrcnn_project.run import build_config, is_first_process

    cfg = None
    if is_first_process(args):
        print(maskrcnn_project.detectron2_info())
        cfg = build_config(args, from_own_data)
    launch(
        run,
        args.num_gpus,
        num_machines=args.num_machines,
        machine_rank=args.machine_rank,
        dist_url=args.dist_url,
        args=(cfg, args),
    )


if __name__ == "__main__":
    run_tool(main)
