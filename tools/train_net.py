"""Trains or evaluates Mask R-CNN: from a config file, or straight from a folder of images and a COCO JSON."""

from contextlib import nullcontext

import maskrcnn_project
from maskrcnn_project.errors import run_tool
from maskrcnn_project.training.arguments import training_parser


def run(cfg, args) -> None:
    """One process of the run: all of it on one device, or its share under ``launch``."""
    from maskrcnn_project.training.overfit import overfit_summary
    from maskrcnn_project.training.resume import nothing_left
    from maskrcnn_project.training.run import evaluate, set_up, share_config, train
    from maskrcnn_project.training.signals import end_with_launcher

    end_with_launcher()
    cfg = share_config(cfg)
    if nothing_left(cfg, args):
        return
    set_up(cfg, args)
    if args.eval_only:
        evaluate(cfg)
        return
    results = train(cfg, resume=args.resume, fit_memory=args.fit_memory)
    if args.overfit is not None and results:
        print(overfit_summary(results, cfg.OUTPUT_DIR))


def main() -> None:
    args = training_parser().parse_args()

    from detectron2.engine import launch

    from maskrcnn_project.training.prepare import prepare
    from maskrcnn_project.training.run import is_first_process, try_batch_sizes
    from maskrcnn_project.training.signals import relay_to_children

    cfg = None
    if is_first_process(args):
        print(maskrcnn_project.detectron2_info())
        cfg = prepare(args)
        if args.find_batch_size:
            print(try_batch_sizes(cfg))
            return
    with relay_to_children() if args.num_gpus > 1 else nullcontext():
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
