"""The films that people really have: each becomes a coloured film with all it held, or is refused in a sentence."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import corpus_films
import damage
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import colorlib
from colorlib import ColorlibError, cli
from colorlib.prediction import Colorizer
from colorlib.video import (
    Clock,
    Growing,
    Report,
    VideoColorizer,
    colorize_film,
    kept_pictures,
    pieces,
    pipeline,
    real_clip,
)
from experiments import films


@pytest.fixture(scope="module")
def video(opinionated_network, tiny_bins) -> VideoColorizer:
    return VideoColorizer(Colorizer(opinionated_network, tiny_bins, temperature=0.5, input_size=32))


@pytest.fixture
def film(tmp_path: Path, video: VideoColorizer):
    """Make a film of a kind, colour it, and give the report and the new file."""

    def make(kind: str, suffix: str = ".mp4") -> tuple[Report, Path]:
        folder = tmp_path / "old"
        folder.mkdir(exist_ok=True)
        target = tmp_path / f"new{suffix}"
        report = colorize_film(corpus_films.KINDS[kind](folder), target, video, progress=False)
        assert {path.name for path in tmp_path.iterdir()} == {"old", target.name}
        return report, target

    return make


def streams(path: Path) -> list[tuple[str, str]]:
    with av.open(f"file:{path}") as film:
        return [(stream.type, stream.codec_context.name if stream.codec_context else "") for stream in film.streams]


def times(path: Path) -> list[float]:
    with av.open(f"file:{path}") as film:
        return [frame.time for frame in film.decode(video=0)]


def seconds_of_sound(path: Path) -> float:
    with av.open(f"file:{path}") as film:
        return sum(sound.samples / sound.rate for sound in film.decode(audio=0))


def loudness(path: Path) -> float:
    with av.open(f"file:{path}") as film:
        sounds = [sound.to_ndarray().astype(float) for sound in film.decode(audio=0)]
    peak = 32768 if max(np.abs(sound).max() for sound in sounds) > 2 else 1
    return max(np.abs(sound).max() for sound in sounds) / peak


# Sound, subtitles and the rest


@pytest.mark.parametrize(
    ("kind", "suffix", "codec"),
    [("tape", ".mp4", "aac"), ("tape", ".webm", "opus"), ("tape", ".mkv", "pcm_s16le"), ("camera", ".webm", "opus")],
)
def test_no_film_comes_out_silent(film, kind, suffix, codec):
    report, target = film(kind, suffix)
    assert streams(target)[1] == ("audio", codec)
    assert seconds_of_sound(target) == pytest.approx(2, abs=0.08)
    assert 0.15 < loudness(target) < 0.4  # it was 0.24
    assert [problem for problem in report.problems if "left out" in problem] == []
    assert bool(report.problems) == (codec != "pcm_s16le")


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
def test_chapters_fonts_time_code_language_and_title_are_kept_or_named(film, suffix):
    report, target = film("equipped", suffix)
    with av.open(str(target)) as new:
        chapters = [
            (chapter["metadata"]["title"], float(chapter["start"] * chapter["time_base"])) for chapter in new.chapters()
        ]
        assert new.metadata["title"] == "A holiday"
        notes = {key.lower(): text for key, text in new.streams.video[0].metadata.items()}
        assert notes["timecode"] == "01:02:03:04"
        assert new.streams.audio[0].metadata["language"] == "gle"
        attachments = [bytes(stream.data) for stream in new.streams if stream.type == "attachment"]
    said = " ".join(report.problems)
    assert chapters == [("The sea", 0.0), ("The hills", 0.9)] or "2 chapters" in said and suffix == ".webm"
    assert attachments == [b"no real font"] or "attachment (letters.ttf)" in said and suffix != ".mkv"


def test_a_cover_and_a_second_film_are_copied_or_named(film, tmp_path):
    report, target = film("cover", ".mp4")
    assert sorted(streams(target)) == [("audio", "aac"), ("video", "h264"), ("video", "h264"), ("video", "mjpeg")]
    with av.open(str(target)) as new:
        covers = [bool(stream.disposition & av.stream.Disposition.attached_pic) for stream in new.streams.video]
    assert report.problems == [] and sum(covers) == 1
    target.unlink()
    report, target = film("cover", ".webm")
    assert len([problem for problem in report.problems if problem.startswith("left out")]) == 2


# Clocks


def test_a_clock_that_starts_late_is_put_back(film):
    report, target = film("broadcast", ".mkv")
    with av.open(str(target)) as new:
        assert new.duration / 1e6 == pytest.approx(2, abs=0.1)
    assert times(target)[0] < 0.1 and report.problems == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("kind", ["joined", "joined_silent", "jump"])
def test_recordings_joined_end_to_end_play_on(film, kind, suffix):
    report, target = film(kind, suffix)
    shown = times(target)
    assert report.pictures == len(shown) == 96
    gaps = np.diff(shown)
    assert gaps.min() > 0.02 and gaps.max() < 0.1 and shown[-1] == pytest.approx(4, abs=0.1)
    if kind != "joined_silent":
        assert seconds_of_sound(target) == pytest.approx(4, abs=0.1)
    assert any("clock jumps" in problem for problem in report.problems)


def test_times_that_repeat_are_mended_and_said(film):
    report, target = film("repeated")
    shown = times(target)
    assert len(shown) == 48 and np.diff(shown).min() > 0
    right = np.abs(np.subtract(shown, np.arange(48) / 24)) < 0.002
    assert right.sum() >= 45  # only those that were wrong are moved
    assert "2 pictures had a time that was wrong: it was mended" in report.problems


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_trimmed_clip_keeps_what_was_cut_away_hidden(film, suffix):
    report, target = film("trimmed", suffix)
    assert not any("ends early" in problem for problem in report.problems)
    shown = times(target)
    assert report.pictures == len(shown) == 31 and shown[0] < 0.06
    assert seconds_of_sound(target) == pytest.approx(1.3, abs=0.08)


@given(st.lists(st.one_of(st.none(), st.integers(-1000, 1000)), min_size=1), st.integers(1, 50))
def test_mended_times_always_grow_and_nothing_is_lost(stamps, step):
    growing = Growing[int](step)
    result = [pair for i, stamp in enumerate(stamps) for pair in growing.push(stamp, i)] + list(growing.flush())
    assert [item for _, item in result] == list(range(len(stamps)))
    assert all(a < b for (a, _), (b, _) in zip(result, result[1:]))


def test_times_that_grow_are_left_alone():
    growing, stamps = Growing[int](40), [0, 40, 80, 300, 333, 900, 1000]
    result = [pair for stamp in stamps for pair in growing.push(stamp, stamp)] + list(growing.flush())
    assert result == [(stamp, stamp) for stamp in stamps] and growing.mended == 0


def test_one_wrong_time_moves_neither_the_rest_nor_the_other_stream():
    clock = Clock()
    sound = [0, 1, 2, 60, 3, 4, 5]
    placed = [time + clock.shift(1, time, 1) for time in sound]
    assert placed[:3] == [0, 1, 2] and placed[4:] == [3, 4, 5]
    assert [time + clock.shift(0, time, 1) for time in range(6)] == list(range(6))


def test_streams_change_to_a_new_clock_together():
    clock = Clock(gap=10)
    placed = []
    for second in range(8):
        time = second if second < 4 else second + 1000
        placed += [time + clock.shift(0, time, 1), time + 0.25 + clock.shift(1, time + 0.25, 1)]
    assert clock.jumps == 1
    assert np.allclose(np.diff(placed[0::2]), 1, atol=0.3) and np.allclose(np.diff(placed[1::2]), 1, atol=0.3)
    assert np.allclose(np.subtract(placed[1::2], placed[0::2]), 0.25)  # sound and picture stay together


# Pictures


def test_interlaced_pictures_lose_their_combs_and_it_is_said(film, tmp_path):
    report, target = film("interlaced")
    assert any("interlaced" in problem for problem in report.problems) and report.pictures == 48
    old = next((tmp_path / "old").iterdir())

    def combs(path: Path) -> float:
        with av.open(str(path)) as opened:
            lumas = [frame.to_ndarray()[: frame.height].astype(float) for frame in opened.decode(video=0)][2:]
        return float(np.mean([np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean() for luma in lumas]))

    assert combs(target) < combs(old) / 3
    with av.open(str(target)) as new:
        assert not any(frame.interlaced_frame for frame in new.decode(video=0))


@pytest.mark.parametrize(("name", "codec", "pixels"), [("a.mov", "png", "rgba"), ("a.webm", "libvpx-vp9", "yuva420p")])
def test_transparency_that_is_not_kept_is_said(tmp_path, video, name, codec, pixels):
    with av.open(str(tmp_path / name), "w") as out:
        stream = out.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        if name.endswith(".webm"):  # which keeps it beside the pictures
            stream.metadata["alpha_mode"] = "1"
        for _ in range(3):
            picture = np.full((48, 64, 4), 200, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format=pixels)))
        out.mux(stream.encode(None))
    report = colorize_film(tmp_path / name, tmp_path / "new.mkv", video, progress=False)
    assert any("transparent" in problem for problem in report.problems)
    with av.open(str(tmp_path / "new.mkv")) as new:
        assert "alpha_mode" not in {key.lower() for key in new.streams.video[0].metadata}


def test_settings_of_any_numbers_can_be_kept_and_are_equal_where_they_mean_the_same(tmp_path, video):
    source = corpus_films.write(tmp_path / "old.mp4", count=3)
    own = video.colorizer
    odd = VideoColorizer(own, np.float32(0.5), np.int64(20), "kernel", torch.tensor(0.5), np.True_)
    plain = VideoColorizer(own, 0.5, 20.0, "kernel", 0.5, True)
    assert odd.settings == plain.settings
    assert colorize_film(source, tmp_path / "new.mp4", odd, np.False_, np.int64(18), progress=False).pictures == 3


def test_a_window_beyond_all_memory_is_one_sentence(tmp_path, video):
    source = corpus_films.write(tmp_path / "old.mp4", count=3)
    endless = VideoColorizer(video.colorizer, alpha=0, window=10**12)  # more than there are addresses
    with pytest.raises(ColorlibError, match="no memory for a window of 1e\\+12 frames"):
        colorize_film(source, tmp_path / "new.mp4", endless, progress=False)


def test_a_phone_s_film_is_measured_upright_and_a_short_or_gray_one_refused(tmp_path):
    path = corpus_films.write(tmp_path / "turned.mp4", count=6, rotation=90)
    assert real_clip(path, width=40).luma.shape[1:] == (40, round(40 * corpus_films.HEIGHT / corpus_films.WIDTH))
    with pytest.raises(ColorlibError, match=r"turned.mp4 gives 3 pictures, and 5 or more"):
        real_clip(path, frames=3)


def test_a_clip_with_a_broken_picture_is_one_sentence(tmp_path):
    path = corpus_films.write(tmp_path / "old.avi", "mjpeg", count=12, pixels="yuvj420p")
    data = path.read_bytes()
    begins = [found.start() for found in re.finditer(b"\xff\xd8\xff", data)]
    path.write_bytes(data[: begins[6]] + bytes(begins[7] - begins[6]) + data[begins[7] :])
    with pytest.raises(ColorlibError, match=r"old.avi is damaged within its first 24 pictures"):
        real_clip(path)


def test_a_film_whose_measures_would_divide_by_nothing_is_refused():
    scores = {name: {"flicker": 0.0, "colorfulness": 1.0} for name in ("truth", "frame by frame")}
    with pytest.raises(ColorlibError, match="old film is gray"):
        films.judged("old film", scores)


def test_hdr_becomes_sdr_with_white_where_white_was(film):
    report, target = film("hlg")
    assert any("HDR (HLG)" in problem for problem in report.problems)
    with av.open(str(target)) as new:
        frame = next(new.decode(video=0))
    assert frame.to_ndarray()[:64].mean() == pytest.approx(235, abs=4)
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize(("kind", "tags"), [("high_definition", (1, 1, 1)), ("tagged", (1, 1, 1)), ("tape", (5, 5, 6))])
def test_color_tags_are_complete(film, kind, tags, suffix):
    _, target = film(kind, suffix)
    with av.open(str(target)) as new:
        context = new.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (*tags, 1)


def test_the_colors_shown_are_the_same_in_either_standard(tmp_path, video):
    """A film tagged BT.709 and the same numbers tagged BT.601: players show the same gray and the same colours."""
    shown = []
    for name, tags in {"hd": (1, 1, 1), "sd": (6, 6, 6)}.items():
        source = corpus_films.write(tmp_path / f"{name}.mp4", colors=tags, count=6, options={"crf": "4"})
        colorize_film(source, tmp_path / f"{name}_new.mp4", video, quality=4, progress=False)
        with av.open(str(tmp_path / f"{name}_new.mp4")) as new:
            frame = list(new.decode(video=0))[-1]
        matrix = {"hd": "ITU709", "sd": "ITU601"}[name]
        shown.append(frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray().astype(float))
    chroma = [rgb - rgb.mean(2, keepdims=True) for rgb in shown]
    assert np.abs(chroma[0]).mean() > 4
    assert np.abs(chroma[0] - chroma[1]).mean() < 2


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_oblong_pixels_turn_with_the_picture(film, suffix):
    _, target = film("on_its_side", suffix)
    with av.open(str(target)) as new:
        stream = new.streams.video[0]
        if suffix == ".webm":  # it cannot say that pixels are oblong: their number changes
            assert (stream.width, stream.height, stream.sample_aspect_ratio) == (64, 140, 1)
        else:
            assert (stream.width, stream.height, stream.sample_aspect_ratio) == (64, 96, Fraction(11, 16))


def test_a_size_that_changes_is_evened_out_and_said(film):
    report, target = film("growing")
    with av.open(str(target)) as new:
        assert {(frame.width, frame.height) for frame in new.decode(video=0)} == {(96, 64)}
    assert report.pictures >= 46 and any("changes its size" in problem for problem in report.problems)


# Names, and files that would open others


@pytest.mark.parametrize("kind", ["odd_name", "old_encoding"])
def test_names_hold_any_character_in_and_out(tmp_path, video, kind):
    folder = tmp_path / "http:|%d 'x"
    folder.mkdir()
    source = corpus_films.KINDS[kind](folder)
    target = folder / f"new {source.name}"
    assert colorize_film(source, target, video, progress=False).pictures == 48
    assert len(times(target)) == 48 and len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("kind", ["playlist", "hls"])
def test_a_playlist_opens_no_other_file(tmp_path, video, kind):
    source = corpus_films.KINDS[kind](tmp_path)
    with pytest.raises(ColorlibError, match=source.name):
        colorize_film(source, tmp_path / "new.mp4", video, progress=False)
    with av.open(str(tmp_path / ("private.mp4" if kind == "playlist" else "piece.ts"))) as other:
        assert len(list(other.decode(video=0))) > 0  # what it names could have been opened


# Interrupted


def fail_at(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when so many pictures have been coloured."""
    painted: list[object] = []
    paint = pipeline.paint_picture

    def paint_or_fail(*arguments):
        painted.append(arguments)
        if len(painted) > count:
            raise KeyboardInterrupt
        return paint(*arguments)

    monkeypatch.setattr(pipeline, "paint_picture", paint_or_fail)


def test_an_interrupted_film_goes_on_where_it_was(tmp_path, video, monkeypatch):
    source = corpus_films.write(tmp_path / "old.mkv", sound="aac", count=200)
    target, whole = tmp_path / "new.mp4", tmp_path / "whole.mp4"
    for module in (pieces, pipeline):
        monkeypatch.setattr(module, "SECONDS", 2)
    colorize_film(source, whole, video, progress=False)
    with monkeypatch.context() as interrupted:
        fail_at(130, interrupted)
        with pytest.raises(KeyboardInterrupt):
            colorize_film(source, target, video, progress=False)
    kept = kept_pictures(target)
    assert 48 <= kept <= 130 and not target.exists()
    for _, piece in pieces.Pieces(pieces.folder_of(target), {}, [{"first": 0, "last": 0, "pictures": 0}]).files:
        assert len(times(piece)) > 40  # what is kept can be watched
    with pytest.raises(ColorlibError, match="--resume"):
        colorize_film(source, target, video, progress=False)
    other = VideoColorizer(video.colorizer, alpha=0.5)
    with pytest.raises(ColorlibError, match="alpha"):
        colorize_film(source, target, other, progress=False, resume=True)
    assert kept_pictures(target) == kept
    with monkeypatch.context() as counted:
        fail_at(200 - kept + 48, counted)  # no more than the rest and two seconds are coloured again
        report = colorize_film(source, target, video, progress=False, resume=True)
    assert report.pictures == 200 and times(target) == times(whole)
    assert report.cuts is None  # those of the part that was kept were not counted again
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.mp4", "old.mkv", "whole.mp4"]
    with av.open(str(target)) as one, av.open(str(whole)) as two:
        pairs = zip(one.decode(video=0), two.decode(video=0), strict=True)
        assert max(np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() for a, b in pairs) < 0.5


def test_looking_ahead_it_goes_on_where_it_was(tmp_path, tiny_checkpoint, monkeypatch):
    """The film looks as if it had never been interrupted, and no picture is lost that waited for others."""
    video = VideoColorizer(colorlib.load(tiny_checkpoint), method="steady")
    source = corpus_films.write(tmp_path / "old.mkv", count=200)
    target, whole = tmp_path / "new.mp4", tmp_path / "whole.mp4"
    for module in (pieces, pipeline):
        monkeypatch.setattr(module, "SECONDS", 2)
    assert colorize_film(source, whole, video, progress=False).pictures == 200
    with monkeypatch.context() as interrupted:
        fail_at(130, interrupted)
        with pytest.raises(KeyboardInterrupt):
            colorize_film(source, target, video, progress=False)
    assert kept_pictures(target) >= 48
    assert colorize_film(source, target, video, progress=False, resume=True).pictures == 200
    assert times(target) == times(whole)
    with av.open(str(target)) as one, av.open(str(whole)) as two:
        pairs = zip(one.decode(video=0), two.decode(video=0), strict=True)
        assert max(np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() for a, b in pairs) < 0.5


def test_begun_anew_when_told_so(tmp_path, video, monkeypatch):
    source, target = corpus_films.write(tmp_path / "old.mkv", count=100), tmp_path / "new.mp4"
    for module in (pieces, pipeline):
        monkeypatch.setattr(module, "SECONDS", 2)
    with monkeypatch.context() as interrupted:
        fail_at(80, interrupted)
        with pytest.raises(KeyboardInterrupt):
            colorize_film(source, target, video, progress=False)
    other = VideoColorizer(video.colorizer, alpha=0.5)
    assert kept_pictures(target) > 0
    assert colorize_film(source, target, other, progress=False, resume=False).pictures == 100
    assert kept_pictures(target) == 0 and len(list(tmp_path.iterdir())) == 2


SHELL = """
import sys
from colorlib import cli
from colorlib.video import pieces, pipeline
pieces.SECONDS = pipeline.SECONDS = 2
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_killed_it_leaves_what_it_had_and_goes_on(tmp_path, tiny_checkpoint, monkeypatch):
    """In the shell, but for pieces of two seconds instead of thirty, so that a short film has some."""
    source = corpus_films.write(tmp_path / "old.mkv", sound="aac", count=24 * 20)
    target = tmp_path / "new.mp4"
    words = ["video", str(source), str(target), "--model", str(tiny_checkpoint)]
    process = subprocess.Popen(
        [sys.executable, "-c", SHELL, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not kept_pictures(target):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not target.exists()
    for module in (pieces, pipeline):
        monkeypatch.setattr(module, "SECONDS", 2)
    assert cli.main(words) == 1 and kept_pictures(target)
    assert cli.main([*words, "--resume"]) == 0
    assert len(times(target)) == 24 * 20 and seconds_of_sound(target) == pytest.approx(20, abs=0.1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.mp4", "old.mkv", "tiny.safetensors"]


# Damaged at random


# How many of each kind, 500 in all. Of HDR few: each film of it takes FFmpeg seconds to begin with.
MUTATED = dict.fromkeys("tape camera joined trimmed interlaced equipped repeated on_its_side cover".split(), 55)
MUTATED["hlg"] = 5


@pytest.mark.slow
def test_500_mutated_films_become_films_or_are_refused(tmp_path, tiny_checkpoint, monkeypatch):
    """No crash, no hang, nothing outside the output folder, nothing half-written in it."""
    monkeypatch.setattr(corpus_films, "write", partial(corpus_films.write, count=24))
    chance = random.Random(0)
    old, out = tmp_path / "old", tmp_path / "out"
    old.mkdir(), out.mkdir()
    outcomes = {"done": 0, "refused": 0}
    with damage.Child(tmp_path, damage.films, tiny_checkpoint) as child:
        for kind, count in MUTATED.items():
            film = corpus_films.KINDS[kind](old)
            whole = film.read_bytes()
            for i in range(count):
                film.write_bytes(damage.mutated(whole, chance))
                target = out / f"new{('.mp4', '.mkv', '.webm', '.mov')[i % 4]}"
                outcome, answer = child(film, target)
                outcomes[outcome] += 1
                if outcome == "done":
                    told, there = answer
                    assert told == there
                    target.unlink()
                else:
                    assert film.name in answer and "\n" not in answer
                leftover = [path for path in out.iterdir() if path != pieces.folder_of(target)]
                assert leftover == [] and list(old.iterdir()) == [film]
                assert {path.name for path in tmp_path.iterdir()} == {"old", "out", tiny_checkpoint.name}
                shutil.rmtree(pieces.folder_of(target), ignore_errors=True)
            film.unlink()
    assert min(outcomes.values()) > 50, outcomes
