"""Judging predictions: the loop over a data loader, the COCO metric, and printing and checking of results."""

from detectron2.utils._refused import refuse

from .coco_evaluation import COCOEvaluator
from .evaluator import DatasetEvaluator, DatasetEvaluators, inference_context, inference_on_dataset
from .testing import print_csv_format, verify_results

__all__ = [
    "COCOEvaluator",
    "DatasetEvaluator",
    "DatasetEvaluators",
    "inference_context",
    "inference_on_dataset",
    "print_csv_format",
    "verify_results",
]

__getattr__ = refuse(
    __name__,
    {
        "COCOPanopticEvaluator": "panoptic segmentation",
        "CityscapesInstanceEvaluator": "the Cityscapes benchmark",
        "CityscapesSemSegEvaluator": "the Cityscapes benchmark",
        "LVISEvaluator": "the LVIS benchmark",
        "PascalVOCDetectionEvaluator": "the Pascal VOC metric",
        "RotatedCOCOEvaluator": "rotated boxes",
        "SemSegEvaluator": "semantic segmentation",
    },
)
