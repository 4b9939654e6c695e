"""Hints: where they are, what they say, how they spread, and files that are no hints."""

import json

import numpy as np
import pytest
import torch

from colorlib import ColorlibError
from colorlib.color import chroma_of, luma_of
from colorlib.data import to_tensor
from colorlib.prediction import (
    GuidedColorizer,
    Hint,
    apply_hints,
    chroma_of_html,
    html_of,
    palette,
    parse_hints,
    read_hints,
    write_hints,
)

BLUE = (0.2, -0.05)


def blank(height: int = 30, width: int = 40):
    return torch.full((height, width), 0.5), torch.zeros(2, height, width)


def test_hints_of_any_numbers_can_be_kept_and_files_of_windows_read(tmp_path):
    path = tmp_path / "hints.json"
    write_hints(path, [Hint(np.float32(0.5), np.float64(0.25), tuple(torch.tensor([0.125, 0.0])))])
    assert read_hints(path) == [Hint(0.5, 0.25, (0.125, 0.0))]
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert read_hints(path) == [Hint(0.5, 0.25, (0.125, 0.0))]


@pytest.mark.parametrize("digits", [400, 5000])
def test_numbers_beyond_all_bounds_are_refused(digits):
    with pytest.raises(ColorlibError):
        parse_hints(f'{{"format": "colorlib-hints-1", "hints": [{{"x": {"1" * digits}, "y": 0, "color": "#ffffff"}}]}}')


def test_a_palette_at_temperature_0_is_certain_and_below_it_there_is_none(tiny_bins):
    logits = torch.randn(len(tiny_bins), 2, 2)
    first, *others = palette(logits, tiny_bins, 0.5, 0.5, temperature=0)
    assert first.probability == 1 and not any(swatch.probability for swatch in others)
    assert [s.chroma for s in (first, *others)] == [s.chroma for s in palette(logits, tiny_bins, 0.5, 0.5)]
    with pytest.raises(ColorlibError, match="temperature"):
        palette(logits, tiny_bins, 0.5, 0.5, temperature=-1)


def test_a_hint_colors_its_place_and_fades():
    luma, chroma = blank()
    answer = apply_hints(luma, chroma, [Hint(0.5, 0.5, BLUE)], reach=0.1)
    torch.testing.assert_close(answer[:, 15, 20], torch.tensor(BLUE), atol=0.01, rtol=0)
    along = answer[0, 15, 20:]
    assert (along.diff() <= 1e-5).all() and float(along[-1]) < 0.1 * BLUE[0]


def test_reach_says_how_far():
    luma, chroma = blank()
    near, far = (apply_hints(luma, chroma, [Hint(0.1, 0.5, BLUE)], reach)[0, 15, 30] for reach in (0.08, 2.5))
    assert float(far) > 5 * float(near)


def test_a_hint_stops_at_an_edge():
    luma, chroma = blank()
    luma[:, 20:] = 0.9
    answer = apply_hints(luma, chroma, [Hint(0.2, 0.5, BLUE)], reach=0.5)
    assert float(answer[0, :, :20].min()) > 5 * float(answer[0, :, 20:].max())


def test_no_hints_change_nothing(colorizer, real_photos):
    luma, chroma = torch.rand(9, 8), torch.rand(2, 9, 8) - 0.5
    assert apply_hints(luma, chroma, []) is chroma
    unguided = GuidedColorizer(colorizer, []).colorize(real_photos[0])
    np.testing.assert_array_equal(unguided, colorizer.colorize(real_photos[0]))


def test_a_hint_of_the_network_s_own_color_changes_nothing():
    luma, chroma = torch.rand(20, 30), (torch.rand(2, 20, 30) - 0.5) / 3
    hint = Hint(0.4, 0.3, tuple(chroma[:, 6, 12].tolist()))
    torch.testing.assert_close(apply_hints(luma, chroma, [hint]), chroma, atol=1e-6, rtol=0)


def test_contradictory_hints_meet_in_the_middle():
    luma, chroma = blank()
    answer = apply_hints(luma, chroma, [Hint(0.5, 0.5, (0.2, 0.0)), Hint(0.5, 0.5, (-0.1, 0.1))])
    torch.testing.assert_close(answer[:, 15, 20], torch.tensor([0.05, 0.05]), atol=0.002, rtol=0)
    apart = apply_hints(luma, chroma, [Hint(0.2, 0.5, (0.2, 0.0)), Hint(0.8, 0.5, (-0.2, 0.0))])
    assert float(apart[0, 15, 8]) > 0.19 and float(apart[0, 15, 32]) < -0.19


@pytest.mark.parametrize(
    ("x", "y", "place"), [(0, 0, (0, 0)), (1, 1, (2, 3)), (0.26, 0.34, (1, 1)), (0.24, 0.32, (0, 0))]
)
def test_places_are_shares_of_the_picture(x, y, place):
    assert Hint(x, y, BLUE).pixel(3, 4) == place
    assert Hint(x, y, BLUE).pixel(1, 1) == (0, 0)


@pytest.mark.parametrize("place", [(-0.01, 0.5), (1.01, 0.5), (0.5, 2.0), (float("nan"), 0.5), (0.5, float("inf"))])
def test_hints_outside_the_picture_are_refused(place):
    with pytest.raises(ColorlibError, match="outside the picture"):
        Hint(*place, BLUE)


@pytest.mark.parametrize("chroma", [(0.5, 0.0), (0.0, -0.7), (float("nan"), 0.0)])
def test_colors_that_no_photo_has_are_refused(chroma):
    with pytest.raises(ColorlibError, match="no colour"):
        Hint(0.5, 0.5, chroma)


@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (200, 2), (61, 97)])
def test_any_size_keeps_its_luma_and_takes_the_hint(colorizer, shape, refined):
    photo = np.full(shape, 128, np.uint8)
    picture = GuidedColorizer(colorizer, [Hint(0.5, 0.5, BLUE)], refined).colorize(photo)
    assert picture.shape == (*shape, 3) and abs(luma_of(to_tensor(picture)) * 255 - 128).max() <= 1.01
    row, column = Hint(0.5, 0.5, BLUE).pixel(*shape)
    torch.testing.assert_close(chroma_of(to_tensor(picture))[:, row, column], torch.tensor(BLUE), atol=0.01, rtol=0)


# The palette


def test_the_palette_is_the_network_s_distribution_in_order(tiny_bins):
    logits = torch.randn(8, 5, 6, generator=torch.Generator().manual_seed(0))
    swatches = palette(logits, tiny_bins, x=0.5, y=0.99, count=3)
    expected = logits[:, 4, 3].softmax(0)
    order = sorted(range(8), key=lambda k: -float(expected[k]))[:3]
    assert [s.probability for s in swatches] == pytest.approx([float(expected[k]) for k in order])
    assert [s.chroma for s in swatches] == [tuple(tiny_bins.colors[k].tolist()) for k in order]
    everything = palette(logits, tiny_bins, 0.5, 0.99, count=99)
    assert len(everything) == 8 and sum(s.probability for s in everything) == pytest.approx(1)


def test_a_temperature_changes_how_sure_the_palette_is_not_its_order(tiny_bins):
    logits = torch.randn(8, 1, 1, generator=torch.Generator().manual_seed(1))
    one, calm = (palette(logits, tiny_bins, 0, 0, temperature=t) for t in (1.0, 3.0))
    assert [s.chroma for s in one] == [s.chroma for s in calm] and one[0].probability > calm[0].probability


# Colours as text


@pytest.mark.parametrize("color", ["#ff0000", "#0080ff", "#123456", "#FFFFFF"])
def test_html_colors_have_the_chrominance_of_their_pixels(color):
    pixel = np.array([[[int(color[i : i + 2], 16) for i in (1, 3, 5)]]], np.uint8)
    expected = to_tensor(pixel)
    assert chroma_of_html(color) == pytest.approx(chroma_of(expected).flatten().tolist(), abs=1e-6)
    assert html_of(chroma_of_html(color), float(luma_of(expected))) == color.lower()


@pytest.mark.parametrize("color", ["blue", "#fff", "#12345g", "123456", 7, None, "#1234567"])
def test_what_is_no_html_color_is_refused(color):
    with pytest.raises(ColorlibError, match="no colour"):
        chroma_of_html(color)


# Files


def test_hints_come_back_from_their_file(tmp_path):
    hints = [Hint(0.25, 0.5, BLUE), Hint(1.0, 0.0, (-0.1, 0.123456789))]
    write_hints(tmp_path / "hints.json", hints)
    assert read_hints(tmp_path / "hints.json") == hints
    write_hints(tmp_path / "hints.json", [])
    assert read_hints(tmp_path / "hints.json") == []


def test_the_documented_example_is_read():
    from colorlib.prediction import hints

    text = hints.__doc__[hints.__doc__.index('{"format"') : hints.__doc__.index("``x``")]
    first, second = parse_hints(text)
    assert first.chroma == chroma_of_html("#5b8fd0") and second == Hint(0.8, 0.9, (-0.05, 0.02))


GOOD = {"x": 0.5, "y": 0.5, "color": "#336699"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not hints"),
        ('{"hints": []}', "not hints"),
        ({"format": "colorlib-hints-2", "hints": []}, "not hints"),
        ({"format": "colorlib-hints-1", "hints": {}}, "not hints"),
        ([GOOD, {**GOOD, "x": 1.5}], "hint 2: a hint at .* is outside"),
        ([{**GOOD, "x": "0.5"}], "hint 1: expected a number, got '0.5'"),
        ([{**GOOD, "y": True}], "hint 1: expected a number, got True"),
        ([{**GOOD, "color": "blue"}], "hint 1: 'blue' is no colour"),
        ([{**GOOD, "chroma": [0, 0]}], "hint 1: expected .* either"),
        ([{"x": 0, "y": 0}], "hint 1: expected .* either"),
        ([{"x": 0, "y": 0, "chroma": [0.1]}], "hint 1: .* two numbers"),
        ([{"x": 0, "y": 0, "chroma": [9, 0]}], "hint 1: .* is no colour"),
        ([{"x": 0, "y": float("nan"), "chroma": [0, 0]}], "hint 1: .* outside"),
        ([7], "hint 1: expected"),
    ],
)
def test_wrong_files_are_refused_with_their_name(tmp_path, content, message):
    if isinstance(content, list):
        content = {"format": "colorlib-hints-1", "hints": content}
    path = tmp_path / "wrong.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ColorlibError, match=f"wrong.json: {message}"):
        read_hints(path)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(ColorlibError, match=r"none.json cannot be read: No such file"):
        read_hints(tmp_path / "none.json")
    (tmp_path / "photo.json").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ColorlibError, match=r"photo.json cannot be read: it is not text"):
        read_hints(tmp_path / "photo.json")
