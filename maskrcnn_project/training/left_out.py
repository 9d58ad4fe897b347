"""Images that vanish or break while a training runs: left out, listed, and no more of them than a budget allows."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.utils import comm

from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text

logger = logging.getLogger(__name__)

LIST_NAME = "left_out"  # .txt in OUTPUT_DIR, a line an image; each process but the first has its own


class LeftOut:
    """The images that this process has left out so far."""

    def __init__(self, path: Path, budget: int):
        """
        Args:
            path: of the list; what an earlier start wrote there counts.
            budget: so many images may be left out.
        """
        self.path = path
        self.budget = budget
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        self.reasons = dict(line.partition("\t")[::2] for line in lines)

    def note(self, found: Iterable[tuple[str, str]]) -> None:
        """
        Args:
            found: (file name, why) of images; those that are known already say nothing.

        Raises:
            DatasetError: there are more than the budget.
        """
        new = {name: " ".join(why.split()) for name, why in found if name not in self.reasons}
        if not new:
            return
        self.reasons |= new
        for name, why in new.items():
            logger.warning("%s is left out of the training, another image takes its place: %s", name, why)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, "".join(f"{name}\t{why}\n" for name, why in self.reasons.items()))
        if len(self.reasons) > self.budget:
            name, why = next(reversed(self.reasons.items()))
            raise DatasetError(
                f"{len(self.reasons)} images could not be used, more than the {self.budget} that "
                f"DATALOADER.ERROR_BUDGET allows; {self.path} lists them, the last is {name}: {why} Repair them, or "
                "allow more."
            )


def left_out_of(cfg: CfgNode, images: int) -> LeftOut | None:
    """
    What DATALOADER.ON_ERROR asks for: None where an error is to end the training.

    Args:
        images: in the training set.

    Raises:
        ValueError: neither raise nor skip, or a budget that is no share.
    """
    loader = cfg.DATALOADER
    if loader.ON_ERROR not in ("raise", "skip"):
        raise ValueError(f"DATALOADER.ON_ERROR must be raise or skip, but is {loader.ON_ERROR!r}.")
    if not 0 <= loader.ERROR_BUDGET <= 1:
        raise ValueError(f"DATALOADER.ERROR_BUDGET must be a share from 0 to 1, but is {loader.ERROR_BUDGET}.")
    if loader.ON_ERROR == "raise":
        return None
    rank = comm.get_rank()
    name = f"{LIST_NAME}{f'_{rank}' if rank else ''}.txt"
    return LeftOut(Path(cfg.OUTPUT_DIR) / name, max(1, round(loader.ERROR_BUDGET * images)))
