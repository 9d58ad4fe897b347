"""The checkpointer that trainers, predictors and tools use: every dialect of weights in, Detectron2's out."""

from __future__ import annotations

import logging
import os
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import torch
import torch.distributed as dist
from detectron2.checkpoint._files import find_foreign, read_checkpoint
from detectron2.checkpoint._report import REBUILT_BUFFERS, names_table, shapes_table
from detectron2.checkpoint.c2_model_loading import (
    TORCHVISION_DETECTOR_DIFFERENCES,
    TORCHVISION_DIFFERENCES,
    TORCHVISION_SECOND_GENERATION,
    convert_c2_detectron_names,
    convert_torchvision_names,
    is_second_generation,
    is_torchvision_detector,
    is_torchvision_resnet,
    log_matches,
    match_by_ending,
    rename_tensors,
)
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager, write_atomically
from fvcore.common.checkpoint import Checkpointer
from torch import nn
from torch.nn.parallel import DistributedDataParallel

logger = logging.getLogger(__name__)


class DetectionCheckpointer(Checkpointer):
    """
    fvcore's Checkpointer that reads safely, writes atomically and understands the weights of Detectron2's
    model zoo, of Caffe2 Detectron, of pycls and of torchvision.
    """

    def __init__(
        self,
        model: nn.Module,
        save_dir: str = "",
        *,
        save_to_disk: bool | None = None,
        **checkpointables: Any,
    ):
        """
        Args:
            model: the model, plain or wrapped for distributed training.
            save_dir: folder of checkpoints and of the file ``last_checkpoint``.
            save_to_disk: whether this process writes; by default only the main process does.
            checkpointables: name -> anything with ``state_dict`` and ``load_state_dict``.
        """
        super().__init__(
            model,
            save_dir,
            save_to_disk=comm.is_main_process() if save_to_disk is None else save_to_disk,
            **checkpointables,
        )
        self.path_manager = PathManager
        self.logger = logger
        # Only a wrapped model is surely loaded by every process at once, which may then compare notes.
        self._collective = isinstance(model, DistributedDataParallel) and comm.get_world_size() > 1
        self._restored: list[str] = []
        self._query = ""

    def save(self, name: str, **kwargs: Any) -> None:
        """Writes ``{name}.pth`` (model, checkpointables, ``kwargs``), whole or not at all, and tags it."""
        if not self.save_dir or not self.save_to_disk:
            return
        data = {"model": self.model.state_dict()}
        data.update({key: part.state_dict() for key, part in self.checkpointables.items()})
        data.update(kwargs)
        foreign = find_foreign({key: value for key, value in data.items() if key != "model"})
        if foreign:
            self.logger.warning(
                "The checkpoint %s will not load again: %s. Keep only tensors, numbers, strings and plain "
                "containers in the state of hooks and checkpointables.",
                name,
                foreign,
            )
        basename = f"{name}.pth"
        assert os.path.basename(basename) == basename, f"a checkpoint's name must be no path, but is {name!r}"
        path = os.path.join(self.save_dir, basename)
        self.logger.info("Saving checkpoint to %s", path)
        if _is_remote(path):
            with self.path_manager.open(path, "wb") as file:
                torch.save(data, file)
        else:
            os.makedirs(self.save_dir, exist_ok=True)
            with write_atomically(path) as file:
                torch.save(data, file)
        self.tag_last_checkpoint(basename)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Makes ``last_checkpoint`` name this file of ``save_dir``."""
        path = os.path.join(self.save_dir, "last_checkpoint")
        if _is_remote(path):
            super().tag_last_checkpoint(last_filename_basename)
            return
        with write_atomically(path, "w") as file:
            file.write(last_filename_basename)

    def load(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """
        Loads weights, and the checkpointables that the file holds.

        Args:
            path: a file, ``catalog://``, ``detectron2://`` or URL; ``?matching_heuristics=True`` after it
                matches names by their endings. An empty path loads nothing.
            args, kwargs: ``checkpointables``, the names of those to load; default: all.

        Returns:
            What else the file holds, e.g. ``iteration``.

        Raises:
            FileNotFoundError: no such file.
            ValueError, UnsafeFileError, ImportError: see ``_files.read_checkpoint``; ValueError also if the
                file holds no weights, fits no name of the model, or is resumed from with other shapes.
        """
        if not path:
            return super().load(path, *args, **kwargs)
        wanted = args[0] if args else kwargs.get("checkpointables")
        self._restored = list(self.checkpointables) if wanted is None else list(wanted)
        if not os.path.isfile(path):
            path, _, self._query = path.partition("?")
        try:
            local = self.path_manager.get_local_path(path)
            present = os.path.isfile(local)
            present_on = comm.all_gather(present) if self._collective else [present]
            if not present_on[0] or not (self._collective or present):
                raise FileNotFoundError(_not_found(path, local))
            if all(present_on):
                return super().load(local, *args, **kwargs)
            return self._load_where_present(path, local, present_on, *args, **kwargs)
        finally:
            self._query = ""

    def resume_or_load(self, path: str, *, resume: bool = True) -> dict[str, Any]:
        """
        Loads everything from the last checkpoint in ``save_dir`` if ``resume`` and there is one, else only
        the model's weights from ``path``.
        """
        if resume and self._collective:
            found = comm.all_gather(self.has_checkpoint())
            if len(set(found)) > 1:
                blind = [rank for rank, seen in enumerate(found) if not seen]
                raise FileNotFoundError(
                    f"Process(es) {blind} see no checkpoint in {self.save_dir}, others do: resuming "
                    "needs OUTPUT_DIR on a file system that all machines share."
                )
        return super().resume_or_load(path, resume=resume)

    def _load_where_present(
        self, path: str, local: str, present_on: list[bool], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """
        Where some machines lack the file, the main process hands its weights to all; state cannot travel.
        """
        blind = [rank for rank, present in enumerate(present_on) if not present]
        if self._restored:
            raise FileNotFoundError(
                f"Process(es) {blind} do not see {path}: resuming needs OUTPUT_DIR on a file system that all "
                "machines share."
            )
        self.logger.warning("Process(es) %s do not see %s: they take the main process's weights.", blind, path)
        rest = super().load(local, *args, **kwargs) if present_on[comm.get_rank()] else {}
        for tensor in self.model.state_dict().values():
            dist.broadcast(tensor, src=0)
        return rest

    def _load_file(self, f: str) -> dict[str, Any]:
        """
        A local file as a dict with ``model`` (name -> tensor or array), perhaps ``matching_heuristics``
        (whether names are to be matched by their endings) and ``__author__`` (which dialect they are in).
        """
        content = read_checkpoint(f)
        if not isinstance(content, dict):
            raise ValueError(f"{f} must hold a dict of weights, but holds a {type(content).__name__}.")
        loaded = _as_checkpoint(content, os.path.splitext(f)[1].lower())
        for name, value in loaded["model"].items():
            if not isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
                raise ValueError(
                    f"{f} must hold tensors or arrays by name, alone or under 'model', but {name!r} is a "
                    f"{type(value).__name__}; its keys are {', '.join(map(repr, list(content)[:8]))}."
                )
        query = parse_qs(self._query)
        if query.pop("matching_heuristics", ["False"]) == ["True"]:
            loaded["matching_heuristics"] = True
        if query:
            raise ValueError(f"Only ?matching_heuristics=True may follow {f}, not {', '.join(query)}.")
        return loaded

    def _load_model(self, checkpoint: dict[str, Any]) -> Any:
        """Puts ``checkpoint["model"]`` into the model. Returns missing, unexpected and mis-shaped names."""
        weights = checkpoint["model"]
        for name, value in weights.items():
            weights[name] = _tensor(value)
        own = self.model.state_dict()
        by_ending = checkpoint.get("matching_heuristics", False)
        origin = {name: name for name in weights}
        if by_ending and checkpoint.get("__author__") == "Caffe2":
            weights, origin = convert_c2_detectron_names(weights)
        else:
            converted = self._convert_torchvision(weights, own)
            by_ending, weights = by_ending or converted is not None, converted or weights
            origin = {name: name for name in weights}
        if by_ending:
            matched, misshaped = match_by_ending(own, weights)
            log_matches(matched, origin)
            weights = rename_tensors(weights, {**matched, **misshaped})
        fits = any(name.removeprefix("module.") in own for name in weights)
        if weights and own and not fits:
            raise ValueError(
                f"No name of the checkpoint is one of the model's: it has {', '.join(list(weights)[:3])} ..., the "
                f"model has {', '.join(list(own)[:3])} ...; append ?matching_heuristics=True to the path to match "
                "names by their endings."
            )
        checkpoint["model"] = weights
        incompatible = super()._load_model(checkpoint)
        restored = [key for key in self._restored if key in checkpoint]
        if incompatible.incorrect_shapes and restored:
            raise ValueError(
                f"Cannot resume, because the checkpoint's shapes are not the model's.\n"
                f"{shapes_table(incompatible.incorrect_shapes)}\n"
                "Start a new training with this file as MODEL.WEIGHTS instead, or set the config as it was."
            )
        return incompatible._replace(
            missing_keys=[name for name in incompatible.missing_keys if not REBUILT_BUFFERS.search(name)],
            unexpected_keys=[name for name in incompatible.unexpected_keys if not REBUILT_BUFFERS.search(name)],
        )

    def _convert_torchvision(self, weights: dict[str, Any], own: dict[str, Any]) -> dict[str, Any] | None:
        """The weights under our names if they are torchvision's, with a word on what names do not settle."""
        weights = {name.removeprefix("module."): value for name, value in weights.items()}
        # a model of torchvision itself takes its own names as they are
        if is_torchvision_detector(weights) and not is_torchvision_detector(own):
            self.logger.info("Converting the names of a torchvision detector. %s", TORCHVISION_DIFFERENCES)
            self.logger.warning(TORCHVISION_DETECTOR_DIFFERENCES)
            if is_second_generation(weights):
                self.logger.warning(TORCHVISION_SECOND_GENERATION)
        elif is_torchvision_resnet(weights) and not is_torchvision_resnet(own):
            self.logger.info("Converting the names of a torchvision ResNet. %s", TORCHVISION_DIFFERENCES)
        else:
            return None
        if getattr(self.model, "input_format", "RGB") == "BGR":
            self.logger.warning("The model has INPUT.FORMAT BGR, but torchvision's weights expect RGB.")
        return convert_torchvision_names(weights, own)

    def _log_incompatible_keys(self, incompatible: Any) -> None:
        if incompatible.incorrect_shapes:
            self.logger.warning(shapes_table(incompatible.incorrect_shapes))
        # fvcore has removed mis-shaped names from what it loaded, so that they are missing, too
        misshaped = {name for name, _, _ in incompatible.incorrect_shapes}
        missing = [n for n in _drop_aliases(self.model, incompatible.missing_keys) if n not in misshaped]
        if missing:
            self.logger.warning(names_table("Not in the checkpoint, left as initialised:", missing))
        if incompatible.unexpected_keys:
            self.logger.warning(names_table("In the checkpoint, but not in the model:", incompatible.unexpected_keys))


def _as_checkpoint(content: dict[str, Any], suffix: str) -> dict[str, Any]:
    """Wraps what a file holds so that its weights are under ``model``, and names the dialect of bare ones."""
    if isinstance(content.get("model"), dict):
        if "__author__" in content:
            logger.info("Reading weights by %s", content["__author__"])
        return content
    if suffix == ".pyth" and "model_state" in content:
        return {"model": content["model_state"], "__author__": "pycls", "matching_heuristics": True}
    if suffix in (".pkl", ".pickle"):
        blobs = content.get("blobs", content)
        # the solver's state lies among the weights
        blobs = {name: value for name, value in blobs.items() if not name.endswith("_momentum")}
        return {"model": blobs, "__author__": "Caffe2", "matching_heuristics": True}
    return {"model": content}


def _tensor(value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    value = np.asarray(value)
    return torch.from_numpy(value if value.flags.writeable else value.copy())


def _drop_aliases(model: nn.Module, names: list[str]) -> list[str]:
    """``names`` without those of tensors that the model knows under a second name, which was found."""
    missing = set(names)
    found = {id(t) for n, t in model.state_dict(keep_vars=True).items() if n not in missing}
    return [name for name, t in model.state_dict(keep_vars=True).items() if name in missing and id(t) not in found]


def _is_remote(path: str) -> bool:
    return "://" in path


def _not_found(path: str, local: str) -> str:
    kind = "is a folder, not a file of weights" if os.path.isdir(local) else "does not exist"
    place = "" if local == path else f" (looked for {local})"
    return (
        f"The checkpoint {path}{place} {kind}: put the file there, correct the path (MODEL.WEIGHTS or "
        'last_checkpoint), or set MODEL.WEIGHTS "" to train from random weights.'
    )
