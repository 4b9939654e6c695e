"""``colorlib workbook``: run the notebooks, write the figures."""

import argparse

from colorlib.cli.shared import Commands, add_command, positive


def add_arguments(commands: Commands) -> None:
    """The arguments of ``colorlib workbook``."""
    parser = add_command(
        commands,
        "workbook",
        run,
        "run the notebooks and write the figures",
        "Executed copies go to build/workbook/, figures to figures/. Works in a clone of the project.",
        "workbook",
        "workbook --only 01 02 --profile full",
        "workbook --jobs 2",
    )
    parser.add_argument(
        "--profile",
        choices=["quick", "full", "paper"],
        default="quick",
        help="parameters of the run: quick for a laptop (default), full, or as in the paper",
    )
    parser.add_argument(
        "--only",
        metavar="NUMBER",
        nargs="+",
        help="only the notebooks that begin with these numbers: 07 means 07 and 07b, 07_ the first alone",
    )
    parser.add_argument(
        "--jobs", metavar="N", type=positive, default=1, help="how many run at once, sharing the cores (default: 1)"
    )
    parser.add_argument("--refresh", action="store_true", help="also write the outputs into notebooks/ themselves")


def run(args: argparse.Namespace) -> int:
    """Execute the notebooks."""
    from colorlib.course import run_workbook

    run_workbook(args.profile, args.only, refresh=args.refresh, jobs=args.jobs)
    return 0
