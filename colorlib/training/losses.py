"""The losses: rebalanced cross-entropy over colour bins (paper §2.1), soft ones, L2 (§1), and two together."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorlib.color.bins import ColorBins
from colorlib.color.lookup import cell_centres, cell_of
from colorlib.color.spaces import chroma_of, unit_rgb

IGNORED = -100  # the class index that PyTorch's cross-entropy leaves out

# Zhang et al. (2016, §2.2) share each target among the 5 nearest bins by a Gaussian of σ = 5 in the (a, b) plane of
# CIELAB. The colours of a screen fill 22,600 units² of that plane and 0.760 of the UV plane, so that on average a
# length of 1 there is √(0.760 / 22,600) = 0.0058 here.
NEAREST, SIGMA = 5, 0.029
CELLS = 512  # along each axis of the table of soft targets: cells of 0.0018 x 0.0025, a tenth of σ and less


class Objective:
    """What a network is to learn, by one of the three losses; knows the bins, their weights and how to ask for them.

    ``name`` is cross_entropy, soft or l2; ``outputs`` is how many numbers per pixel it asks of the network: a score for
    each bin, or U and V for l2. With a ``color_weight``, the network is also to come close to the true colour on
    average: `mean_color_error`, of what it answers at ``answer_lam`` (None: at ``lam``), times that weight is added.

    >>> from colorlib.color import UVHistogram
    >>> photo, mask = torch.randint(256, (1, 8, 8, 3), dtype=torch.uint8), torch.ones(1, 8, 8, dtype=torch.bool)
    >>> objective = Objective("cross_entropy", ColorBins.from_histogram(UVHistogram().add_rgb(photo), n=4), lam=1.0)
    >>> round(float(objective(torch.zeros(1, 4, 8, 8), photo, mask)), 4)  # log 4
    1.3863
    """

    def __init__(
        self,
        name: str,
        bins: ColorBins,
        lam: float = 0.5,
        device: str | torch.device = "cpu",
        color_weight: float = 0.0,
        answer_lam: float | None = None,
    ):
        self.name, self.bins, self.color_weight = name, bins, color_weight
        self.answer_weights = self.bins.weights(lam if answer_lam is None else answer_lam).to(device)
        self.outputs = 2 if name == "l2" else len(bins)
        self.weights = bins.weights(lam).to(device)
        self.soft_targets = SoftTargets(bins.colors, device) if name == "soft" else None

    def __call__(self, output: Tensor, rgb: Tensor, mask: Tensor) -> Tensor:
        """The loss of a network's output (B, n or 2, H, W) on uint8 photos (B, H, W, 3) with a mask: a scalar."""
        if self.name == "l2":
            return l2_regression(output, chroma_of(unit_rgb(rgb)), mask)
        target = self.bins.encode_rgb(rgb)
        if self.soft_targets is not None:
            loss = soft_cross_entropy(output, *self.soft_targets(chroma_of(unit_rgb(rgb))), self.weights[target], mask)
        else:
            loss = rebalanced_cross_entropy(output, target, self.weights, mask)
        if self.color_weight:
            answer = adjust_logits(output, self.weights, self.answer_weights)
            loss = loss + self.color_weight * mean_color_error(answer, self.bins.colors, chroma_of(unit_rgb(rgb)), mask)
        return loss

    def guess(self, output: Tensor) -> Tensor:
        """The bins (B, H, W) that an output puts its pixels in."""
        return self.bins.encode(output) if self.name == "l2" else output.argmax(1)


def rebalanced_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over the photo's pixels of w[bin] · -log softmax(logits)[bin]: a scalar in nats.

    Args:
        logits: (B, n, H, W), before the softmax.
        target: (B, H, W), int64 bin of each pixel.
        weights: (n,), from `ColorBins.weights`; their expected value is 1, so the loss of a
            uniform prediction is about log n.
        mask: (B, H, W), true where the photo is; padding outside it changes neither value nor gradient.

    The mean divides by the number of pixels, not by their summed weights as PyTorch's own mean does:
    otherwise a batch of rare colours would count no more than a batch of common ones.

    >>> loss = rebalanced_cross_entropy(torch.zeros(1, 32, 4, 4), torch.zeros(1, 4, 4).long(), torch.ones(32))
    >>> round(float(loss), 4)  # log 32
    3.4657
    """
    if mask is not None:
        target = target.masked_fill(~mask, IGNORED)
    total = F.cross_entropy(logits, target, weight=weights, ignore_index=IGNORED, reduction="sum")
    pixels = target.numel() if mask is None else mask.sum().clamp(min=1)
    return total / pixels


def mean_over_everything(loss: Tensor, mask: Tensor, n: int) -> Tensor:
    """A loss per pixel of the photo, averaged as the published code does [authors' code]: a scalar.

    It adds up what the photos' pixels lose and divides by all numbers of the output, B·H·W·n: the padding outside
    ``mask`` (B, H, W) and the n bins count too. The factor 1/n is the same for all batches: plain gradient descent
    would learn n times as slowly, Adam, which divides by the gradient's size, as fast as before. The padding makes a
    batch of narrow photos count less.

    >>> mask = torch.tensor([[[True, False]]])
    >>> float(mean_over_everything(torch.tensor(8.0), mask, n=4))
    1.0
    """
    return loss * mask.float().mean() / n


def adjust_logits(logits: Tensor, trained: Tensor, wanted: Tensor) -> Tensor:
    """What a network trained with one set of rebalancing weights would say, had it been trained with another.

    ``logits`` (..., n, H, W); ``trained`` and ``wanted`` (n,) from `ColorBins.weights`. The weighted cross-entropy is
    lowest where p(bin) ∝ weight · true probability, so changing the weights multiplies probabilities by their ratio:
    it adds log(wanted / trained) to the logits (Menon et al. 2021: logit adjustment). Equal wanted weights undo
    rebalancing. Exact for a network that reached that minimum; for a real one it is a forecast, to be measured.

    >>> adjust_logits(torch.zeros(2, 1, 1), torch.ones(2), torch.tensor([3.0, 1.0])).softmax(0).flatten()
    tensor([0.7500, 0.2500])
    """
    return logits + (wanted / trained).log().to(logits)[:, None, None]


@torch.no_grad()
def adjust_output_bias(lam: float, model: nn.Module, bins: ColorBins, trained_with: float) -> None:
    """Make a network trained with one λ answer as if it had been trained with another, in place.

    It is `adjust_logits`, taken up by the bias of the last layer: nothing is trained, and nothing becomes slower.

    >>> from colorlib.color import UVHistogram
    >>> from colorlib.models import build
    >>> photo, luma = torch.randint(256, (1, 8, 8, 3), dtype=torch.uint8), torch.rand(1, 1, 8, 8)
    >>> bins, model = ColorBins.from_histogram(UVHistogram().add_rgb(photo), n=4), build("ColorUNet", 4).eval()
    >>> expected = adjust_logits(model(luma), bins.weights(0.5), bins.weights(0.2))
    >>> adjust_output_bias(0.2, model, bins, trained_with=0.5)
    >>> torch.allclose(model(luma), expected, atol=1e-5)
    True
    """
    last = [layer for layer in getattr(model, "output", model).modules() if isinstance(layer, nn.Conv2d)][-1]
    assert last.bias is not None and last.out_channels == len(bins)
    logits = last.bias[:, None, None]  # of a picture of one pixel
    last.bias.copy_(adjust_logits(logits, bins.weights(trained_with), bins.weights(lam)).flatten())


class SoftTargets:
    """How the target of a chrominance is shared among its nearest bins: closer bins get more, by a Gaussian.

    A network that answers with the bin next to the true one is then less wrong than one that answers with another
    colour altogether. The weights are computed once, for the centres of the cells of a fine grid of the UV plane.

    >>> bins, weights = SoftTargets(torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.0, 0.03]]))(torch.zeros(1, 2, 1, 1))
    >>> bins.flatten().tolist(), [round(weight, 1) for weight in weights.flatten().tolist()]
    ([0, 2, 1], [0.6, 0.4, 0.0])
    """

    def __init__(
        self, colors: Tensor, device: str | torch.device = "cpu", sigma: float = SIGMA, nearest: int = NEAREST
    ):
        distance = torch.cdist(cell_centres(CELLS), colors.double())  # (cells, n)
        closest = distance.topk(min(nearest, len(colors)), largest=False)
        self.bins = closest.indices.to(device)  # (cells, k)
        # The Gaussians' common factor cancels; as a softmax they are safe far from every bin, where all vanish.
        self.weights = (-(closest.values**2) / (2 * sigma**2)).softmax(dim=1).float().to(device)

    def __call__(self, chroma: Tensor) -> tuple[Tensor, Tensor]:
        """Chrominance (B, 2, H, W) -> the k nearest bins, int64, and their weights: both (B, k, H, W)."""
        place = cell_of(chroma[:, 0], chroma[:, 1], CELLS)
        return self.bins[place].movedim(-1, 1), self.weights[place].movedim(-1, 1)


def soft_cross_entropy(
    logits: Tensor, bins: Tensor, weights: Tensor, pixel_weights: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Mean over the photo's pixels of w · -Σ weight · log softmax(logits)[bin]: a scalar in nats.

    Args:
        logits: (B, n, H, W), before the softmax.
        bins, weights: (B, k, H, W), from `SoftTargets`; the weights of a pixel sum to 1. Only k of the n logits are
            gathered, so that no target of the logits' size is ever made.
        pixel_weights: (B, H, W), the weight of each pixel's true bin, as in the hard loss.
        mask: (B, H, W), true where the photo is.
    """
    surprise = logits.logsumexp(dim=1) - (weights * logits.gather(1, bins)).sum(dim=1)
    return _masked_mean(surprise * pixel_weights, mask)


def distillation(logits: Tensor, teacher: Tensor, temperature: float = 1.0, mask: Tensor | None = None) -> Tensor:
    """Mean over the photo's pixels of T² · KL(teacher ‖ student): a scalar in nats, 0 where they agree.

    Both are logits (B, n, H, W), softened alike: probabilities are softmax(logits / T). A photo's bin says what was
    there, a teacher's probabilities also what might have been. KL is the cross-entropy against them less their own
    entropy, which is not the student's doing, so the gradient is the cross-entropy's. It shrinks with 1 / T², which
    the factor makes up for (Hinton, Vinyals & Dean 2015, §2: distillation).

    >>> student, teacher = torch.zeros(1, 2, 1, 1), torch.tensor([0.0, 3.0]).log().clamp(min=-99)[None, :, None, None]
    >>> round(float(distillation(student, teacher)), 4)  # the teacher is sure: log 2
    0.6931
    """
    ours, theirs = ((scores / temperature).log_softmax(1) for scores in (logits, teacher))
    divergence = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(1)
    return temperature**2 * _masked_mean(divergence, mask)


def l2_regression(prediction: Tensor, chroma: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared distance between predicted and true chrominance, both (B, 2, H, W): a scalar.

    The classical loss that the paper argues against: its best answer to "red or blue?" is gray.

    >>> float(l2_regression(torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)))
    2.0
    """
    return _masked_mean(((prediction - chroma) ** 2).sum(dim=1), mask)


def mean_color_error(logits: Tensor, colors: Tensor, chroma: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared distance between the colour that a network expects and the true one: a scalar [ours].

    ``logits`` (B, n, H, W); ``colors`` (n, 2), a chrominance for each bin; ``chroma`` (B, 2, H, W), the true one. The
    expected colour is that of the annealed mean at T = 1. Cross-entropy does not know which bins are alike; this does,
    and unlike `l2_regression` it leaves the network a choice of colours.

    >>> two_reds = torch.tensor([[0.0, 0.5], [0.0, 0.3]])
    >>> round(float(mean_color_error(torch.zeros(1, 2, 4, 4), two_reds, torch.zeros(1, 2, 4, 4))), 2)  # 0.4²
    0.16
    """
    expected = torch.einsum("bnhw,nc->bchw", logits.softmax(1), colors.to(logits))
    return l2_regression(expected, chroma, mask)


def _masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return values.mean()
    return values.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)
