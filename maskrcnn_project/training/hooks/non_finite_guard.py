"""Stands between gradients and weights: a step in which something is infinite or NaN is not taken."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.utils import comm

from maskrcnn_project.files import write_text
from maskrcnn_project.training.hooks.gradient_norms import TOTAL, gradient_norms
from maskrcnn_project.training.hooks.non_finite_causes import ImageMetadata, StepEvidence, likely_cause
from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY
from maskrcnn_project.training.hooks.step_guard import GuardedStep, StepState

logger = logging.getLogger(__name__)

FOLDER = "nonfinite"
POLICIES = ("skip", "stop")
NAMES_LISTED = 20  # parameters in the bundle: where one is broken, all behind it are
RECENT = 20  # iterations: the window of Detectron2's log
MODULE_DEPTH = 2  # roi_heads.box_head


@HOOK_REGISTRY.register()
class NonFiniteGuard(HookBase):
    """
    Looks at the losses, at the gradients and at forward passes that raise FloatingPointError, as Detectron2's RPN does.

    Writes ``nonfinite/iteration_0000123.json`` (images, losses, learning rate, gradient norms, last checkpoint, likely
    cause), then leaves the step out, ``budget`` times in a run, or ends the training with one sentence.

    It ends at once where leaving out cannot help: the weights are broken, or float16 has no scale left.
    """

    trainer: DefaultTrainer

    def __init__(self, output_dir: str | Path, policy: str, budget: int, gradients: bool):
        """``gradients``: looks at the gradients too, not at the losses alone. Under float16 its scaler does."""
        if policy not in POLICIES:
            raise ValueError(f"HOOKS.NonFiniteGuard.POLICY must be one of {', '.join(POLICIES)}, but is {policy!r}.")
        self.folder = Path(output_dir) / FOLDER
        self.budget = budget if policy == "skip" else 0
        self.gradients = gradients
        self.skipped = 0
        self._statistics: list[tuple[torch.Tensor, torch.Tensor]] = []  # (of a norm, as it was before the step)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> NonFiniteGuard:
        keys = cfg.HOOKS.NonFiniteGuard
        return cls(cfg.OUTPUT_DIR, keys.POLICY, keys.BUDGET, keys.GRADIENTS)

    def before_train(self) -> None:
        step = self.trainer._trainer
        if not isinstance(step, GuardedStep):
            raise ValueError(
                "NonFiniteGuard needs this project's training step: call install_training_step() in the trainer, as "
                f"MaskRCNNTrainer does (its step is a {type(step).__name__})."
            )
        step.guard = self

    def before_step(self) -> None:
        # The forward pass alone changes them, and NaN would stay in them for good.
        norms = [m for m in self.trainer.model.modules() if hasattr(m, "running_mean") and m.training]
        self._statistics = [(value, value.clone()) for norm in norms for value in norm.buffers(recurse=False)]

    def admits(self, state: StepState) -> bool:
        """See ``StepGuard``."""
        broken = bool(state.failures or state.broken_losses()) or state.gradients_overflow
        broken = broken or self._has_broken_gradient(state)
        if not any(comm.all_gather(broken)):
            return True
        images = [image_metadata(sample) for batch in state.batches for sample in batch]
        reports = comm.gather((state.broken_losses(), state.losses, images, state.failures))
        stops, told = comm.all_gather(self._report(state, reports) if comm.is_main_process() else None)[0]
        if stops:
            raise FloatingPointError(told)
        for value, before in self._statistics:
            value.copy_(before)
        self.skipped += 1
        logger.warning("%s The step is left out (%d of %d that may be).", told, self.skipped, self.budget)
        return False

    def _has_broken_gradient(self, state: StepState) -> bool:
        if not self.gradients or state.precision is torch.float16:
            return False
        return not math.isfinite(gradient_norms(self._parameters(), 1)[TOTAL])

    def _parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        return list(self.trainer.checkpointer.model.named_parameters())

    def _report(self, state: StepState, reports: list[tuple]) -> tuple[bool, str]:
        """Writes the bundle. Returns whether the training must end, and what to say."""
        evidence = self._evidence(state, reports)
        cause = likely_cause(evidence)
        path = self.folder / f"iteration_{state.iteration:07d}.json"
        bundle = {
            "iteration": state.iteration,
            "likely_cause": cause,
            **asdict(evidence),
            "usual_learning_rate_of_sgd": evidence.usual_rate,
            "losses": [losses for _, losses, _, _ in reports],  # of each batch of each process
            "gradient_norms": {
                part: norm / state.loss_scale for part, norm in gradient_norms(self._parameters(), MODULE_DEPTH).items()
            },
            "loss_scale": state.loss_scale,
            "last_checkpoint": self._last_checkpoint(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(_without_nan(bundle), indent=2) + "\n")
        what = _what_broke(evidence)
        told = f"{what} became infinite or NaN at iteration {state.iteration}: {cause}. {path} tells more."
        hopeless = bool(evidence.broken_weights) or state.gradients_overflow
        return hopeless or self.skipped >= self.budget, told

    def _last_checkpoint(self) -> str | None:
        """What to go on from: a checkpoint is written after a step that was taken, so its weights are sound."""
        checkpointer = self.trainer.checkpointer
        return checkpointer.get_checkpoint_file() if checkpointer.has_checkpoint() else None

    def _evidence(self, state: StepState, reports: list[tuple]) -> StepEvidence:
        parameters = self._parameters()
        try:
            recent = [value for value, _ in self.trainer.storage.history("total_loss").values()[-RECENT:]]
        except KeyError:  # the first iteration
            recent = []
        optimizer = self.trainer.optimizer
        return StepEvidence(
            broken_losses=sorted({name for broken, _, _, _ in reports for name in broken}),
            images=[image for _, _, images, _ in reports for image in images],
            learning_rate=max(group["lr"] for group in optimizer.param_groups),
            is_sgd=isinstance(optimizer, torch.optim.SGD),
            half_precision=state.precision is torch.float16,
            gradients_overflow=state.gradients_overflow,
            broken_weights=_first_broken(parameters)[:NAMES_LISTED],
            broken_gradients=_first_broken((n, p.grad) for n, p in parameters if p.grad is not None)[:NAMES_LISTED],
            recent_losses=recent,
            failures=[said for _, _, _, failures in reports for said in failures],
        )

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped} if self.skipped else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up how much of the budget is spent."""
        self.skipped = state["skipped"]


def image_metadata(sample: dict[str, Any]) -> ImageMetadata:
    """What can be wrong with a training sample (``image``, ``instances`` with ``gt_boxes``)."""
    instances = sample.get("instances")
    boxes = instances.gt_boxes.tensor if instances is not None else torch.zeros(0, 4)
    sound = torch.isfinite(boxes).all(dim=1) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    return ImageMetadata(
        image_id=sample.get("image_id", "unknown"),
        file_name=str(sample.get("file_name", "an image without a file name")),
        objects=len(boxes),
        finite_pixels=bool(torch.isfinite(sample["image"]).all()),
        broken_boxes=int((~sound).sum()),
    )


def _what_broke(evidence: StepEvidence) -> str:
    if evidence.failures:
        return f"Something in the forward pass ({evidence.failures[0].rstrip('.')})"
    return f"The loss ({', '.join(evidence.broken_losses)})" if evidence.broken_losses else "The gradient"


def _first_broken(tensors: Any) -> list[str]:
    """Names of those that hold something infinite or NaN."""
    return [name for name, tensor in tensors if not bool(torch.isfinite(tensor).all())]


def _without_nan(value: Any) -> Any:
    """The value with "nan" and "inf" as words, because JSON has no such numbers."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
