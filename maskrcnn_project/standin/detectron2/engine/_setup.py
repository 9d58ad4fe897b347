"""What a training script does before it trains: arguments, folder, log, seed, distributed model, writers."""

from __future__ import annotations

import argparse
import os
import sys
from inspect import signature
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.config._honoured import refuse_unhonoured
from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import CommonMetricPrinter, EventWriter, JSONWriter, TensorboardXWriter
from detectron2.utils.file_io import PathManager
from detectron2.utils.logger import setup_logger
from torch import nn
from torch.nn.parallel import DistributedDataParallel

EXAMPLES = """
Examples:

one machine:
    $ {script} --num-gpus 8 --config-file cfg.yaml

config keys on the command line:
    $ {script} --config-file cfg.yaml MODEL.WEIGHTS weights.pth SOLVER.BASE_LR 0.001

several machines:
    (machine 0) $ {script} --machine-rank 0 --num-machines 2 --dist-url tcp://HOST:PORT
    (machine 1) $ {script} --machine-rank 1 --num-machines 2 --dist-url tcp://HOST:PORT

processes started by torchrun:
    $ torchrun --nproc_per_node 8 {script} --config-file cfg.yaml
"""


def default_argument_parser(epilog: str | None = None) -> argparse.ArgumentParser:
    """
    The arguments that Detectron2's training scripts share.

    Args:
        epilog: text under the help, in place of examples.
    """
    parser = argparse.ArgumentParser(
        epilog=epilog or EXAMPLES.format(script=sys.argv[0]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config-file", default="", metavar="FILE", help="path of a config file")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in OUTPUT_DIR, if there is one"
    )
    parser.add_argument("--eval-only", action="store_true", help="evaluate, do not train")
    parser.add_argument("--num-gpus", type=int, default=1, help="processes on *each* machine, one for each GPU")
    parser.add_argument("--num-machines", type=int, default=1, help="machines")
    parser.add_argument("--machine-rank", type=int, default=0, help="this machine's number, from 0")
    # Ports from 49152 up are not assigned (RFC 6335). One for each user, so that two users on a machine do not meet.
    user = os.getuid() if hasattr(os, "getuid") else 1
    port = 2**15 + 2**14 + hash(user) % 2**14
    parser.add_argument(
        "--dist-url",
        default=f"tcp://127.0.0.1:{port}",
        help="where processes meet: tcp://HOST:PORT of machine 0, or 'auto' on one machine",
    )
    parser.add_argument(
        "opts",
        nargs=argparse.REMAINDER,
        default=None,
        help="config keys and values at the end of the command: KEY VALUE KEY VALUE ...",
    )
    return parser


def default_setup(cfg: CfgNode, args: Any) -> None:
    """
    Prepares a process for training or evaluation: refuses config keys that are not honoured, makes ``OUTPUT_DIR``,
    logs there (``log.txt``) what it runs on and with, writes ``config.yaml``, seeds the generators.

    Args:
        cfg: the whole config.
        args: parsed arguments; ``config_file`` and ``eval_only`` are looked at where they exist.
    """
    refuse_unhonoured(cfg)
    output_dir = cfg.OUTPUT_DIR
    if comm.is_main_process() and output_dir:
        PathManager.mkdirs(output_dir)
    rank = comm.get_rank()
    setup_logger(output_dir, distributed_rank=rank, name="fvcore")
    logger = setup_logger(output_dir, distributed_rank=rank)

    logger.info("Rank of current process: %d. World size: %d", rank, comm.get_world_size())
    logger.info("Environment info:\n%s", collect_env_info())
    logger.info("Command line arguments: %s", args)
    config_file = getattr(args, "config_file", "")
    if config_file:
        with PathManager.open(config_file, "r") as file:
            logger.info("Contents of args.config_file=%s:\n%s", config_file, file.read())
    if comm.is_main_process() and output_dir:
        path = os.path.join(output_dir, "config.yaml")
        with PathManager.open(path, "w") as file:
            file.write(cfg.dump())
        logger.info("Full config saved to %s", path)

    # every process its own numbers: they augment different images
    seed_all_rng(None if cfg.SEED < 0 else cfg.SEED + rank)
    if not getattr(args, "eval_only", False):
        # Trying algorithms pays only where many images of one size follow.
        torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
    if cfg.FLOAT32_PRECISION:
        torch.set_float32_matmul_precision(cfg.FLOAT32_PRECISION)


def default_writers(output_dir: str, max_iter: int | None = None) -> list[EventWriter]:
    """
    Writers for the console, ``metrics.json`` and TensorBoard.

    Args:
        output_dir: where files go.
        max_iter: iterations of the whole training, for the time left.
    """
    PathManager.mkdirs(output_dir)
    return [
        CommonMetricPrinter(max_iter),
        JSONWriter(os.path.join(output_dir, "metrics.json")),
        TensorboardXWriter(output_dir),
    ]


def create_ddp_model(model: nn.Module, *, fp16_compression: bool = False, **kwargs: Any) -> nn.Module:
    """
    The model, averaging gradients over processes if there are several.

    Args:
        model: on its device.
        fp16_compression: whether gradients travel as float16.
        kwargs: further arguments of ``DistributedDataParallel``.
    """
    if comm.get_world_size() == 1:
        return model
    parameter = next(model.parameters(), None)
    if "device_ids" not in kwargs and parameter is not None and parameter.is_cuda:
        kwargs["device_ids"] = [comm.get_local_rank()]
    if "broadcast_buffers" in kwargs and "forward_sync_buffers" in signature(DistributedDataParallel).parameters:
        kwargs["forward_sync_buffers"] = kwargs.pop("broadcast_buffers")  # its newer name
    ddp = DistributedDataParallel(model, **kwargs)
    if fp16_compression:
        from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

        ddp.register_comm_hook(state=None, hook=default_hooks.fp16_compress_hook)
    return ddp
