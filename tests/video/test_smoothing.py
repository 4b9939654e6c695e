"""Smoothing over time: the kernel against its formula, its variants, scene cuts, and the measures of steadiness."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from torch import Tensor

from colorlib import ColorlibError
from colorlib.cli.video import METHODS as NAMES
from colorlib.color import chroma_of, luma_of
from colorlib.data import write_photo
from colorlib.prediction import Colorizer
from colorlib.video import (
    METHODS,
    MOVES,
    SMOOTHERS,
    ColorKernel,
    Lookahead,
    Motion,
    MotionKernel,
    SceneCuts,
    SeedKernel,
    Shot,
    Smoother,
    StillKernel,
    TemporalKernel,
    VideoColorizer,
    backward_flow,
    camera_move,
    color_distribution_consistency,
    correlation,
    diffuse,
    flicker,
    inside,
    joined,
    lag,
    published_alpha,
    score,
    score_shot,
    smooth_colors,
    smoothed_chroma,
    still_pixels,
    summarize_shots,
    thumbnail,
    times_steadier,
    warp,
    warp_error,
)


def direct(past: list[Tensor], alpha: float, window: float) -> Tensor:
    """The paper's formula, word for word, in double precision."""
    recent = past[::-1] if window == math.inf else past[::-1][: int(window) + 1]
    weights = [math.exp(-alpha * i) for i in range(len(recent))]
    return sum(w * p.double() for w, p in zip(weights, recent)) / sum(weights)


def random_film(frames: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.rand(frames, *shape, generator=torch.Generator().manual_seed(seed)).softmax(1)


@given(alpha=st.floats(0, 3), window=st.integers(0, 12), frames=st.integers(1, 40), seed=st.integers(0, 99))
def test_the_kernel_is_the_papers_formula(alpha: float, window: int, frames: int, seed: int) -> None:
    film = random_film(frames, 5, 2, 3, seed=seed)
    kernel, past = TemporalKernel(alpha, window), []
    for frame in film:
        past.append(frame)
        torch.testing.assert_close(kernel(frame), direct(past, alpha, window).float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("alpha", "window"), [(0.2, 20), (0.0, 20), (0.01, 7), (0.2, math.inf)])
def test_the_kernel_stays_exact_over_a_hundred_thousand_frames(alpha: float, window: float) -> None:
    film = random_film(1000, 3, 2, 2)
    film[::37] = torch.eye(3)[0][:, None, None]  # now and then the network is certain
    kernel, last = TemporalKernel(alpha, window), torch.empty(0)
    for _ in range(100):  # the same thousand frames again and again, so that the past is known
        for frame in film:
            last = kernel(frame)
    expected = direct([*film] if window < math.inf else [*film] * 2, alpha, window)
    assert float((last - expected).abs().max()) < 2e-6
    assert float(last.min()) >= 0


def test_without_decay_the_plain_recursion_drifts_and_ours_does_not() -> None:
    film = 100 * random_film(6000, 8, seed=3)
    kernel, naive = TemporalKernel(0, 9), torch.zeros(8)
    for t, frame in enumerate(film):
        naive = naive + frame - (film[t - 10] if t >= 10 else 0)
        ours = kernel.weighted_sum(frame)
    truth = film[-10:].double().sum(0)
    assert float((ours - truth).abs().max()) * 5 < float((naive - truth).abs().max())


def test_a_broken_frame_is_forgotten() -> None:
    kernel = TemporalKernel(0.2, 4)
    for _ in range(7):
        kernel(torch.ones(2, 1, 1))
    kernel(torch.full((2, 1, 1), math.nan))
    values = [kernel(torch.ones(2, 1, 1)) for _ in range(10)]
    assert values[0].isnan().all() and torch.equal(values[-1], torch.ones(2, 1, 1))


def test_window_zero_is_frame_by_frame() -> None:
    kernel = TemporalKernel(0.2, 0)
    for frame in random_film(4, 3, 2, 2):
        smoothed = kernel(frame)
        assert torch.equal(smoothed, frame) and smoothed is not frame


def test_work_and_memory_do_not_grow_with_the_film() -> None:
    kernel = TemporalKernel(0.1, 30)
    for frame in random_film(200, 3, 4, 4):
        kernel(frame)
    assert len(kernel._past) == 31
    assert not TemporalKernel(0.2, 1000).keeps_frames  # what would leave weighs nothing
    assert TemporalKernel(0.2, 80).keeps_frames


def test_reset_forgets_and_a_new_size_is_refused() -> None:
    kernel, film = TemporalKernel(0.2, 20), random_film(3, 4, 2, 2)
    kernel(film[0])
    with pytest.raises(ColorlibError, match="reset"):
        kernel(torch.ones(4, 3, 3))
    kernel.reset()
    torch.testing.assert_close(kernel(film[1]), film[1])


@pytest.mark.parametrize(
    ("alpha", "window"), [(-1, 5), (math.nan, 5), (math.inf, 5), (0.1, -1), (0.1, 2.5), (0, math.inf)]
)
def test_impossible_kernels_are_refused(alpha: float, window: float) -> None:
    with pytest.raises(ColorlibError):
        TemporalKernel(alpha, window)


def test_weights_sum_to_one_and_decay() -> None:
    weights = TemporalKernel(0.2, 20).weights()
    assert weights.shape == (21,) and float(weights.sum()) == pytest.approx(1)
    assert torch.allclose(weights[1:] / weights[:-1], torch.tensor(math.exp(-0.2)).double())
    assert float(TemporalKernel(0.2, math.inf).weights().sum()) == pytest.approx(1)


def test_the_published_recursion_is_what_we_say_it_is() -> None:
    film, b = random_film(60, 4, 1, 1), math.exp(-0.2)
    theirs = film[0]
    kernel = TemporalKernel(published_alpha(0.2), math.inf)
    ours = kernel(film[0])
    for frame in film[1:]:
        theirs = (b * theirs + frame) / (1 + b)
        ours = kernel(frame)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", SMOOTHERS)
def test_every_smoother_keeps_probabilities_and_constants(name: str) -> None:
    smoother, luma = SMOOTHERS[name](0.2, 5), torch.rand(40, 48, generator=torch.Generator().manual_seed(0))
    for frame in random_film(8, 6, 40, 48):
        result = smoother(frame, luma)
        assert float(result.min()) >= 0
        torch.testing.assert_close(result.sum(0), torch.ones(40, 48))
    smoother.reset()
    still = random_film(1, 6, 1, 1)[0].expand(6, 40, 48)
    for _ in range(4):
        torch.testing.assert_close(smoother(still, luma), still, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMOOTHERS)
def test_what_lies_beyond_its_memory_changes_nothing(name: str) -> None:
    """A film that goes on in the middle shows a smoother so many frames again, and its colours do not jump."""
    smoother, again = SMOOTHERS[name](2.0, 5), SMOOTHERS[name](2.0, 5)
    memory = math.ceil(smoother.memory)
    film, luma = random_film(memory + 20, 4, 6, 6), torch.full((6, 6), 0.5)
    for frame in film:
        whole = smoother(frame, luma).clone()
    for frame in film[-memory - 1 :]:
        resumed = again(frame, luma)
    torch.testing.assert_close(resumed, whole, atol=1e-5, rtol=1e-4)


def test_averaged_colours_are_a_mixture_and_averaged_probabilities_a_choice() -> None:
    """A pixel that is sometimes blue, more often red: with T = 0 the kernel shows red, the mean of colours neither."""
    colors = torch.tensor([[0.3, -0.1], [-0.1, 0.4]])
    frames = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])[:, :, None, None]
    luma = torch.zeros(1, 1)
    by_colors, by_probabilities = ColorKernel(0.5, 5), TemporalKernel(0.5, 5)
    for frame in frames:
        mixed = smooth_colors(by_colors, frame, luma, colors, 0.0)
        chosen = smooth_colors(by_probabilities, frame, luma, colors, 0.0)
    weights = torch.exp(-0.5 * torch.arange(3.0))
    expected = (weights[:2].sum() * colors[1] + weights[2] * colors[0]) / weights.sum()
    torch.testing.assert_close(mixed.flatten(), expected)
    torch.testing.assert_close(chosen.flatten(), colors[1])


def test_the_shell_names_the_same_smoothers() -> None:
    assert tuple(METHODS) == NAMES


def test_unsure_frames_have_less_say() -> None:
    sure, unsure = torch.tensor([0.9, 0.1]).reshape(2, 1, 1), torch.tensor([0.45, 0.55]).reshape(2, 1, 1)
    plain, weighted = SMOOTHERS["kernel"](0.2, 5), SMOOTHERS["confidence"](0.2, 5)
    for frame in (sure, unsure):
        a, b = plain(frame, torch.zeros(1, 1)), weighted(frame, torch.zeros(1, 1))
    assert float(b[0]) > float(a[0])


def remembered(lumas: list[float]) -> float:
    """The share that the first of some frames has in the last one, by StillKernel; each is of one luma all over."""
    kernel = StillKernel(0.2)
    result = torch.empty(0)
    for number, luma in enumerate(lumas):
        result = kernel(torch.tensor([float(number == 0), float(number > 0)])[:, None, None], torch.full((1, 1), luma))
    return float(result[0])


def test_still_pixels_are_remembered_longer_and_moved_ones_forgotten() -> None:
    paper = TemporalKernel(0.2, math.inf).weights()
    slow = torch.exp(-0.02 * torch.arange(30.0))
    assert remembered([0.5] * 30) == pytest.approx(float(slow[-1] / slow.sum()), rel=1e-4)
    assert remembered([0.5] * 30) > 5 * float(paper[29])
    grain = [0.5 + 0.009 * (-1) ** number for number in range(30)]  # of a luma that stays, on average
    assert remembered(grain) == pytest.approx(remembered([0.5] * 30), rel=1e-4)
    assert remembered([0.5] * 29 + [0.9]) < 0.1 * remembered([0.5] * 30)
    # However long it stood still, the past then has no more weight than in the kernel, b / (1 - b).
    past = math.exp(-0.2) / (1 - math.exp(-0.2)) * math.exp(-((0.03 / 0.2) ** 2))
    stood = torch.exp(-0.02 * torch.arange(100.0))
    assert remembered([0.5] * 100 + [0.53]) == pytest.approx(
        float(stood[-1] / stood.sum()) * past / (past + 1), rel=1e-3
    )


def test_a_slow_fade_is_no_stillness() -> None:
    """Each frame is within 0.02 of the last, but soon not of their average."""
    fade = [0.2 + 0.005 * number for number in range(100)]
    assert remembered(fade) < 1e-6 < remembered([0.2] * 100)


@given(st.integers(0, 1000), st.floats(0, 2))
def test_the_still_kernel_gives_probabilities(seed: int, alpha: float) -> None:
    kernel, generator = StillKernel(alpha), torch.Generator().manual_seed(seed)
    for frame in random_film(6, 4, 5, 7):
        result = kernel(frame, torch.rand(5, 7, generator=generator))
        assert float(result.min()) >= 0
        torch.testing.assert_close(result.sum(0), torch.ones(5, 7))


# Motion


@pytest.fixture(scope="module")
def textured() -> Tensor:
    """A soft random texture, (80, 120) in [0, 1]."""
    noise = torch.rand(1, 1, 20, 30, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(noise, (80, 120), mode="bicubic")[0, 0].clamp(0, 1)


def test_warping_by_whole_pixels_is_shifting(textured: Tensor) -> None:
    flow = torch.zeros(2, 80, 120)
    flow[0], flow[1] = 3, -2
    moved = warp(textured[None], flow)[0]
    torch.testing.assert_close(moved[2:, :-3], textured[:-2, 3:], atol=1e-5, rtol=0)
    assert float(inside(flow).sum()) == 78 * 117


def test_flow_finds_a_known_motion(textured: Tensor) -> None:
    before, now = textured[10:70, 10:100], textured[11:71, 12:102]  # what was at x + 2 is at x now
    flow = backward_flow(now, before)
    middle = flow[:, 12:-12, 12:-12]
    assert float((middle[0] - 2).abs().mean()) < 0.3 and float((middle[1] - 1).abs().mean()) < 0.3


def test_motion_is_not_trusted_where_the_picture_is_new(textured: Tensor) -> None:
    motion = Motion()
    assert float(motion(textured)[1].max()) == 0  # nothing before the first frame
    assert float(motion(textured)[1].min()) > 0.9
    changed = textured.clone()
    changed[20:60, 40:80] = 1 - changed[20:60, 40:80].round()
    trust = motion(changed)[1]
    assert float(trust[30:50, 50:70].mean()) < 0.5 < float(trust[:, 100:].mean())


def test_colors_follow_the_motion(textured: Tensor) -> None:
    """A coloured patch moves with its texture: the plain kernel smears it, the motion kernel and the seeds carry it."""
    whole = torch.zeros(80, 120)
    whole[30:50, 40:60] = 1
    luma = (0.6 * textured + 0.3 * whole).clamp(0, 1)
    truth = [whole[:, 2 * t : 2 * t + 90] for t in range(8)]
    lumas = [luma[:, 2 * t : 2 * t + 90] for t in range(8)]
    errors = {}
    for smoother in (TemporalKernel(0.2, 20), MotionKernel(0.2), SeedKernel(0.2)):
        for mask, y in zip(truth, lumas):
            result = smoother(torch.stack([0.1 + 0.8 * mask, 0.9 - 0.8 * mask]), y)
        errors[type(smoother).__name__] = float((result[0] - (0.1 + 0.8 * truth[-1])).abs().mean())
    assert errors["MotionKernel"] < errors["TemporalKernel"] / 2
    assert errors["SeedKernel"] < errors["TemporalKernel"] / 2


def test_diffusion_stops_at_edges_and_leaves_sure_pixels_alone() -> None:
    luma = torch.cat([torch.zeros(6, 6), torch.ones(6, 6)], dim=1)
    values = torch.zeros(1, 6, 12)
    values[0, 3, 2] = 1
    confidence = torch.full((6, 12), 0.01)
    confidence[3, 2] = 100
    result = diffuse(values, confidence, luma, rounds=30)[0]
    assert float(result[3, 2]) > 0.9 and float(result[3, 5]) > 0.05
    assert float(result[:, 6:].max()) < 1e-6


# Scene cuts


def test_cuts_are_noticed_and_motion_flashes_and_grain_are_not(textured: Tensor) -> None:
    other = textured.flip(0).flip(1)
    film = [textured[:, 2 * t : 2 * t + 90] for t in range(10)] + [other[:, t : t + 90] for t in range(10)]
    grain = torch.Generator().manual_seed(0)
    film = [(y + 0.03 * torch.randn(y.shape, generator=grain)).clamp(0, 1) for y in film]
    film[5] = (1.6 * film[5]).clamp(0, 1)  # a flash
    detector = SceneCuts()
    assert [t for t, y in enumerate(film) if detector(y)] == [10]


def test_fading_to_black_is_no_cut(textured: Tensor) -> None:
    detector = SceneCuts()
    assert not any(detector(textured * level) for level in torch.linspace(1, 0, 20))


def test_a_new_size_is_a_cut() -> None:
    assert correlation(thumbnail(torch.rand(90, 160)), thumbnail(torch.rand(160, 90))) == -1


def test_a_cut_starts_afresh(colorizer: Colorizer, real_photos: list[np.ndarray]) -> None:
    lumas = [colorizer.input_luma(photo)[:32, :32] for photo in real_photos[:2]]
    film = [lumas[0]] * 4 + [lumas[1]] * 2
    forgetful, stubborn = VideoColorizer(colorizer), VideoColorizer(colorizer, cuts=False)
    with_cuts = [forgetful.chroma(luma) for luma in film]
    without = [stubborn.chroma(luma) for luma in film]
    alone = VideoColorizer(colorizer, window=0).chroma(lumas[1])
    assert forgetful.cuts_found == 1
    torch.testing.assert_close(with_cuts[4], alone, atol=1e-5, rtol=0)
    assert float((without[4] - alone).abs().mean()) > 1e-3


@pytest.mark.parametrize("method", SMOOTHERS)
def test_a_still_film_has_the_photos_own_colors(
    colorizer: Colorizer, real_photos: list[np.ndarray], method: str
) -> None:
    video, photo = VideoColorizer(colorizer, method=method), real_photos[0]
    pictures = [video.colorize(photo) for _ in range(3)]
    if method == "seeds":  # they are diffused within the frame, too
        assert np.abs(pictures[1].astype(int) - pictures[2]).max() <= 2
    else:
        assert np.abs(pictures[2].astype(int) - colorizer.colorize(photo)).max() <= 1


@pytest.mark.parametrize("wrong", [{"method": "magic"}, {"alpha": -1}, {"window": -2}, {"temperature": math.nan}])
def test_wrong_settings_are_refused(colorizer: Colorizer, wrong: dict) -> None:
    with pytest.raises(ColorlibError):
        VideoColorizer(colorizer, **wrong)


# Shots and measures


@pytest.fixture(scope="module")
def large_photo(tmp_path_factory: pytest.TempPathFactory, synthetic_photo: np.ndarray) -> str:
    path = tmp_path_factory.mktemp("photos") / "large.png"
    Image.fromarray(synthetic_photo).resize((720, 480), Image.Resampling.BICUBIC).save(path)
    return str(path)


@pytest.mark.parametrize("kind", MOVES)
def test_the_motion_of_a_camera_move_is_exact(tmp_path: Path, kind: str) -> None:
    x, y = np.meshgrid(np.arange(720), np.arange(480))  # soft waves, which interpolation hardly harms
    waves = np.stack([np.sin(x / 25), np.sin(y / 20), np.sin((x + y) / 30)], axis=2)
    write_photo(tmp_path / "waves.png", (127 + 100 * waves).astype(np.uint8))
    shot = camera_move(tmp_path / "waves.png", kind, frames=6, width=96)
    assert shot.truth.shape == (6, 3, 60, 96) and shot.flow.shape == (5, 2, 60, 96)
    along, without = (warp_error(shot.truth, flow, shot.seen) for flow in (shot.flow, torch.zeros_like(shot.flow)))
    if kind == "grain":
        assert along < 1e-12
        assert float((shot.luma - luma_of(shot.truth)).std()) == pytest.approx(0.03, rel=0.1)
    else:
        assert along < without / 20


def test_an_unknown_move_is_refused(large_photo: str) -> None:
    with pytest.raises(ColorlibError, match="pan, zoom, grain"):
        camera_move(large_photo, "spin")


def test_flicker_is_the_mean_jump_on_still_pixels() -> None:
    chroma = torch.zeros(3, 2, 2, 2)
    chroma[1, 0, 0, 0] = 0.3
    still = torch.ones(2, 2, 2, dtype=torch.bool)
    assert flicker(chroma, still) == pytest.approx(0.3 * 2 / 8)
    still[:, 0, 0] = False
    assert flicker(chroma, still) == 0
    assert math.isnan(flicker(chroma, torch.zeros_like(still)))


def test_consistency_of_histograms_by_hand() -> None:
    film = torch.zeros(5, 3, 2, 2)
    film[4] = 1  # the last frame has no level in common with the others: ln 2
    expected = math.log(2) * (1 / 4 + 1 / 3 + 1) / 3
    assert color_distribution_consistency(film) == pytest.approx(expected)
    with pytest.raises(ValueError, match="5 or more"):
        color_distribution_consistency(film[:4])


def test_warp_error_weighs_by_what_was_seen() -> None:
    film = torch.zeros(2, 2, 4, 4)
    film[1, 0, 0, 0] = 0.5
    flow, seen = torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4)
    assert warp_error(film, flow, seen) == pytest.approx(0.25 / 16)
    seen[0, 0, 0] = 0
    assert warp_error(film, flow, seen) == 0


def test_lag_counts_frames() -> None:
    alone = torch.zeros(20, 2, 1, 1)
    alone[10:, 0] = 1
    late = alone.clone()
    late[10:, 0] = 1 - 0.5 ** torch.arange(10).float()[:, None, None]
    assert lag(late, alone, 10) == 4  # 0.5^4 is the first below a tenth
    assert lag(alone, alone, 10) == 0
    assert lag(torch.zeros_like(alone), alone, 10) == 10


def test_smoothing_helps_where_it_should(colorizer: Colorizer, large_photo: str) -> None:
    """On a still shot with grain: at least twice less flicker with any network; and gray film scores zero."""
    shot = camera_move(large_photo, "grain", frames=12, width=64)
    scores = score_shot(shot, colorizer, ("kernel", "published"))
    alone, kernel, published = (scores[name] for name in ("frame by frame", "kernel", "published"))
    assert kernel["flicker"] < alone["flicker"] / 2
    assert kernel["flicker"] < published["flicker"] < alone["flicker"]
    assert kernel["colorfulness"] > 0.8 * alone["colorfulness"]
    assert scores["truth"]["error"] == 0
    gray = score(shot, torch.zeros(12, 2, *shot.luma.shape[1:]))
    assert gray["flicker"] == 0 and gray["colorfulness"] < 1e-3
    table = summarize_shots([scores, scores])
    assert table["kernel"]["flicker"].mean == pytest.approx(kernel["flicker"])
    assert times_steadier([scores], "kernel", "flicker").mean == pytest.approx(alone["flicker"] / kernel["flicker"])


def test_intervals_over_few_shots_are_students() -> None:
    """A bootstrap of so few is too short, and would contradict the verdicts, which are over the same shots."""
    times = np.array([2.0, 3.0, 8.0])
    rows = [{"frame by frame": {"flicker": t}, "kernel": {"flicker": 1.0}} for t in times]
    found = summarize_shots(rows)["frame by frame"]["flicker"]
    assert found[1:] == pytest.approx(stats.ttest_1samp(times, 0).confidence_interval(0.95))
    ends = stats.ttest_1samp(np.log(times), 0).confidence_interval(0.95)
    assert times_steadier(rows, "kernel", "flicker")[1:] == pytest.approx(np.exp(ends))


def test_truth_does_not_flicker(large_photo: str) -> None:
    shot = camera_move(large_photo, "grain", frames=5, width=64)
    assert flicker(chroma_of(shot.truth), still_pixels(shot)) == 0
    assert bool(still_pixels(shot).all())
    pan = camera_move(large_photo, "pan", frames=5, width=64)
    assert not bool(still_pixels(pan).any())


@pytest.mark.parametrize("smoother", [None, TemporalKernel(), Lookahead()])
def test_films_and_what_goes_with_them_must_be_of_one_length(smoother: Smoother | Lookahead | None) -> None:
    """Nothing is measured on the frames that happen to be there."""
    shares, luma = torch.full((4, 2, 6, 8), 0.5), torch.rand(3, 6, 8)
    with pytest.raises(ValueError, match="shorter than argument 1"):
        smoothed_chroma(shares, luma, smoother, torch.rand(2, 2), 0.5)
    with pytest.raises(ValueError, match="longer than argument 1"):
        warp_error(torch.rand(3, 2, 6, 8), torch.zeros(3, 2, 6, 8), torch.ones(3, 6, 8))


def test_smoothed_chroma_without_a_smoother_is_frame_by_frame(colorizer: Colorizer) -> None:
    film, luma = random_film(3, len(colorizer.bins), 8, 8), torch.rand(3, 8, 8)
    colors = colorizer.bins.colors
    alone = smoothed_chroma(film, luma, None, colors, 0.5)
    window_zero = smoothed_chroma(film, luma, TemporalKernel(0.2, 0), colors, 0.5)
    assert alone.shape == (3, 2, 8, 8) and torch.equal(alone, window_zero)


def test_shots_can_be_joined(large_photo: str) -> None:
    shots: list[Shot] = [camera_move(large_photo, kind, frames=3, width=64) for kind in ("pan", "zoom")]
    film, cuts = joined(shots)
    assert film.shape == (6, 40, 64) and cuts == [3]


def test_a_metric_that_no_shot_has_is_no_number():
    row = summarize_shots([{"kernel": {"flicker": float("nan"), "cdc": 1.0}}])["kernel"]
    assert row["cdc"].mean == 1 and row["flicker"].mean != row["flicker"].mean
