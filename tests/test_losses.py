"""The losses against plain loops, numerical gradients and their promises about padding."""

import math

import pytest
import torch

from colorlib.losses import l2_regression, rebalanced_cross_entropy


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
