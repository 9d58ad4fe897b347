"""From a trained model to predictions: over arrays, files and folders, drawn and written."""

from maskrcnn_project.inference.predictor import Predictor

__all__ = ["Predictor"]
