"""``colorlib export``: a network as a file for programs that know nothing of PyTorch."""

import argparse
from pathlib import Path

from colorlib.cli.shared import Commands, add_command, number


def add_arguments(commands: Commands) -> None:
    """The arguments of ``colorlib export``."""
    parser = add_command(
        commands,
        "export",
        run,
        "write a model as ONNX, for other programs",
        "The file takes `luma` (n, 1, h, w) in [0, 1], of any size. It gives `chroma` (n, 2, h, w), U and V, and\n"
        "`logits` (n, bins, h, w). Its metadata say the rest. Needs `pip install onnx onnxruntime`.",
        "export liteunet.onnx",
        "export paper.onnx --model colorunet-paper --temperature 1",
    )
    parser.add_argument("out", metavar="OUT.onnx", type=Path, help="the file to write, in a folder that is there")
    parser.add_argument("--model", metavar="NAME|PATH", help="a bundled model or a checkpoint (see `colorlib models`)")
    parser.add_argument(
        "--temperature", metavar="T", type=number, help="of `chroma`: fixed in the file (default: the model's own)"
    )


def run(args: argparse.Namespace) -> int:
    """Write a checkpoint as ONNX."""
    from colorlib.prediction import DEFAULT_MODEL, Colorizer, export_onnx

    name = args.model or DEFAULT_MODEL
    export_onnx(Colorizer.load(name), args.out, args.temperature, name)
    print(f"{name}, {args.out.stat().st_size / 1e6:.2f} MB: {args.out}")
    return 0
