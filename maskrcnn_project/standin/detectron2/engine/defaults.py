"""
The trainer for a config, which builds everything by methods that a project overrides one by one, and the predictor
for one.
"""

from __future__ import annotations

import logging
import weakref
from collections import OrderedDict
from typing import Any

import detectron2.data.transforms as T
import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.config._honoured import refuse_unhonoured
from detectron2.data import MetadataCatalog, build_detection_test_loader, build_detection_train_loader
from detectron2.engine import hooks
from detectron2.engine._setup import (
    create_ddp_model,
    default_argument_parser,
    default_setup,
    default_writers,
)
from detectron2.engine.train_loop import AMPTrainer, HookBase, SimpleTrainer, TrainerBase
from detectron2.evaluation import (
    DatasetEvaluator,
    DatasetEvaluators,
    inference_on_dataset,
    print_csv_format,
    verify_results,
)
from detectron2.modeling import build_model
from detectron2.solver import build_lr_scheduler, build_optimizer
from detectron2.utils import comm
from detectron2.utils.events import EventWriter
from detectron2.utils.logger import setup_logger
from fvcore.nn.precise_bn import get_bn_modules
from torch import nn

__all__ = [
    "DefaultPredictor",
    "DefaultTrainer",
    "create_ddp_model",
    "default_argument_parser",
    "default_setup",
    "default_writers",
]

IMAGE_FORMATS = ("RGB", "BGR")

WRITER_PERIOD = 20  # iterations, as Detectron2's: the window that writers smooth over


class DefaultPredictor:
    """
    The model of a config, with its weights, on one image at a time.

    Attributes:
        metadata: of the first dataset in ``cfg.DATASETS.TEST``, if there is one: names and colours of classes.
    """

    def __init__(self, cfg: CfgNode) -> None:
        """
        Args:
            cfg: builds the model on ``MODEL.DEVICE``, loads ``MODEL.WEIGHTS``, resizes as ``INPUT`` says for tests.

        Raises:
            ValueError: an ``INPUT.FORMAT`` other than RGB and BGR, or a key that is not honoured.
        """
        refuse_unhonoured(cfg)
        if cfg.INPUT.FORMAT not in IMAGE_FORMATS:
            raise ValueError(f"INPUT.FORMAT must be one of {', '.join(IMAGE_FORMATS)}, but is {cfg.INPUT.FORMAT!r}.")
        self.cfg = cfg.clone()
        self.model = build_model(self.cfg)
        self.model.eval()
        if len(cfg.DATASETS.TEST):
            self.metadata = MetadataCatalog.get(cfg.DATASETS.TEST[0])
        DetectionCheckpointer(self.model).load(cfg.MODEL.WEIGHTS)
        short = cfg.INPUT.MIN_SIZE_TEST
        self.aug = T.ResizeShortestEdge([short, short], cfg.INPUT.MAX_SIZE_TEST)
        self.input_format = cfg.INPUT.FORMAT

    def __call__(self, original_image: np.ndarray) -> dict[str, Any]:
        """
        Args:
            original_image: (H, W, 3), BGR, 0..255, as ``cv2.imread`` returns it.

        Returns:
            The model's output for one image, e.g. ``{"instances": Instances}`` of size (H, W).

        Raises:
            ValueError: another shape, or nothing.
        """
        _check_image(original_image)
        with torch.no_grad():
            image = original_image[:, :, ::-1] if self.input_format == "RGB" else original_image
            height, width = image.shape[:2]
            resized = self.aug.get_transform(image).apply_image(image)
            tensor = torch.as_tensor(resized.astype("float32").transpose(2, 0, 1))  # (3, H', W')
            tensor = tensor.to(self.cfg.MODEL.DEVICE)
            return self.model([{"image": tensor, "height": height, "width": width}])[0]


def _check_image(image: Any) -> None:
    shape = getattr(image, "shape", None)
    if not isinstance(image, np.ndarray) or len(image.shape) != 3 or image.shape[2] != 3 or not image.size:
        came = (
            "nothing (cv2.imread returns None for a file that it cannot read)"
            if image is None
            else (f"a {type(image).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else ""))
        )
        raise ValueError(f"DefaultPredictor takes an array (height, width, 3) in BGR order, but got {came}.")


class DefaultTrainer(TrainerBase):
    """
    Trains what a config describes: model, optimizer, data, schedule, checkpoints, evaluation, log.

    Override the ``build_*`` methods to change a part. ``build_evaluator`` must be overridden to evaluate.

    Attributes:
        scheduler: the learning rate scheduler.
        checkpointer: saves to ``cfg.OUTPUT_DIR``.
        cfg: the config, with its numbers scaled to the number of processes (``auto_scale_workers``).
    """

    def __init__(self, cfg: CfgNode) -> None:
        """``cfg``: the whole config. Nothing is loaded yet, see ``resume_or_load``."""
        super().__init__()
        if not logging.getLogger("detectron2").isEnabledFor(logging.INFO):
            setup_logger()  # in a notebook, default_setup() may not have been called
        cfg = DefaultTrainer.auto_scale_workers(cfg, comm.get_world_size())
        model = self.build_model(cfg)
        optimizer = self.build_optimizer(cfg, model)
        data_loader = self.build_train_loader(cfg)
        # Frozen batch norms are alike in every process already.
        model = create_ddp_model(model, broadcast_buffers=False)
        self._trainer: SimpleTrainer = (AMPTrainer if cfg.SOLVER.AMP.ENABLED else SimpleTrainer)(
            model, data_loader, optimizer
        )
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self.checkpointer = DetectionCheckpointer(
            # a proxy, so that trainer and checkpointer do not keep one another alive
            model,
            cfg.OUTPUT_DIR,
            trainer=weakref.proxy(self),
        )
        self.start_iter = 0
        self.max_iter = cfg.SOLVER.MAX_ITER
        self.cfg = cfg
        self.register_hooks(self.build_hooks())

    def resume_or_load(self, resume: bool = True) -> None:
        """
        Goes on from the last checkpoint in ``cfg.OUTPUT_DIR`` (weights, optimizer, schedule, hooks, iteration) if
        ``resume`` and there is one; else loads the weights of ``cfg.MODEL.WEIGHTS``.
        """
        self.checkpointer.resume_or_load(self.cfg.MODEL.WEIGHTS, resume=resume)
        if resume and self.checkpointer.has_checkpoint():
            # the checkpoint holds the iteration that was finished
            self.start_iter = self.iter + 1

    def build_hooks(self) -> list[HookBase | None]:
        """
        The hooks: timer, schedule, precise batch norms, checkpoints, evaluation, writers, in this order: a checkpoint
        is on the disk before an evaluation can fail, and the writers find what the others have put.
        """
        is_main = comm.is_main_process()
        # 0 asks for none but the last
        checkpoint_period = self.cfg.SOLVER.CHECKPOINT_PERIOD or self.max_iter

        def evaluate() -> dict[str, Any]:
            self._last_eval_results = self.test(self.cfg, self.model)
            return self._last_eval_results

        return [
            hooks.IterationTimer(),
            hooks.LRScheduler(),
            self._build_precise_bn(),
            hooks.PeriodicCheckpointer(self.checkpointer, checkpoint_period) if is_main else None,
            hooks.EvalHook(self.cfg.TEST.EVAL_PERIOD, evaluate),
            hooks.PeriodicWriter(self.build_writers(), period=WRITER_PERIOD) if is_main else None,
        ]

    def _build_precise_bn(self) -> HookBase | None:
        if not self.cfg.TEST.PRECISE_BN.ENABLED or not get_bn_modules(self.model):
            return None
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.DATALOADER.NUM_WORKERS = 0  # a second set of workers would take as much memory as the first
        loader = self.build_train_loader(cfg)
        return hooks.PreciseBN(cfg.TEST.EVAL_PERIOD, self.model, loader, cfg.TEST.PRECISE_BN.NUM_ITER)

    def build_writers(self) -> list[EventWriter]:
        """The writers of the main process."""
        return default_writers(self.cfg.OUTPUT_DIR, self.max_iter)

    def train(self) -> dict[str, Any] | None:  # type: ignore[override]
        """
        Trains from ``start_iter`` to ``max_iter``.

        Returns:
            The results of the last evaluation where ``cfg.TEST.EXPECTED_RESULTS`` is set, checked against it.
        """
        super().train(self.start_iter, self.max_iter)
        if len(self.cfg.TEST.EXPECTED_RESULTS) and comm.is_main_process():
            assert hasattr(self, "_last_eval_results"), (
                "TEST.EXPECTED_RESULTS is set, but the training evaluated nothing"
            )
            verify_results(self.cfg, self._last_eval_results)
            return self._last_eval_results
        return None

    def before_train(self) -> None:
        """Runs the hooks' ``before_train``; lets their ``after_backward`` run within the inner trainer's step."""
        if not any(isinstance(hook, _PassOnAfterBackward) for hook in self._trainer._hooks):
            self._trainer.register_hooks([_PassOnAfterBackward(self)])
        super().before_train()

    def run_step(self) -> None:
        """One iteration of the inner trainer."""
        self._trainer.iter = self.iter
        self._trainer.run_step()

    def after_train(self) -> None:
        """Waits for metrics that are being written, then runs the hooks' ``after_train``."""
        try:
            if isinstance(self._trainer, SimpleTrainer):
                self._trainer._finish_writing()
        finally:
            super().after_train()

    def state_dict(self) -> dict[str, Any]:
        """Iteration, hooks, and the inner trainer's state (optimizer, scaler)."""
        return {**super().state_dict(), "_trainer": self._trainer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned."""
        super().load_state_dict(state_dict)
        self._trainer.load_state_dict(state_dict["_trainer"])

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        """The model, logged."""
        model = build_model(cfg)
        logging.getLogger(__name__).info("Model:\n%s", model)
        return model

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer."""
        return build_optimizer(cfg, model)

    @classmethod
    def build_lr_scheduler(cls, cfg: CfgNode, optimizer: torch.optim.Optimizer) -> Any:
        """The learning rate schedule."""
        return build_lr_scheduler(cfg, optimizer)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Any:
        """Endless training batches."""
        return build_detection_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
        """Each image of a dataset once."""
        return build_detection_test_loader(cfg, dataset_name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator | DatasetEvaluators:
        """The evaluator of a dataset; to be defined by the project."""
        raise NotImplementedError(
            f"{cls.__name__} must define build_evaluator() to evaluate {dataset_name}, for instance to return "
            "COCOEvaluator(dataset_name); or pass evaluators to test(), or clear DATASETS.TEST."
        )

    @classmethod
    def test(cls, cfg: CfgNode, model: nn.Module, evaluators: Any = None) -> dict[str, Any]:
        """
        Evaluates a model on every dataset of ``cfg.DATASETS.TEST``. Every process must call it.

        Args:
            cfg: the config.
            model: the model.
            evaluators: one, or one for each dataset; default: ``build_evaluator``.

        Returns:
            On the main process the results of the dataset, or dataset -> results where there are several.
        """
        logger = logging.getLogger(__name__)
        names = cfg.DATASETS.TEST
        if isinstance(evaluators, DatasetEvaluator):
            evaluators = [evaluators]
        if evaluators is not None and len(evaluators) != len(names):
            raise ValueError(f"{len(evaluators)} evaluators were given for the {len(names)} datasets in DATASETS.TEST.")
        results: dict[str, Any] = OrderedDict()
        for index, name in enumerate(names):
            loader = cls.build_test_loader(cfg, name)
            if evaluators is not None:
                evaluator = evaluators[index]
            else:
                try:
                    evaluator = cls.build_evaluator(cfg, name)
                except NotImplementedError as error:
                    logger.warning("%s is not evaluated: %s", name, error)
                    results[name] = {}
                    continue
            results[name] = inference_on_dataset(model, loader, evaluator)
            if comm.is_main_process():
                assert isinstance(results[name], dict), (
                    f"the evaluator of {name} must return a dict on the main process, but returned {results[name]!r}"
                )
                logger.info("Evaluation results for %s in csv format:", name)
                print_csv_format(results[name])
        return next(iter(results.values())) if len(results) == 1 else results

    @staticmethod
    def auto_scale_workers(cfg: CfgNode, num_workers: int) -> CfgNode:
        """
        The config for another number of processes than it was written for (``SOLVER.REFERENCE_WORLD_SIZE``).

        The batch grows with the processes, the learning rate with the batch (the linear scaling rule of Goyal et al.,
        "Accurate, Large Minibatch SGD"), and all that is counted in iterations shrinks, so that as many images are
        seen. With ``REFERENCE_WORLD_SIZE`` 0, or equal to ``num_workers``, the same config is returned.

        Args:
            cfg: the config.
            num_workers: processes that there are.

        Raises:
            ValueError: the batch cannot be shared equally by the reference's processes.
        """
        reference = cfg.SOLVER.REFERENCE_WORLD_SIZE
        if reference == 0 or reference == num_workers:
            return cfg
        if cfg.SOLVER.IMS_PER_BATCH % reference:
            raise ValueError(
                f"SOLVER.IMS_PER_BATCH {cfg.SOLVER.IMS_PER_BATCH} cannot be shared equally by "
                f"SOLVER.REFERENCE_WORLD_SIZE {reference} processes: change the one or the other."
            )
        was_frozen = cfg.is_frozen()
        cfg = cfg.clone()
        cfg.defrost()
        scale = num_workers / reference
        solver = cfg.SOLVER
        solver.IMS_PER_BATCH = round(solver.IMS_PER_BATCH * scale)
        solver.BASE_LR *= scale
        solver.MAX_ITER = round(solver.MAX_ITER / scale)
        solver.WARMUP_ITERS = round(solver.WARMUP_ITERS / scale)
        solver.STEPS = tuple(round(step / scale) for step in solver.STEPS)
        solver.CHECKPOINT_PERIOD = round(solver.CHECKPOINT_PERIOD / scale)
        cfg.TEST.EVAL_PERIOD = round(cfg.TEST.EVAL_PERIOD / scale)
        solver.REFERENCE_WORLD_SIZE = num_workers  # scaled to these: a second call changes nothing
        logging.getLogger(__name__).info(
            "Scaled the config from %d to %d processes: batch %d, learning rate %g, iterations %d, steps %s, "
            "warm-up %d.",
            reference,
            num_workers,
            solver.IMS_PER_BATCH,
            solver.BASE_LR,
            solver.MAX_ITER,
            solver.STEPS,
            solver.WARMUP_ITERS,
        )
        if was_frozen:
            cfg.freeze()
        return cfg

    @property
    def model(self) -> nn.Module:
        """The model, wrapped if there are several processes."""
        return self._trainer.model

    @property
    def data_loader(self) -> Any:
        """The training batches."""
        return self._trainer.data_loader

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer."""
        return self._trainer.optimizer


class _PassOnAfterBackward(HookBase):
    """Backward happens in the inner trainer, but hooks are registered with the outer one."""

    def __init__(self, outer: DefaultTrainer) -> None:
        self._outer = weakref.proxy(outer)

    def after_backward(self) -> None:
        self._outer.after_backward()
