"""Colour spaces against scikit-image, and what `merge_luma_chroma` promises."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import rgb2lab, rgb2yuv, yuv2rgb

from colorlib.color import chroma_of, gray_of, luma_of, merge_luma_chroma, rgb_to_lab, rgb_to_yuv, yuv_to_rgb

CUBE = torch.cartesian_prod(*[torch.linspace(0, 1, 18, dtype=torch.float64)] * 3).T.reshape(3, 54, 108)
"""18³ colours that fill the RGB cube, its corners included, as an image."""


def channels_last(image: torch.Tensor) -> np.ndarray:
    return image.movedim(-3, -1).numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_yuv_agrees_with_scikit_image(dtype):
    ours = rgb_to_yuv(CUBE.to(dtype))
    assert ours.dtype == dtype
    np.testing.assert_allclose(channels_last(ours), rgb2yuv(channels_last(CUBE)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inverse_agrees_with_scikit_image(dtype):
    yuv = CUBE * torch.tensor([1.0, 0.872, 1.23], dtype=torch.float64)[:, None, None] - torch.tensor(
        [0.0, 0.436, 0.615], dtype=torch.float64
    ).reshape(3, 1, 1)
    ours = yuv_to_rgb(yuv.to(dtype))
    np.testing.assert_allclose(channels_last(ours), yuv2rgb(channels_last(yuv)), rtol=0, atol=1e-6)


@given(arrays(np.float64, (3, 4, 5), elements=st.floats(0, 1)))
def test_yuv_and_back_is_the_identity(rgb):
    image = torch.from_numpy(rgb)
    torch.testing.assert_close(yuv_to_rgb(rgb_to_yuv(image)), image, rtol=0, atol=1e-12)
    torch.testing.assert_close(yuv_to_rgb(rgb_to_yuv(image.float())), image.float(), rtol=0, atol=1e-6)


def test_ranges_are_those_the_module_states():
    yuv = rgb_to_yuv(CUBE)  # linear, so the extremes lie on the cube's corners
    lowest, highest = yuv.amin((1, 2)), yuv.amax((1, 2))
    torch.testing.assert_close(lowest, torch.tensor([0, -0.436, -0.615]).double(), rtol=0, atol=1e-3)
    torch.testing.assert_close(highest, torch.tensor([1, 0.436, 0.615]).double(), rtol=0, atol=1e-3)


def test_luma_and_chroma_are_the_parts_of_yuv():
    image = torch.rand(2, 5, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    yuv = rgb_to_yuv(image)
    assert luma_of(image).shape == (2, 5, 4, 6) and chroma_of(image).shape == (2, 5, 2, 4, 6)
    torch.testing.assert_close(luma_of(image), yuv[:, :, 0])
    torch.testing.assert_close(chroma_of(image), yuv[:, :, 1:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 1, 256), (3, 16, 16), (2, 3, 256, 1)])
def test_gray_has_exactly_no_chrominance(dtype, shape):
    """Not even a rounding error: neutral lies on a corner of four of the paper's cells, and noise would choose one."""
    levels = torch.arange(256, dtype=dtype)[: shape[-2] * shape[-1]] / 255
    gray = levels.reshape(shape[-2:]).expand(shape)
    assert (chroma_of(gray) == 0).all() and (rgb_to_yuv(gray)[..., 1:, :, :] == 0).all()
    torch.testing.assert_close(luma_of(gray), gray[..., 0, :, :], rtol=0, atol=1e-6)


@given(arrays(np.float64, (2, 3, 4, 5), elements=st.floats(0, 1)))
def test_a_picture_in_gray_keeps_its_luma_and_nothing_else(rgb):
    image = torch.from_numpy(rgb)
    gray = gray_of(image)
    torch.testing.assert_close(gray, merge_luma_chroma(luma_of(image), torch.zeros(2, 2, 4, 5).double()))
    assert gray.shape == image.shape and (chroma_of(gray) == 0).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 2e-3)])
def test_lab_agrees_with_scikit_image(dtype, tolerance):
    ours = rgb_to_lab(CUBE.to(dtype))
    np.testing.assert_allclose(channels_last(ours), rgb2lab(channels_last(CUBE)), rtol=0, atol=tolerance)


def test_lab_has_finite_gradients_everywhere():
    image = CUBE.clone().requires_grad_()
    rgb_to_lab(image).sum().backward()
    assert image.grad is not None and image.grad.isfinite().all()


@given(
    arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)),
    arrays(np.float32, (2, 3, 4), elements=st.floats(-1, 1, width=32)),
)
def test_join_keeps_luma_and_hue_and_stays_in_gamut(luma, chroma):
    luma, chroma = torch.from_numpy(luma), torch.from_numpy(chroma)
    rgb = merge_luma_chroma(luma, chroma)
    assert rgb.shape == (3, 3, 4) and (rgb >= 0).all() and (rgb <= 1).all()
    torch.testing.assert_close(luma_of(rgb), luma, rtol=0, atol=2e-6)
    shown = chroma_of(rgb).double()
    cross = shown[0] * chroma[1] - shown[1] * chroma[0]  # 0 where both point the same way: the same hue
    assert cross.abs().max() < 1e-5
    assert ((shown * chroma).sum(0) >= -1e-6).all()  # and not the opposite way
    assert (shown.norm(dim=0) <= chroma.norm(dim=0) + 1e-5).all()


def test_join_is_exact_where_the_color_fits():
    image = torch.rand(3, 50, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(merge_luma_chroma(luma_of(image), chroma_of(image)), image, rtol=0, atol=1e-12)


def test_join_gives_up_no_more_color_than_it_must():
    generator = torch.Generator().manual_seed(0)
    luma = torch.rand(100, 100, generator=generator, dtype=torch.float64)
    chroma = torch.rand(2, 100, 100, generator=generator, dtype=torch.float64) - 0.5
    rgb = merge_luma_chroma(luma, chroma)
    faded = (chroma_of(rgb) - chroma).norm(dim=0) > 1e-9
    assert 1000 < faded.sum() < 9000  # both cases occur
    at_the_limit = torch.minimum(rgb, 1 - rgb).amin(0) < 1e-9  # one channel at 0 or 1: no room for more colour
    assert at_the_limit[faded].all()


def test_join_of_black_and_white_is_black_and_white():
    luma = torch.tensor([[0.0, 1.0]])
    rgb = merge_luma_chroma(luma, torch.full((2, 1, 2), 0.3))
    assert rgb[:, 0, 0].tolist() == [0, 0, 0] and rgb[:, 0, 1].tolist() == [1, 1, 1]


def test_join_works_on_batches():
    luma, chroma = torch.rand(2, 5, 4, 6), torch.rand(2, 5, 2, 4, 6) - 0.5
    torch.testing.assert_close(merge_luma_chroma(luma, chroma)[1, 3], merge_luma_chroma(luma[1, 3], chroma[1, 3]))


@pytest.mark.parametrize("convert", [rgb_to_yuv, yuv_to_rgb, luma_of, chroma_of, rgb_to_lab])
def test_wrong_images_are_refused(convert):
    with pytest.raises(ValueError, match="3 channels"):
        convert(torch.rand(4, 5, 5))
    with pytest.raises(ValueError, match="3 channels"):
        convert(torch.rand(5, 3))
    with pytest.raises(TypeError, match="divide by 255"):
        convert(torch.zeros(3, 5, 5, dtype=torch.uint8))
