"""Packaging. Imports neither torch nor the package, so that it runs on a bare Python."""

import re
from pathlib import Path

from setuptools import find_namespace_packages, setup

HERE = Path(__file__).resolve().parent
VERSION = re.search(r'__version__ = "(.+?)"', (HERE / "maskrcnn_project/__init__.py").read_text("utf-8")).group(1)

REQUIREMENTS = [
    "torch>=2.4",
    "torchvision>=0.19",
    "fvcore>=0.1.5.post20221221",
    "iopath>=0.1.9",
    "pycocotools>=2.0.7",
    "faster-coco-eval>=1.6",  # the COCO metric in C++: the numbers of pycocotools, many times faster
    "opencv-python>=4.8",
    "Pillow>=10.0",
    "shapely>=2.0",  # polygons that cross themselves
    "numpy>=1.26",
    "matplotlib>=3.8",
    "tensorboard>=2.14",
    "tqdm>=4.65",
    "tabulate>=0.9",
]

# The page of tools/serve.py.
SERVE = ["starlette>=0.40", "uvicorn>=0.30"]

# To write ONNX files, and to check them.
ONNX = ["onnx>=1.16", "onnxscript>=0.3", "onnxruntime>=1.18"]

# Videos in H.264, which browsers play.
VIDEO = ["av>=12"]

# Read at the top of the tree by people, inside the package by an installed copy (maskrcnn_project/resources.py).
TOP_FOLDERS = {"maskrcnn_project._configs": "configs", "maskrcnn_project._datasets": "datasets"}

setup(
    name="maskrcnn_project",
    version=VERSION,
    description="Train, evaluate, look at and ship Mask R-CNN instance segmentation on your own COCO dataset.",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[*find_namespace_packages(include=["maskrcnn_project*"]), *TOP_FOLDERS],
    package_dir=TOP_FOLDERS,
    package_data={
        "": ["py.typed", "*.yaml", "*/*.yaml", "*/*/*.yaml"],
        "maskrcnn_project.serve": ["page/*"],
    },
    install_requires=REQUIREMENTS,
    extras_require={
        "onnx": ONNX,
        "serve": SERVE,
        "video": VIDEO,
        "browser": ["playwright>=1.40"],  # tests in a Chromium that is installed; without it they are skipped
        "dev": [
            *ONNX,
            *SERVE,
            *VIDEO,
            "pytest>=8",
            "pytest-xdist>=3.5",
            "hypothesis>=6",
            "ruff>=0.6",
            "mypy>=1.10",
            "safetensors>=0.4",
            "cloudpickle>=3",
        ],
    },
)
