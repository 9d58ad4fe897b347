"""Says how a run went and where everything it wrote lies."""

import argparse
from pathlib import Path

from maskrcnn_project.errors import run_tool

PLACES = (
    ("config.yaml", "the settings, all of them"),
    ("model_final.pth", "the weights"),
    ("log.txt", "the log"),
    ("metrics.json", "losses and AP over time, one JSON object per line"),
    ("loss_curves.png", "the same as a picture"),
    ("inference/report.html", "how good it is, where it fails: open it in a browser"),
    ("inference/coco_instances_results.json", "every detection of the last evaluation"),
    ("predictions", "drawn predictions, predictions.json and measurements.csv"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", metavar="DIR", help="a training's output folder")
    parser.add_argument("--run", metavar="DIR", help="the same, named as in the other tools")
    args = parser.parse_args()
    if (args.run is None) == (args.folder is None):
        raise ValueError("Give --run DIR, a training's output folder.")
    folder = Path(args.run or args.folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder}: name the OUTPUT_DIR of a training.")

    from maskrcnn_project.visualization.curves import read_metrics

    metrics = read_metrics(folder / "metrics.json") if (folder / "metrics.json").is_file() else {}
    for title, task in (("Boxes", "bbox"), ("Masks", "segm")):
        values = {n: metrics[f"{task}/{n}"][-1][1] for n in ("AP", "AP50", "AP75") if metrics.get(f"{task}/{n}")}
        if values:
            print(f"{title}: " + ", ".join(f"{name} {value:.1f}" for name, value in values.items()))
    print(f"In {folder.resolve()}:")
    for name, meaning in PLACES:
        if (folder / name).exists():
            print(f"  {name:<40} {meaning}")


if __name__ == "__main__":
    run_tool(main)
