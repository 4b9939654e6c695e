"""Does the data pipeline keep up: decoding, delivery to a training step, encoding into bins?

The first line of each table is the bound that nothing can beat: Pillow alone, a batch that is there already, a k-d
tree for scale. Long measurements are run by hand, with numbers of one's choice:

    python -m benchmarks.data --photos 15000 --kills 10 --memory 1000 10000 100000 --originals FOLDER
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.spatial import cKDTree

from benchmarks import Row, race
from colorlib.color import ColorBins, UVHistogram, chroma_of
from colorlib.data import Cache, bundled, count_chroma, find_photos, folder_sources, prepare, read_photo
from colorlib.models import build
from colorlib.parallel import in_parallel
from colorlib.training import TrainingConfig, degrade_luma, draw_batch, encode_batch, rebalanced_cross_entropy

PIXELS = 1_000_000


def measure(photos: int = 300) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder / "photos", photos)
        rows = decoding(folder) + delivery(folder) + encoding(folder)
    return rows


def make_photos(folder: Path, count: int, size: int = 256, originals: Path | None = None) -> None:
    """Different photos: cuts of others, by default of the bundled ones, half of them mirrored, as JPEG of quality 90.

    The sides of a cut are one to two times as long as those of a frame: each will have to be shrunk.
    """
    paths = find_photos(originals) if originals else [photo.path for photo in bundled()]
    paths = [path for path in paths if larger_than(size, path)]

    def make(number: int) -> None:
        rng, photo = np.random.default_rng(number), read_photo(paths[number % len(paths)])
        height, width = (int(rng.integers(size, min(side, 2 * size) + 1)) for side in photo.shape[:2])
        top, left = (
            int(rng.integers(0, side - part + 1)) for side, part in zip(photo.shape[:2], (height, width), strict=True)
        )
        cut = photo[top : top + height, left : left + width]
        path = folder / f"class{number % 14:02}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(cut[:, ::-1] if rng.random() < 0.5 else cut)).save(path, quality=90)

    for _ in in_parallel(make, range(count)):
        pass


def larger_than(size: int, path: Path) -> bool:
    with Image.open(path) as image:
        return min(image.size) > size


def decoding(folder: Path) -> list[Row]:
    """Photos into a cache, against reading and shrinking them with Pillow and keeping nothing."""
    paths = find_photos(folder / "photos")
    photos = folder_sources(folder / "photos")

    def pillow(path: Path) -> None:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
        scale = 256 / max(rgb.size)
        rgb.resize((round(rgb.width * scale), round(rgb.height * scale)), Image.Resampling.LANCZOS)

    def bound(workers: int | None) -> None:
        for _ in in_parallel(pillow, paths, workers):
            pass

    def cache(workers: int | None) -> None:
        shutil.rmtree(folder / "cache", ignore_errors=True)
        prepare(photos, folder / "cache", workers=workers)

    rows = race(
        {
            "Pillow alone (decode, Lanczos), all cores": lambda: bound(None),
            "prepare a cache, checked, all cores": lambda: cache(None),
            "Pillow alone, one thread": lambda: bound(1),
            "prepare a cache, checked, one thread": lambda: cache(1),
        },
        rounds=3,
    )
    for row in rows:
        row.note = f"{len(paths) / row.median:.0f} photos/s"
    return rows


def delivery(folder: Path) -> list[Row]:
    """Training steps on batches of a cache, against the same step on one batch that is there already."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = TrainingConfig(image_size=256, crop=128, min_size=256)
    frames = Cache(folder / "cache").photos("train").to(device)
    bins = ColorBins.from_histogram(count_chroma(frames))
    weights = bins.weights(config.lam).to(device)
    model = build(config.model, config.num_bins).to(device)
    optimizer = torch.optim.Adam(model.parameters())

    def train(luma: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> None:
        loss = rebalanced_cross_entropy(model(luma), target, weights, mask)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()  # on a GPU: wait until the step is done

    def deliver(step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        crops, mask = draw_batch(frames, step, config)
        luma, target = encode_batch(crops, bins)
        return degrade_luma(luma, step, config), target, mask

    resident, crops = deliver(0), draw_batch(frames, 0, config)[0]
    steps = iter(range(10**9))
    rows = race(
        {
            "training step, synthetic batch that is there": lambda: train(*resident),
            "training step, batch from a cache": lambda: train(*deliver(next(steps))),
            "the delivery alone": lambda: deliver(next(steps)),
            "of it, encoding into bins": lambda: encode_batch(crops, bins),
        },
        rounds=12,
    )
    for row in rows:
        row.note = f"{config.batch_size / row.median:.0f} samples/s"
    rows[1].note += f", {100 / (rows[1].ratio or 1):.0f} % of the bound"
    return rows


def encoding(folder: Path) -> list[Row]:
    """Pixels into bins, on one thread each, against SciPy's k-d tree; all must agree on every pixel."""
    frames = Cache(folder / "cache", verify=False).photos()
    real = torch.cat([batch.rgb[batch.mask()] for batch in frames.batches(8)])[:PIXELS, None]
    random = torch.randint(256, real.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    bins = ColorBins.from_histogram(UVHistogram().add_rgb(real))
    tree = cKDTree(bins.colors.numpy())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = [*encoding_of("real pixels", real, bins, tree), *encoding_of("random colours", random, bins, tree)]
    torch.set_num_threads(threads)
    return rows


def encoding_of(what: str, rgb: torch.Tensor, bins: ColorBins, tree: cKDTree) -> list[Row]:
    chroma = chroma_of(rgb.movedim(-1, 0).double() / 255)
    points = np.ascontiguousarray(chroma.flatten(1).T.numpy())
    expected = torch.from_numpy(tree.query(points)[1])
    assert torch.equal(bins.encode_rgb(rgb)[:, 0], expected) and torch.equal(bins.encode(chroma)[:, 0], expected)
    rows = race(
        {
            f"ColorBins.encode_rgb, {what}": lambda: bins.encode_rgb(rgb),
            f"ColorBins.encode, {what}": lambda: bins.encode(chroma.float()),
            f"SciPy cKDTree, {what}": lambda: tree.query(points),
        },
        rounds=7,
    )
    for row in rows:
        row.note = f"{row.median / len(rgb) * 1e9:.1f} ns per pixel"
    return rows


# ---------------------------------------------------------------------------------------------------------------------
# long measurements, run by hand


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=15_000, help="how many photos to prepare (default: 15,000)")
    parser.add_argument("--kills", type=int, default=10, help="how often to kill a preparation (default: 10)")
    parser.add_argument("--memory", type=int, nargs="*", default=[], help="measure memory at these numbers of photos")
    parser.add_argument("--size", type=int, default=256, help="side of the frames (default: 256)")
    parser.add_argument("--originals", type=Path, help="cut the photos from those below this folder (default: bundled)")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        make_photos(folder / "photos", args.photos, args.size, args.originals)
        seconds, memory = run(prepare_command(folder / "photos", folder / "whole", args.size))
        report(f"{args.photos:,} photos prepared and checked in {seconds:.0f} s: {args.photos / seconds:.0f} photos/s")
        report(f"peak memory {memory} MB")
        whole = Cache(folder / "whole", verify=False).checksum
        kills = kill_and_resume(folder, args.kills, args.size)
        same = Cache(folder / "killed").checksum == whole
        report(f"killed {kills} times, then resumed: {'identical' if same else 'DIFFERENT'} checksum {whole}")
        shutil.rmtree(folder / "killed")
        shutil.rmtree(folder / "whole")
        for count in args.memory:
            report(memory_at(folder, count, args.size))


def report(line: str) -> None:
    print(line, flush=True)


def prepare_command(photos: Path, out: Path, size: int) -> list[str]:
    command = [sys.executable, "-m", "colorlib", "data", "prepare", "folder", str(photos), "--out", str(out)]
    return [*command, "--size", str(size)]


def run(command: list[str]) -> tuple[float, int]:
    """Seconds and peak memory in MB of a command."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.perf_counter() - begin, round(usage.ru_maxrss / 1000)


def kill_and_resume(folder: Path, times: int, size: int) -> int:
    """Prepare, killed each time it has got a little further, and finish at last; how often it was killed."""
    out, rng, killed = folder / "killed", np.random.default_rng(0), 0
    command = prepare_command(folder / "photos", out, size)
    chunks = (len(find_photos(folder / "photos")) + 63) // 64
    for target in np.linspace(0, chunks, times + 1, endpoint=False)[1:]:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while len(list(out.glob("lines/*.csv"))) < target and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        killed += process.wait() == -9
    run(command)
    return killed


READ = """
import sys, torch
from colorlib.data import Cache
from colorlib.training import draw_batch
from colorlib.training import TrainingConfig
size = int(sys.argv[2])
config = TrainingConfig(image_size=size, min_size=size, crop=size // 2, batch_size=64)
frames = Cache(sys.argv[1], verify=False).photos("train")
for step in range(200):
    draw_batch(frames, step, config)
lines = dict(line.split(":") for line in open("/proc/self/status"))
print(int(lines["RssAnon"].split()[0]) // 1000)
"""


def memory_at(folder: Path, count: int, size: int) -> str:
    """Memory of preparing and of reading so many photos; beyond those that were made, the same ones again."""
    originals = find_photos(folder / "photos")
    for number in range(count):
        link = folder / "many" / f"{number % 100:02}" / f"{number:06}.jpg"
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(originals[number % len(originals)], link)
    seconds, memory = run(prepare_command(folder / "many", folder / "cache", size))
    command = [sys.executable, "-c", READ, str(folder / "cache"), str(size)]
    read = subprocess.run(command, capture_output=True, text=True, check=True)
    shutil.rmtree(folder / "many")
    shutil.rmtree(folder / "cache")
    return (
        f"{count:7,} photos: preparing takes {memory} MB at most ({count / seconds:.0f} photos/s); "
        f"200 batches of 64 read: {read.stdout.strip()} MB of its own"
    )


if __name__ == "__main__":
    main()
