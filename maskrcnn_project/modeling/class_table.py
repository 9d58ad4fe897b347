"""The class table: which category id and name each of a model's outputs means. It travels in every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from detectron2.data import MetadataCatalog

CHECKPOINT_KEY = "classes"


class ClassMismatchError(ValueError):
    """The classes of the weights and of the data set are not the same."""


@dataclass
class ClassTable:
    """
    Names and COCO category ids by model output: output ``i`` means ``names[i]``, category ``ids[i]``.

    It is a checkpointable (``state_dict`` / ``load_state_dict``): a resumed run with other classes is refused.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...]

    @classmethod
    def from_dataset(cls, name: str) -> ClassTable:
        """The table of a registered data set whose JSON has been read (Detectron2 fills the metadata then)."""
        metadata = MetadataCatalog.get(name)
        names = tuple(metadata.get("thing_classes", ()))
        to_contiguous = metadata.get("thing_dataset_id_to_contiguous_id", {i: i for i in range(len(names))})
        by_output = {output: dataset_id for dataset_id, output in to_contiguous.items()}
        return cls(names, tuple(by_output[i] for i in range(len(names))))

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> ClassTable | None:
        """The table that a ``.pth`` file of this project carries, else None. Reads tensors and plain values only."""
        if Path(path).suffix != ".pth" or not Path(path).is_file():
            return None
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        state = content.get(CHECKPOINT_KEY) if isinstance(content, Mapping) else None
        return cls(tuple(state["names"]), tuple(state["ids"])) if state else None

    @classmethod
    def numbered(cls, count: int) -> ClassTable:
        """Stands in where weights carry no names."""
        return cls(tuple(f"class {i}" for i in range(count)), tuple(range(1, count + 1)))

    def __len__(self) -> int:
        return len(self.names)

    def require_same(self, other: ClassTable, own_source: str, other_source: str) -> None:
        """Raises ClassMismatchError naming both tables and the first difference, unless names and order agree."""
        if self.names == other.names:
            return
        pairs = enumerate(zip(self.names, other.names, strict=False))
        first = next((f"; output {i} is {a!r} there and {b!r} here" for i, (a, b) in pairs if a != b), "")
        raise ClassMismatchError(
            f"{own_source} know {_describe(self)}, but {other_source} has {_describe(other)}{first}. "
            "Use the data set and the weights that belong together, or train on this data set."
        )

    def state_dict(self) -> dict[str, Any]:
        return {"names": list(self.names), "ids": list(self.ids)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        ClassTable(tuple(state["names"]), tuple(state["ids"])).require_same(self, "The weights", "the data set")


def _describe(table: ClassTable, most: int = 8) -> str:
    shown = ", ".join(table.names[:most]) + (", ..." if len(table) > most else "")
    return f"{len(table)} {'class' if len(table) == 1 else 'classes'} ({shown})"
