"""What the course quotes from the paper, word for word, by section: a quotation that is not here fails a test.

Billaut, de Rochemonteix and Thibault, "A convolutional classification approach to colorization" (2018). The captions
of its figures are under the section in which they stand. Formulas and emphasis are left out; " | " stands where a
sentence goes on after a figure or a formula.
"""

PAPER: dict[str, tuple[str, ...]] = {
    "abstract": (
        "We show that a rather lightweight architecture inspired by the U-Net, and trained on a reasonable amount of "
        "pictures of landscapes, achieves satisfactory results on this specific subset of pictures.",
        "We show that data augmentation significantly improves the performance and robustness of the model.",
    ),
    "introduction": (
        "We focused on designing our own architecture from scratch, rather than using parts from other architecture or "
        "pre-trained portions, to ensure modularity, full control of the design and keep the overall complexity "
        "reasonable.",
    ),
    "§1": (
        "the models trained following such methods usually tend to be very conservative, and to give desaturated, pale "
        "results.",
        "is very heavy (taking more than 20 GB of memory), and the scale of their training set (several millions of "
        "images) is prohibitive.",
    ),
    "§2.1": (
        "we simply split our colormap into equal sized bins. As a first step, in order to reduce the computational "
        "toll, we don't want too many bins, and are therefore restricting our discretization to the n most frequent "
        "color bins",
        "if a color from our actual image does not fall within one of our n bins, we | "
        "will simply assign it to the closest available. This simplification leads to a rather faint degradation of "
        "the images.",
        "shows the empirical frequency of the colors within each bin, computed over a dataset beforehand.",
        "Interestingly, we notice that the amplitude in weights is much smaller than the amplitude in frequency (2 "
        "orders of magnitude against 4), which means that we partially make up for the underrepresentation bias and "
        "therefore encourage the prediction of rare colors.",
        "Following the approach of [12], we want to boost the possibility of a rare color being predicted",
        "the closer to 1, the less we take the bin's frequency into account",
    ),
    "§2.2": (
        "Our end model is a U-Net that has 3 downsampling groups of convolutional layers and 2 connections between "
        "hidden layers of the same size (we set aside the last and first layers of the downsampling process).",
        "this model gave very poor performance. Intuitively, what happens is that the spatial receptive field was not "
        "large enough to capture meaningful general shapes.",
        "This network gave interesting results, but it was very unstable and slow to train, since it is quite deep. "
        "Furthermore, the quality of the output we get was not satisfying, even for a reduced task, because of this "
        "underfitting. Furthermore, the upsampling process needs more filters in the hidden layers, as we need to "
        "encode more information to correctly upsample the image.",
        "uses connections between layers to improve the gradient flow and help the upsampling. We also added "
        "additional batch normalization layers to improve training stability.",
    ),
    "§3.1": (
        "Conceptual because it seems too optimistic to try to train a rather lightweight model on a very diversified "
        "dataset, and practical because it eventually comes down to computing time.",
        "We selected 8 categories from ImageNet and 14 categories from SUN, that correspond mainly to nature "
        "landscapes.",
        "the images have all been downsampled to fit in a 256 × 256 px frame (if downsampling was necessary). The "
        "downsampling has been performed using Lanczos method (with a sinc kernel), and we used a mask for non-square "
        "images to make sure the loss is relevant.",
    ),
    "§3.2": (
        "For each original image of the training set, we generate several training images by combining: Flipping the "
        "image along the horizontal axis; Adding noise to the image (with different intensities); Selecting random "
        "crops of the image.",
        "the size of our training set is dilated sevenfold.",
    ),
    "§4.1": (
        "The final number of classes chosen for the ColorDiscretizer is",
        "as we want this to be as small as possible (it conditions the size of the output tensor) but 30 color bins is "
        "enough to get a very good visual fidelity.",
        "there is no relevant metric of the performance of our model.",
        "To select the learning rate, we have observed the evolution of the loss on reduced epochs and kept a learning "
        "rate that showed a satisfying behavior for the loss. We used an Adam optimizer. Our best "
        "model has been trained in 2 steps, with a learning rate decay between the 2 steps. Finally, we have chosen a "
        "batch size of 64",
    ),
    "§4.2.1": (
        "less consistency but more vivid colors for low temperatures (closer to taking the argmax) and smoother, but "
        "desaturated for higher temperatures, as expected in section 2.",
        "This happens with images that have very recognizable inputs, but an limited color palette. The ColorUNet "
        "output is more realistic in those cases.",
        "any reasonable computational metric would suggest that these outputs are wrong, while this is clearly the "
        "kind of results we are especially interested in.",
        "the network is fooled by the texture of the grass, that has small wavelets similar to sea landscapes, that "
        "constitute a vast portion of the training set.",
        "It has not learned the color to canyons, because there are too few in the training set, and because the "
        "color palette for those landscapes is very specific.",
    ),
    "§4.2.2": (
        "we expect our model to be unsure about the wrong results, and the difficult parts of the images.",
        "The confidence maps show that the ColorUNet is sure of its prediction on the sky, but is unsure of the "
        "prediction for the ground. It is also interesting to note that the regions close to the edges are often more "
        "uncertain, although the network performs very well in segmenting parts of the image that should have "
        "different colors.",
        "The validation (red) loss matched the train (blue) loss, so that we have not overfitted our training set.",
        "we can even expect our model to be slightly under-fitted, and it may benefit from further training.",
        "The ColorUNet differs from the ground truth which has “common” colors (bins 17, 21), it prefers “rare” colors "
        "(bins 11, 20, 26).",
        "The ColorUNet chooses to aim for “rare” colors, thus producing vivid images. Since this choice does not "
        "impair the realism of outputs, we believe that our contribution achieved our goal of colorizing with "
        "lively colors.",
        "Influence of data augmentation",
        "we have run 2 models on the same training set, with and without data augmentation, with seven times more "
        "epochs without data augmentation, so that both training have the same number of iteration. As expected, this "
        "brings more stability to the predictions, especially for the low temperatures.",
        "The data augmentation tends to predict finer and smaller color sains that are closer to the actual coloring, "
        "which is easy to see on the low temperature prediction on the left.",
    ),
    "§4.3": (
        "smoothing the predictions by applying a temporal kernel, which weights the past predictions’ probabilities "
        "with an exponential decay",
        "over T = 20 frames, with a decay coefficient of α = 0.2. The results are smoother and somehow more natural.",
        "From one frame to the next, the model should colorize in a similar way the corresponding items.",
        "an algorithm having an extra temporal information on top of the single-frame prediction might even perform "
        "better.",
    ),
    "§4.4": (
        "Extending the training set",
        "we have also trained a model using the full SUN dataset (100k+ images). For time constraints reason, we have "
        "trained it on fewer epochs. The training loss was similar. However, we note that the result were very poor, "
        "and that the network tended to output very desaturated images.",
        "It is therefore unable to capture as many features as needed to be able to recognize the variety of scenes "
        "that are in the full dataset.",
        "An interesting next step to take would be to do a full benchmark of the model performance over different "
        "ranges of variety in the training set. Actually, we expect a too simple training set to give a bad result, "
        "and our lightweight model does not perform well on many classes. Learning beaches can be done with bimodal "
        "predictions (blue or yellow), so it is also not interesting to look only at too few classes. An extensive "
        "quantitative benchmark of this effect could be interesting but very time and resource-consuming.",
    ),
    "§5": (
        "Using the confidence maps we designed to automatically select seed pixels and apply the heuristics described "
        "in [8] to diffuse those seeds would be an elegant way to post-process our images and have realistic, "
        "consistent but yet colorful results.",
    ),
}
