"""What a user may choose for a prediction over files, and what of it tells one prediction from another."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

from maskrcnn_project.inference.thresholds import ScoreThresholds
from maskrcnn_project.prediction.arguments import DEFAULT_FORMATS
from maskrcnn_project.prediction.journal import Settings
from maskrcnn_project.prediction.sources import Source, common_root

# The sections of a config that say what a model finds, and the keys in them that do not: what is elsewhere in the
# settings, and the device, as a prediction may go on elsewhere.
SECTIONS = ("MODEL", "INPUT", "TEST")
LEFT_OUT = ("MODEL.WEIGHTS", "MODEL.DEVICE", "MODEL.ROI_HEADS.SCORE_THRESH_TEST")
GPU_BATCH_SIZE = 4


@dataclass(frozen=True)
class Options:
    """See ``tools/predict.py --help``, where each is a flag."""

    thresholds: ScoreThresholds
    write: Sequence[str] = DEFAULT_FORMATS
    overlap: str = "keep"
    polygon_tolerance: float = 1.0
    pixel_size: float = 1.0
    unit: str = ""
    tile: int | None = None
    tile_overlap: int = 0
    batch_size: int | None = None
    workers: int = 4
    force: bool = False

    def images_at_once(self, device: str) -> int:
        """The batch size. Alone, an image leaves a large part of a GPU idle; on a CPU it does not."""
        return self.batch_size or (GPU_BATCH_SIZE if device.startswith("cuda") else 1)

    @classmethod
    def from_arguments(cls, args: argparse.Namespace, cfg: CfgNode) -> Options:
        """Of a command whose arguments are checked."""
        names = ("write", "overlap", "polygon_tolerance", "pixel_size", "unit", "tile", "workers", "force")
        default = cfg.PREDICT.SCORE_THRESHOLD
        text = args.score_threshold
        return cls(
            thresholds=ScoreThresholds(default) if text is None else ScoreThresholds.parse(text, default),
            tile_overlap=args.tile_overlap or 0,
            batch_size=args.batch_size,
            **{name: getattr(args, name) for name in names},
        )


def settings_of(cfg: CfgNode, sources: Sequence[Source], options: Options) -> Settings:
    """What decides what is found, by name: predictions with other settings do not belong into one folder."""
    settings: dict[str, Any] = {
        "the folder of the inputs": str(common_root([source.path for source in sources])),
        "the weights": _fingerprint(cfg.MODEL.WEIGHTS),
        "--score-threshold": str(options.thresholds),
        "--overlap": options.overlap,
        "--tile": options.tile,
        "--tile-overlap": options.tile_overlap,
    }
    for section in SECTIONS:
        settings.update(_flat(cfg[section], section))
    return {key: value for key, value in settings.items() if key not in LEFT_OUT}


def _flat(node: CfgNode, prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        name = f"{prefix}.{key}"
        flat.update(_flat(value, name) if isinstance(value, CfgNode) else {name: value})
    return flat


def _fingerprint(weights: str) -> str:
    """The name of a file and a digest of its content."""
    digest = hashlib.sha256()
    with open(PathManager.get_local_path(weights), "rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return f"{Path(weights).name} {digest.hexdigest()[:16]}"
