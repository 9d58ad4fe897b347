"""Opens a page to try a model: drop an image, move the score threshold, see masks and measurements."""

import argparse
import socket
from pathlib import Path

from maskrcnn_project.errors import run_tool
from maskrcnn_project.prediction.arguments import add_model_arguments

EPILOG = """
examples:
  serve.py --run output/photos --open
  serve.py --run output/photos --examples photos/val --score-threshold 0.5,cell=0.7
  serve.py --config-file output/photos/config.yaml --weights output/photos/model_final.pth --port 8080

Only this machine can open the page. With --host 0.0.0.0 everybody on the network can: there is no password.
Images are kept in memory only, the last few of them. Nothing is written to disk or sent elsewhere.
"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_arguments(p)
    p.add_argument("--examples", metavar="DIR", help="folder of images that a button on the page tries")
    p.add_argument("--score-threshold", metavar="P", help="where the slider begins, 0 to 1; for classes: cell=0.6,...")
    p.add_argument("--lowest-score", type=float, default=0.05, metavar="P", help="where it ends (default 0.05)")
    p.add_argument("--tile", type=int, metavar="SIZE", help="look at large images in tiles of so many pixels")
    p.add_argument("--tile-overlap", type=int, metavar="N", help="what they share, in pixels (default: a quarter)")
    p.add_argument("--host", default="127.0.0.1", metavar="ADDRESS",
                   help="where to listen (default 127.0.0.1: this machine only)")  # fmt: skip
    p.add_argument("--port", type=int, default=8000, metavar="N", help="default 8000; 0: any that is free")
    p.add_argument("--allow-host", nargs="+", default=[], metavar="NAME",
                   help="names under which the page may be opened, besides localhost and addresses")  # fmt: skip
    p.add_argument("--max-mb", type=float, default=50, metavar="N", help="of an uploaded file (default 50)")
    p.add_argument("--max-megapixels", type=float, default=100, metavar="N", help="of an image (default 100)")
    p.add_argument("--open", action="store_true", help="open the page in the browser")
    p.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config options, e.g. MODEL.DEVICE cpu")
    return p


def main() -> None:
    args = parser().parse_args()
    if (args.run is None) == (args.config_file is None):
        raise ValueError(
            "Give either --run DIR (a training's output folder) or --config-file FILE with --weights FILE."
        )

    if args.tile_overlap is not None and args.tile is None:
        raise ValueError("--tile-overlap needs --tile SIZE.")

    from maskrcnn_project.serve.server import address_of, is_loopback, listen, require_framework, serve

    require_framework()

    from maskrcnn_project.config import get_config_of
    from maskrcnn_project.modeling.weights import chosen_weights
    from maskrcnn_project.serve.app import make_app
    from maskrcnn_project.serve.loading import find_examples, model_for_page
    from maskrcnn_project.serve.upload import Limits

    limits = Limits(args.max_mb, args.max_megapixels)
    tiles = (
        None if args.tile is None else (args.tile, args.tile // 4 if args.tile_overlap is None else args.tile_overlap)
    )
    examples = find_examples(Path(args.examples)) if args.examples else []
    with listen(args.host, args.port) as sock:  # before the model is loaded: a port that is taken is said at once
        cfg = get_config_of(args.run, args.config_file, args.opts)
        weights = chosen_weights(args.run, args.weights, args.opts)
        model = model_for_page(cfg, weights, args.score_threshold, args.lowest_score, tiles)
        print(f"{model.title}: {', '.join(model.class_names)}")
        if not is_loopback(sock):
            print("Anyone on the network who reaches this machine can use the page and the model: no password asks.")
        print(f"The page is at {address_of(sock)} (Ctrl+C ends it)", flush=True)
        app = make_app(model, limits, examples, [socket.gethostname(), *args.allow_host])
        serve(app, sock, open_browser=args.open)
    print("Stopped.")


if __name__ == "__main__":
    run_tool(main)
