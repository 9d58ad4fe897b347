"""Pictures of a data set as annotated, and as the training loader gives it to the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from tqdm import tqdm

from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.image_file import read_to_look
from maskrcnn_project.datasets.register import register_coco_dataset, register_descriptions
from maskrcnn_project.files import ResultFolder, picture_names
from maskrcnn_project.training.trainer import MaskRCNNTrainer
from maskrcnn_project.visualization.pictures import contact_sheet, draw_annotations, draw_sample, save_picture

SHEET_NAME = "sheet.png"


def config_to_draw(
    config_file: str | None, images: str | None, annotations: str | None, overrides: Sequence[str]
) -> CfgNode:
    """The config of ``config_file``, or one whose training set is ``images`` with ``annotations``; sets registered."""
    cfg = get_config(config_file)
    cfg.MODEL.MASK_ON = True  # Detectron2's default is a box detector, whose samples have no masks
    cfg.merge_from_list(list(overrides))
    register_descriptions(cfg.DATASETS.DESCRIPTIONS)
    if images is not None and annotations is not None:
        read_coco_file(annotations, images)  # one sentence for what cannot be drawn
        name = Path(annotations).stem
        register_coco_dataset(name, annotations, images)
        cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (name,), (name,)
    cfg.DATALOADER.NUM_WORKERS = 0
    return cfg


def annotated_pictures(names: Sequence[str], number: int, page: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """
    (name, BGR picture) of ``number`` images spread evenly over the data sets ``names``; no two names are alike.

    Args:
        page: of images that are stacks.
    """
    records = [(name, record) for name in names for record in DatasetCatalog.get(name)]
    step = max(1, len(records) // number)
    chosen = records[::step][:number]
    called = picture_names([Path(record["file_name"]) for _, record in chosen])
    for picture, (name, record) in zip(called, chosen, strict=True):
        image = read_to_look(record["file_name"], "BGR", page)
        yield picture, draw_annotations(image, record, MetadataCatalog.get(name))


def files_of(names: Sequence[str]) -> list[Path]:
    """The image files of the data sets ``names``."""
    return [Path(record["file_name"]) for name in names for record in DatasetCatalog.get(name)]


def sample_pictures(cfg: CfgNode, number: int) -> Iterator[tuple[str, np.ndarray]]:
    """(name, BGR picture) of the first ``number`` samples of the training loader, augmented as in training."""
    metadata = MetadataCatalog.get(cfg.DATASETS.TRAIN[0])
    drawn = 0
    for batch in MaskRCNNTrainer.build_train_loader(cfg):
        for sample in batch:
            if drawn == number:
                return
            drawn += 1
            yield (
                f"{drawn:04d}_{Path(sample['file_name']).stem}",
                draw_sample(sample, cfg.INPUT.FORMAT, metadata),
            )


def write_pictures(pictures: Iterator[tuple[str, np.ndarray]], folder: ResultFolder, number: int) -> tuple[Path, int]:
    """
    Writes each picture and a contact sheet of all into ``folder``. Returns the sheet and how many there are.

    Raises:
        FileExistsError: in the place of one lies a file that no tool has written.
    """
    drawn, names = [], set()
    for name, picture in tqdm(pictures, total=number, desc="Drawing", unit="image", disable=None):
        save_picture(folder.place(f"{name}.png"), picture)
        drawn.append(picture)
        names.add(f"{name}.png".casefold())
    sheet = folder.place(next(name for name in sheet_names() if name not in names))
    save_picture(sheet, contact_sheet(drawn))
    return sheet, len(drawn)


def sheet_names() -> Iterator[str]:
    """What the contact sheet may be called: another name where an image is called sheet itself."""
    yield SHEET_NAME
    yield from (f"contact_{number}_{SHEET_NAME}" for number in count(1))
