"""
Augmentations that Detectron2 lacks, switched on by ``cfg.INPUT.AUGMENT``.

``colour`` and ``geometry`` hold those of one image, as Detectron2's Augmentations; ``mosaic`` and ``copy_paste`` those
of many, as functions of a ``sample``, which ``mapper`` reads and mixes. ``build`` makes the mapper that a config wants.
All of them draw from numpy's global generator, which Detectron2's loader seeds in each worker.
"""

from maskrcnn_project.training.augmentation.build import build_training_mapper

__all__ = ["build_training_mapper"]
