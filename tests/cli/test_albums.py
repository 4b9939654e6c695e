"""Whole albums through ``colorlib colorize``: nothing stops one, nothing of the originals is lost without a word.

The command runs within the test's own process; `test_cli.py` runs it as people do.
"""

import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import corpus
import damage
import numpy as np
import pytest
from PIL import Image, ImageOps

from colorlib import cli
from colorlib.cli.colorize import Job, colorize_file
from colorlib.cli.shared import INTERRUPTED
from colorlib.color import luma_of
from colorlib.data import count_pages, read_photo, to_tensor
from colorlib.prediction import Colorizer

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """``colorlib colorize`` with a tiny network, into the folder out; gives the exit code and what was printed."""
    model = shutil.move(tiny_checkpoint, tmp_path_factory.mktemp("model") / "tiny.safetensors")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # --max-pixels is of one run
    monkeypatch.chdir(tmp_path)

    def colorize(*arguments: object) -> tuple[int, str, str]:
        code = cli.main(["colorize", *map(str, arguments), "--out", "out", "--model", str(model)])
        out, err = capsys.readouterr()
        return code, out, err

    return colorize


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def save(path: str | Path) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(corpus.scene()).save(path)


def lines(text: str, kind: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"colorlib: {kind}: ")]


# --- names -------------------------------------------------------------------------------------------------------


def test_subfolders_are_mirrored(run: Run) -> None:
    for name in ("album/2019/IMG_1.jpg", "album/2020/IMG_1.jpg", "album/IMG_1.jpg"):
        save(name)
    code, out, _ = run("album")
    assert code == 0 and "coloured 3 of 3 photos" in out
    assert written(Path("out")) == ["2019/IMG_1.jpg", "2020/IMG_1.jpg", "IMG_1.jpg"]


@pytest.mark.parametrize(
    ("names", "options", "expected"),
    [
        (["one/a.png", "two/a.png"], [], ["a.png", "two/a.png"]),
        (["one/a.png", "two/A.PNG"], [], ["a.png", "two/A.PNG"]),  # one file on many discs
        (["one/a.gif", "one/a.png"], [], ["a.gif.png", "a.png"]),
        (["one/a.gif", "one/a.png", "one/a.ppm"], [], ["a.gif.png", "a.png", "a.ppm.png"]),
        (["one/a.jpg", "one/a.png"], ["--format", "png"], ["a.jpg.png", "a.png"]),
        (["one/a.png", "one/a_confidence.png"], ["--confidence"], ["a.png", "a_confidence.png"]),
    ],
)
def test_photos_of_one_name_get_files_of_their_own(
    run: Run, names: list[str], options: list[str], expected: list[str]
) -> None:
    for name in names:
        save(name)
    code, out, _ = run(*names, *options)
    assert code == 0 and f"coloured {len(names)} of {len(names)} photos" in out
    maps = ["one/a_confidence.png", "one/a_confidence_confidence.png"] * ("--confidence" in options)
    assert written(Path("out")) == expected + maps


def test_where_no_name_is_left_one_photo_is_named_and_the_others_go_on(run: Run) -> None:
    names = ["one/x/a.png", "two/x/a.png", "three/x/a.png", "b.png"]
    for name in names:
        save(name)
    code, out, err = run(*names)
    assert code == 1 and "coloured 3 of 4 photos" in out
    (line,) = lines(err, "error")
    assert "three/x/a.png" in line and "another --out" in line
    assert written(Path("out")) == ["a.png", "b.png", "x/a.png"]


def test_pages_are_numbered(run: Run, tmp_path: Path) -> None:
    corpus.pages(tmp_path)
    corpus.moving(tmp_path)
    code, out, _ = run("pages.tif", "moving.gif", "--confidence")
    assert code == 0 and "coloured 2 of 2 photos" in out
    names = ["moving-1.png", "moving-2.png", "moving-3.png", "pages-1.tif", "pages-2.tif"]
    maps = [f"{Path(name).stem}_confidence.png" for name in names]
    assert written(Path("out")) == sorted(names + maps)
    first, second = (luma_of(to_tensor(read_photo(f"out/pages-{number}.tif"))) for number in (1, 2))
    expected = luma_of(to_tensor(corpus.scene()))
    assert (first - expected).abs().max() < 0.01 and (second - expected.flip(0)).abs().max() < 0.01


def test_patterns_work_where_the_shell_leaves_them(run: Run) -> None:
    for name in ("more/a.png", "more/b.png", "more/c.jpg", "more/[x].png"):
        save(name)
    assert run("more/?.png")[0] == 0
    assert written(Path("out")) == ["a.png", "b.png"]
    assert run("more/[x].png")[0] == 0  # a name comes before a pattern
    assert written(Path("out")) == ["[x].png", "a.png", "b.png"]
    code, _, err = run("more/*.bmp", "more/c.jpg")
    assert code == 1 and lines(err, "error") == ["colorlib: error: more/*.bmp matches no file"]
    assert written(Path("out")) == ["[x].png", "a.png", "b.png", "c.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_in_old_encodings_keep_their_bytes(run: Run) -> None:
    save("album/a.png")
    os.rename("album/a.png", os.fsdecode(b"album/caf\xe9.png"))
    os.mkdir(os.fsdecode(b"album/\xe9t\xe9"))
    shutil.copy(os.fsdecode(b"album/caf\xe9.png"), os.fsdecode(b"album/\xe9t\xe9/b.png"))
    Path(os.fsdecode(b"album/\xe9.txt")).touch()
    assert run("album")[0] == 0
    assert sorted(os.listdir(b"out")) == [b"caf\xe9.png", b"\xe9t\xe9"]


# --- formats -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", corpus.GOOD, ids=lambda write: write.__qualname__)
def test_every_kind_is_colored_upright_with_its_luma(
    tmp_path: Path, colorizer: Colorizer, write: corpus.Writer
) -> None:
    source = write(tmp_path)
    pages = count_pages(source)
    targets = [[tmp_path / "out" / f"{page}.png"] for page in range(pages)]
    colorize_file(colorizer, Job(source, targets))
    with Image.open(targets[0][0]) as image:
        result = np.asarray(ImageOps.exif_transpose(image))
    difference = luma_of(to_tensor(result)) - luma_of(to_tensor(read_photo(source)))
    assert difference.abs().mean() * 255 < 2


def test_all_photos_can_be_written_as_one_format(run: Run, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    for write in (corpus.archive_png, corpus.turned, corpus.moving):
        write(tmp_path / "album")
    code, _, err = run("album", "--format", "webp", "--quality", "80")
    assert code == 0
    assert written(Path("out")) == ["archive.webp", "moving-1.webp", "moving-2.webp", "moving-3.webp", "turned.webp"]
    for name in written(Path("out")):
        with Image.open(Path("out") / name) as image:
            assert image.format == "WEBP"
    assert lines(err, "note") == ["colorlib: note: album/archive.png: its texts have no place in WEBP"]


@pytest.mark.parametrize("options", [["--quality", "0"], ["--quality", "101"], ["--quality", "x"], ["--format", "eps"]])
def test_what_cannot_be_asked_for(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["colorize", "a.png", "--out", "out", *options])
    assert stop.value.code == 2


def test_dates_stay_with_the_photo(run: Run, tmp_path: Path) -> None:
    source = corpus.archive_jpeg(tmp_path)
    os.utime(source, (0, 86_400))
    assert run(source)[0] == 0
    with Image.open("out/archive.jpg") as image:
        assert image.getexif()[306] == "1950:01:01 00:00:00" and image.info["dpi"] == (600, 600)
    assert Path("out/archive.jpg").stat().st_mtime == 86_400


# --- albums go on ------------------------------------------------------------------------------------------------


def test_what_was_passed_over_and_what_was_lost_is_said(run: Run, tmp_path: Path) -> None:
    album = tmp_path / "album"
    (album / ".thumbnails").mkdir(parents=True)
    for write in (corpus.gray12, corpus.white_is_zero, corpus.lacks_end, corpus.postscript):
        write(album)
    for name in ("notes.txt", "film.mov", ".DS_Store"):
        (album / name).touch()
    code, out, err = run("album")
    assert code == 1 and "coloured 3 of 4 photos" in out
    assert lines(err, "note") == [
        "colorlib: note: passed over 3 that are no photos: album/.thumbnails, album/film.mov, album/notes.txt",
        "colorlib: note: album/cut.jpg: it lacks its last bytes; the rest is used",
        "colorlib: note: album/gray12.tif, album/negative.tif: of its more than 8 bits a channel 8 are kept",
    ]
    assert ["holiday.jpg is not a photo" in line for line in lines(err, "error")] == [True]


def test_of_a_cameras_pair_of_pictures_the_first_is_colored_and_that_is_said(run: Run, tmp_path: Path) -> None:
    left, right = (Image.fromarray(picture) for picture in (corpus.scene(), corpus.scene()[:, ::-1]))
    left.save(tmp_path / "pair.jpg", "MPO", save_all=True, append_images=[right], quality=95)
    assert Image.open(tmp_path / "pair.jpg").n_frames == 2
    code, out, err = run("pair.jpg")
    assert code == 0 and written(Path("out")) == ["pair.jpg"]
    assert lines(err, "note") == ["colorlib: note: pair.jpg: of the pictures in it only the first was coloured"]
    kept, first, second = (
        luma_of(to_tensor(read_photo(path))) if isinstance(path, Path) else luma_of(to_tensor(np.asarray(path)))
        for path in (Path("out/pair.jpg"), left, right)
    )
    assert (kept - first).abs().mean() < 0.02 < (kept - second).abs().mean()


def test_what_is_finished_can_be_skipped(run: Run, tmp_path: Path) -> None:
    for name in ("album/a.png", "album/b.png"):
        save(name)
    corpus.pages(tmp_path / "album")
    assert run("album")[0] == 0
    before = {name: (Path("out") / name).stat().st_ino for name in written(Path("out"))}
    Path("out/b.png").unlink()
    Path("out/pages-2.tif").unlink()
    code, out, err = run("album", "--skip-existing")
    assert code == 0 and "coloured 2 of 2 photos" in out
    assert lines(err, "note") == ["colorlib: note: left alone 1 of 3 photos that an earlier run has finished"]
    assert written(Path("out")) == sorted(before) and Path("out/a.png").stat().st_ino == before["a.png"]
    code, out, _ = run("album", "--skip-existing")
    assert code == 0 and "coloured" not in out


@pytest.mark.parametrize(
    "error", [MemoryError("no room"), RuntimeError("CUDA out of memory.\nTried to allocate"), OSError(5, "I/O error")]
)
def test_whatever_befalls_one_photo_the_album_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for name in ("album/a.png", "album/b.png", "album/c.png"):
        save(name)
    colorize = Colorizer.colorize
    calls = iter(range(3))

    def fails_once(self: Colorizer, *args: object) -> np.ndarray:
        if next(calls) == 1:
            raise error
        return colorize(self, *args)

    monkeypatch.setattr(Colorizer, "colorize", fails_once)
    code, out, err = run("album")
    assert code == 1 and "coloured 2 of 3 photos" in out
    (line,) = lines(err, "error")
    assert "Tried" not in line and "Traceback" not in err
    assert written(Path("out")) == ["a.png", "c.png"]


@pytest.mark.parametrize("again", [False, True], ids=["first run", "over the files of an earlier one"])
@pytest.mark.parametrize(("moment", "finished"), [("before", 1), ("after", 2)])
def test_ctrl_c_around_the_moment_at_which_a_photo_is_finished(
    run: Run, monkeypatch: pytest.MonkeyPatch, again: bool, moment: str, finished: int
) -> None:
    """Counted are the files that are there, and new; not how far the loop had come."""
    for name in "abc":
        save(f"album/{name}.png")
    if again:
        run("album")
    begun = []

    def interrupted(colorizer: Colorizer, job: Job, *rest: Any) -> list[str]:
        begun.append(job)
        if len(begun) == 2 and moment == "before":
            raise KeyboardInterrupt
        lost = colorize_file(colorizer, job, *rest)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return lost

    monkeypatch.setattr("colorlib.cli.colorize.colorize_file", interrupted)
    code, out, err = run("album")
    assert code == INTERRUPTED and "interrupted" in err
    assert f"coloured {finished} of 3 photos" in out


def test_max_pixels(run: Run) -> None:
    save("a.png")
    code, _, err = run("a.png", "--max-pixels", 60 * 40 - 1)
    assert code == 1 and "--max-pixels" in lines(err, "error")[0]
    assert run("a.png", "--max-pixels", 60 * 40)[0] == 0


# --- damaged files -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_500_damaged_files_give_a_picture_or_a_sentence(tmp_path: Path, tiny_checkpoint: Path) -> None:
    """No crash, no hang, and nothing written but the pictures planned."""
    originals, album, out = tmp_path / "originals", tmp_path / "album", tmp_path / "out"
    for folder in (originals, album, out):
        folder.mkdir()
    files = [write(originals) for write in [*corpus.GOOD, *corpus.REFUSED, corpus.lacks_end]]
    chance = random.Random(0)
    outcomes = {"done": 0, "refused": 0}
    with damage.Child(tmp_path, damage.photos, tiny_checkpoint) as child:
        for turn in range(500):
            original = files[turn % len(files)]
            photo = album / f"photo{original.suffix}"
            photo.write_bytes(damage.mutated(original.read_bytes(), chance))
            outcome, answer = child(photo, out, chance.choice([".png", ".jpg", ".tif"]))
            outcomes[outcome] += 1
            if outcome == "done":
                assert written(out) == answer
            else:
                assert photo.name in answer and "\n" not in answer
            shutil.rmtree(out)
            out.mkdir()
            photo.unlink()
            assert written(album) == [] and len(written(originals)) == len(set(files))
            assert {path.name for path in tmp_path.iterdir()} == {"originals", "album", "out", tiny_checkpoint.name}
    assert min(outcomes.values()) > 100, outcomes
