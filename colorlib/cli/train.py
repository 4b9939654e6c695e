"""``colorlib train``: a network, as a configuration file describes it."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from colorlib.cli.shared import INTERRUPTED, Commands, add_command
from colorlib.errors import ColorlibError


def add_arguments(commands: Commands) -> None:
    """The arguments of ``colorlib train``."""
    parser = add_command(
        commands,
        "train",
        run,
        "train a network",
        "The configuration says everything that decides the outcome; its settings are listed below.\n"
        "It can be interrupted or killed at any moment: the same command goes on from the last saved step.",
        "train --settings > my.yaml",
        "train configs/quick.yaml",
        "train configs/quick.yaml --set max_steps=2000 out_dir=runs/longer 'photos=[my/landscapes]'",
        "train configs/quick.yaml --restart",
        "train configs/quick.yaml --choose-rate",
        add_help=False,
    )
    parser.add_argument("-h", "--help", action=Help, nargs=0, help="show this, every setting too, and exit")
    parser.add_argument("config", metavar="CONFIG.yaml", type=Path, help="the configuration of the run")
    parser.add_argument(
        "--settings", action=Settings, nargs=0, help="show the settings alone, as a file to begin with, and exit"
    )
    going_on = parser.add_mutually_exclusive_group()
    going_on.add_argument("--resume", action="store_true", help="go on from the last saved step: what happens anyway")
    going_on.add_argument("--restart", action="store_true", help="discard the run in out_dir, and begin it anew")
    parser.add_argument("--choose-rate", action="store_true", help="only try learning rates, in runs of 50 steps")
    parser.add_argument(
        "--set", metavar="SETTING=VALUE", nargs="+", default=[], help="replace single settings; values are YAML"
    )


class Settings(argparse.Action):
    """Prints all settings and ends the program, as ``--help`` does."""

    heading = ""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from colorlib.training import describe_settings

        print(self.heading + describe_settings())
        parser.exit()


class Help(Settings):
    """Prints how the command is used, and all settings."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        self.heading = f"{parser.format_help()}\nsettings, with their defaults and the values they take:\n"
        super().__call__(parser)


def run(args: argparse.Namespace) -> int:
    """Run the training that a configuration file describes, or try learning rates for it."""
    from colorlib.evaluation import finalize_checkpoint
    from colorlib.parallel import is_main_process
    from colorlib.training import TrainingConfig, choose_rate, sweep_learning_rates, train

    config = TrainingConfig.from_yaml(args.config, **parse_settings(args.set))
    if args.choose_rate:
        curves = sweep_learning_rates(config)
        if is_main_process():  # under torchrun one process speaks for all
            print("\n".join(describe_rates(curves, choose_rate(curves))))
        return 0
    try:
        checkpoint = train(config, args.restart)
        if is_main_process():
            finalize_checkpoint(checkpoint, config)
    except KeyboardInterrupt:
        print("colorlib: interrupted; the same command goes on from the last saved step", file=sys.stderr)
        return INTERRUPTED
    if is_main_process():
        print(f"checkpoint: {checkpoint}\ntry it:     colorlib colorize PHOTOS --out out --model {checkpoint}")
    return 0


def describe_rates(curves: "dict[float, list[float]]", best: float) -> list[str]:
    """A line for each learning rate that was tried.

    >>> print("\\n".join(describe_rates({0.002: [3.5, 3.0, 2.5], 0.02: [3.5, 9.0, 7.0]}, 0.002)))
    learning_rate 0.002: loss 3.500 at first, 2.500 over the last third  <- lowest
    learning_rate 0.02: loss 3.500 at first, 7.000 over the last third
    """
    lines = []
    for rate, losses in curves.items():
        last = losses[-(len(losses) // 3 or 1) :]
        text = f"learning_rate {rate:g}: loss {losses[0]:.3f} at first, {sum(last) / len(last):.3f} over the last third"
        lines.append(text + ("  <- lowest" if rate == best else ""))
    return lines


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """``key=value`` texts as a dictionary, each value read as YAML.

    >>> parse_settings(["max_steps=100", "photos=[seaside, mountains]"])
    {'max_steps': 100, 'photos': ['seaside', 'mountains']}
    """
    import yaml

    values = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        try:
            values[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ColorlibError(f"cannot read the value in --set {setting!r} as YAML") from error
        if not equals:
            raise ColorlibError(f"--set takes setting=value, got {setting!r}")
    return values
