"""Writes a trained model as one file (ONNX, TorchScript or torch.export), and checks that it finds the same."""

import argparse
from pathlib import Path

from maskrcnn_project.errors import run_tool

EPILOG = """
The file takes one image of any size and gives boxes, classes, scores and masks. Its metadata hold the class names, the
order of the channels, how to resize a picture, and the score threshold. ONNX needs: pip install onnx onnxscript
onnxruntime; an ONNX file then runs without this package, by maskrcnn_project/export/infer_onnx.py alone.

examples:
  export_model.py --run output/photos --format onnx --output photos.onnx
  export_model.py --run output/photos --format torch_export --output photos.pt2 --samples new_photos --no-paste
  export_model.py --config-file c.yaml --weights model_final.pth --format torchscript --output photos.ts
"""
SUFFIXES = {"onnx": ".onnx", "torchscript": ".ts", "torch_export": ".pt2"}


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--run", metavar="DIR", help="a training's output folder: its config.yaml and weights are used")
    p.add_argument("--config-file", metavar="FILE", help="instead of --run: a config")
    p.add_argument("--weights", metavar="FILE", help="default: those of --run, else MODEL.WEIGHTS of the config")
    p.add_argument("--format", required=True, choices=SUFFIXES, help="what to write")
    p.add_argument("--output", required=True, metavar="FILE", help="the file to write; its folder must exist")
    p.add_argument("--force", "--overwrite", action="store_true", help="write over an earlier --output of this format")
    p.add_argument("--score-threshold", type=float, metavar="P", help="what the file drops scores below, 0 to 1")
    p.add_argument(
        "--no-paste", action="store_true", help="masks as probabilities in their boxes, not as pixels of the input"
    )
    p.add_argument("--annotations", metavar="FILE", help="a COCO JSON whose classes have to be the model's")
    p.add_argument("--samples", nargs="+", default=[], metavar="PATH", help="images or folders to check the file on")
    p.add_argument("--height", type=int, default=256, metavar="H", help="of the picture to record on (default 256)")
    p.add_argument("--width", type=int, default=320, metavar="W", help="of the picture to record on (default 320)")
    p.add_argument("--opset", type=int, metavar="N", help="of ONNX, at least 18 (default: PyTorch's choice)")
    p.add_argument("--device", default="cpu", metavar="NAME",
                   help="where a TorchScript or torch.export file will run (default cpu)")  # fmt: skip
    p.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config options")
    return p


def check_arguments(args: argparse.Namespace) -> None:
    if (args.run is None) == (args.config_file is None):
        raise ValueError("Give either --run DIR (a training's output folder) or --config-file FILE.")
    if args.score_threshold is not None and not 0 <= args.score_threshold <= 1:
        raise ValueError(f"--score-threshold must be between 0 and 1, but {args.score_threshold} was given.")
    if min(args.height, args.width) < 128:
        raise ValueError(f"--height and --width must be at least 128, but are {args.height} and {args.width}.")
    output = Path(args.output)
    if output.suffix != SUFFIXES[args.format]:
        raise ValueError(f"--output of the format {args.format} must end in {SUFFIXES[args.format]}: {args.output}.")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"The folder of --output {args.output} does not exist: make it first.")
    if args.weights and output.exists() and output.samefile(args.weights):
        raise ValueError(f"--output {args.output} is the file of the weights: name another, so that they stay.")
    if output.exists() and not args.force:
        raise FileExistsError(f"{args.output} exists already: name another --output, or add --force.")


def main() -> None:
    args = parser().parse_args()
    check_arguments(args)

    from maskrcnn_project.config import get_config_of
    from maskrcnn_project.export.exporting import export
    from maskrcnn_project.modeling.weights import chosen_weights
    from maskrcnn_project.prediction.sources import find_sources

    cfg = get_config_of(args.run, args.config_file, args.opts)
    weights = chosen_weights(args.run, args.weights, args.opts)
    if weights is not None:
        cfg.MODEL.WEIGHTS = str(weights)
    cfg.MODEL.DEVICE = args.device
    threshold = cfg.PREDICT.SCORE_THRESHOLD if args.score_threshold is None else args.score_threshold
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = threshold
    samples = find_sources(args.samples, None, args.output) if args.samples else []
    exported = export(
        cfg,
        args.format,
        Path(args.output),
        annotations=Path(args.annotations) if args.annotations else None,
        samples=[source.path for source in samples if not source.is_video],
        paste=not args.no_paste,
        opset=args.opset,
        size=(args.height, args.width),
    )
    print(exported.report())


if __name__ == "__main__":
    run_tool(main)
