"""The one loader of a trained model: a config and weights become a model in evaluation mode and its class table."""

from __future__ import annotations

import logging

from detectron2.config import CfgNode
from torch import nn

from maskrcnn_project.modeling.build import build_model
from maskrcnn_project.modeling.class_table import ClassMismatchError, ClassTable
from maskrcnn_project.modeling.weights import load_for_inference

logger = logging.getLogger(__name__)


def load_trained_model(
    cfg: CfgNode, classes: ClassTable | None = None, *, source: str = "the data set", untrained: bool = False
) -> tuple[nn.Module, ClassTable]:
    """
    The model of ``cfg`` with MODEL.WEIGHTS, in evaluation mode, on its device.

    Args:
        classes: the table that the weights must agree with, if they carry one.
        source: what errors call that table's origin.
        untrained: allows ``MODEL.WEIGHTS ""``, which leaves the model as initialised: of use for measuring only.

    Returns:
        The model, and the classes of its outputs: of the weights, else ``classes``, else numbered ones.

    Raises:
        ClassMismatchError: the weights, the model and ``classes`` are not of the same classes.
        ValueError: there are no weights, or they lack parts of the model.
    """
    model = build_model(cfg)
    table = None
    if cfg.MODEL.WEIGHTS or not untrained:
        table = load_for_inference(model, cfg.MODEL.WEIGHTS, classes)
    else:
        logger.warning('MODEL.WEIGHTS is "": the model is untrained, and of use for measuring only.')
    count = cfg.MODEL.ROI_HEADS.NUM_CLASSES
    known = table or classes or ClassTable.numbered(count)
    if len(known) != count:
        raise ClassMismatchError(
            f"The model has {count} classes, but {cfg.MODEL.WEIGHTS if table else source} names {len(known)} "
            f"({', '.join(known.names[:8])}): use the file that belongs to it."
        )
    return model.eval(), known
