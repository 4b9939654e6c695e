"""Film files: what goes in comes out coloured, whole and in time, and nothing broken ever bears the film's name."""

import io
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from threading import active_count

import av
import numpy as np
import pytest
import torch

from colorlib import ColorlibError, cli
from colorlib.color import rgb_to_yuv
from colorlib.data import bundled, fit, read_photo
from colorlib.prediction import Colorizer, GuidedColorizer, Hint, Palette
from colorlib.video import (
    ENCODERS,
    VideoColorizer,
    ahead,
    chroma_planes,
    colorize_film,
    encode_clip,
    open_film,
    pipeline,
    place_for,
    small_luma,
)

STREAM = Path(__file__).parents[2] / "data" / "video" / "stream.mp4"
SUBTITLES = "1\n00:00:00,000 --> 00:00:00,300\nA stream.\n\n2\n00:00:00,300 --> 00:00:00,600\nStill a stream.\n"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return fit(read_photo(bundled("train")[0].path), 160).copy()


def make_film(
    path: Path,
    photo: np.ndarray,
    size: tuple[int, int] = (96, 64),
    times: tuple[int, ...] = tuple(range(12)),
    time_base: Fraction = Fraction(1, 24),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    sound: str | None = None,
    aspect: Fraction | None = None,
    subtitles: Path | None = None,
) -> Path:
    """A small film of a photo that drifts to the left."""
    width, height = size
    options = {"crf": "12"} if codec == "libx264" else {}
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=24, options=options)
        video.width, video.height, video.pix_fmt = width, height, pixels
        video.codec_context.time_base = time_base
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if rotation:
            video.set_display_rotation(rotation)
        audio = container.add_stream(sound, rate=8000) if sound else None
        if subtitles:
            with av.open(str(subtitles)) as words:
                lines = [packet for packet in words.demux() if packet.dts is not None]
                copy = container.add_stream_from_template(words.streams.subtitles[0])
        for i, pts in enumerate(times):
            picture = np.ascontiguousarray(np.roll(photo, -i, axis=1)[:height, :width])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = pts, time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for line in lines if subtitles else ():
            line.stream = copy
            container.mux(line)
        if audio is not None:
            tone = (8000 * np.sin(np.arange(4096) / 9)).astype(np.int16)
            for i in range(0, 4096, 1024):
                sample = av.AudioFrame.from_ndarray(tone[None, i : i + 1024], format="s16", layout="mono")
                sample.rate, sample.pts = 8000, i
                container.mux(audio.encode(sample))
            container.mux(audio.encode(None))
    return path


def pictures(path: Path) -> list:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def luma(frame: "av.VideoFrame") -> np.ndarray:
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].astype(int)


@pytest.fixture
def video(colorizer: Colorizer) -> VideoColorizer:
    return VideoColorizer(colorizer)


@pytest.mark.parametrize("suffix", ENCODERS)
def test_a_film_becomes_colored_and_keeps_its_pictures_size_and_times(
    tmp_path: Path, photo: np.ndarray, video: VideoColorizer, suffix: str
) -> None:
    source, target = make_film(tmp_path / "old.mp4", photo), tmp_path / f"new{suffix}"
    report = colorize_film(source, target, video, quality=6, progress=False)
    before, after = pictures(source), pictures(target)
    assert report.pictures == len(after) == 12 and not report.problems
    assert (after[0].width, after[0].height) == (96, 64)
    gaps = np.diff([frame.time for frame in after])
    assert np.abs(gaps - 1 / 24).max() < 0.002
    for old, new in zip(before, after):
        assert np.abs(luma(old) - luma(new)).mean() < 2
    rgb = after[-1].to_ndarray(format="rgb24").astype(int)
    assert np.abs(rgb - rgb.mean(2, keepdims=True)).mean() > 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"new{suffix}", "old.mp4"])


def test_the_colors_are_those_of_the_smoothed_frames(tmp_path: Path, photo: np.ndarray, colorizer: Colorizer) -> None:
    source = make_film(tmp_path / "old.mp4", photo, codec="libx264", times=(0, 1, 2))
    colorize_film(source, tmp_path / "new.mkv", VideoColorizer(colorizer), quality=0, progress=False)
    same = VideoColorizer(colorizer)
    for old, new in zip(pictures(source), pictures(tmp_path / "new.mkv")):
        gray = ((luma(old) - 16) / 219 * 255).clip(0, 255).round().astype(np.uint8)
        expected = same.colorize(gray).astype(int)
        got = new.to_ndarray(format="rgb24").astype(int)
        assert np.abs(got - expected).mean() < 4  # 4:2:0 holds colours at half the size


def test_a_film_does_not_remember_the_one_before(tmp_path: Path, photo: np.ndarray, video: VideoColorizer) -> None:
    first = make_film(tmp_path / "first.mp4", np.ascontiguousarray(photo[::-1]))
    second = make_film(tmp_path / "second.mp4", photo, times=(0, 1))
    colorize_film(second, tmp_path / "fresh.mp4", video, progress=False)
    colorize_film(first, tmp_path / "between.mp4", video, progress=False)
    colorize_film(second, tmp_path / "again.mp4", video, progress=False)
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "fresh.mp4").read_bytes()


def test_a_film_takes_a_palette_that_decides_what_it_is_and_no_hints(photo: np.ndarray, colorizer: Colorizer) -> None:
    palettes = [Palette.of(photo, colorizer.bins, strength) for strength in (0.5, 1.0)]
    guides = [colorizer, *(GuidedColorizer(colorizer, reference=palette) for palette in palettes)]
    assert len({VideoColorizer(guide).settings["model"] for guide in guides}) == 3
    for guided in (GuidedColorizer(colorizer, [Hint(0.5, 0.5, (0.1, 0))]), GuidedColorizer(colorizer, refined=True)):
        with pytest.raises(ColorlibError, match="a film takes a palette only"):
            VideoColorizer(guided)


def test_an_irregular_clock_is_kept(tmp_path: Path, photo: np.ndarray, video: VideoColorizer) -> None:
    times = (0, 40, 80, 300, 333, 900, 1000)
    source = make_film(tmp_path / "old.mp4", photo, times=times, time_base=Fraction(1, 1000))
    colorize_film(source, tmp_path / "new.mp4", video, progress=False)
    assert [round(1000 * frame.time) for frame in pictures(tmp_path / "new.mp4")] == list(times)


@pytest.mark.parametrize("size", [(97, 64), (96, 63), (95, 61), (2, 2), (17, 5)])
def test_odd_sizes_grow_by_a_pixel(
    tmp_path: Path, photo: np.ndarray, video: VideoColorizer, size: tuple[int, int]
) -> None:
    source = make_film(tmp_path / "old.mkv", photo, size, times=(0, 1), codec="ffv1", pixels="yuv444p")
    colorize_film(source, tmp_path / "new.mp4", video, progress=False)
    frame = pictures(tmp_path / "new.mp4")[0]
    assert (frame.width, frame.height) == tuple(side + side % 2 for side in size)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_turned_film_comes_out_upright(
    tmp_path: Path, photo: np.ndarray, video: VideoColorizer, rotation: int
) -> None:
    source = make_film(tmp_path / "old.mp4", photo, rotation=rotation)
    colorize_film(source, tmp_path / "new.mp4", video, progress=False)
    old, new = pictures(source)[0], pictures(tmp_path / "new.mp4")[0]
    assert old.rotation % 360 == rotation % 360 and new.rotation == 0
    upright = np.rot90(luma(old), rotation // 90)
    assert luma(new).shape == upright.shape
    assert np.abs(luma(new) - upright).mean() < 3


@pytest.mark.parametrize(
    ("codec", "pixels"),
    [("ffv1", "gray"), ("ffv1", "yuv422p10le"), ("mjpeg", "yuvj420p"), ("png", "rgb24"), ("libx264", "yuv444p")],
)
def test_gray_deep_full_range_and_rgb_films_keep_their_brightness(
    tmp_path: Path, photo: np.ndarray, video: VideoColorizer, codec: str, pixels: str
) -> None:
    source = tmp_path / ("old.mov" if codec == "png" else "old.mkv")
    make_film(source, photo, times=(0, 1), codec=codec, pixels=pixels)
    colorize_film(source, tmp_path / "new.mp4", video, quality=6, progress=False)
    old = pictures(source)[0].to_ndarray(format="rgb24") / 255
    new = pictures(tmp_path / "new.mp4")[0].to_ndarray(format="rgb24") / 255
    ys = [rgb_to_yuv(torch.from_numpy(rgb).movedim(-1, 0))[0] for rgb in (old, new)]
    assert float((ys[0] - ys[1]).abs().mean()) < 0.02


def test_pixels_that_are_not_square_stay_so(tmp_path: Path, photo: np.ndarray, video: VideoColorizer) -> None:
    source = make_film(tmp_path / "old.mp4", photo, aspect=Fraction(16, 11))
    colorize_film(source, tmp_path / "new.mp4", video, progress=False)
    with av.open(str(tmp_path / "new.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.dts is not None]


def test_sound_is_copied_bit_by_bit_and_in_time(tmp_path: Path, video: VideoColorizer, colorizer: Colorizer) -> None:
    own_size, video.colorizer.input_size = video.colorizer.input_size, 32
    try:
        report = colorize_film(STREAM, tmp_path / "new.mp4", video, progress=False)
    finally:
        video.colorizer.input_size = own_size
    assert report.pictures == 90 and not report.problems
    before, after = packets(STREAM, "audio"), packets(tmp_path / "new.mp4", "audio")
    assert [data for _, data in after] == [data for _, data in before]
    assert np.abs(np.subtract([t for t, _ in after], [t for t, _ in before])).max() < 0.003
    assert pictures(tmp_path / "new.mp4")[0].time == pytest.approx(pictures(STREAM)[0].time, abs=0.003)


def test_subtitles_are_copied_or_reported(tmp_path: Path, photo: np.ndarray, video: VideoColorizer) -> None:
    (tmp_path / "text.srt").write_text(SUBTITLES)
    source = make_film(tmp_path / "old.mkv", photo, sound="pcm_s16le", subtitles=tmp_path / "text.srt")
    assert len(packets(source, "subtitle")) == 2
    report = colorize_film(source, tmp_path / "new.mkv", video, progress=False)
    assert not report.problems
    assert packets(tmp_path / "new.mkv", "subtitle") == packets(source, "subtitle")
    assert [data for _, data in packets(tmp_path / "new.mkv", "audio")] == [d for _, d in packets(source, "audio")]
    report = colorize_film(source, tmp_path / "new.mp4", video, progress=False)
    assert report.pictures == 12
    assert report.problems == [
        "audio (pcm_s16le) was encoded anew as aac",
        "subtitle (srt) was encoded anew as mov_text",
    ]
    words = [data for _, data in packets(tmp_path / "new.mp4", "subtitle")]
    assert b"A stream." in b"".join(words) and b"Still a stream." in b"".join(words)


def test_one_picture_is_a_film(tmp_path: Path, photo: np.ndarray, video: VideoColorizer) -> None:
    source = make_film(tmp_path / "old.mp4", photo, times=(0,))
    assert colorize_film(source, tmp_path / "new.mp4", video, progress=False).pictures == 1
    assert len(pictures(tmp_path / "new.mp4")) == 1


def test_side_by_side_shows_gray_at_the_left(tmp_path: Path, photo: np.ndarray, video: VideoColorizer) -> None:
    source = make_film(tmp_path / "old.mp4", photo)
    colorize_film(source, tmp_path / "new.mp4", video, side_by_side=True, progress=False)
    rgb = pictures(tmp_path / "new.mp4")[-1].to_ndarray(format="rgb24").astype(int)
    assert rgb.shape == (64, 192, 3)
    color = np.abs(rgb - rgb.mean(2, keepdims=True)).mean((0, 2))
    assert color[:90].mean() < 2 < color[-90:].mean()


# What is no film, or not a whole one


@pytest.fixture
def bad_films(tmp_path: Path, photo: np.ndarray) -> dict[str, Path]:
    folder = tmp_path / "bad"
    folder.mkdir()
    whole = make_film(folder / "whole.mp4", photo).read_bytes()
    (folder / "index lost.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "text.mp4").write_text("this is no film " * 100)
    (folder / "empty.mp4").write_bytes(b"")
    shutil.copy(bundled("train")[0].path, folder / "photo.mp3")
    make_film(folder / "sound.mp4", photo, times=(), sound="aac")
    with av.open(str(folder / "only sound.mka"), "w") as container:
        audio = container.add_stream("pcm_s16le", rate=8000)
        sample = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sample.rate = 8000
        container.mux(audio.encode(sample))
    names = ["index lost.mp4", "text.mp4", "empty.mp4", "sound.mp4", "only sound.mka"]
    return {name: folder / name for name in [*names, "missing.mp4"]} | {"folder": folder}


@pytest.mark.parametrize(
    "name", ["index lost.mp4", "text.mp4", "empty.mp4", "sound.mp4", "only sound.mka", "missing.mp4", "folder"]
)
def test_what_is_no_film_is_refused_in_one_sentence(
    tmp_path: Path, bad_films: dict[str, Path], video: VideoColorizer, name: str
) -> None:
    with pytest.raises(ColorlibError) as caught:
        colorize_film(bad_films[name], tmp_path / "new.mp4", video, progress=False)
    assert str(bad_films[name]) in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["bad"]


def test_a_truncated_film_is_colored_as_far_as_it_goes(
    tmp_path: Path, photo: np.ndarray, video: VideoColorizer
) -> None:
    source = make_film(tmp_path / "whole.mkv", photo, times=tuple(range(40)), codec="mjpeg", pixels="yuvj420p")
    data = source.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 6 // 10])
    report = colorize_film(tmp_path / "cut.mkv", tmp_path / "new.mp4", video, progress=False)
    assert 15 < report.pictures < 30
    assert len(pictures(tmp_path / "new.mp4")) == report.pictures


def test_an_early_end_is_reported(tmp_path: Path, video: VideoColorizer) -> None:
    data = STREAM.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])  # its index comes first
    report = colorize_film(tmp_path / "cut.mp4", tmp_path / "new.mp4", video, progress=False)
    assert 20 < report.pictures < 90 and any("ends early" in problem for problem in report.problems)


def test_damage_in_the_middle_is_skipped(tmp_path: Path, photo: np.ndarray, video: VideoColorizer) -> None:
    source = make_film(tmp_path / "old.avi", photo, times=tuple(range(30)), codec="png", pixels="rgb24")
    data = bytearray(source.read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 200):
        data[place] ^= 0x5A
    source.write_bytes(data)
    report = colorize_film(source, tmp_path / "new.mp4", video, progress=False)
    assert 25 < report.pictures < 30
    assert any("damaged" in problem for problem in report.problems)


@pytest.mark.parametrize("target", ["new.gif", "new", "nowhere/new.mp4", "old.mp4"])
def test_targets_that_cannot_be_written_are_refused_before_any_work(
    tmp_path: Path, photo: np.ndarray, video: VideoColorizer, target: str
) -> None:
    source = make_film(tmp_path / "old.mp4", photo)
    before = source.read_bytes()
    with pytest.raises(ColorlibError):
        colorize_film(source, tmp_path / target, video, progress=False)
    assert source.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_given_the_films_own_name(tmp_path: Path) -> None:
    assert place_for(Path("a/old.mkv"), tmp_path) == tmp_path / "old.mkv"
    assert place_for(Path("a/old.avi"), tmp_path) == tmp_path / "old.mp4"
    assert place_for(Path("a/old.avi"), tmp_path / "x.mov") == tmp_path / "x.mov"


# Interrupted


def test_a_failure_leaves_neither_file_nor_thread(
    tmp_path: Path, photo: np.ndarray, video: VideoColorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_film(tmp_path / "old.mp4", photo), tmp_path / "new.mp4"
    target.write_bytes(b"an earlier result")
    threads, painted = active_count(), []

    def fail_at_the_fifth(*arguments: object) -> object:
        painted.append(arguments)
        if len(painted) == 5:
            raise KeyboardInterrupt
        return paint(*arguments)

    paint = pipeline.paint_picture
    monkeypatch.setattr(pipeline, "paint_picture", fail_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        colorize_film(source, target, video, progress=False)
    assert target.read_bytes() == b"an earlier result"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.mp4", "old.mp4"]
    assert active_count() == threads


def test_running_ahead_keeps_order_stops_when_told_and_hands_errors_on() -> None:
    made = []

    def numbers() -> Iterator[int]:
        try:
            for i in range(1000):
                made.append(i)
                yield i
        finally:
            made.append("closed")

    stream = ahead(numbers(), most=3)
    assert [next(stream) for _ in range(5)] == [0, 1, 2, 3, 4]
    threads = active_count()
    stream.close()
    assert active_count() == threads - 1
    assert made[-1] == "closed" and len(made) < 15

    def breaks() -> Iterator[int]:
        yield 1
        raise ColorlibError("broken")

    with pytest.raises(ColorlibError, match="broken"):
        list(ahead(breaks()))


@pytest.mark.parametrize(("method", "limit"), [("kernel", 20), ("steady", 20 + 56)])
def test_memory_does_not_grow_with_the_film(
    tmp_path: Path, photo: np.ndarray, video: VideoColorizer, method: str, limit: int
) -> None:
    """The stream never holds more than a few pictures: counted where they are made and where they are written."""
    video = VideoColorizer(video.colorizer, method=method)
    source = make_film(tmp_path / "old.mp4", photo, size=(16, 16), times=tuple(range(300)))
    waiting, most, made = 0, 0, 0
    with open_film(source) as film:

        def counted() -> Iterator[object]:
            nonlocal waiting, most, made
            for item in film:
                waiting, made = waiting + 1, made + 1
                most = max(most, waiting)
                yield item

        for _ in ahead(pipeline.paint_all(ahead(counted()), video, False)):
            waiting -= 1
    assert made == 300 and most <= limit


# Planes


def test_the_network_sees_the_films_luma(photo: np.ndarray) -> None:
    plane = np.full((90, 160), 16, np.uint8)
    plane[:, 80:] = 235
    luma_seen = small_luma(plane, 64)
    assert luma_seen.shape == (36, 64)
    assert float(luma_seen[:, :20].abs().max()) == 0 and float(luma_seen[:, -20:].min()) == 1
    assert small_luma(plane[:2, :2], 64).shape == (2, 2)


def test_chroma_planes_hold_the_colors_that_players_show() -> None:
    plane, chroma = np.full((32, 48), 126, np.uint8), torch.zeros(2, 16, 24)
    assert (chroma_planes(plane, torch.full((16, 24), 0.5), chroma) == 128).all()
    chroma[0], chroma[1] = 0.1, -0.05
    cb, cr = chroma_planes(plane, torch.full((16, 24), 0.5), chroma)
    planes = np.concatenate([plane.ravel(), cb.ravel(), cr.ravel()]).reshape(48, 48)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.colorspace = 6
    rgb = torch.from_numpy(frame.to_ndarray(format="rgb24").astype(np.float64) / 255).movedim(-1, 0)
    shown = rgb_to_yuv(rgb).mean((1, 2))
    torch.testing.assert_close(shown, torch.tensor([110 / 219, 0.1, -0.05]).double(), atol=0.01, rtol=0)


# The shell, and clips for notebooks


def test_the_shell_colors_a_film(
    tmp_path: Path, photo: np.ndarray, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_film(tmp_path / "old.mp4", photo)
    out = tmp_path / "out"
    out.mkdir()
    words = ["video", str(source), str(out), "--model", str(tiny_checkpoint), "--device", "cpu", "--method", "motion"]
    assert cli.main([*words, "--alpha", "0.3", "--window", "inf", "--temperature", "0.2"]) == 0
    assert "coloured 12 pictures" in capsys.readouterr().out
    assert len(pictures(out / "old.mp4")) == 12
    assert cli.main([*words, "--window", "-3"]) == 1
    assert "window" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        cli.main([*words, "--method", "magic"])
    assert caught.value.code == 2


def test_clips_for_notebooks_are_films_and_always_the_same() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (6, 31, 41, 3), np.uint8)
    data = encode_clip(frames)
    assert data == encode_clip(frames) and len(data) > 1000
    with av.open(io.BytesIO(data)) as container:
        assert [(f.width, f.height) for f in container.decode(video=0)] == [(40, 30)] * 6
