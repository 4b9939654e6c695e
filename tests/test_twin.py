"""A network and its twin by L2: only twins are compared, and each pair on the same photos."""

import sys

import pytest
import torch

from colorlib import ColorlibError
from colorlib.models import build, save_checkpoint
from colorlib.prediction import Colorizer
from experiments import twin


def record(photos: int = 9, before: int = 1, **settings) -> dict:
    """What a training of two parts writes down, as far as twins are asked."""
    config = {"model": "ColorUNet", "image_size": 64, "crop": 64, "batch_size": 4, "augment": "none", "loss": "l2"}
    part = {"config": config | settings, "photos": {"used": photos}}
    return {"input_size": 64, "temperature": 0.4, "training": part | {"before": [part] * before}}


@pytest.fixture
def classes(opinionated_network, tiny_bins) -> Colorizer:
    return Colorizer(opinionated_network, tiny_bins, record=record(loss="cross_entropy", seed=7))


def regression(bins, **changes) -> Colorizer:
    return Colorizer(build("ColorUNet", 2), bins, record=record(**changes) | {"output": "chroma"})


def test_twins_differ_in_the_question_alone(classes, tiny_bins):
    twin.require_twins(classes, regression(tiny_bins))
    with pytest.raises(ColorlibError, match="has to choose among colours"):
        twin.require_twins(regression(tiny_bins), classes)
    with pytest.raises(ColorlibError, match="photos used 9 and 8"):
        twin.require_twins(classes, regression(tiny_bins, photos=8))
    with pytest.raises(ColorlibError, match="crop 64 and 32"):
        twin.require_twins(classes, regression(tiny_bins, crop=32))
    with pytest.raises(ColorlibError, match="2 and 1 parts"):
        twin.require_twins(classes, regression(tiny_bins, before=0))
    one, other = (regression(tiny_bins) for _ in range(2))
    one.record["mean_of"], other.zoom = {"a": 0.5, "b": 0.5}, 1.1
    with pytest.raises(ColorlibError, match=r"means with shares \[\] and \[0.5, 0.5\]"):
        twin.require_twins(classes, one)
    with pytest.raises(ColorlibError, match="1.0 and 1.1 times as large"):
        twin.require_twins(classes, other)
    with pytest.raises(ColorlibError, match="no record of its training"):
        twin.require_twins(Colorizer(classes.model, tiny_bins), regression(tiny_bins))


def test_a_table_says_in_what_the_trainings_differ_and_who_is_closer(
    classes, tiny_bins, real_paths, tmp_path, monkeypatch, capsys
):
    class Photo:
        def __init__(self, path):
            self.path = path

    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / real_paths[0].name).symlink_to(real_paths[0])
    monkeypatch.setattr(twin, "bundled", lambda split: [Photo(path) for path in real_paths[:3]])
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    save_checkpoint(one, classes.model, tiny_bins, classes.record)
    save_checkpoint(other, build("ColorUNet", 2), tiny_bins, record() | {"output": "chroma"})
    arguments = [one, other, "--photos", tmp_path / "photos", "--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", ["twin", *map(str, arguments)])
    twin.main()
    text = (tmp_path / "out" / "twin.md").read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    assert "* part 1 of 2: loss (cross_entropy, l2)\n" in text
    assert (
        "3 photos." in text
        and "1 photos." in text
        and "| choosing, own | 0.4 |" in text
        and "| L2 (T: the factor), own | 1 |" in text
    )


def test_a_factor_makes_the_twin_livelier_and_one_leaves_it_as_it_is(tiny_bins, real_paths):
    colorizer = regression(tiny_bins)
    with torch.no_grad():
        colorizer.model.output[-1].bias.fill_(0.1)  # one colour for all, so that its pictures have any
    plain, scaled = (twin.measure_network(colorizer, real_paths[:2], factors) for factors in ((1.0,), twin.FACTORS))
    assert scaled.at(1.0) == pytest.approx(plain.at(1.0))
    vividness = [scaled.at(factor)[:, 2].mean() for factor in twin.FACTORS]
    assert vividness == sorted(vividness) and vividness[-1] > 1.2 * vividness[0] > 0
