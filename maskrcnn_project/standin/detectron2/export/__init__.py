"""
Export: a detector as one graph from tensors to tensors, for ``torch.jit.trace``, ``torch.export`` and ONNX.
"""

from detectron2.config import CfgNode
from detectron2.export.flatten import TracingAdapter
from detectron2.export.torchscript import dump_torchscript_IR, scripting_with_instances
from detectron2.utils._refused import refuse

__all__ = ["TracingAdapter", "add_export_config", "dump_torchscript_IR", "scripting_with_instances"]


def add_export_config(cfg: CfgNode) -> CfgNode:
    """
    Adds the keys that old export scripts expect, so that their YAML still loads; none of them does anything
    here.

    Returns:
        ``cfg`` itself, frozen or not as it was.
    """
    frozen = cfg.is_frozen()
    cfg.defrost()
    cfg.EXPORT_CAFFE2 = CfgNode()
    cfg.EXPORT_CAFFE2.USE_HEATMAP_MAX_KEYPOINT = False
    if frozen:
        cfg.freeze()
    return cfg


__getattr__ = refuse(
    __name__,
    {
        "Caffe2Model": "Caffe2 export",
        "Caffe2Tracer": "Caffe2 export",
        "STABLE_ONNX_OPSET_VERSION": "Caffe2-style ONNX export",
    },
)
