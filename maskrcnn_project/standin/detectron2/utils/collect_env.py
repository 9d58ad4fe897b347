"""A report on the machine and the installed packages, for logs and bug reports."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections import defaultdict

import torch
from tabulate import tabulate

__all__ = [
    "collect_env_info",
    "collect_torch_env",
    "detect_compute_compatibility",
    "get_env_module",
    "main",
    "test_nccl_ops",
]

_PACKAGES = (
    "torchvision",
    "fvcore",
    "iopath",
    "pycocotools",
    "faster-coco-eval",
    "opencv-python",
    "opencv-python-headless",
    "numpy",
    "Pillow",
    "matplotlib",
    "tensorboard",
)


def collect_env_info() -> str:
    """A table of Python, packages, compiler and devices, and PyTorch's own build report below it."""
    import detectron2

    rows: list[tuple[str, str]] = [
        ("sys.platform", sys.platform),
        ("Python", sys.version.replace("\n", "")),
        ("detectron2", f"{detectron2.__version__} @ {os.path.dirname(detectron2.__file__)}"),
        get_env_module(),
        ("PyTorch", f"{torch.__version__} @ {os.path.dirname(torch.__file__)}"),
        ("PyTorch debug build", str(torch.version.debug)),
        ("CPU", f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"),
        *_devices(),
        *((name, version) for name in _PACKAGES if (version := _version(name))),
    ]
    return f"{tabulate(rows)}\n{collect_torch_env()}"


def collect_torch_env() -> str:
    """How PyTorch was built: compilers, libraries, flags."""
    return torch.__config__.show()


def get_env_module() -> tuple[str, str]:
    """
    The name of the environment variable for a custom environment module, and its value or ``<not set>``.
    """
    variable = "DETECTRON2_ENV_MODULE"
    return variable, os.environ.get(variable, "<not set>")


def detect_compute_compatibility(CUDA_HOME: str, so_file: str) -> str:
    """
    The compute capabilities that a compiled extension was built for.

    Args:
        CUDA_HOME: the CUDA toolkit, whose ``cuobjdump`` is asked.
        so_file: the extension.

    Returns:
        Such as ``"8.0, 9.0"``; or the file and why nothing can be told.
    """
    tool = os.path.join(CUDA_HOME or "", "bin", "cuobjdump")
    if not os.path.isfile(tool):
        return f"{so_file}; cannot find cuobjdump"
    try:
        listing = subprocess.run([tool, "--list-elf", so_file], capture_output=True, text=True, check=True).stdout
    except subprocess.CalledProcessError as error:
        return f"{so_file}; cuobjdump failed: {(error.stderr or str(error)).strip()}"
    capabilities = sorted(
        {f"{int(major)}.{minor}" for major, minor in re.findall(r"\.sm_(\d+)(\d)", listing)}, key=float
    )
    return ", ".join(capabilities) or f"{so_file}; holds no GPU code"


def test_nccl_ops() -> None:
    """Runs one all-reduce over all GPUs of this machine and says whether it works."""
    count = torch.cuda.device_count()
    if count < 2 or not torch.distributed.is_nccl_available():
        print(f"NCCL was not tested: it takes a PyTorch with NCCL and at least two GPUs; there are {count}.")
        return
    address = "tcp://127.0.0.1:29519"
    print(f"Testing NCCL on {count} GPUs; it hangs here if it does not work ...")
    torch.multiprocessing.spawn(_nccl_worker, nprocs=count, args=(count, address))
    print("NCCL works.")


test_nccl_ops.__test__ = False  # type: ignore[attr-defined]  # not a test case, in spite of its name


def main() -> None:
    """Prints the report and, where there are several GPUs, tests that they can talk to one another."""
    print(collect_env_info())
    if torch.cuda.device_count() > 1:
        test_nccl_ops()


def _devices() -> list[tuple[str, str]]:
    rows = [("GPU available", str(torch.cuda.is_available()))]
    if torch.cuda.is_available():
        numbers = defaultdict(list)
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            capability = f"compute {properties.major}.{properties.minor}"
            numbers[f"{properties.name} ({capability}, {properties.total_memory / 2**30:.0f} GiB)"].append(str(index))
        rows += [(f"GPU {','.join(indices)}", name) for name, indices in numbers.items()]
        rows.append(("CUDA of PyTorch", str(torch.version.cuda)))
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    rows.append(("C++ compiler", compiler or "none (none is needed)"))
    return rows


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _nccl_worker(rank: int, count: int, address: str) -> None:
    torch.distributed.init_process_group("nccl", init_method=address, rank=rank, world_size=count)
    torch.cuda.set_device(rank)
    value = torch.ones(1, device="cuda")
    torch.distributed.all_reduce(value)
    assert value.item() == count, f"all-reduce of ones over {count} GPUs gave {value.item()}"
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
