"""The small trainings: what a pool is, and half of one."""

import numpy as np
import pytest
from PIL import Image

from colorlib import ColorlibError
from colorlib.data import Cache, bundled, prepare
from colorlib.data.sources import folder_sources
from colorlib.files import read_rows
from colorlib.prediction import Colorizer
from colorlib.training import TrainingConfig
from experiments import ablations


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Of eleven photos, made up: eight to train on."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(11):
        colors = rng.integers(0, 255, (4, 4, 3), np.uint8)
        Image.fromarray(colors).resize((32, 24), Image.Resampling.NEAREST).save(folder / f"{number}.png")
    return prepare(folder_sources(folder), tmp_path_factory.mktemp("cache"), 32, train=8, validation=3)


def test_a_pool_is_the_bundled_photos_and_folders_or_a_cache_alone(cache, real_paths):
    own = len(bundled("train")) - len(ablations.held_out())
    assert ablations.pool_size([]) == own
    assert ablations.pool_size([str(real_paths[0].parent)]) > own
    assert ablations.pool_size([str(cache.folder)]) == len(cache.photos("train")) == 8


def test_an_experiment_that_needs_a_cache_says_so(tmp_path):
    for name in (ablations.HALF, next(iter(ablations.VARIETY))):
        with pytest.raises(ColorlibError, match=f"{name}: needs --photos"):
            ablations.run_missing(["base", name], [0], [], [], ablations.Table(tmp_path / "rows.csv"))


def test_half_of_a_cache_is_a_cache_with_half_of_the_photos_to_train_on(cache, tmp_path):
    half = Cache(ablations.half_of(cache.folder, tmp_path / "half"))
    names = [[entry.name for entry in one.entries if entry.split == "train"] for one in (cache, half)]
    assert names[1] == names[0][::2] and len(names[1]) == 4
    assert len(half.photos("validation")) == len(cache.photos("validation")) == 3
    assert half.photos("train").rgb.equal(cache.photos("train").rgb[::2])


def test_sources_of_strong_colors_are_left_out_and_no_others(tmp_path):
    """Pale photos of three sources in two folders, and one of a fourth in full colours."""
    for name, chroma in {"a/pale-1": 20, "b/pale-2": 22, "a/pale-3": 24, "b/dim-1": 26, "b/wild-1": 200}.items():
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 24), (20 + chroma, 20, 20)).save(path)
    cache = prepare(folder_sources(tmp_path / "photos"), tmp_path / "cache", 32, train=5, validation=0)
    found = ablations.sources_of(cache.folder)
    assert list(found)[0] == "b/wild" and found["a/pale"][0] == 2 and len(found) == 4
    total = sum(count * mean for count, mean, _ in found.values()) / 5
    assert all(ratio == pytest.approx(mean / total) for _, mean, ratio in found.values())
    kept = Cache(ablations.muted(cache.folder, tmp_path / "muted"))
    assert {e.name.split("/")[-1] for e in kept.entries if e.split == "unused"} == {"wild-1.png"}
    assert len(kept.photos("train")) == 4


@pytest.mark.parametrize(("one", "other"), [pair for pair in ablations.CLAIMS if pair[0] == "lite"])
def test_experiments_of_the_default_network_differ_in_one_thing(one, other):
    settings, others = ablations.EXPERIMENTS[one], ablations.EXPERIMENTS[other]
    changed = {key for key in settings | others if settings.get(key) != others.get(key)}
    if other == "lite-random":
        assert changed == {"pretrained", "encoder_lr_scale"}
    elif other.startswith("lite-input-"):
        assert changed == {"image_size", "crop", "min_size"}
    else:
        assert len(changed) == (other != ablations.HALF)


def test_what_has_been_measured_is_not_measured_again():
    """A new setting of trainings left every row's recipe another, and the rows would have been lost from the table."""
    rows = read_rows(ablations.HERE / "ablations.csv")
    assert len(rows) > 100
    for row in rows:
        config = TrainingConfig.from_yaml(ablations.BASE, **ablations.EXPERIMENTS[row["experiment"]])
        assert ablations.fingerprint(config) == row["recipe"], row["experiment"]


def test_a_later_setting_counts_where_it_is_used():
    plain, weighted = (TrainingConfig.from_yaml(ablations.BASE, color_weight=weight) for weight in (0.0, 1.0))
    assert ablations.fingerprint(plain) != ablations.fingerprint(weighted)


def test_what_is_counted_in_other_bins_is_not_compared():
    text = ablations.report(read_rows(ablations.HERE / "ablations.csv"))
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in text.splitlines() if " − " in line}
    for pair in ("grid − base", "grid − odd-grid", "input-96 − base", "variety-all − variety-1"):
        _, _, accuracy, gain, _, _, nll = rows[pair]
        assert accuracy == "–" and nll == "– |" and gain != "–", pair
    assert "–" not in rows["lam-1 − base"] and "–" not in rows["as-published − as-written"]


def test_the_last_of_the_temperatures_is_tried_too(opinionated_network, tiny_bins, monkeypatch):
    """Of a gray photo every colour is wrong: the flattest answer, nearest to gray, is the best."""
    monkeypatch.setattr(ablations, "TEMPERATURES", [0.5, 1.0, 5.0])
    judge = object.__new__(ablations.Judge)  # without the bundled photos
    judge.to_choose_on = [np.full((64, 64, 3), 128, np.uint8)]
    colorizer = Colorizer(opinionated_network, tiny_bins, record={"input_size": 64})
    assert judge.best_temperature(colorizer) == 5.0


def test_colorfulness_at_1_does_not_hang_on_the_temperature_chosen(opinionated_network, tiny_bins):
    judge = object.__new__(ablations.Judge)
    colorizer = Colorizer(opinionated_network, tiny_bins, record={"input_size": 64})
    rgb = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    cold, warm = (judge.measure(colorizer, rgb, T) for T in (0.2, 1.0))
    assert warm["colorfulness"] == warm["colorfulness_at_1"] == cold["colorfulness_at_1"] < cold["colorfulness"]
