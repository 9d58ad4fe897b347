"""
Going on with a run: what is there, what of its config may still change, whether anything is left to do.

A change takes effect, or is refused in one sentence; what takes effect is printed.
"""

from __future__ import annotations

import argparse
import logging
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.utils import comm

from maskrcnn_project.config import value_of
from maskrcnn_project.files import write_text
from maskrcnn_project.training.hooks import resolve_hook_names
from maskrcnn_project.training.optimization.schedule import follow_iterations, stretch_to_epochs
from maskrcnn_project.training.trainer import MaskRCNNTrainer
from maskrcnn_project.training.user_options import options_of_flags

logger = logging.getLogger(__name__)

FINAL = "model_final.pth"  # Detectron2's name for the weights of a run that has ended
POINTER = "last_checkpoint"  # Detectron2's file that names the newest checkpoint
# Keys of MODEL that the weights do not depend on: they may change on the way.
FREE_MODEL_KEYS = frozenset(
    ("MODEL.DEVICE", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "MODEL.ROI_HEADS.NMS_THRESH_TEST",
     "MODEL.RPN.PRE_NMS_TOPK_TEST", "MODEL.RPN.POST_NMS_TOPK_TEST", "MODEL.RPN.NMS_THRESH")
)  # fmt: skip
# Why other keys must stay as they were when the run was begun.
REFUSED_KEYS = {
    "MODEL": "the weights of the checkpoint belong to the model that was trained",
    "SEED": "the split, the sampling and the augmentation have been drawn with it",
    "DATASETS": "the checkpoint has learnt from these data",
    "SOLVER.OPTIMIZER": "the state of the optimizer belongs to it",
    "SOLVER.ACCUMULATE_STEPS": "the iterations that are done have been counted with it",
    "SOLVER.IMS_PER_BATCH": "the iterations that are done have been counted with it",
}


def refuse_used_folder(output_dir: str, args: argparse.Namespace) -> None:
    """
    A new run is not written over an earlier one; with --resume, the newest whole checkpoint is found.

    Raises:
        ValueError: the folder holds a run, and --resume was not given.
    """
    folder = Path(output_dir)
    if args.resume and find_checkpoint(folder) is not None:
        return
    used = [name for name in (POINTER, "metrics.json", "model_final.pth") if _has_content(folder / name)]
    used += [path.name for path in checkpoints_in(folder) if path.name not in used][:1]
    if not used:
        return
    if args.resume:
        if used == ["metrics.json"]:  # it ended before its first checkpoint
            return
        raise ValueError(
            f"{output_dir} holds a run ({', '.join(used)}), but no checkpoint that can be read: look at its files, or "
            "begin a new run elsewhere."
        )
    raise ValueError(
        f"{output_dir} already holds a run ({', '.join(used)}): add --resume to go on with it, or write the new "
        "one elsewhere (--output DIR, or OUTPUT_DIR DIR at the end of the command)."
    )


def find_checkpoint(folder: Path) -> Path | None:
    """
    The checkpoint that --resume goes on from: the one that ``last_checkpoint`` names, or, where that file is missing
    or names one that is not whole, the newest whole one, which it names then. None where there is none.
    """
    pointer = folder / POINTER
    named = folder / pointer.read_text("utf-8").strip() if pointer.is_file() else None
    if named is not None and is_whole(named):
        return named
    for path in checkpoints_in(folder):
        if path == named or not is_whole(path):
            continue
        trouble = f"{named.name}, which {POINTER} names, is missing or damaged" if named else f"{POINTER} is missing"
        print(f"{folder}: {trouble}; going on from {path.name}, the newest whole checkpoint.")
        write_text(pointer, path.name)
        return path
    return None


def checkpoints_in(folder: Path) -> Iterator[Path]:
    """Those with the state of a training, the newest first: model_final.pth, then by iteration."""
    final = folder / FINAL
    if final.is_file():
        yield final
    numbered = [path for path in folder.glob("model_*.pth") if re.fullmatch(r"model_\d+", path.stem)]
    yield from sorted(numbered, key=lambda path: int(path.stem.removeprefix("model_")), reverse=True)


def is_whole(path: Path) -> bool:
    """Whether a checkpoint file, which is a ZIP archive, is there to its end and free of damaged bytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return False


def done_iterations(checkpoint: Path) -> int:
    """How many iterations a checkpoint has behind it."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    iteration = content.get("iteration", -1) if isinstance(content, Mapping) else -1
    return int(iteration) + 1


def nothing_left(cfg: CfgNode, args: argparse.Namespace) -> bool:
    """Whether --resume finds that all iterations are done; the main process says so. Every process must call it."""
    said = ""
    if args.resume and not args.eval_only and comm.is_main_process():
        checkpoint = find_checkpoint(Path(cfg.OUTPUT_DIR))
        said = "" if checkpoint is None else _all_done(checkpoint, cfg)
        if said:
            print(said)
    return bool(comm.all_gather(said)[0])


def _all_done(checkpoint: Path, cfg: CfgNode) -> str:
    """
    A sentence where a checkpoint has all iterations behind it, else ""; also where the run was cut after the last of
    them, but before its end: its final weights and their evaluation are still to come.
    """
    done = done_iterations(checkpoint)
    if done < cfg.SOLVER.MAX_ITER or not (checkpoint.parent / FINAL).is_file():
        return ""
    return (
        f"Nothing is left to train: {checkpoint} has {done} iterations behind it, and SOLVER.MAX_ITER is "
        f"{cfg.SOLVER.MAX_ITER}. --resume with more --epochs or SOLVER.MAX_ITER goes on; --eval-only --output "
        f"{cfg.OUTPUT_DIR} evaluates it again."
    )


def apply_changes(cfg: CfgNode, args: argparse.Namespace) -> None:
    """
    What the user changes of a run that goes on, over its config; prints what takes effect.

    Raises:
        ValueError: a key that has to stay is to change, or fewer iterations are asked for than are done.
    """
    before = cfg.clone()
    flags = options_of_flags(args)
    cfg.merge_from_list([*(_kept_flags(flags)), *args.opts])
    given = {*flags[::2], *args.opts[::2]}
    if "HOOKS.NAMES" in given:
        cfg.HOOKS.NAMES = resolve_hook_names(before.HOOKS.NAMES, cfg.HOOKS.NAMES)
    for key in args.opts[::2]:
        _refuse_change(key, value_of(before, key), value_of(cfg, key), args.output)
    cfg.OUTPUT_DIR = before.OUTPUT_DIR
    # the periods may be the user's own: a run that goes on keeps them
    given |= {"SOLVER.CHECKPOINT_PERIOD", "TEST.EVAL_PERIOD", "SOLVER.WARMUP_ITERS"}
    note = ""
    if cfg.SOLVER.EPOCHS:
        note = stretch_to_epochs(cfg, len(MaskRCNNTrainer.training_records(cfg)), given)
    elif "SOLVER.MAX_ITER" in given:
        note = follow_iterations(cfg, before.SOLVER.MAX_ITER, given)
    checkpoint = find_checkpoint(Path(cfg.OUTPUT_DIR))
    if checkpoint is not None and cfg.SOLVER.MAX_ITER != before.SOLVER.MAX_ITER:
        done = done_iterations(checkpoint)
        if done > cfg.SOLVER.MAX_ITER:
            raise ValueError(
                f"{cfg.SOLVER.MAX_ITER} iterations were asked for, but {args.output} has done {done} already: ask for "
                "more, or begin a new run."
            )
    for line in (note, *changes(before, cfg)):
        if line:
            print(line)


def changes(before: CfgNode, after: CfgNode, path: str = "") -> Iterator[str]:
    """ "KEY: old -> new" for each value that differs."""
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, CfgNode) and isinstance(old, CfgNode):
            yield from changes(old, value, f"{path}{name}.")
        elif value != old:
            yield f"{path}{name}: {old} -> {value}"


def _kept_flags(flags: list[Any]) -> list[Any]:
    """Flags that a resumed run heeds; the others have been found to say what the run is already."""
    heeded = ("SOLVER.EPOCHS", "SOLVER.BASE_LR", "PREDICT.SCORE_THRESHOLD")
    return [word for pair in zip(flags[::2], flags[1::2], strict=True) if pair[0] in heeded for word in pair]


def _refuse_change(key: str, old: Any, new: Any, run: str) -> None:
    if old == new or key in FREE_MODEL_KEYS or key in ("DATASETS.TEST", "OUTPUT_DIR"):
        return
    for prefix, reason in REFUSED_KEYS.items():
        if key == prefix or key.startswith(f"{prefix}."):
            raise ValueError(
                f"{key} {new} cannot take effect on the resumed run {run}, which has {old}: {reason}. Leave it out, or "
                "begin a new run."
            )


def _has_content(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0
