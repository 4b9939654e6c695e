"""A network in ONNX: what another program makes of it is what PyTorch makes of it."""

import builtins
import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import colorlib
from colorlib import ColorlibError, cli
from colorlib.data import bundled, fit, read_photo, write_photo
from colorlib.prediction import Colorizer, export, export_onnx

Sizes = list[tuple[int, int, int]]
SIZES: Sizes = [(1, 64, 96), (2, 45, 71), (1, 1, 3)]  # n, h, w: of the stride, and two that are not


@pytest.fixture(scope="module")
def exported(onnx_packages: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundled default and the paper's network, as the shell writes them."""
    folder = tmp_path_factory.mktemp("exported")
    files = {name: folder / f"{name}.onnx" for name in ("liteunet", "colorunet")}
    assert cli.main(["export", str(files["liteunet"])]) == 0
    assert cli.main(["export", str(files["colorunet"]), "--model", "colorunet"]) == 0
    assert sorted(folder.iterdir()) == sorted(files.values())
    return files


def session_of(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def assert_same(path: Path, colorizer: Colorizer, sizes: Sizes, temperature: float | None = None) -> None:
    session = session_of(path)
    for size in sizes:
        luma = torch.rand(size, generator=torch.Generator().manual_seed(0))
        chroma, logits = session.run(["chroma", "logits"], {"luma": luma[:, None].numpy()})
        np.testing.assert_allclose(logits, colorizer.logits(luma).numpy(), rtol=0, atol=1e-4)
        np.testing.assert_allclose(chroma, colorizer.chroma(luma, temperature).numpy(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["liteunet", "colorunet"])
def test_onnxruntime_gives_what_pytorch_gives(name: str, exported: dict[str, Path]) -> None:
    assert_same(exported[name], colorlib.load(name), SIZES)


@pytest.mark.parametrize("temperature", [0.0, 0.05, 2.0])
def test_another_temperature_can_be_written(
    temperature: float, colorizer: Colorizer, onnx_packages: None, tmp_path: Path
) -> None:
    export_onnx(colorizer, tmp_path / "net.onnx", temperature)
    assert_same(tmp_path / "net.onnx", colorizer, [(2, 20, 30)], temperature)
    properties = session_of(tmp_path / "net.onnx").get_modelmeta().custom_metadata_map
    assert float(properties["temperature"]) == temperature != colorizer.temperature
    assert properties["lambda"] == properties["licence"] == "not recorded"  # as its record is empty
    assert properties["name"] == "ColorUNet"


@pytest.mark.parametrize("name", ["liteunet", "colorunet"])
def test_the_file_says_how_to_use_it(name: str, exported: dict[str, Path]) -> None:
    properties = session_of(exported[name]).get_modelmeta().custom_metadata_map
    colorizer = colorlib.load(name)
    assert properties["name"] == name
    assert int(properties["input_size"]) == colorizer.input_size
    assert float(properties["temperature"]) == colorizer.temperature
    assert float(properties["lambda"]) == colorizer.lam
    assert json.loads(properties["bins"]) == colorizer.bins.colors.tolist()
    assert "MIT" in properties["licence"] and "BT.601" in properties["color_space"]


def test_the_ten_lines_color_a_photo_as_colorlib_does(
    exported: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code that the documentation shows, with nothing of colorlib in it."""
    assert export.__doc__ is not None
    lines = export.__doc__.split("::\n\n")[1].split("\n\n")[0]
    assert len(lines.splitlines()) == 10 and "colorlib" not in lines
    photo = fit(read_photo(bundled("validation")[0].path), colorlib.load().input_size)
    write_photo(tmp_path / "old.png", photo)
    monkeypatch.chdir(tmp_path)
    names = {"json": json, "np": np, "Image": Image, "session": session_of(exported["liteunet"])}
    exec(dedent(lines).replace("old.jpg", "old.png"), names)
    ours = colorlib.load().colorize(photo)
    theirs = np.asarray(Image.open(tmp_path / "coloured.png"))
    assert np.abs(theirs.astype(int) - ours).max() <= 1
    assert np.ptp(ours.astype(int), axis=2).max() > 20  # it has colours


def test_a_regression_has_colors_only(onnx_packages: None, tmp_path: Path) -> None:
    colorizer = colorlib.load("colorunet-l2")
    export_onnx(colorizer, tmp_path / "l2.onnx")
    session = session_of(tmp_path / "l2.onnx")
    assert [output.name for output in session.get_outputs()] == ["chroma"]
    luma = torch.rand(2, 21, 34)
    (chroma,) = session.run(None, {"luma": luma[:, None].numpy()})
    np.testing.assert_allclose(chroma, colorizer.chroma(luma).numpy(), rtol=0, atol=1e-4)
    with pytest.raises(ColorlibError, match="only temperature is 1"):
        export_onnx(colorizer, tmp_path / "other.onnx", 0.4)


@pytest.mark.parametrize(
    ("target", "answer"),
    [("net.pt", "ends in .onnx"), ("net", "ends in .onnx"), ("missing/net.onnx", "missing does not exist")],
)
def test_a_name_that_cannot_be_is_one_sentence(
    target: str, answer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", str(tmp_path / target), "--model", "colorunet"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert answer in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_that_name_stays(onnx_packages: None, colorizer: Colorizer, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").mkdir()
    with pytest.raises(ColorlibError, match=r"cannot write .*net\.onnx"):
        export_onnx(colorizer, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == [tmp_path / "net.onnx"]


def test_an_interrupted_export_leaves_the_old_file(
    onnx_packages: None, colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.onnx").write_text("old")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "_metadata", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_onnx(colorizer, tmp_path / "net.onnx")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("net.onnx", "old")]


def test_without_onnx_it_says_what_to_install(
    colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without_onnx(name: str, *rest: Any, **options: Any) -> Any:
        if name.split(".")[0] == "onnx":
            raise ImportError(name)
        return real_import(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    with pytest.raises(ColorlibError, match="pip install onnx onnxruntime"):
        export_onnx(colorizer, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
