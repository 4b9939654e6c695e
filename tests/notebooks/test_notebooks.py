"""The rules that every notebook of the course keeps, checked without running it; running is the workbook's own test.

`colorlib workbook --refresh` brings outputs up to date when a rule about outputs fails.
"""

import ast
import functools
import html
import json
import math
import re
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from nbformat import NotebookNode
from wrong_answers import WRONG_ANSWERS

from colorlib.color import U_LIMIT, V_LIMIT, ColorBins, UVHistogram
from colorlib.color.bins import _lloyd
from colorlib.color.lookup import cell_centres
from colorlib.course import EXERCISES, NOTEBOOKS, PROFILES, load_profile, parameters_of, source_hash, verdict
from colorlib.data import PaddedPhotos
from colorlib.files import PROJECT
from colorlib.models import build
from colorlib.prediction import annealed_mean, propagate
from colorlib.training import Objective, TrainingConfig, make_optimizer, rebalanced_cross_entropy, training_step
from colorlib.video import TemporalKernel, published_alpha

STEMS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
COURSE = """
00_start_here 01_color_bins 02_weight_maps 03_dataset 04_colorunet 05_training 06_temperature 07_confidence_maps
07b_calibration 08_color_histograms 09_data_augmentation 10_dataset_variety 11_video_smoothing 12_seeds_and_hints
13_paper_vs_code
""".split()
LONGEST_PARAGRAPH = 150  # words
SHORTEST_ALT = 30  # characters; fewer cannot say what a figure shows
LARGEST = 700_000  # bytes
FORBIDDEN_TAGS = {"skip-execution", "raises-exception", "nbval-skip", "injected-parameters"}
# What hides exceptions, works on one machine only, or is not Python.
FORBIDDEN_CODE = {
    "interact": r"\binteract(ive|ive_output|_manual)?\(",
    "Output widget": r"\bOutput\(",
    "interactive backend": r"%matplotlib",
    "shell or pip": r"^\s*[!%]",
    "absolute path": r"""["'](/|~|[A-Za-z]:\\\\)[\w.]""",
}


@functools.cache
def read(stem: str) -> NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4)


def code_cells(stem: str) -> list[NotebookNode]:
    return [cell for cell in read(stem).cells if cell.cell_type == "code"]


def text_of(stem: str) -> str:
    return "\n\n".join(cell.source for cell in read(stem).cells if cell.cell_type == "markdown")


def calls(stem: str, name: str) -> list[ast.Call]:
    """All calls of a function, such as ``show(…)`` or ``figures.show(…)``, anywhere in the code."""
    nodes = [node for cell in code_cells(stem) for node in ast.walk(ast.parse(cell.source))]
    return [n for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func).split(".")[-1] == name]


def section(stem: str, heading: str) -> str:
    """The text from the last heading that matches up to the next heading."""
    parts = re.split(r"^(#+ .*)$", text_of(stem), flags=re.M)
    found = [body for title, body in zip(parts[1::2], parts[2::2]) if re.search(heading, title, re.I)]
    assert found, f"no heading with {heading}"
    return found[-1]


def test_notebooks_are_where_they_should_be():
    assert STEMS == COURSE


every_notebook = pytest.mark.parametrize("stem", STEMS)


# Code


@every_notebook
def test_parameters_are_plain_literals_with_a_comment_each(stem):
    cells = [cell for cell in code_cells(stem) if "parameters" in cell.metadata.get("tags", [])]
    assert len(cells) == 1 and parameters_of(read(stem))
    lines = cells[0].source.splitlines()
    for statement in ast.parse(cells[0].source).body:
        own = lines[statement.lineno - 1 : statement.end_lineno]
        assert any(re.search(r"#\s*\w.{5}", line) for line in own), f"{own[0]} has no comment"


def test_profiles_fit_and_the_quick_one_is_the_notebooks_own():
    for profile in PROFILES:
        values = load_profile(profile)
        assert set(values) == set(STEMS)
    for stem, values in load_profile("quick").items():
        own = parameters_of(read(stem))
        assert values == {name: own[name] for name in values}


@every_notebook
def test_nothing_that_hides_errors_or_needs_this_machine(stem):
    for cell in read(stem).cells:
        assert not FORBIDDEN_TAGS & set(cell.metadata.get("tags", [])), cell.source
        if cell.cell_type == "code":
            for what, pattern in FORBIDDEN_CODE.items():
                assert not re.search(pattern, cell.source, re.M), f"{what} in:\n{cell.source}"


@pytest.mark.parametrize(
    "code",
    [
        "interact(f, x=3)",
        "with widgets.Output() as out:",
        "%matplotlib widget",
        "!pip install x",
        'open("/data/a.jpg")',
    ],
)
def test_the_rules_notice(code):
    assert any(re.search(pattern, code, re.M) for pattern in FORBIDDEN_CODE.values())


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """An argument of a call, whether it is given by position or by name."""
    given = dict(enumerate(call.args)) | {keyword.arg: keyword.value for keyword in call.keywords}
    return given.get(name, given.get(position))


@every_notebook
def test_figures_are_begun_declared_and_described(stem):
    names = [argument(call, 1, "name") for call in calls(stem, "show")]
    assert all(isinstance(name, ast.Constant) for name in names), (
        "figures have literal names, so that they can be found"
    )
    names = [ast.literal_eval(name) for name in names]
    assert sorted(names) == sorted(read(stem).metadata.colorlib.figures)
    assert len(set(names)) == len(names)
    assert all(argument(call, 2, "alt") for call in calls(stem, "show"))
    (begin,) = calls(stem, "start_notebook")
    assert ast.literal_eval(begin.args[0]) == stem
    recorded = set(re.findall(r"\b(\w+)=", ast.unparse(begin)))  # f(a=a) and f(**dict(a=a)) alike
    assert recorded and recorded <= set(parameters_of(read(stem)))


@every_notebook
def test_shapes_are_asserted(stem):
    code = "\n".join(cell.source for cell in code_cells(stem))
    assert re.search(r"^\s*assert .*shape", code, re.M)


# Text


@every_notebook
def test_the_first_cell_asks_and_promises(stem):
    first = read(stem).cells[0].source
    assert first.startswith(f"# {stem.split('_')[0]} · ")
    assert "?" in first  # the question
    assert len(re.findall(r"^\d\. ", first, re.M)) == 3  # goals
    assert re.search(r"prerequisites|before", first, re.I)
    assert re.search(r"minutes", first)


@every_notebook
def test_the_end_repeats_asks_and_leads_on(stem):
    recap = section(stem, r"recap|what you can do now")
    assert len(re.findall(r"^(\d\.|\*|-) ", recap, re.M)) >= 3
    recall = section(stem, r"recall|questions")
    assert recall.count("<details>") == recall.count("</details>") >= 3
    links = re.findall(r"\((\w+)\.ipynb\)", text_of(stem))
    assert set(links) <= set(STEMS)
    if stem != COURSE[-1]:
        assert links and links[-1] > stem


@every_notebook
def test_pictures_in_the_text_have_alternatives(stem):
    text = text_of(stem)
    assert not re.search(r"!\[\s*\]\(", text)
    assert all(len(alt) >= SHORTEST_ALT for alt in re.findall(r"!\[([^\]]*)\]\(", text))
    assert all(re.search(r'alt="[^"]{30,}"', tag) for tag in re.findall(r"<img[^>]*>", text))


def paragraphs(text: str) -> list[str]:
    """Paragraphs and items of lists; programs and formulas are left out."""
    prose = re.sub(r"```.*?```|\$\$.*?\$\$", "\n\n", text, flags=re.S)
    return re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|\n(?=[#|<])", prose)


def test_paragraphs_are_told_apart():
    text = "# A\none two\n\nthree\n- four\n- five\n```python\nx = 1\n```\nsix\n<details>\nseven"
    assert [part.split() for part in paragraphs(text) if part] == [
        *(["#", "A", "one", "two"], ["three"], ["-", "four"], ["-", "five"], ["six"], ["<details>", "seven"])
    ]


@every_notebook
def test_text_can_be_read(stem):
    """Balanced <details>, and no wall of text."""
    text = text_of(stem)
    assert [part for part in paragraphs(text) if len(part.split()) > LONGEST_PARAGRAPH] == []
    assert text.count("<details>") == text.count("</details>")
    assert text.count("<summary>") == text.count("</summary>") == text.count("<details>")
    assert "\t" not in text


# Exercises


def namespace_of(stem: str) -> dict[str, Any]:
    """What the notebook's own imports bring."""
    imports = [
        node
        for cell in code_cells(stem)
        for node in ast.parse(cell.source).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    namespace: dict[str, Any] = {"torch": torch, "np": np}
    exec(compile(ast.Module(imports, type_ignores=[]), stem, "exec"), namespace)
    return namespace


def definitions(stem: str, name: str) -> list[ast.stmt]:
    """The statements that define a function, or give a variable its value, in the notebook's own code."""
    nodes = [node for cell in code_cells(stem) for node in ast.parse(cell.source).body]
    return [
        node
        for node in nodes
        if (isinstance(node, ast.FunctionDef) and node.name == name)
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name)
    ]


def solutions(stem: str) -> list[str]:
    """The Python code under each "Solution"."""
    blocks = re.findall(r"<details>\s*<summary>\s*Solution.*?</details>", text_of(stem), re.S)
    return ["\n".join(re.findall(r"```python\n(.*?)```", block, re.S)) for block in blocks]


ASKED = [
    (stem, ast.literal_eval(call.args[0]), ast.unparse(call.args[1])) for stem in STEMS for call in calls(stem, "check")
]
every_exercise = pytest.mark.parametrize(("stem", "exercise", "answer"), ASKED)


@every_notebook
def test_there_are_three_exercises_with_hint_and_solution(stem):
    assert sum(asked[0] == stem for asked in ASKED) == 3
    assert len(re.findall(r"<summary>\s*Hint", text_of(stem))) >= 3
    assert len(solutions(stem)) == 3


@every_exercise
def test_the_stub_is_not_started(stem, exercise, answer):
    """As committed, an exercise is open: it neither passes nor scolds."""
    stubs = definitions(stem, answer)
    assert len(stubs) == 1, f"{answer} should be defined once"
    namespace = namespace_of(stem)
    exec(compile(ast.Module(stubs, type_ignores=[]), stem, "exec"), namespace)
    assert verdict(exercise, namespace[answer])[0] is None


@every_exercise
def test_the_solution_is_right(stem, exercise, answer):
    namespace = namespace_of(stem)
    (solution,) = [code for code in solutions(stem) if re.search(rf"^(def {answer}\(|{answer} =)", code, re.M)]
    exec(solution, namespace)
    assert verdict(exercise, namespace[answer]) == (True, "right, well done!")


def test_every_exercise_is_asked_once_and_every_mistake_belongs_to_one():
    asked = [exercise for _, exercise, _ in ASKED]
    assert len(set(asked)) == len(asked)
    assert set(WRONG_ANSWERS) == set(asked) == set(EXERCISES)
    assert all(WRONG_ANSWERS.values())


# Code of today's lesson that the library has too: both say the same


def function_of(stem: str, name: str) -> Any:
    namespace = namespace_of(stem)
    exec(compile(ast.Module(definitions(stem, name), type_ignores=[]), stem, "exec"), namespace)
    return namespace[name]


def test_the_lesson_on_grid_bins_is_the_library(histogram, real_photos):
    most_frequent_cells = function_of("01_color_bins", "most_frequent_cells")
    few_colors = UVHistogram().add(torch.tensor([[[0.0, 0.2, -0.3]], [[0.0, 0.5, 0.1]]]))
    for counted, n, grid in ((histogram, 20, 10), (histogram, 32, 17), (histogram, 1, 3), (few_colors, 3, 10)):
        mine = most_frequent_cells(*counted.colors(), n, grid)
        torch.testing.assert_close(mine, ColorBins.from_histogram(counted, n, "grid", grid).colors)


def test_the_lesson_on_kmeans_is_the_library(histogram):
    colors, counts = histogram.colors()
    start = torch.cat([torch.zeros(1, 2).double(), colors[torch.randperm(len(colors))[:7]]])
    mine, errors = function_of("01_color_bins", "lloyd")(colors, counts, start, 200)
    torch.testing.assert_close(mine, _lloyd(colors, counts, start, 200), rtol=0, atol=1e-5)
    assert len(errors) == 200 and errors == sorted(errors, reverse=True) and errors[0] > errors[-1]


def test_the_sample_answer_on_bins_is_that_of_the_saved_run():
    (bins,) = re.findall(r"at about 35 dB\. That takes (\d+) bins for nine photos of ten", text_of("01_color_bins"))
    manifest = json.loads((PROJECT / "figures" / "manifest.json").read_text(encoding="utf-8"))
    shares = manifest["fig01_quantization_cost"]["numbers"]["share_of_photos_at_35_dB"]
    assert int(bins) == min(int(n) for n, share in shares.items() if share >= 0.9)


def test_the_lesson_on_orders_of_magnitude_counts_powers_of_ten():
    orders = function_of("02_weight_maps", "orders")
    for values, expected in (([1.0, 100.0], 2), ([0.5, 0.5], 0), ([3.0, 0.001, 10.0, 0.2], 4)):
        assert orders(torch.tensor(values)) == pytest.approx(expected, abs=1e-5)


def test_the_lesson_on_the_loss_is_the_library():
    masked_loss = function_of("05_training", "masked_loss")
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(2, 5, 6, 7, generator=generator), torch.randint(5, (2, 6, 7), generator=generator)
    weights, mask = torch.tensor([0.2, 1.0, 3.0, 0.0, 7.0]), torch.rand(2, 6, 7, generator=generator) < 0.6
    mine = masked_loss(logits, target, weights, mask)
    torch.testing.assert_close(mine, rebalanced_cross_entropy(logits, target, weights, mask))


def test_the_lesson_on_the_annealed_mean_is_the_library():
    mine, printed = (function_of("06_temperature", f"{kind}_annealed_mean") for kind in ("stable", "printed"))
    generator = torch.Generator().manual_seed(0)
    logits, colors = 9 * torch.randn(32, 4, 5, generator=generator), torch.rand(32, 2, generator=generator) - 0.5
    for temperature in (0.001, 0.05, 0.38, 1.0, 10.0):
        torch.testing.assert_close(mine(logits, colors, temperature), annealed_mean(logits, colors, temperature))
    torch.testing.assert_close(printed(logits, colors, 1.0), annealed_mean(logits, colors, 1.0))
    assert printed(logits, colors, 0.001).isnan().any()  # the lesson's point


def test_the_lesson_on_spreading_is_the_library():
    spread = function_of("12_seeds_and_hints", "spread")
    generator = torch.Generator().manual_seed(0)
    luma, values = torch.rand(9, 12, generator=generator), torch.rand(2, 9, 12, generator=generator)
    weight = 5.0 * (torch.rand(9, 12, generator=generator) < 0.3)
    mine = spread(luma, values.double(), weight.double()).float()
    torch.testing.assert_close(mine, propagate(luma, values, weight), atol=1e-3, rtol=0)


def test_the_lesson_on_cell_middles_is_the_library(histogram):
    cell_middles = function_of("13_paper_vs_code", "cell_middles")
    for grid in (10, 11):
        bins = ColorBins.from_histogram(histogram, 20, "grid", grid)
        mine = cell_middles(bins.cells, grid, U_LIMIT, V_LIMIT)
        rows, columns = bins.cells.T
        torch.testing.assert_close(mine, cell_centres(grid)[rows * grid + columns])
        assert (bins.encode(mine.T[:, None, :]) == torch.arange(20)).all()


def test_the_lesson_on_the_first_bin_turns_the_lowest_cell_gray():
    forgotten = function_of("13_paper_vs_code", "first_bin_forgotten")
    colors, cells = torch.arange(1.0, 7.0).reshape(3, 2), torch.tensor([[4, 1], [2, 9], [2, 3]])
    assert forgotten(colors, cells, 10).tolist() == [[1, 2], [3, 4], [0, 0]]
    assert colors.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_the_lesson_on_the_recursion_is_the_library_once_the_film_runs():
    recursion = function_of("13_paper_vs_code", "published_recursion")
    film = torch.rand(60, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    kernel = TemporalKernel(published_alpha(0.2), math.inf)
    theirs = torch.stack([kernel(frame) for frame in film])
    torch.testing.assert_close(recursion(film, 0.2)[30:], theirs[30:], atol=1e-6, rtol=0)


def test_the_lesson_on_the_training_loop_is_the_library():
    """Four steps by hand leave the very weights of four training steps."""
    train_by_hand = function_of("05_training", "train_by_hand")
    config = TrainingConfig(image_size=32, min_size=32, crop=32, batch_size=4, schedule="constant", warmup=0)
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(256, (6, 32, 32, 3), dtype=torch.uint8, generator=generator)
    photos = PaddedPhotos(rgb, torch.full((6, 2), 32))
    objective = Objective("cross_entropy", ColorBins.from_histogram(UVHistogram().add_rgb(rgb), 8), 0.5)
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        networks.append(build("ColorUNet", 8).train())
    losses = train_by_hand(networks[0], objective, photos, config, 4)
    optimizer = make_optimizer(networks[1], config)
    steps = range(4)
    theirs = [float(training_step(networks[1], objective, optimizer, photos, step, config)) for step in steps]
    assert losses == pytest.approx(theirs, abs=1e-4)
    torch.testing.assert_close(networks[0].state_dict(), networks[1].state_dict(), atol=1e-4, rtol=1e-3)


def test_the_lesson_on_constant_answers_is_its_own_solution():
    assert verdict("best_constant_loss", function_of("05_training", "constant_loss"))[0] is not False


def test_the_lessons_on_layers_are_pytorch():
    transposed, batch_norm = (function_of("04_colorunet", name) for name in ("transposed_convolution", "batch_norm"))
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(3, 4, 5, 7, generator=generator)
    layer = torch.nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1)
    torch.testing.assert_close(transposed(features, layer.weight, layer.bias), layer(features), atol=1e-5, rtol=1e-4)
    norm = torch.nn.BatchNorm2d(4)
    torch.nn.init.uniform_(norm.weight)
    torch.testing.assert_close(batch_norm(features, norm.weight, norm.bias), norm.train()(features))


# What is committed


@every_notebook
def test_outputs_belong_to_the_code(stem):
    notebook = read(stem)
    nbformat.validate(notebook)
    assert notebook.metadata.colorlib.source_hash == source_hash(notebook), "stale: run `colorlib workbook --refresh`"
    assert notebook.metadata.kernelspec.name == "python3"
    cells = code_cells(stem)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@every_notebook
def test_outputs_are_clean(stem):
    notebook = read(stem)
    assert not {"widgets", "papermill"} & set(notebook.metadata)
    assert all(not {"papermill", "execution"} & set(cell.metadata) for cell in notebook.cells)
    for cell in code_cells(stem):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.text
            assert not any("widget" in kind for kind in output.get("data", {})), cell.source
            assert str(PROJECT) not in str(output)
            said = output.get("data", {})
            if output.output_type == "execute_result" and set(said) == {"text/plain"}:  # end such a line with ;
                assert said["text/plain"] == "a live panel", (
                    f"nobody asked for {said['text/plain']}: {cell.source[-200:]}"
                )


@every_notebook
def test_figures_are_shown_with_alternatives(stem):
    pages = [o.data["text/html"] for cell in code_cells(stem) for o in cell.outputs if "text/html" in o.get("data", {})]
    pictures = [tag for page in pages for tag in re.findall(r"<img[^>]*>", page)]
    assert len(pictures) >= len(read(stem).metadata.colorlib.figures)
    for tag in pictures:
        alt = re.search(r'alt="([^"]*)"', tag)
        assert alt and len(html.unescape(alt[1])) >= SHORTEST_ALT, tag[:200]


@every_notebook
def test_files_are_small(stem):
    assert (NOTEBOOKS / f"{stem}.ipynb").stat().st_size <= LARGEST


@every_notebook
def test_some_outputs_are_compared(stem):
    """Cells that nbval compares have one short text, and nothing that a picture or another machine would change."""
    compared = [cell for cell in code_cells(stem) if "NBVAL_CHECK_OUTPUT" in cell.source]
    assert compared
    for cell in compared:
        assert cell.outputs and all(output.output_type == "stream" for output in cell.outputs)
        assert len(cell.outputs[0].text) < 1000
