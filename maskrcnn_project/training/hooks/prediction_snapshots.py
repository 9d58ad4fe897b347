"""The same few validation images again and again during a training: ground truth beside prediction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, DatasetMapper, MetadataCatalog
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.utils import comm

from maskrcnn_project.datasets.image_file import ValueRange, read_image, value_range
from maskrcnn_project.training.augmentation.build import build_test_mapper
from maskrcnn_project.training.hooks.metric import is_due
from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY
from maskrcnn_project.training.hooks.undisturbed import undisturbed, unwrap
from maskrcnn_project.training.hooks.validation_loss import spread_evenly
from maskrcnn_project.visualization.pictures import draw_annotations, draw_predictions, save_picture, side_by_side

FOLDER = "snapshots"


@HOOK_REGISTRY.register()
class PredictionSnapshots(HookBase):
    """
    Writes ``snapshots/iteration_0000999/NAME.png`` every ``period`` iterations and at the end, and shows the same in
    TensorBoard. The main process draws while the others wait for its next step; the training is not disturbed.
    """

    trainer: DefaultTrainer

    def __init__(
        self,
        output_dir: str | Path,
        dataset: str,
        mapper: Callable[[dict], dict],
        number: int,
        period: int,
        threshold: float,
        values: ValueRange | None = None,
    ):
        """
        Args:
            dataset: name of a registered set; its images are taken at equal distances.
            mapper: from a record to a model's input.
            number: of images, at least 1.
            period: iterations; 0: at the end only.
            threshold: predictions of a lower score (0 to 1) are not drawn.
            values: how images of more than 8 bits are read.
        """
        if number < 1:
            raise ValueError(f"HOOKS.PredictionSnapshots.NUMBER must be at least 1, but is {number}.")
        self.folder = Path(output_dir) / FOLDER
        self.dataset = dataset
        self.mapper = mapper
        self.values = values
        self.number, self.period, self.threshold = number, period, threshold
        self.records: list[dict] = []

    @classmethod
    def from_config(cls, cfg: CfgNode) -> PredictionSnapshots:
        keys = cfg.HOOKS.PredictionSnapshots
        if not cfg.DATASETS.TEST:
            raise ValueError("PredictionSnapshots needs a validation set: name one in DATASETS.TEST.")
        return cls(
            cfg.OUTPUT_DIR,
            cfg.DATASETS.TEST[0],
            build_test_mapper(cfg) or DatasetMapper(cfg, False),
            keys.NUMBER,
            keys.PERIOD or cfg.TEST.EVAL_PERIOD,
            cfg.PREDICT.SCORE_THRESHOLD,
            value_range(cfg),
        )

    def before_train(self) -> None:
        if comm.is_main_process():
            self.records = spread_evenly(DatasetCatalog.get(self.dataset), self.number)

    def after_step(self) -> None:
        last = self.trainer.iter + 1 == self.trainer.max_iter
        if comm.is_main_process() and (is_due(self.trainer.iter, self.period) or last):
            for index, record in enumerate(self.records):
                self._draw(f"{index}_{Path(record['file_name']).stem}", record)

    def _draw(self, name: str, record: dict) -> None:
        model = unwrap(self.trainer.model)
        image = read_image(record["file_name"], "BGR", self.values)
        metadata = MetadataCatalog.get(self.dataset)
        with undisturbed(model):  # the drawing draws random colours, too
            model.eval()
            found = model([self.mapper(record)])[0]["instances"].to("cpu")
            found = found[found.scores >= self.threshold]
            truth = draw_annotations(image, record, metadata)
            prediction = draw_predictions(image, found, metadata)
        titles = (f"annotated: {len(record.get('annotations', ()))}", f"predicted: {len(found)}")
        picture = side_by_side(truth, prediction, titles)
        save_picture(self.folder / f"iteration_{self.trainer.iter:07d}" / f"{name}.png", picture)
        rgb = np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1))
        self.trainer.storage.put_image(f"{FOLDER}/{name}", rgb)
