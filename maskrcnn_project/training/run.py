"""A run from its prepared config to its end: the set-up of each process, training, evaluation."""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.engine import default_setup
from detectron2.evaluation import verify_results
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

from maskrcnn_project.config import get_run_config
from maskrcnn_project.datasets.class_consistency import check_sets_agree
from maskrcnn_project.datasets.register import register_descriptions
from maskrcnn_project.errors import TRACEBACK_VARIABLE
from maskrcnn_project.evaluation.post_mortem import RunEvidence, found_nothing, post_mortem, read_scores
from maskrcnn_project.evaluation.report.run_report import report_run
from maskrcnn_project.evaluation.results_folder import RESULTS_NAME, results_folder
from maskrcnn_project.files import write_text
from maskrcnn_project.inference.test_time_augmentation import with_test_time_augmentation
from maskrcnn_project.modeling.class_table import ClassTable
from maskrcnn_project.modeling.device import choose_device
from maskrcnn_project.modeling.trained_model import load_trained_model
from maskrcnn_project.modeling.weights import weights_of_run
from maskrcnn_project.provider import detectron2_info
from maskrcnn_project.resources import find_resource
from maskrcnn_project.training.find_batch_size import batch_size_table, find_batch_size
from maskrcnn_project.training.hooks import TrainingStopped
from maskrcnn_project.training.hooks.progress_bar import LOGGERS, console_handlers
from maskrcnn_project.training.memory import is_out_of_memory, out_of_memory_error, reset_peak_memory
from maskrcnn_project.training.optimization.schedule import images_per_step
from maskrcnn_project.training.run_record import note_start
from maskrcnn_project.training.trainer import MaskRCNNTrainer

logger = logging.getLogger(__name__)

MAX_NAMED = 5  # images in a sentence; the log names all


def is_first_process(args: argparse.Namespace) -> bool:
    """Whether this process decides the config: the first of the first machine, started by hand or by torchrun."""
    return args.machine_rank == 0 and int(os.environ.get("RANK", "0")) == 0


def share_config(cfg: CfgNode | None) -> CfgNode:
    """The first process's config, on every process; the others come with None."""
    shared = comm.all_gather(cfg)[0]
    assert shared is not None, "the first process must bring the config"
    return shared


def set_up(cfg: CfgNode, args: argparse.Namespace) -> None:
    """Prepares this process: data sets, device, output folder, log, seed. Freezes the config."""
    if not set(DatasetCatalog.list()) >= {*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST}:  # another process has prepared it
        register_descriptions(cfg.DATASETS.DESCRIPTIONS)
        check_sets_agree([*(() if args.eval_only else cfg.DATASETS.TRAIN), *cfg.DATASETS.TEST])
    choose_device(cfg)
    cfg.freeze()
    # Detectron2 opens whatever is not "", from the working directory
    file = str(find_resource(args.config_file)) if args.config_file else ""
    with preserve_file(Path(cfg.OUTPUT_DIR) / "config.yaml", args.eval_only):
        default_setup(cfg, argparse.Namespace(**{**vars(args), "config_file": file}))
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="maskrcnn_project", abbrev_name="maskrcnn")
    quiet_console()
    logger.info("%s", detectron2_info())
    if comm.is_main_process():
        note_start(cfg)


def quiet_console() -> None:
    """An error's traceback stands in log.txt; on the terminal its sentence is enough."""
    if os.environ.get(TRACEBACK_VARIABLE):
        return
    for handler in console_handlers(map(logging.getLogger, LOGGERS)):
        # its formatter comes before that of the file, which keeps what a formatter has made of a traceback
        formatter: Any = handler.formatter
        if formatter is not None:
            formatter.formatException = lambda info: ""


@contextmanager
def preserve_file(config_file: Path, evaluating: bool) -> Iterator[None]:
    """Evaluation leaves the training's config as it was, though Detectron2's set-up writes its own in its place."""
    text = config_file.read_text("utf-8") if evaluating and config_file.is_file() else None
    yield
    if text is not None and comm.is_main_process():
        write_text(config_file, text)


def train(cfg: CfgNode, resume: bool = False, fit_memory: bool = False) -> Mapping[str, Any] | None:
    """
    Trains as ``cfg`` says. Returns the last evaluation's results, None where the training was stopped early.

    Args:
        fit_memory: out of memory on the only process, halve the batch, accumulate two, and go on from the last
            checkpoint.

    Raises:
        MemoryError: out of memory; one sentence on what to lower.
        TrainingStopped: a signal or a time limit ended it; its code is the process's.
    """
    while True:
        try:
            return _train_once(cfg, resume)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if not fit_memory or comm.get_world_size() > 1 or cfg.SOLVER.IMS_PER_BATCH < 2:
                raise out_of_memory_error(error, cfg) from error
        cfg = halve_batch(cfg)
        resume = (Path(cfg.OUTPUT_DIR) / "last_checkpoint").is_file()
        logger.warning(
            "Out of memory: going on with SOLVER.IMS_PER_BATCH %d SOLVER.ACCUMULATE_STEPS %d, from %s.",
            cfg.SOLVER.IMS_PER_BATCH,
            cfg.SOLVER.ACCUMULATE_STEPS,
            "the last checkpoint" if resume else "the beginning",
        )
        reset_peak_memory()


def _train_once(cfg: CfgNode, resume: bool) -> Mapping[str, Any] | None:
    trainer = MaskRCNNTrainer(cfg)
    trainer.resume_or_load(resume=resume)
    if trainer.start_iter >= cfg.SOLVER.MAX_ITER:
        return _end_only(trainer)
    stopped = False
    results: Mapping[str, Any] | None = None
    try:
        # train() itself returns results only where TEST.EXPECTED_RESULTS asks for them
        results = trainer.train() or getattr(trainer, "_last_eval_results", None)
    except TrainingStopped as stop:
        comm.synchronize()
        if stop.code:
            raise
        stopped = True
    weights, evaluated = comm.all_gather(weights_to_report(cfg, stopped))[0]
    if not evaluated and cfg.DATASETS.TEST:
        del trainer  # its memory is the evaluation's now
        logger.info("Evaluating %s, the weights that are used from now on.", weights)
        return evaluate_weights(with_weights(cfg, weights))[0]
    explain_if_nothing(cfg, results or {}, cfg.SOLVER.MAX_ITER)
    write_reports(cfg, weights)
    return results


def _end_only(trainer: MaskRCNNTrainer) -> Mapping[str, Any] | None:
    """The end of a run that was cut after its last iteration: the final weights, and the evaluation."""
    cfg = trainer.cfg
    trainer.checkpointer.save("model_final", iteration=cfg.SOLVER.MAX_ITER - 1)
    comm.synchronize()
    weights, _ = comm.all_gather(weights_to_report(cfg, stopped=True))[0]
    del trainer
    return evaluate_weights(with_weights(cfg, weights))[0] if cfg.DATASETS.TEST else None


def weights_to_report(cfg: CfgNode, stopped: bool) -> tuple[str, bool]:
    """
    The weights of a finished training that predict, serve, export and --eval-only use, and whether its last evaluation
    was of them.

    Args:
        stopped: the training ended before its last iteration, so that its last weights were not evaluated.
    """
    folder = Path(cfg.OUTPUT_DIR)
    weights = weights_of_run(folder)
    record = folder / "model_best.json"
    if Path(weights).name != "model_best.pth" or not record.is_file():
        return weights, not stopped
    best = json.loads(record.read_text("utf-8"))
    of_last = best["iteration"] == cfg.SOLVER.MAX_ITER - 1 and not best["metric"].startswith("ema/")
    return weights, of_last and not stopped


def with_weights(cfg: CfgNode, weights: str) -> CfgNode:
    """A copy of ``cfg`` with other weights, frozen."""
    other = cfg.clone()
    other.defrost()
    other.MODEL.WEIGHTS = weights
    other.freeze()
    return other


def write_reports(cfg: CfgNode, weights: str) -> None:
    """A page on what the last evaluation found, beside its results, unless EVALUATION.REPORT is off."""
    if cfg.EVALUATION.REPORT and comm.is_main_process():
        report_run(cfg, weights)


def halve_batch(cfg: CfgNode) -> CfgNode:
    """
    Half the images at a time, twice as often per step, or a third and three times where the batch is odd, so that a
    step of the optimizer has as many images as before; written to OUTPUT_DIR/config.yaml, for --resume.
    """
    batch = cfg.SOLVER.IMS_PER_BATCH
    parts = next(number for number in range(2, batch + 1) if batch % number == 0)
    smaller = cfg.clone()
    smaller.defrost()
    smaller.SOLVER.IMS_PER_BATCH = batch // parts
    smaller.SOLVER.ACCUMULATE_STEPS = cfg.SOLVER.ACCUMULATE_STEPS * parts
    smaller.freeze()
    write_text(Path(smaller.OUTPUT_DIR) / "config.yaml", smaller.dump())
    return smaller


def explain_if_nothing(cfg: CfgNode, results: Mapping[str, Any], iterations: int) -> None:
    """Logs the likely causes where an evaluation found next to nothing."""
    if not (comm.is_main_process() and cfg.DATASETS.TRAIN and found_nothing(results)):
        return
    logger.warning("%s", post_mortem(evidence_of(cfg, results, iterations)))


def evidence_of(cfg: CfgNode, results: Mapping[str, Any], iterations: int) -> RunEvidence:
    """What the run in OUTPUT_DIR shows."""
    records = [record for name in cfg.DATASETS.TEST for record in DatasetCatalog.get(name)]
    return RunEvidence(
        iterations=iterations,
        images_per_step=images_per_step(cfg),
        training_images=len(MaskRCNNTrainer.training_records(cfg)),
        learning_rate=cfg.SOLVER.BASE_LR,
        weights=cfg.MODEL.WEIGHTS,
        num_objects=sum(len(record["annotations"]) for record in records),
        scores=read_scores(results_folder(cfg, cfg.DATASETS.TEST[0]) / RESULTS_NAME),
        score_floor=cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST,
        box_ap50=results.get("bbox", {}).get("AP50", float("nan")),
        mask_ap50=results.get("segm", {}).get("AP50", float("nan")),
    )


def try_batch_sizes(cfg: CfgNode) -> str:
    """Tries which batch sizes fit on this machine, with progress; returns the table. Trains and writes nothing."""
    choose_device(cfg)
    trials = []
    for trial in find_batch_size(cfg):
        print(f"batch {trial.batch_size}: {'fits' if trial.fits else 'does not fit'}")
        trials.append(trial)
    return batch_size_table(trials, cfg)


def evaluate(cfg: CfgNode) -> Mapping[str, Any]:
    """
    Evaluates MODEL.WEIGHTS on every set of DATASETS.TEST.

    Raises:
        ClassMismatchError: the weights know other classes than the data set.
        ValueError: there are no weights.
        OSError: images could not be read, once the others are evaluated and reported.
    """
    results, failures = evaluate_weights(cfg)
    if failures:
        named = ", ".join(file_name for file_name, _ in failures[:MAX_NAMED])
        more = f" and {len(failures) - MAX_NAMED} more" if len(failures) > MAX_NAMED else ""
        raise OSError(
            f"{len(failures)} images could not be read and count as images in which nothing was found ({named}{more}): "
            "the log says why. All others are in the report."
        )
    return results


def evaluate_weights(cfg: CfgNode) -> tuple[Mapping[str, Any], list[tuple[str, str]]]:
    """As ``evaluate``; returns the results, and (file name, reason) of images that could not be read."""
    weights = cfg.MODEL.WEIGHTS
    classes = None
    for name in cfg.DATASETS.TEST:
        DatasetCatalog.get(name)  # fills the metadata with the classes
        classes = ClassTable.from_dataset(name)
    model, _ = load_trained_model(cfg, classes)
    if cfg.TEST.AUG.ENABLED:
        model = with_test_time_augmentation(cfg, model)
    failures: list[tuple[str, str]] = []
    results = MaskRCNNTrainer.test(cfg, model, failures=failures)
    if comm.is_main_process():
        verify_results(cfg, results)
    trained = training_config(cfg)
    explain_if_nothing(trained, results, trained.SOLVER.MAX_ITER)
    write_reports(cfg, weights)
    return results, failures


def training_config(cfg: CfgNode) -> CfgNode:
    """``cfg`` with the length and the first weights of the training in OUTPUT_DIR, where it has noted them down."""
    trained = cfg.clone()
    trained.defrost()
    if (Path(cfg.OUTPUT_DIR) / "config.yaml").is_file():
        own = get_run_config(cfg.OUTPUT_DIR)
        trained.SOLVER.MAX_ITER, trained.MODEL.WEIGHTS = own.SOLVER.MAX_ITER, own.MODEL.WEIGHTS
    return trained
