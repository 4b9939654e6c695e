"""Sentences that answer for themselves: claims that fail when they have gone stale, and the paper's set-up beside ours.

What a notebook says in running text nobody checks; what it says through `claim` is checked at every run.
"""

from typing import Any

import numpy as np
import torch
from IPython.display import Markdown, display

from colorlib.course.figures import annotate
from colorlib.course.quotations import PAPER
from colorlib.errors import ColorlibError
from colorlib.models.checkpoints import answering_lam
from colorlib.models.networks import count_parameters
from colorlib.prediction.colorizer import Colorizer

SOURCES = ("paper", "authors' code", "Zhang 2016", "ours")
PAPERS_SETUP = {  # what the paper says of its network, or that it does not
    "network": "ColorUNet, 32 bins",
    "parameters": "130,432, counted from its Figure 2",
    "training photos": "13,469 of 22 categories (§3.1)",
    "input": "256 × 256 px (§3.1)",
    "training": "batches of 64 in 2 steps (§4.1); how many is not said",
    "λ": "not said (authors' code: 0.05 and 0.2)",
    "T": "not said",
}


def claim(text: str, condition: Any, source: str = "ours") -> None:
    """Say something that the numbers above show; a claim whose condition is false stops the notebook.

    The claim is shown with its source as a tag, and recorded in the manifest with the figure shown last.

    Args:
        text: the claim, a sentence of Markdown, best with its numbers and their intervals in it.
        condition: True or False, computed from the numbers that the text speaks of, such as
            ``verdict.word == "more"``.
        source: who says so: "paper", "authors' code", "Zhang 2016" or "ours".

    Raises:
        ColorlibError: if the claim does not hold, or the condition is neither true nor false.
    """
    if source not in SOURCES:
        raise ColorlibError(f"a claim's source is one of {', '.join(SOURCES)}, not {source!r}")
    if not holds(condition):
        raise ColorlibError(f"this claim no longer holds; find out why, or change it: {text}")
    annotate("claims", {"text": text, "source": source})
    display(Markdown(f"**[{source}]** {text}"))


def holds(condition: Any) -> bool:
    """A condition as True or False; a verdict, a list or a text is true whatever it says, and is refused.

    >>> holds(np.float64(0.3) > 0), holds(torch.tensor(1.0) < 0)
    (True, False)
    """
    value = condition.item() if isinstance(condition, np.generic | np.ndarray | torch.Tensor) else condition
    if not isinstance(value, bool):
        raise ColorlibError(f"a claim's condition is True or False, such as a comparison, not {condition!r}")
    return value


def paper_box(
    colorizer: Colorizer,
    figure: str,
    paper: dict[str, str] | None = None,
    here: dict[str, str] | None = None,
    says: str = "",
    found: str = "",
    condition: Any = True,
) -> None:
    """Beside a reproduced figure: the paper's network, photos and settings, ours, and what both say.

    Ours come from the checkpoint. The box is recorded in the manifest with the figure shown last.

    Args:
        colorizer: of the checkpoint that the figure is made with.
        figure: the paper's name for it, such as "Figure 7".
        paper: what replaces or completes `PAPERS_SETUP` for this figure, such as ``{"T": "three, not said which"}``.
        here: the same for what the checkpoint cannot know, such as ``{"T": "0.1, 1 and 3", "photos shown": "12"}``.
        says: the paper's claim in its own words, which must be among the `quotations`.
        found: what was found here, a sentence of Markdown.
        condition: of ``found``, as in `claim`.

    Raises:
        ColorlibError: if the paper does not say so, or what was found does not hold.
    """
    rows = PAPERS_SETUP | (paper or {}), setup_of(colorizer) | (here or {})
    names = list(rows[0] | rows[1])
    lines = [f"| {figure} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for who, row in zip(("paper", "here"), rows, strict=True):
        lines.append(f"| **{who}** | {' | '.join(row.get(name, '–') for name in names)} |")
    if bool(says) != bool(found):
        raise ColorlibError("a box gives the paper's claim together with what was found here, or neither")
    if says:
        if not holds(condition):
            raise ColorlibError(f"{figure}: this no longer holds; find out why, or change it: {found}")
        lines += ["", f"**The paper's claim:** “{says}” [paper {section_of(says)}]. **Here:** {found}"]
    annotate("paper", {"figure": figure, "paper": rows[0], "here": rows[1], "says": says, "found": found})
    display(Markdown("\n".join(lines)))


def setup_of(colorizer: Colorizer) -> dict[str, str]:
    """What a checkpoint knows of itself, in the words of `PAPERS_SETUP`; "not recorded" where its record is silent.

    >>> import colorlib
    >>> setup_of(colorlib.load("colorunet"))["parameters"]
    '130,432'
    """
    record, unknown = colorizer.record, "not recorded"
    training = record.get("training", {})
    config, photos = training.get("config", {}), training.get("photos", {}).get("used")
    steps, batch = config.get("max_steps"), config.get("batch_size")
    lam, answered = config.get("lam"), answering_lam(record)
    return {
        "network": f"{type(colorizer.model).__name__}, {len(colorizer.bins)} bins",
        "parameters": f"{count_parameters(colorizer.model):,}",
        "training photos": unknown if photos is None else f"{photos:,}",
        "input": f"at most {colorizer.input_size} px a side",
        "training": unknown if steps is None or batch is None else f"{steps:,} steps of {batch}",
        "λ": unknown if lam is None else f"{lam:g}" if answered == lam else f"{lam:g}, {answered:g} when it answers",
        "T": f"{colorizer.temperature:g}",
    }


def section_of(quotation: str) -> str:
    """The section of the paper in which it says so, word for word; "[…]" stands for what is left out.

    >>> section_of("there is no relevant metric of the performance of our model"), section_of("We used […] optimizer")
    ('§4.1', '§4.1')
    """
    parts = [words(part) for part in quotation.replace("…", "[…]").replace("[[…]]", "[…]").split("[…]")]
    for section, sentences in PAPER.items():
        text = " | ".join(map(words, sentences))
        if any(parts) and all(f" {part} " in f" {text} " for part in parts if part):
            return section
    raise ColorlibError(f"the paper does not say, as far as `colorlib.course.quotations` knows: {quotation!r}")


def words(text: str) -> str:
    """A text as words in lower case: without emphasis, punctuation and line breaks.

    >>> words("*the* 32\\nbins, (§2.1)")
    'the 32 bins 2 1'
    """
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower().replace("*", "").replace("_", "")).split())
