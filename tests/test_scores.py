"""The tables of the scores: the frontier with its stains, and the semantic test."""

import json

import pytest
import torch

import colorlib
from colorlib.errors import ColorlibError
from colorlib.files import PROJECT
from colorlib.models import build, bundled_checkpoints, save_checkpoint
from experiments import scores


class Greenest:
    """A classifier of a kind, with two classes: how much greener than red is the picture?"""

    @classmethod
    def load(cls):
        return cls()

    def probabilities(self, rgb):
        greener = (rgb[1] - rgb[0]).mean()
        return torch.stack([greener, -greener]).mul(20).softmax(0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, opinionated_network, tiny_bins):
    path = tmp_path_factory.mktemp("scores") / "tiny.safetensors"
    save_checkpoint(path, opinionated_network, tiny_bins, {"temperature": 0.5, "input_size": 64})
    return str(path)


def test_the_semantic_test_compares_with_gray_on_the_same_photos(checkpoint, real_paths, monkeypatch):
    monkeypatch.setattr(scores, "Classifier", Greenest)
    table = scores.semantic_test([checkpoint], real_paths[:3])[checkpoint]
    assert table["scores"]["truth"]["same_class"]["mean"] == 1
    assert table["scores"]["gray"]["class_probability"]["mean"] == pytest.approx(0.5, abs=0.01)
    model, gray = (table["scores"][who]["class_probability"]["mean"] for who in ("model", "gray"))
    verdict = table["more than gray"]["class_probability"]
    assert verdict["difference"]["mean"] == pytest.approx(model - gray) and verdict["votes"] == 3
    lines = "\n".join(scores.report_recognition({"tiny": {"recognised": table}}))
    assert f"{model:.3g} [" in lines and verdict["text"] in lines


def test_a_damaged_photo_is_left_out_of_every_table(tmp_path, opinionated_network, tiny_bins, real_paths, monkeypatch):
    monkeypatch.setattr(scores, "Classifier", Greenest)
    record = {"input_size": 64, "baselines": {"mean_color": [0.0, 0.0], "luma_mean": [[0.0, 0.0]] * 32}}
    save_checkpoint(tmp_path / "tiny.safetensors", opinionated_network, tiny_bins, record)
    (tmp_path / "torn.jpg").write_bytes(real_paths[0].read_bytes()[:200])
    group = {tmp_path / "torn.jpg": "torn", real_paths[0]: "lake", real_paths[1]: "hill"}
    (found,) = scores.score([str(tmp_path / "tiny.safetensors")], group).values()
    assert found["photos"] == 2 and set(found["categories"]) == {"lake", "hill"}


def test_the_temperature_may_be_asked_for(opinionated_network, real_paths, tmp_path, tiny_bins, monkeypatch):
    """The table says so, and the pictures are paler; a regression has but one."""
    monkeypatch.setattr(scores, "Classifier", Greenest)
    group, checkpoint = dict.fromkeys(real_paths[:2], "lake"), str(tmp_path / "tiny.safetensors")
    baselines = {"mean_color": [0.0, 0.0], "luma_mean": [[0.0, 0.0]] * 32}
    save_checkpoint(
        checkpoint, opinionated_network, tiny_bins, {"temperature": 0.5, "input_size": 64, "baselines": baselines}
    )
    own, asked = (scores.score([checkpoint], group, temperature)[checkpoint] for temperature in (None, 5.0))
    assert (own["temperature"], asked["temperature"]) == (0.5, 5.0)
    paler, livelier = (found["scores"]["model"]["colorfulness"]["mean"] for found in (asked, own))
    assert paler < livelier
    of_semantics = [found["recognised"]["scores"]["model"]["class_probability"]["mean"] for found in (own, asked)]
    assert of_semantics[0] != of_semantics[1]
    save_checkpoint(tmp_path / "l2.safetensors", build("ColorUNet", 2), tiny_bins, {"output": "chroma"})
    assert scores.temperature_of(colorlib.load(str(tmp_path / "l2.safetensors")), 5.0) == 1


def test_without_the_classifier_there_is_no_semantic_test(checkpoint, real_paths, monkeypatch, capsys):
    def missing():
        raise ColorlibError("install it")

    monkeypatch.setattr(scores.Classifier, "load", missing)
    assert scores.semantic_test([checkpoint], real_paths[:3]) == {}
    assert "install it" in capsys.readouterr().out
    assert scores.report_recognition({"tiny": {"recognised": {}}}) == []


def test_the_table_of_the_frontier_has_a_cell_for_each_temperature(checkpoint, real_paths):
    found = scores.frontier_of(checkpoint, real_paths[:2])
    regression = found | {"temperatures": [1.0], "psnr": [20.0], "colorfulness": [30.0], "stains": [0.125]}
    *_, first, second = scores.report_frontier({"a": {"frontier": found}, "l2": {"frontier": regression}})
    cells, other = ([cell.strip() for cell in line.strip("|").split("|")] for line in (first, second))
    assert len(cells) == len(other) == len(scores.SHOWN) + 2
    assert cells[1].startswith(f"{found['psnr'][0]:.2f} / ") and cells[1].endswith(f"{found['stains'][0]:.3f}")
    assert other[1 + scores.SHOWN.index(1.0)] == "20.00 / 30.0 / 0.125" and other.count("–") == len(scores.SHOWN) - 1


def test_the_scores_are_those_of_the_bundled_checkpoints():
    found = json.loads((PROJECT / "experiments" / "scores.json").read_text(encoding="utf-8"))
    assert found and all(set(group) == set(bundled_checkpoints()) for group in found.values())


def test_what_costs_no_network_has_a_row_for_each_network_where_it_differs():
    """The bins and mean colours are those of a network's own photos: the first network's rows were shown for all."""
    first, second = ({"mean": mean, "low": 1.0, "high": 3.0} for mean in (2.0, 2.5))
    results = {
        name: {"scores": {"gray": {"psnr": first}, "mean_color": {"psnr": mean}}}
        for name, mean in {"a": first, "b": second, "c": first}.items()
    }
    assert scores.contender_rows("gray", results, ["psnr"]) == ["| *gray* | | 2 [1, 3] |"]
    assert scores.contender_rows("mean_color", results, ["psnr"]) == [
        "| *mean colour* (a, c) | | 2 [1, 3] |",
        "| *mean colour* (b) | | 2.5 [1, 3] |",
    ]
    assert scores.contender_rows("constant", results, ["psnr"]) == []
