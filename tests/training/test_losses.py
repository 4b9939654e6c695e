"""The losses against plain loops, numerical gradients and their promises about padding."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colorlib.color import ColorBins, chroma_of, rgb_to_lab
from colorlib.models import MODELS, build
from colorlib.training import (
    Objective,
    SoftTargets,
    adjust_logits,
    adjust_output_bias,
    distillation,
    l2_regression,
    mean_color_error,
    mean_over_everything,
    rebalanced_cross_entropy,
)
from colorlib.training import soft_cross_entropy as soft_loss
from colorlib.training.losses import NEAREST, SIGMA


def example(seed: int = 0, n: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """float64 logits (2, n, 3, 4), bins, weights and a mask that hides about a third."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, n, 3, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(n, (2, 3, 4), generator=generator)
    weights = 0.1 + torch.rand(n, generator=generator, dtype=torch.float64)
    mask = torch.rand(2, 3, 4, generator=generator) > 0.3
    return logits, target, weights, mask


@pytest.mark.parametrize("masked", [False, True])
def test_cross_entropy_against_a_loop(masked):
    logits, target, weights, mask = example()
    mask = mask if masked else torch.ones_like(mask)
    terms = []
    for photo, row, column in mask.nonzero().tolist():
        scores = logits[photo, :, row, column].tolist()
        true_bin = int(target[photo, row, column])
        log_probability = scores[true_bin] - math.log(sum(math.exp(score) for score in scores))
        terms.append(-float(weights[true_bin]) * log_probability)
    ours = rebalanced_cross_entropy(logits, target, weights, mask if masked else None)
    assert float(ours) == pytest.approx(sum(terms) / len(terms), rel=1e-12)


def test_the_published_mean_is_over_padding_and_bins():
    """minus the mean of onehot · log p · weight · mask over all of B x n x H x W, as peers describe the code."""
    logits, target, weights, mask = example()
    one_hot = torch.nn.functional.one_hot(target, logits.shape[1]).movedim(-1, 1)
    everything = -(logits.log_softmax(1) * one_hot * (weights[target] * mask)[:, None]).mean()
    ours = mean_over_everything(rebalanced_cross_entropy(logits, target, weights, mask), mask, logits.shape[1])
    assert float(ours) == pytest.approx(float(everything), rel=1e-6)


def test_cross_entropy_passes_gradcheck():
    logits, target, weights, mask = example()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: rebalanced_cross_entropy(x, target, weights, mask), logits)
    assert torch.autograd.gradcheck(lambda x: rebalanced_cross_entropy(x, target, weights), logits)


def test_l2_against_a_loop_and_gradcheck():
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    chroma = torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64)
    mask = torch.rand(2, 3, 4, generator=generator) > 0.3
    terms = [
        float(((prediction[b, :, y, x] - chroma[b, :, y, x]) ** 2).sum().detach())
        for b, y, x in mask.nonzero().tolist()
    ]
    assert l2_regression(prediction, chroma, mask).item() == pytest.approx(sum(terms) / len(terms), rel=1e-12)
    assert l2_regression(prediction, chroma).item() == pytest.approx(
        ((prediction - chroma) ** 2).mean().item() * 2, rel=1e-12
    )
    assert torch.autograd.gradcheck(lambda x: l2_regression(x, chroma, mask), prediction)


def soft_example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """float64 logits (2, 7, 3, 4), three bins a pixel with shares (2, 3, 3, 4), pixel weights and a mask."""
    logits, _, _, mask = example(n=7)
    generator = torch.Generator().manual_seed(1)
    bins = torch.rand(2, 7, 3, 4, generator=generator).argsort(dim=1)[:, :3]
    shares = torch.rand(2, 3, 3, 4, generator=generator, dtype=torch.float64)
    weights = 0.1 + torch.rand(2, 3, 4, generator=generator, dtype=torch.float64)
    return logits, bins, shares / shares.sum(1, keepdim=True), weights, mask


@pytest.mark.parametrize("masked", [False, True])
def test_soft_cross_entropy_against_a_loop(masked):
    logits, bins, shares, weights, mask = soft_example()
    mask = mask if masked else torch.ones_like(mask)
    terms = []
    for photo, row, column in mask.nonzero().tolist():
        scores = logits[photo, :, row, column].tolist()
        log_sum = math.log(sum(math.exp(score) for score in scores))
        pairs = zip(bins[photo, :, row, column].tolist(), shares[photo, :, row, column].tolist())
        surprise = -sum(share * (scores[index] - log_sum) for index, share in pairs)
        terms.append(float(weights[photo, row, column]) * surprise)
    ours = soft_loss(logits, bins, shares, weights, mask if masked else None)
    assert float(ours) == pytest.approx(sum(terms) / len(terms), rel=1e-12)


def test_soft_cross_entropy_passes_gradcheck_and_ignores_padding():
    logits, bins, shares, weights, mask = soft_example()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: soft_loss(x, bins, shares, weights, mask), logits)
    (gradient,) = torch.autograd.grad(soft_loss(logits, bins, shares, weights, mask), logits)
    assert (gradient.movedim(1, -1)[~mask] == 0).all() and (gradient.movedim(1, -1)[mask] != 0).all()


def test_one_bin_with_all_the_share_is_the_hard_loss():
    logits, target, weights, mask = example()
    ones = torch.ones(2, 1, 3, 4, dtype=torch.float64)
    soft = soft_loss(logits, target[:, None], ones, weights[target], mask)
    torch.testing.assert_close(soft, rebalanced_cross_entropy(logits, target, weights, mask))


def test_soft_targets_against_direct_gaussians(kmeans_bins):
    """The table's cells are small beside σ: shares differ from those of the very pixel by a few percent at most."""
    generator = torch.Generator().manual_seed(0)
    chroma = torch.rand(1, 2, 40, 40, generator=generator, dtype=torch.float64) * 0.8 - 0.4
    index, shares = SoftTargets(kmeans_bins.colors)(chroma)
    assert index.shape == shares.shape == (1, NEAREST, 40, 40)
    distance = (chroma.movedim(1, -1).unsqueeze(-2) - kmeans_bins.colors).norm(dim=-1)  # (1, 40, 40, 32)
    closest = distance.topk(NEAREST, largest=False)
    gaussian = torch.exp(
        -((closest.values - closest.values[..., :1]) * (closest.values + closest.values[..., :1])) / (2 * SIGMA**2)
    )
    direct = torch.zeros(1, 40, 40, 32, dtype=torch.float64)
    direct.scatter_(-1, closest.indices, gaussian / gaussian.sum(-1, keepdim=True))
    table = torch.zeros(1, 40, 40, 32, dtype=torch.float64).scatter_(
        -1, index.movedim(1, -1), shares.double().movedim(1, -1)
    )
    torch.testing.assert_close(shares.sum(1), torch.ones(1, 40, 40))
    difference = (table - direct).abs().sum(-1) / 2  # the share that went to another bin
    assert difference.mean() < 0.01 and difference.max() < 0.15


def test_fewer_bins_than_neighbours_and_colors_far_from_all():
    index, shares = SoftTargets(torch.tensor([[0.0, 0.0], [0.01, 0.0]]))(torch.tensor([0.45, 0.65]).reshape(1, 2, 1, 1))
    assert index.shape == (1, 2, 1, 1) and shares.isfinite().all() and float(shares.sum()) == pytest.approx(1)
    assert index.flatten().tolist() == [1, 0]


def test_the_width_of_soft_targets_is_zhangs():
    """σ = 5 in (a, b), translated by the areas that the colours of a screen fill in the two planes."""
    corners = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], dtype=torch.float64)
    u, v = chroma_of(corners.T[:, None])[:, 0]
    uv_area = float((u * v.roll(-1) - u.roll(-1) * v).sum().abs()) / 2  # of the hexagon (shoelace formula)
    inside = torch.zeros(64, 64, dtype=torch.bool)  # cells of 4 x 4 units
    grid = torch.linspace(0, 1, 64)
    volume = torch.stack(torch.meshgrid(grid, grid, grid, indexing="ij")).reshape(3, 64, -1)
    a, b = (rgb_to_lab(volume)[1:] / 4).floor().long()
    inside[a + 32, b + 32] = True
    ab_area = 16 * int(inside.sum())
    assert SIGMA == pytest.approx(5 * (uv_area / ab_area) ** 0.5, rel=0.05)


def test_an_objective_is_its_loss(kmeans_bins: ColorBins):
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(256, (2, 6, 5, 3), dtype=torch.uint8, generator=generator)
    mask = torch.rand(2, 6, 5, generator=generator) < 0.7
    target, chroma = kmeans_bins.encode_rgb(rgb), chroma_of(rgb.movedim(-1, 1).float() / 255)
    weights, logits = kmeans_bins.weights(0.3), torch.randn(2, 32, 6, 5, generator=generator)
    pale = torch.randn(2, 2, 6, 5, generator=generator) * 0.1
    classes, soft, l2 = (Objective(name, kmeans_bins, 0.3) for name in ("cross_entropy", "soft", "l2"))
    assert (classes.outputs, soft.outputs, l2.outputs) == (32, 32, 2)
    assert torch.equal(classes(logits, rgb, mask), rebalanced_cross_entropy(logits, target, weights, mask))
    expected = soft_loss(logits, *SoftTargets(kmeans_bins.colors)(chroma), weights[target], mask)
    assert torch.equal(soft(logits, rgb, mask), expected)
    assert torch.equal(l2(pale, rgb, mask), l2_regression(pale, chroma, mask))
    assert torch.equal(classes.guess(logits), logits.argmax(1)) and torch.equal(
        l2.guess(pale), kmeans_bins.encode(pale)
    )
    assert torch.equal(l2.guess(chroma), kmeans_bins.encode(chroma))


def test_the_error_of_the_mean_color_by_a_plain_loop_and_its_gradient():
    logits, _, _, mask = example()
    generator = torch.Generator().manual_seed(1)
    colors = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    chroma = torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64)
    errors = []
    for photo, row, column in mask.nonzero().tolist():
        scores = [math.exp(score) for score in logits[photo, :, row, column].tolist()]
        for axis in (0, 1):
            mean = sum(score * float(colors[bin, axis]) for bin, score in enumerate(scores)) / sum(scores)
            errors.append((mean - float(chroma[photo, axis, row, column])) ** 2)
    assert float(mean_color_error(logits, colors, chroma, mask)) == pytest.approx(sum(errors) / int(mask.sum()))
    assert torch.autograd.gradcheck(lambda x: mean_color_error(x, colors, chroma, mask), logits.requires_grad_())


@pytest.mark.parametrize("name", ["cross_entropy", "soft"])
def test_an_objective_with_a_color_weight_adds_the_error_of_what_is_answered(name: str, kmeans_bins: ColorBins):
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(256, (2, 6, 5, 3), dtype=torch.uint8, generator=generator)
    mask = torch.rand(2, 6, 5, generator=generator) < 0.7
    chroma, logits = chroma_of(rgb.movedim(-1, 1).float() / 255), torch.randn(2, 32, 6, 5, generator=generator)
    alone = Objective(name, kmeans_bins, 0.5)(logits, rgb, mask)
    for answer_lam in (None, 0.1):
        both = Objective(name, kmeans_bins, 0.5, color_weight=7.0, answer_lam=answer_lam)(logits, rgb, mask)
        answer = adjust_logits(logits, kmeans_bins.weights(0.5), kmeans_bins.weights(answer_lam or 0.5))
        error = mean_color_error(answer, kmeans_bins.colors, chroma, mask)
        assert float(both) == pytest.approx(float(alone + 7 * error), rel=1e-6)


def test_the_mean_color_error_prefers_a_likeness_that_cross_entropy_does_not_see():
    red, like_red, blue = torch.tensor([0.0, 0.5]), torch.tensor([0.0, 0.4]), torch.tensor([0.4, -0.1])
    colors, truth = torch.stack((red, like_red, blue)), red[None, :, None, None]
    nearly, wrong = (torch.tensor(scores)[None, :, None, None] for scores in ([0.0, 5.0, 0.0], [0.0, 0.0, 5.0]))
    target = torch.zeros(1, 1, 1, dtype=torch.int64)
    entropies = [rebalanced_cross_entropy(logits, target, torch.ones(3)) for logits in (nearly, wrong)]
    assert torch.equal(*entropies)
    assert mean_color_error(nearly, colors, truth) < mean_color_error(wrong, colors, truth) / 10


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_distillation_by_a_plain_loop_and_its_gradient(temperature):
    logits, _, _, mask = example()
    teacher = example(seed=1)[0]
    divergences = []
    for photo, row, column in mask.nonzero().tolist():
        ours, theirs = (scores[photo, :, row, column].tolist() for scores in (logits, teacher))
        p, q = ([math.exp(score / temperature) for score in scores] for scores in (theirs, ours))
        p, q = [value / sum(p) for value in p], [value / sum(q) for value in q]
        divergences.append(sum(a * math.log(a / b) for a, b in zip(p, q)))
    expected = temperature**2 * sum(divergences) / int(mask.sum())
    assert float(distillation(logits, teacher, temperature, mask)) == pytest.approx(expected)
    x = logits.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: distillation(x, teacher, temperature, mask), x)
    assert float(distillation(teacher, teacher, temperature, mask)) == pytest.approx(0, abs=1e-12)
    # the same slope as the cross-entropy against the teacher's probabilities, computed by PyTorch's own
    distillation(x, teacher, 1.0).backward()
    y = logits.clone().requires_grad_()
    torch.nn.functional.cross_entropy(y, teacher.softmax(1)).backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_softening_leaves_the_push_of_distillation_as_strong():
    """At high temperatures the gradient tends to (z - v) / n with centred logits (Hinton et al. 2015, §2.1)."""
    logits, teacher = (example(seed=seed)[0] for seed in (0, 1))
    logits.requires_grad_()
    distillation(logits, teacher, 1000.0).backward()
    centred = (logits - logits.mean(1, keepdim=True)) - (teacher - teacher.mean(1, keepdim=True))
    torch.testing.assert_close(logits.grad * logits[:, 0].numel(), centred.detach() / 5, atol=0.01, rtol=0.02)


def test_an_undecided_network_loses_log_n():
    target = torch.arange(32).reshape(1, 4, 8)  # each bin once, so frequencies are even and weights are 1
    assert float(rebalanced_cross_entropy(torch.zeros(1, 32, 4, 8), target, torch.ones(32))) == pytest.approx(
        math.log(32), rel=1e-6
    )


def test_a_sure_and_right_network_loses_nothing_and_a_wrong_one_stays_finite():
    target = torch.zeros(1, 2, 2, dtype=torch.int64)
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 0] = 1e4
    assert float(rebalanced_cross_entropy(logits, target, torch.ones(3))) == 0
    assert float(rebalanced_cross_entropy(logits, target + 1, torch.ones(3))) == pytest.approx(1e4)


def test_value_is_scaled_by_the_weight_of_the_true_bin_only():
    logits, _, weights, _ = example()
    target = torch.full((2, 3, 4), 3)
    plain = rebalanced_cross_entropy(logits, target, torch.ones_like(weights))
    torch.testing.assert_close(rebalanced_cross_entropy(logits, target, weights), weights[3] * plain)


@pytest.mark.parametrize("loss", ["cross-entropy", "l2"])
def test_padding_changes_neither_value_nor_gradient(loss):
    logits, target, weights, _ = example()

    def value_and_gradient(height: int, width: int, fill: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of the same photo in a frame of this size, padded with arbitrary scores and bins."""
        frame = torch.full((2, 5, height, width), fill, dtype=torch.float64)
        frame[:, :, :3, :4] = logits
        frame.requires_grad_()
        bins = torch.full((2, height, width), 2)
        bins[:, :3, :4] = target
        mask = torch.zeros(2, height, width, dtype=torch.bool)
        mask[:, :3, :4] = True
        if loss == "l2":
            value = l2_regression(frame[:, :2], torch.sin(bins.double()).unsqueeze(1).expand(-1, 2, -1, -1), mask)
        else:
            value = rebalanced_cross_entropy(frame, bins, weights, mask)
        value.backward()
        assert frame.grad is not None
        assert (frame.grad[:, :, 3:] == 0).all() and (frame.grad[:, :, :, 4:] == 0).all()
        return value.detach(), frame.grad[:, :, :3, :4]

    value, gradient = value_and_gradient(3, 4, 0)
    assert gradient.abs().max() > 0
    for height, width, fill in [(3, 5, 0), (8, 8, 50), (17, 4, -1e6)]:
        padded_value, padded_gradient = value_and_gradient(height, width, fill)
        torch.testing.assert_close(padded_value, value, rtol=1e-12, atol=0)
        torch.testing.assert_close(padded_gradient, gradient, rtol=1e-12, atol=0)


def test_every_pixel_counts_alike_whatever_its_photo():
    logits, target, weights, _ = example()
    mask = torch.zeros(2, 3, 4, dtype=torch.bool)
    mask[0], mask[1, 0, 0] = True, True  # 12 pixels of one photo, 1 of the other
    first = rebalanced_cross_entropy(logits[:1], target[:1], weights)
    second = rebalanced_cross_entropy(logits[1:, :, :1, :1], target[1:, :1, :1], weights)
    both = rebalanced_cross_entropy(logits, target, weights, mask)
    torch.testing.assert_close(both, (12 * first + second) / 13)


def test_nothing_to_learn_from_is_zero_not_nan():
    logits, target, weights, mask = example()
    logits.requires_grad_()
    loss = rebalanced_cross_entropy(logits, target, weights, torch.zeros_like(mask))
    loss.backward()
    assert loss.item() == 0 and logits.grad is not None and (logits.grad == 0).all()
    assert l2_regression(logits[:, :2], logits[:, 2:4], torch.zeros_like(mask)).item() == 0


@pytest.mark.parametrize("name", MODELS)
@given(trained_with=st.floats(0.01, 1), lam=st.floats(0.01, 1))
@settings(max_examples=5)
def test_the_best_answer_for_one_lambda_becomes_that_for_another(name, trained_with, lam, tiny_bins):
    """Where a network gives w · p, the minimum of the rebalanced loss, it gives w' · p afterwards."""
    torch.manual_seed(0)
    model, luma = build(name, len(tiny_bins)).eval(), torch.rand(1, 1, 32, 32)
    p = model(luma).softmax(1).detach() / tiny_bins.weights(trained_with).view(-1, 1, 1)  # up to a factor
    adjust_output_bias(lam, model, tiny_bins, trained_with)
    expected = p * tiny_bins.weights(lam).view(-1, 1, 1)
    torch.testing.assert_close(model(luma).softmax(1), expected / expected.sum(1, keepdim=True), atol=1e-5, rtol=1e-3)
