"""Where do the seconds go when a photo of 40 megapixels is coloured?

The steps of ``colorlib colorize``, one by one. Their result must be that of `Colorizer.colorize`.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import colorlib
from benchmarks import Row, row_of
from colorlib.data import bundled, read_photo, write_photo
from colorlib.prediction import annealed_mean, upsample_and_merge

SIZE = 7746, 5164  # 40.0 megapixels
ROUNDS = 3


def measure() -> list[Row]:
    colorizer = colorlib.load()
    times: dict[str, list[float]] = {}

    def timed(step: str, function: Callable[..., Any], *arguments: Any) -> Any:
        begin = time.perf_counter()
        result = function(*arguments)
        times.setdefault(step, []).append(time.perf_counter() - begin)
        return result

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "large.jpg"), Path(folder, "coloured.jpg")
        Image.open(bundled("validation", "landscape")[0].path).resize(SIZE).save(source, quality=90)
        for _ in range(ROUNDS):
            rgb = timed("read the JPEG", read_photo, source)
            luma = timed("shrink to the network's input", colorizer.input_luma, rgb)
            logits = timed("network", colorizer.logits, luma)
            chroma = timed("annealed mean", annealed_mean, logits, colorizer.bins.colors, colorizer.temperature)
            colored = timed("enlarge the chrominance, join with the luma", upsample_and_merge, rgb, luma, chroma)
            timed("write the JPEG", write_photo, target, colored)
        assert np.array_equal(colored, colorizer.colorize(rgb)), "these are not the steps of Colorizer.colorize"
    whole = [sum(seconds) for seconds in zip(*times.values(), strict=True)]
    rows = [row_of("everything", whole, whole)]
    return rows + [row_of(step, seconds, whole) for step, seconds in times.items()]
