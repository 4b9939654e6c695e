"""``colorlib models``: what is bundled, and how good it is."""

import argparse
from typing import Any

from colorlib.cli.shared import Commands, add_command


def add_arguments(commands: Commands) -> None:
    """The arguments of ``colorlib models``."""
    parser = add_command(
        commands,
        "models",
        run,
        "list the bundled models",
        "What each one is, what it was trained on, and its scores on photos never trained on, beside what costs no\n"
        "network: gray, one mean colour, and one mean colour per level of luma.",
        "models",
        "models --json",
    )
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def run(args: argparse.Namespace) -> int:
    """List the bundled checkpoints."""
    import json

    from colorlib.models import list_models

    cards = list_models()
    if args.json:
        print(json.dumps(cards, indent=2, ensure_ascii=False))
    elif not cards:
        print("no models are bundled: train one with `colorlib train configs/quick.yaml`")
    else:
        print("\n\n".join(format_card(name, card) for name, card in cards.items()))
    return 0


def format_card(name: str, card: dict[str, Any]) -> str:
    """A model card as text: what it is, and how it scores beside what costs no network."""
    from colorlib.evaluation import format_metrics

    photos, temperature = card["training_photos"], card["temperature"]
    lines = [
        f"{name}: {card['network']} with {card['bins']} {card['bins_chosen_by']} bins",
        f"  parameters       {card['parameters']:,}",
        f"  file size        {card['bytes'] / 1e6:.2f} MB",
        f"  training photos  {'not recorded' if photos is None else f'{photos:,}'}",
        f"  temperature      {'not recorded' if temperature is None else f'{temperature:g}'}",
    ]
    if not card["metrics"]:
        return "\n".join([*lines, "  metrics          not recorded"])
    shown = format_metrics(card["metrics"], ["psnr", "colorfulness", "bin_accuracy"])
    return "\n".join([*lines, "  on photos never trained on, mean [95 % interval]:", *(f"    {row}" for row in shown)])
