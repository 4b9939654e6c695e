"""From logits to pictures: the annealed mean against SciPy, and colouring photos of any size."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.special import logsumexp, softmax

import colorlib
from colorlib import ColorlibError
from colorlib.color import chroma_of, luma_of, merge_luma_chroma
from colorlib.data import to_tensor, to_uint8, write_photo
from colorlib.models import Network, build, forward_at_any_size
from colorlib.prediction import (
    Colorizer,
    annealed_mean,
    annealed_probabilities,
    bilinear_matrix,
    guided_filter_coefficients,
    upsample_and_merge,
    upsampling,
)
from colorlib.prediction import colorizer as colorizer_module

TEMPERATURES = [1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 0.38, 1.0, 3.0, 10.0]


def random_logits(scale: float, seed: int = 0, n: int = 32) -> torch.Tensor:
    return scale * torch.randn(n, 20, 30, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- the annealed mean -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("scale", [0.1, 1, 10, 1000])
def test_annealed_mean_against_scipy(temperature, scale, kmeans_bins):
    logits = random_logits(scale)
    log_z = logits.numpy() - logsumexp(logits.numpy(), axis=0)  # the network's probabilities z, as logarithms
    expected = softmax(log_z / temperature, axis=0)  # the paper's f_T(z)
    np.testing.assert_allclose(annealed_probabilities(logits, temperature).numpy(), expected, rtol=1e-9, atol=1e-15)
    mean = np.einsum("nhw,nc->chw", expected, kmeans_bins.colors.numpy())
    np.testing.assert_allclose(annealed_mean(logits, kmeans_bins.colors, temperature).numpy(), mean, atol=1e-12)
    single = annealed_mean(logits.float(), kmeans_bins.colors, temperature)
    assert single.dtype == torch.float32 and single.isfinite().all()
    # float32 logits are known to 6e-8 of their size, and the temperature magnifies that.
    allowed = 1e-6 + 3e-7 * scale * 4 / temperature
    np.testing.assert_allclose(single.numpy(), mean, atol=min(allowed, 1))


def test_annealed_mean_is_exact_for_the_logits_it_is_given(kmeans_bins):
    """Against float64 on the very same float32 logits: no accuracy is lost even at the lowest temperature."""
    logits = random_logits(10).float()
    for temperature in TEMPERATURES:
        expected = annealed_mean(logits.double(), kmeans_bins.colors, temperature)
        ours = annealed_mean(logits, kmeans_bins.colors, temperature).double()
        assert (ours - expected).abs().max() < 2e-6, temperature


def test_temperature_one_is_the_plain_mean():
    logits = random_logits(2)
    torch.testing.assert_close(annealed_probabilities(logits, 1.0), logits.softmax(0))


def test_argmax_is_the_limit(kmeans_bins):
    logits = random_logits(1)
    first_choice = kmeans_bins.decode(logits.argmax(0))
    assert torch.equal(annealed_mean(logits.float(), kmeans_bins.colors, 0.0), first_choice)
    # Where the second choice is clearly worse, the lowest temperature already is the limit.
    clear = logits.topk(2, 0).values.diff(dim=0)[0].abs() > 0.03
    assert clear.double().mean() > 0.9
    lowest = annealed_mean(logits, kmeans_bins.colors, 1e-3).float()
    torch.testing.assert_close(lowest[:, clear], first_choice[:, clear], rtol=0, atol=1e-6)
    distances = [
        (annealed_mean(logits, kmeans_bins.colors, t) - first_choice).abs().max() for t in (1e-5, 1e-3, 0.1, 1.0)
    ]
    assert distances == sorted(distances)


def test_high_temperature_weighs_all_bins_alike():
    shares = annealed_probabilities(random_logits(1), 1e6)
    assert (shares - 1 / 32).abs().max() < 1e-6


@pytest.mark.parametrize("temperature", [0.0, 1e-300, 1e-40, 1e-3, 1.0, 10.0, 1e30])
@pytest.mark.parametrize("size", [0, 1e-30, 1.0, 1e4, 3e38])
def test_extreme_logits_stay_numbers(temperature, size):
    signs = torch.tensor([1.0, -1.0, 0.5, 0.0]).reshape(4, 1, 1)
    shares = annealed_probabilities(size * signs, temperature)
    assert shares.isfinite().all() and float(shares.sum()) == pytest.approx(1)
    assert float(shares[0]) == float(shares.max())
    hopeless = annealed_probabilities(torch.tensor([0.0, -torch.inf]).reshape(2, 1, 1), temperature)
    assert hopeless.flatten().tolist() == [1.0, 0.0]


@given(st.floats(1e-3, 10), st.integers(0, 2**31))
def test_annealed_mean_is_a_mixture_of_bins(temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(3, 6, 2, 4, generator=generator)
    colors = torch.rand(6, 2, generator=generator) - 0.5
    mean = annealed_mean(logits, colors, temperature)
    assert mean.shape == (3, 2, 2, 4)
    assert (mean >= colors.amin(0)[:, None, None] - 1e-6).all() and (mean <= colors.amax(0)[:, None, None] + 1e-6).all()
    torch.testing.assert_close(mean, annealed_mean(logits + 100, colors, temperature), rtol=0, atol=1e-2)
    torch.testing.assert_close(mean[1], annealed_mean(logits[1], colors, temperature))


@pytest.mark.parametrize("temperature", [-1, -1e-9, float("nan"), float("inf"), "0.4", None])
def test_impossible_temperatures_are_refused(temperature, kmeans_bins):
    with pytest.raises(ColorlibError, match="temperature must be a number"):
        annealed_mean(torch.zeros(2, 1, 1), torch.zeros(2, 2), temperature)
    with pytest.raises(ColorlibError, match="temperature must be a number"):
        Colorizer(build("ColorUNet"), kmeans_bins, temperature)


@pytest.mark.parametrize("kind", [np.float32, np.float64, torch.tensor])
def test_temperatures_may_be_numbers_of_any_kind(kind):
    logits, colors = random_logits(0), torch.rand(32, 2)
    torch.testing.assert_close(annealed_mean(logits, colors, kind(0.5)), annealed_mean(logits, colors, 0.5))


def test_logits_and_colors_must_agree():
    with pytest.raises(ValueError, match="3 bins where there are 2"):
        annealed_mean(torch.zeros(3, 1, 1), torch.zeros(2, 2), 1.0)


# --- the colorizer -----------------------------------------------------------------------------------------------

SIZES = [
    (1, 1),
    (1, 2),
    (2, 1),
    (1, 500),
    (500, 1),
    (7, 5),
    (8, 8),
    (63, 64),
    (64, 64),
    (65, 64),
    (97, 131),
    (300, 211),
]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_own_size_and_own_luma(colorizer, height, width):
    photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    result = colorizer.colorize(photo)
    assert result.dtype == np.uint8 and result.shape == photo.shape
    # Each channel is rounded by at most half a level, so the luma moves by at most half a level.
    difference = luma_of(to_tensor(result)) - luma_of(to_tensor(photo))
    assert difference.abs().max() * 255 <= 0.5 + 1e-3


def test_colors_depend_on_luma_only(colorizer, synthetic_photo):
    luma = luma_of(to_tensor(synthetic_photo))
    gray = to_uint8(luma.expand(3, -1, -1))
    difference = colorizer.colorize(gray).astype(int) - colorizer.colorize(gray[:, :, 0]).astype(int)
    assert (difference == 0).all()
    with_colors = colorizer.colorize(synthetic_photo).astype(int)
    assert np.abs(with_colors - colorizer.colorize(gray)).mean() < 3  # up to the rounding of the gray picture


def test_every_kind_of_input_gives_the_same_picture(colorizer, synthetic_photo, tmp_path):
    expected = colorizer.colorize(synthetic_photo)
    write_photo(tmp_path / "photo.png", synthetic_photo)
    alike = [
        Image.fromarray(synthetic_photo),
        str(tmp_path / "photo.png"),
        tmp_path / "photo.png",
        synthetic_photo.astype(np.uint16) * 257,
        synthetic_photo / 255,
        torch.from_numpy(synthetic_photo.copy()),
        np.dstack([synthetic_photo, np.full(synthetic_photo.shape[:2], 255, np.uint8)]),
    ]
    for image in alike:
        assert (colorizer.colorize(image) == expected).all()


def test_the_input_is_left_alone(colorizer, synthetic_photo):
    copy = synthetic_photo.copy()
    result = colorizer.colorize(copy)
    result[:] = 0
    assert (copy == synthetic_photo).all()


def test_lower_temperatures_are_more_vivid(colorizer, synthetic_photo):
    vividness = [
        float(chroma_of(to_tensor(colorizer.colorize(synthetic_photo, t))).norm(dim=0).mean()) for t in (0.1, 1.0, 10.0)
    ]
    assert vividness[0] > vividness[1] > vividness[2] > 0
    own = colorizer.colorize(synthetic_photo)
    assert (own == colorizer.colorize(synthetic_photo, colorizer.temperature)).all()
    assert (own != colorizer.colorize(synthetic_photo, 10.0)).any()


def test_black_and_white_stay_what_they_are(colorizer):
    for level in (0, 255):
        assert (colorizer.colorize(np.full((70, 90), level, np.uint8)) == level).all()


def test_unusable_images_are_refused(colorizer):
    for image in (np.zeros((0, 4), np.uint8), np.zeros((2, 2, 7), np.uint8), "missing.jpg", None):
        with pytest.raises(ColorlibError):
            colorizer.colorize(image)
    with pytest.raises(ColorlibError, match="temperature"):
        colorizer.colorize(np.zeros((4, 4), np.uint8), temperature=-1)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 16), (9, 17), (64, 64), (30, 23)])
def test_logits_and_probabilities_at_any_size(colorizer, height, width):
    luma = np.random.default_rng(0).random((height, width))
    logits, shares = colorizer.logits(luma), colorizer.probabilities(luma)
    assert logits.shape == shares.shape == (8, height, width)
    torch.testing.assert_close(shares, logits.softmax(0))
    torch.testing.assert_close(shares.sum(0), torch.ones(height, width))
    assert torch.equal(colorizer.logits(torch.from_numpy(luma)), logits)
    if height % 8 == 0 and width % 8 == 0:
        with torch.no_grad():
            alone = colorizer.model(torch.from_numpy(luma).float()[None, None])[0]
        torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("luma", [np.zeros((1, 3, 4, 4)), np.zeros((0, 4)), np.zeros((0, 4, 4)), np.zeros(4)])
def test_wrong_lumas_are_refused(colorizer, luma):
    with pytest.raises(ColorlibError, match=r"\(H, W\)"):
        colorizer.logits(luma)


def test_a_luma_of_bytes_is_refused_and_any_layout_is_read(colorizer):
    luma = np.random.default_rng(0).random((8, 12))
    expected = colorizer.logits(luma)
    for same in (luma[:, ::-1][:, ::-1], luma.astype(">f8"), np.asfortranarray(luma), luma.tolist()):
        torch.testing.assert_close(colorizer.logits(same), expected)
    mirrored = colorizer.logits(luma[:, ::-1])
    torch.testing.assert_close(mirrored, colorizer.logits(luma[:, ::-1].copy()))
    for bytes_ in (np.full((4, 4), 128, np.uint8), torch.full((4, 4), 128)):
        with pytest.raises(ColorlibError, match=r"floating-point numbers in \[0, 1\]"):
            colorizer.logits(bytes_)


def test_numbers_of_any_kind_become_plain_ones_that_files_can_keep(colorizer):
    for temperature in (np.float32(0.5), torch.tensor(0.5), torch.tensor([0.5])):
        made = Colorizer(colorizer.model, colorizer.bins, temperature, np.int64(32))
        assert (type(made.temperature), type(made.input_size)) == (float, int)
        assert (made.temperature, made.input_size) == (0.5, 32)
    with pytest.raises(ColorlibError, match="temperature"):
        Colorizer(colorizer.model, colorizer.bins, torch.rand(2))


def test_the_network_sees_a_small_frame(colorizer):
    photo = np.random.default_rng(0).integers(0, 256, (200, 400, 3), dtype=np.uint8)
    assert colorizer.input_luma(photo).shape == (32, 64)
    assert colorizer.input_luma(photo[:20, :30]).shape == (20, 30)  # never enlarged


def test_loading(tiny_checkpoint, colorizer, synthetic_photo, monkeypatch):
    expected = colorizer.colorize(synthetic_photo)
    loaded = colorlib.load(tiny_checkpoint)
    assert isinstance(loaded, Colorizer) and (loaded.temperature, loaded.input_size) == (0.5, 64)
    assert loaded.record["training"] == {"seed": 0}
    assert (loaded.colorize(synthetic_photo) == expected).all()
    monkeypatch.setattr("colorlib.models.checkpoints.WEIGHTS", tiny_checkpoint.parent)
    assert (colorlib.load("tiny").colorize(synthetic_photo) == expected).all()
    monkeypatch.setattr(colorizer_module, "DEFAULT_MODEL", "tiny")
    assert (colorlib.load().colorize(synthetic_photo) == expected).all()
    with pytest.raises(ColorlibError, match="'nonsense'"):
        colorlib.load("nonsense")


def test_an_unknown_device_is_refused(tiny_checkpoint):
    with pytest.raises(ColorlibError, match="device"):
        colorlib.load(tiny_checkpoint, device="abacus")


# --- full resolution ---------------------------------------------------------------------------------------------


def test_a_strip_at_a_time_shows_no_seams(colorizer, synthetic_photo, monkeypatch):
    photo = np.asarray(Image.fromarray(synthetic_photo).resize((720, 480), Image.Resampling.BICUBIC))
    monkeypatch.setattr(upsampling, "STRIP", 10**9)
    whole = colorizer.colorize(photo).astype(int)
    for pixels in (1, 720, 720 * 7, 720 * 101):
        monkeypatch.setattr(upsampling, "STRIP", pixels)
        difference = np.abs(colorizer.colorize(photo) - whole)
        assert difference.max() <= 1 and (difference > 0).mean() < 1e-3  # rounding of a sum in another order


@pytest.mark.parametrize(("height", "width"), [(96, 144), (131, 97), (300, 65), (60, 400)])
def test_painting_against_the_whole_computed_at_once(height, width):
    """Slope and offset enlarged by PyTorch's own bilinear interpolation, without strips or matrices."""
    generator = torch.Generator().manual_seed(0)
    photo = torch.randint(256, (height, width, 3), generator=generator, dtype=torch.uint8).numpy()
    luma, chroma = torch.rand(24, 20, generator=generator), 0.3 * torch.rand(2, 24, 20, generator=generator) - 0.15
    small = torch.cat(guided_filter_coefficients(luma, chroma))[None]
    slope, offset = torch.nn.functional.interpolate(small, (height, width), mode="bilinear")[0].split(2)
    full = luma_of(to_tensor(photo))
    expected = to_uint8(merge_luma_chroma(full, slope * full + offset))
    difference = np.abs(upsample_and_merge(photo, luma, chroma).astype(int) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01


def test_color_borders_follow_the_photos_own_edges():
    """Two halves, dark and bright, predicted blue and orange at an eighth of the size: no colour bleeds far."""
    size, small = 256, 32
    gray = np.full((size, size), 80, np.uint8)
    gray[:, size // 2 :] = 180
    photo = np.repeat(gray[:, :, None], 3, 2)
    luma = luma_of(to_tensor(photo[::8, ::8]))
    chroma = torch.zeros(2, small, small)
    chroma[0, :, : small // 2], chroma[1, :, small // 2 :] = 0.1, 0.1
    guided = chroma_of(to_tensor(upsample_and_merge(photo, luma, chroma)))
    plain = torch.nn.functional.interpolate(chroma[None], (size, size), mode="bilinear")[0]
    truth = torch.nn.functional.interpolate(chroma[None], (size, size), mode="nearest")[0]

    def bleeding(picture: torch.Tensor) -> float:
        near_the_edge = slice(size // 2 - 8, size // 2 + 8)
        return float((picture - truth)[:, :, near_the_edge].abs().mean())

    assert bleeding(guided) < 0.4 * bleeding(plain)


def test_flat_photos_get_smooth_colors():
    """With no edges to follow, what remains is the smooth enlargement of the prediction."""
    chroma = torch.linspace(-0.1, 0.1, 32).expand(2, 32, 32).clone()
    result = upsample_and_merge(np.full((256, 256, 3), 128, np.uint8), torch.full((32, 32), 128 / 255), chroma)
    across = chroma_of(to_tensor(result))[0, 128]
    assert across[30] < -0.05 and across[-30] > 0.05
    assert across.diff().abs().max() < 0.01


def test_local_linear_model_recovers_a_linear_relation():
    luma = torch.rand(40, 50, generator=torch.Generator().manual_seed(0))
    chroma = torch.stack([0.3 * luma - 0.1, -0.2 * luma + 0.05])
    slope, offset = guided_filter_coefficients(luma, chroma, smoothing=1e-9)
    torch.testing.assert_close(slope, torch.tensor([0.3, -0.2])[:, None, None].expand_as(slope), rtol=0, atol=1e-3)
    torch.testing.assert_close(offset, torch.tensor([-0.1, 0.05])[:, None, None].expand_as(offset), rtol=0, atol=1e-3)
    flat_slope, flat_offset = guided_filter_coefficients(torch.full((9, 9), 0.5), torch.full((2, 9, 9), 0.2))
    assert flat_slope.abs().max() < 1e-4
    torch.testing.assert_close(flat_offset, torch.full((2, 9, 9), 0.2), rtol=0, atol=1e-4)


@given(st.integers(1, 40), st.integers(1, 200))
def test_resize_matrix_interpolates_like_pytorch(size, new_size):
    new_size = max(size, new_size)
    matrix = bilinear_matrix(size, new_size)
    torch.testing.assert_close(matrix.sum(1), torch.ones(new_size))
    values = torch.rand(size, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(values[None, None], new_size, mode="linear", align_corners=False)
    torch.testing.assert_close(matrix @ values, expected[0, 0], rtol=0, atol=2e-5)


def test_painting_without_enlarging_is_a_plain_join(synthetic_photo):
    luma = luma_of(to_tensor(synthetic_photo))
    chroma = 0.2 * torch.rand(2, *luma.shape, generator=torch.Generator().manual_seed(0)) - 0.1
    assert (upsample_and_merge(synthetic_photo, luma, chroma) == to_uint8(merge_luma_chroma(luma, chroma))).all()


def test_deep_networks_of_every_kind_can_colorize(tiny_bins, synthetic_photo):
    for name in ("FlatNet", "Bottleneck", "ColorUNet"):
        assert (
            Colorizer(build(name, 8), tiny_bins, input_size=50).colorize(synthetic_photo).shape == synthetic_photo.shape
        )


def test_a_stretched_picture_has_no_edge_that_is_not_in_the_photo():
    """A network that averages over the scene sees the mean of a ramp, whatever its size; padded it does not."""

    class SceneMean(Network):
        stride, stretched = 32, True

        def forward(self, luma):
            assert luma.shape[-2] % 32 == luma.shape[-1] % 32 == 0
            return luma.mean((2, 3), keepdim=True).expand(-1, 2, luma.shape[-2] // 2, luma.shape[-1] // 2)

    ramp = torch.linspace(0, 1, 70).expand(2, 1, 45, 70)
    network = SceneMean()
    answer = forward_at_any_size(network, ramp)
    assert answer.shape == (2, 2, 45, 70)
    torch.testing.assert_close(answer, torch.full_like(answer, 0.5), rtol=0, atol=1e-3)
    network.stretched = False
    assert float(forward_at_any_size(network, ramp).max()) > 0.6


@pytest.mark.parametrize(
    ("zoom", "side", "seen"),
    [(1, 160, 160), (1.1, 160, 192), (1.1, 107, 128), (1.1, 120, 160), (1.2, 1, 32), (2, 64, 128)],
)
def test_a_zoomed_picture_is_seen_larger_and_answered_at_its_own_size(tiny_bins, zoom, side, seen):
    sizes = []

    class Looking(Network):
        stride, stretched = 32, True

        def forward(self, luma):
            sizes.append(tuple(luma.shape[-2:]))
            return luma.expand(-1, len(tiny_bins), -1, -1)

    luma = torch.linspace(0, 1, side).expand(40, side)
    answer = Colorizer(Looking(), tiny_bins, record={"zoom": zoom}).logits(luma)
    assert sizes[0][1] == seen and answer.shape == (len(tiny_bins), 40, side)
    assert side == 1 or float((answer[0] - luma).abs().max()) < 0.02  # nothing is moved


@pytest.mark.parametrize("zoom", [0.9, 0, -1, 10, float("nan"), True, None, "1.1", [1.1]])
def test_a_zoom_that_shrinks_or_is_none_is_an_error(tiny_bins, zoom):
    with pytest.raises(ColorlibError, match=f"zoom must be a number from 1 to below 10.*got {re.escape(repr(zoom))}"):
        Colorizer(build("LiteUNet", len(tiny_bins)), tiny_bins, record={"zoom": zoom})
    with pytest.raises(ColorlibError, match="1 with a network that pads; got 1.1"):
        Colorizer(build("ColorUNet", len(tiny_bins)), tiny_bins, record={"zoom": 1.1})


def test_stretching_changes_nothing_where_sides_divide():
    torch.manual_seed(0)
    network, luma = build("LiteUNet").eval(), torch.rand(1, 1, 64, 96)
    stretched = forward_at_any_size(network, luma)
    network.stretched = False
    assert torch.equal(forward_at_any_size(network, luma), stretched)


MEMORY_PROBE = """
import resource, sys
import numpy as np, torch
from colorlib.prediction import Colorizer
colorizer = Colorizer.load(sys.argv[1])
colorizer.colorize(np.zeros((300, 300, 3), np.uint8))
height, width = int(sys.argv[2]), int(sys.argv[3])
photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
result = colorizer.colorize(photo)
print((peak() - before) / photo.nbytes, result.shape)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux reports it")
def test_40_megapixels_need_little_memory(tiny_checkpoint):
    """The result is as large as the photo; besides it at most four times as much is in use at any moment."""
    command = [sys.executable, "-c", MEMORY_PROBE, str(tiny_checkpoint), "5210", "7680"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    ratio, shape = output.split(maxsplit=1)
    assert shape.strip() == "(5210, 7680, 3)"
    assert float(ratio) < 5


def test_the_lambda_of_an_answer(opinionated_network, tiny_bins):
    """Of the training, unless the network has been made to answer with another."""
    trained = {"training": {"config": {"lam": 0.5}}}
    assert Colorizer(opinionated_network, tiny_bins, record=trained).lam == 0.5
    assert Colorizer(opinionated_network, tiny_bins, record=trained | {"lam_inference": 0.2}).lam == 0.2


def test_a_preview_leaves_the_network_of_a_training_as_it_was(tiny_bins):
    """Neither its mode nor its statistics nor its memory layout: a training goes on after it as without it."""
    model = build("ColorUNet", len(tiny_bins)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    colorizer = Colorizer(model, tiny_bins, input_size=32)
    colorizer.colorize(np.full((40, 30), 128, np.uint8))
    assert all(module.training for module in model.modules()) and not colorizer.model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(weight.is_contiguous() for weight in model.parameters())


def test_logits_of_a_batch_are_those_of_its_photos(colorizer):
    luma = torch.rand(3, 21, 34, generator=torch.Generator().manual_seed(0))
    together = colorizer.logits(luma)
    assert together.shape == (3, len(colorizer.bins), 21, 34)
    torch.testing.assert_close(together, torch.stack([colorizer.logits(one) for one in luma]), rtol=1e-4, atol=1e-4)
    assert colorizer.chroma(luma).shape == (3, 2, 21, 34)
    torch.testing.assert_close(colorizer.probabilities(luma).sum(1), torch.ones(3, 21, 34))


def test_logits_take_part_in_autograd(colorizer):
    """A temperature can be fitted on them, and they lead back to the luma: what the network looks at."""
    luma = torch.rand(16, 24, generator=torch.Generator().manual_seed(0))
    assert not colorizer.logits(luma).requires_grad
    scale = torch.ones((), requires_grad=True)
    (colorizer.logits(luma) * scale).softmax(0).amax().backward()
    assert scale.grad is not None and scale.grad != 0
    luma.requires_grad_()
    colorizer.logits(luma)[:, 8, 12].amax().backward()
    assert luma.grad is not None and luma.grad[8, 12] != 0


def test_a_record_without_lambda_says_so(opinionated_network, tiny_bins):
    with pytest.raises(ColorlibError, match="λ"):
        _ = Colorizer(opinionated_network, tiny_bins).lam
    assert Colorizer(opinionated_network, tiny_bins, record={"lam_inference": 0.2}).lam == 0.2
