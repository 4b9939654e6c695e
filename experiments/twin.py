"""Is choosing among colours worth it, for one network trained twice, on the same photos and for as long?

    python -m experiments.twin CLASSES L2 --photos FOLDER

CLASSES is a checkpoint that chooses among colours, L2 its twin, which gives the colour itself by squared error (the
paper's §1 argues against that one). Both are measured as `experiments.heldout` does, on the bundled validation photos
and, with ``--photos``, on others that neither was trained on: their closeness to the truth, the rebalanced AuC, and how
colourful they are. A temperature makes the classifier's pictures livelier; the twin's answer is multiplied for that,
what it gives as (U, V) made 1.25 to 2 times as long. twin.md holds the tables and what the checkpoints' records say
of the trainings.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import colorlib
from colorlib.cli.shared import guarded, positive
from colorlib.data import bundled
from colorlib.errors import ColorlibError
from colorlib.files import write_text
from colorlib.models import count_parameters
from colorlib.prediction import Colorizer
from experiments.heldout import measure_gray, measure_network, report
from experiments.scores import held_out, thinned

HERE = Path(__file__).parent
MUST_AGREE = ("model", "image_size", "crop", "batch_size", "augment")
FACTORS = (1.0, 1.25, 1.5, 1.75, 2.0)  # by which the twin's colours are multiplied
NO_MATTER = ("init_from", "photos", "validation_photos", "out_dir", "device", "compile", "checkpoint_minutes")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.twin", description="A network and its twin by L2.")
    parser.add_argument("classes", metavar="CLASSES", help="a checkpoint that chooses among colours, by name or path")
    parser.add_argument("regression", metavar="L2", help="its twin")
    parser.add_argument("--photos", metavar="FOLDER", type=Path, help="held-out photos, or a cache's validation photos")
    parser.add_argument("--most", metavar="N", type=positive, default=10_000, help="at most so many of them, evenly")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=HERE, help="where the table goes")
    args = parser.parse_args()
    twins = {"model": colorlib.load(args.classes), "against": colorlib.load(args.regression)}
    require_twins(*twins.values())
    args.out.mkdir(parents=True, exist_ok=True)
    lines = [introduction(twins)]
    with tempfile.TemporaryDirectory() as scratch:
        sets = {"The bundled validation photos": [photo.path for photo in bundled("validation")]}
        if args.photos:
            sets["Held-out photos"] = list(thinned(held_out(args.photos, Path(scratch)), args.most))
        for title, paths in sets.items():
            lines += [f"\n## {title}\n", *tables(twins, paths)]
    write_text(args.out / "twin.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def require_twins(classes: Colorizer, regression: Colorizer) -> None:
    """Refuse two networks that differ in more than what they are asked.

    Raises:
        ColorlibError: if one is of the wrong kind, or their networks, numbers of photos or parts of training differ.
    """
    if classes.is_regression or not regression.is_regression:
        raise ColorlibError("the first network has to choose among colours, the second to give the colour itself (L2)")
    if not classes.record.get("training") or not regression.record.get("training"):
        raise ColorlibError("no twins that one can know of: a checkpoint has no record of its training")
    one, other = parts_of(classes), parts_of(regression)
    if len(one) != len(other):
        raise ColorlibError(f"no twins: their trainings have {len(one)} and {len(other)} parts; compare equal ones")
    for first, second in zip(one, other, strict=True):
        for key in ("photos used", *MUST_AGREE):
            if first.get(key) != second.get(key):
                raise ColorlibError(f"no twins: {key} {first.get(key)} and {second.get(key)}; compare equal ones")
    if classes.zoom != regression.zoom:
        raise ColorlibError(f"no twins: they see photos {classes.zoom} and {regression.zoom} times as large")
    if means_of(classes) != means_of(regression):
        raise ColorlibError(
            f"no twins: they are means with shares {means_of(classes)} and {means_of(regression)}; compare equal ones"
        )


def parts_of(colorizer: Colorizer) -> list[dict[str, Any]]:
    """The settings of each part of a training, the first first: one part may go on from another's weights."""
    last = colorizer.record["training"]
    return [
        {key: value for key, value in part["config"].items() if key not in NO_MATTER}
        | {"photos used": part["photos"]["used"]}
        for part in (*last.get("before", []), last)
    ]


def means_of(colorizer: Colorizer) -> list[float]:
    """The shares of the networks of which it is the mean; none where it is no mean."""
    return sorted(round(share, 4) for share in colorizer.record.get("mean_of", {}).values())


def introduction(twins: dict[str, Colorizer]) -> str:
    parts = [parts_of(colorizer) for colorizer in twins.values()]
    numbers = " and ".join(f"{count_parameters(colorizer.model):,}" for colorizer in twins.values())
    lines = [
        "# A network and its twin by L2\n",
        "One network, trained once to choose among colours and once to give the colour itself by squared error; the "
        "docstring of `experiments/twin.py` says how they are measured. *Own* is the record's temperature; *best* has "
        "the highest mean PSNR, at *truth's* pictures are as colourful as the photos: both are chosen on these very "
        "photos, for both networks. The twin has no temperature; in its place stands the factor by which its colours "
        "are multiplied. One training each: nothing here tells how much "
        "another seed would change.\n",
        f"{twins['model'].record['training']['config']['model']}, {numbers} parameters. In their trainings differ, of "
        "the settings that both records have (MODEL_CARD.md says what else does):\n",
    ]
    for number, (one, other) in enumerate(zip(*parts, strict=True), 1):
        known = [key for key in one if key in other]  # a record knows nothing of settings that came after it
        differ = [f"{key} ({one[key]}, {other[key]})" for key in known if one[key] != other[key]]
        lines.append(f"* part {number} of {len(parts[0])}: {', '.join(differ)}")
    if shares := means_of(twins["model"]):
        lines.append(
            f"\nBoth are means of {len(shares)} networks that went on from there, or of such means, and see photos "
            f"{twins['model'].zoom:g} times as large; of those trainings the records tell nothing, MODEL_CARD.md does."
        )
    return "\n".join(lines)


def tables(twins: dict[str, Colorizer], paths: Sequence[Path]) -> list[str]:
    """The means with their intervals, and the differences over the same photos."""
    found = {name: measure_network(colorizer, paths, FACTORS) for name, colorizer in twins.items()}
    names = {"model": "choosing", "against": "L2 (T: the factor)", "gray": "gray"}
    return [f"{len(paths)} photos.\n", *report(found, *measure_gray(paths), names)[1:]]


if __name__ == "__main__":
    sys.exit(guarded(main))
