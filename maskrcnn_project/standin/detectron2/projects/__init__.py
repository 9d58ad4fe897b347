"""The projects that Detectron2 can be installed with. None is in this stand-in; importing one says so."""

from detectron2.utils._refused import refuse

__getattr__ = refuse(
    __name__,
    {
        name: f"Detectron2's own projects, of which {name} is one"
        for name in ("deeplab", "panoptic_deeplab", "point_rend")
    },
)
