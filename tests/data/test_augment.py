"""Augmentation: crops lie where they must, masks tell the truth, luma and colour never drift apart."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from colorlib.color import chroma_of, luma_of
from colorlib.data import (
    ASPECTS,
    add_noise,
    random_blur,
    random_crops,
    random_flips,
    random_resized_crops,
    random_shape,
    random_tone,
    random_zoom,
)

SIZE = 24


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def coordinates() -> torch.Tensor:
    """A frame whose every pixel says where it is: (row, column, 77), uint8 (24, 24, 3)."""
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    return torch.stack([rows, columns, torch.full_like(rows, 77)], -1).to(torch.uint8)


def test_crops_are_squares_of_the_photo(coordinates):
    sizes = torch.tensor([[24, 24], [16, 24], [24, 16], [10, 24], [24, 10], [10, 10], [16, 16], [1, 1]])
    frames = coordinates.expand(len(sizes), -1, -1, -1)
    seen = [set() for _ in sizes]
    for seed in range(300):
        crops, mask = random_crops(frames, sizes, 16, generator(seed))
        assert crops.shape == (8, 16, 16, 3) and crops.dtype == torch.uint8
        assert mask.shape == (8, 16, 16) and mask.dtype == torch.bool
        for i, (height, width) in enumerate(sizes.tolist()):
            top, left = crops[i, 0, 0, :2].tolist()
            assert (crops[i] == coordinates[top : top + 16, left : left + 16]).all()
            inside = (crops[i, :, :, 0] < height) & (crops[i, :, :, 1] < width)
            assert (mask[i] == inside).all()
            assert mask[i].sum() == min(height, 16) * min(width, 16)  # as much photo as fits
            seen[i].add((top, left))
    assert {top for top, _ in seen[0]} == set(range(9)) and {left for _, left in seen[0]} == set(range(9))
    assert seen[6] == {(0, 0)} and seen[7] == {(0, 0)}  # no choice


def test_crop_positions_are_uniform(coordinates):
    crops, _ = random_crops(coordinates.expand(9000, -1, -1, -1), torch.full((9000, 2), SIZE), 16, generator())
    for axis in (0, 1):
        counts = np.bincount(crops[:, 0, 0, axis].numpy(), minlength=9)
        assert len(counts) == 9 and abs(counts - 1000).max() < 150  # five standard deviations


def test_crops_may_be_the_whole_frame_but_not_more(coordinates):
    crops, mask = random_crops(coordinates[None], torch.tensor([[24, 20]]), SIZE, generator())
    assert (crops[0] == coordinates).all() and mask.sum() == 24 * 20
    with pytest.raises(ValueError, match="25 pixels out of photos of 24"):
        random_crops(coordinates[None], torch.tensor([[24, 20]]), 25, generator())


def test_flips_mirror_frame_and_mask_together(coordinates):
    frames = coordinates.expand(1000, -1, -1, -1)
    mask = torch.zeros(1000, SIZE, SIZE, dtype=torch.bool)
    mask[:, :, :10] = True
    flipped, flipped_mask = random_flips(frames, mask, generator())
    turned = flipped[:, 0, 0, 1] == SIZE - 1
    assert 420 < turned.sum() < 580  # half of them, within five standard deviations
    assert (flipped[turned] == frames[turned].flip(2)).all() and (flipped[~turned] == frames[~turned]).all()
    assert (flipped_mask[turned] == mask[turned].flip(2)).all() and (flipped_mask[~turned] == mask[~turned]).all()
    assert (flipped[..., 1] < 10).eq(flipped_mask).all()  # the mask still covers the same pixels


def test_noise_is_gaussian_with_a_strength_of_its_own_for_each_photo():
    luma = torch.full((400, 1, 64, 64), 0.5)
    noisy = add_noise(luma, 0.05, generator())
    deviations = (noisy - luma).flatten(1).std(1) / 0.05
    assert deviations.max() < 1.03
    assert kstest(deviations.numpy(), "uniform").pvalue > 1e-3
    strongest = (noisy - luma)[deviations.argmax()].flatten().double().numpy()
    assert kstest(strongest / strongest.std(), "norm").pvalue > 1e-3


def test_noise_stays_in_range_and_can_be_nothing():
    luma = torch.rand(4, 1, 32, 32, generator=generator())
    assert (add_noise(luma, 0.0, generator()) == luma).all()
    noisy = add_noise(luma, 2.0, generator())
    assert noisy.min() == 0 and noisy.max() == 1
    assert (luma == torch.rand(4, 1, 32, 32, generator=generator())).all()  # the input is left alone


def test_zoom_reaches_every_side_in_turn():
    frames, sizes = torch.randint(256, (2, 64, 64, 3), dtype=torch.uint8), torch.full((2, 2), 64)
    sides = []
    for seed in range(60):
        shrunk, new_sizes = random_zoom(frames, sizes, 32, 8, generator(seed))
        assert shrunk.dtype == torch.uint8 and (new_sizes == shrunk.shape[1]).all()  # these photos fill the frame
        sides.append(shrunk.shape[1])
    assert set(sides) == {32, 40, 48, 56, 64}
    assert random_zoom(frames, sizes, 64, 8, generator())[0] is frames


def test_zoomed_photos_contain_none_of_the_padding():
    """White photos on the frames' black padding: inside the sizes that are returned, everything is still white."""
    sizes = torch.tensor([[64, 64], [64, 48], [48, 64], [37, 64], [64, 51], [33, 33], [9, 64]])
    steps = torch.arange(64)
    inside = (steps[None, :, None] < sizes[:, :1, None]) & (steps[None, None, :] < sizes[:, 1:, None])
    frames = (255 * inside).to(torch.uint8)[..., None].expand(-1, -1, -1, 3)
    for seed in range(20):
        shrunk, new_sizes = random_zoom(frames, sizes, 32, 8, generator(seed))
        scale = shrunk.shape[1] / 64
        for photo, (height, width), (old_height, old_width) in zip(
            shrunk, new_sizes.tolist(), sizes.tolist(), strict=True
        ):
            assert (photo[:height, :width] == 255).all(), (scale, old_height, old_width)
            assert old_height * scale - height < 2 and old_width * scale - width < 2  # and no more is given up


def test_shapes_are_those_of_photos_and_suit_the_stride():
    shapes = [random_shape(160, 96, 8, 32, generator(seed)) for seed in range(400)]
    assert all(height % 32 == width % 32 == 0 and 96 <= max(height, width) <= 160 for height, width in shapes)
    assert {max(shape) for shape in shapes} == {96, 128, 160}
    unrounded = {random_shape(160, 160, 8, 1, generator(seed)) for seed in range(100)}
    assert unrounded == {(90, 160), (107, 160), (120, 160), (160, 160), (160, 120)} and len(ASPECTS) == 5


def test_resized_crops_are_boxes_of_the_photo_and_nothing_else():
    """Ramps on black padding: what is cut out is a ramp, of the shape's aspect within a fifth, and never padding."""
    rows, columns = torch.meshgrid(torch.arange(160), torch.arange(160), indexing="ij")
    ramps = torch.stack([rows + 60, columns + 60, torch.full_like(rows, 200)], -1)
    sizes = torch.tensor([[160, 160], [107, 160], [160, 90], [64, 160], [33, 33], [5, 160]] * 3)
    inside = (rows < sizes[:, :1, None]) & (columns < sizes[:, 1:, None])
    photos = (ramps * inside[..., None]).to(torch.uint8)
    shares = []
    for seed in range(30):
        shape = random_shape(160, 96, 8, 32, generator(seed))
        crops = random_resized_crops(photos, sizes, shape, generator(seed))
        assert crops.shape == (len(sizes), *shape, 3) and crops.dtype == torch.uint8 and (crops[..., 2] == 200).all()
        for crop, (height, width) in zip(crops.float(), sizes.tolist(), strict=True):
            assert crop[..., 0].max() <= height + 59 and crop[..., 1].max() <= width + 59
            assert (crop[1:, :, 0] >= crop[:-1, :, 0]).all() and (crop[:, 1:, 1] >= crop[:, :-1, 1]).all()
            if min(height, width) > 60:
                tall = float(crop[-1, 0, 0] - crop[0, 0, 0] + 1)
                wide = float(crop[0, -1, 1] - crop[0, 0, 1] + 1)
                assert abs(np.log(wide / tall * shape[0] / shape[1])) < 0.2 + 0.06  # pixels are whole
                shares.append(max(tall / height, wide / width) ** 2)
    assert 0.42 < min(shares) < 0.55 and 0.9 < max(shares) <= 1  # of the area of the largest box of its own aspect


def test_a_resized_crop_of_all_of_a_photo_is_that_photo(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *shape, generator: torch.tensor([[0.5, 1.0, 0.3, 0.7]]))
    photo = torch.randint(256, (1, 64, 64, 3), dtype=torch.uint8, generator=generator())
    whole = random_resized_crops(photo, torch.tensor([[48, 64]]), (48, 64), generator())
    assert torch.equal(whole[0], photo[0, :48])


def test_tone_is_a_curve_through_black_and_white():
    luma = torch.linspace(0, 1, 101).reshape(1, 1, 1, 101).expand(500, 1, 1, 101)
    bent = random_tone(luma, 0.3, generator())
    assert (bent[..., 0] == 0).all() and (bent[..., -1] == 1).all() and (bent.diff(dim=-1) > 0).all()
    exponents = bent[:, 0, 0, 50].log() / np.log(0.5)
    assert kstest(exponents.log().numpy(), "uniform", (-0.3, 0.6)).pvalue > 1e-3
    assert torch.equal(random_tone(luma, 0.0, generator()), luma)


def test_blur_softens_some_batches_and_leaves_the_others_alone():
    luma = torch.rand(2, 1, 32, 32, generator=generator())
    blurred = [random_blur(luma, 0.5, generator(seed)) for seed in range(200)]
    untouched = sum(torch.equal(result, luma) for result in blurred)
    assert 65 < untouched < 135  # half, within five standard deviations
    assert all(result.shape == luma.shape and result.std() <= luma.std() + 1e-6 for result in blurred)
    assert all(torch.equal(random_blur(luma, 0.0, generator(seed)), luma) for seed in range(5))
    flat = torch.full((1, 1, 20, 20), 0.3)
    torch.testing.assert_close(random_blur(flat, 1.0, generator()), flat)


def test_the_same_generator_gives_the_same_batch(coordinates):
    frames, sizes = coordinates.expand(8, -1, -1, -1), torch.full((8, 2), SIZE)
    for augment in (
        lambda g: random_crops(frames, sizes, 16, g)[0],
        lambda g: random_resized_crops(frames, sizes, (16, 24), g),
        lambda g: random_flips(frames, torch.ones(8, SIZE, SIZE, dtype=torch.bool), g)[0],
        lambda g: add_noise(torch.full((8, 1, 16, 16), 0.5), 0.1, g),
        lambda g: random_tone(torch.full((8, 1, 16, 16), 0.5), 0.3, g),
        lambda g: random_blur(torch.rand(8, 1, 16, 16, generator=generator()), 1.0, g),
    ):
        assert torch.equal(augment(generator(3)), augment(generator(3)))
        assert not torch.equal(augment(generator(3)), augment(generator(4)))


def test_luma_and_color_stay_aligned(synthetic_photo):
    """Each augmented pixel has a luma and a chrominance that some pixel of the photo has together."""
    photo = torch.from_numpy(synthetic_photo[:64, :64].copy())[None]
    crops, mask = random_crops(photo.expand(4, -1, -1, -1), torch.full((4, 2), 64), 32, generator())
    crops, mask = random_flips(crops, mask, generator())

    def pairs(frames: torch.Tensor) -> set[tuple[float, ...]]:
        rgb = frames.movedim(-1, 1).double() / 255
        together = torch.cat([luma_of(rgb).unsqueeze(1), chroma_of(rgb)], 1)
        return {tuple(pixel) for pixel in together.movedim(1, -1).reshape(-1, 3).tolist()}

    assert mask.all() and pairs(crops) <= pairs(photo)
