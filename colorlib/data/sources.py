"""Which photos: the paper's categories of SUN and ImageNet, Places365, or any folder (paper §3.1).

A data set here is a list: a `Source` for each photo says where it is and what it shows. The published ones come through
torchvision's own classes, which fetch, check and unpack them.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from colorlib.data.finding import find_photos
from colorlib.errors import ColorlibError
from colorlib.files import GIGABYTE, require_disk_space

# The paper took 14 categories of SUN and names three of them; its authors' published notebook names twelve.
SUN_LANDSCAPES = (
    "beach",
    "cemetery",
    "coast",
    "covered_bridge/exterior",
    "creek",
    "gazebo/exterior",
    "golf_course",
    "mansion",
    "mountain",
    "mountain_snowy",
    "sandbar",
    "vineyard",
    "forest_path",  # ours, as is the next: which two are missing is not recorded
    "lake/natural",
)
# The paper took 8 categories of ImageNet; file names in its authors' notebooks show cliff and seashore. The other six
# are ours, from the thousand categories of ILSVRC-2012 (which lack the "landscape, field and canyon" of Figure 3).
IMAGENET_LANDSCAPES = {
    "n09193705": "alp",
    "n09246464": "cliff",
    "n09332890": "lakeside",
    "n09399592": "promontory",
    "n09421951": "sandbar",
    "n09428293": "seashore",
    "n09468604": "valley",
    "n09472597": "volcano",
}
# Ours: natural scenes of Places365, whose small validation split (100 photos of each) suits a person at home.
PLACES_LANDSCAPES = tuple(
    """badlands bamboo_forest beach butte canyon cliff coast corn_field creek crevasse desert/sand desert/vegetation
    field/cultivated field/wild field_road forest/broadleaf forest_path forest_road glacier golf_course hayfield
    ice_floe ice_shelf iceberg islet lagoon lake/natural lawn marsh mountain mountain_path mountain_snowy ocean orchard
    pasture pond rainforest rice_paddy river rock_arch sky snowfield swamp tree_farm tundra valley vineyard volcano
    waterfall wave wheat_field""".split()
)

# Declarations of operators live as long as this object: dropping it would undeclare them.
_declared: Any = None


@dataclass(frozen=True, slots=True)
class Source:
    """One photo of a data set: its file, what it shows, and its name within the set, the same on every machine.

    All that is known before the photo is opened. A bundled `Photo` has a licence and an author besides, an `Entry` of a
    cache a size and a checksum but no file: one class for all three would consist of fields that are mostly empty.
    """

    path: Path
    category: str
    name: str


def folder_sources(*roots: str | Path) -> list[Source]:
    """All photo files below folders; the category of each is the folder it lies in, such as "sea/coast".

    Photos that lie in no folder below a root are of the category "photos". Of several roots, names and categories begin
    with the root's own name.

    Raises:
        ColorlibError: if there is no such folder, no photo in it, or two roots have one name.
    """
    if len(roots) == 1:
        return _sources_below(Path(roots[0]))
    names = [os.path.basename(os.path.abspath(root)) for root in roots]  # of "." too
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ColorlibError(f"two folders are called {', '.join(twice)}: photos are told apart by it, so rename one")
    found = [
        replace(source, name=f"{name}/{source.name}", category=f"{name}/{source.category}")
        for name, root in zip(names, roots, strict=True)
        for source in _sources_below(Path(root))
    ]
    return sorted(found, key=lambda source: source.name)


def _sources_below(root: Path) -> list[Source]:
    photos = [(path, path.parent.relative_to(root).as_posix()) for path in find_photos(root)]
    sources = _named(root, [(path, "photos" if category == "." else category) for path, category in photos])
    if not sources:
        raise ColorlibError(f"no photos below {root}: name a folder with JPEG, PNG, WebP, TIFF, BMP or GIF files")
    return sources


def sun397(
    root: str | Path, categories: Collection[str] | None = SUN_LANDSCAPES, download: bool = False
) -> list[Source]:
    """Photos of SUN397 (Xiao et al. 2010), unpacked in ``root/SUN397``; of all 397 if ``categories`` is None.

    With ``download`` torchvision fetches the archive (37 GB), unless it lies in ``root`` already. Its address has
    answered "not found" since 2025 (pytorch/vision, issue 9348): look for a copy of SUN397.tar.gz and put it there.

    Raises:
        ColorlibError: if the data set is not there, a category does not exist, or no photo is left.
    """
    ensure_torchvision()
    from torchvision.datasets import SUN397

    root = Path(root)
    archive, folder = root / "SUN397.tar.gz", root / "SUN397"
    if download and not folder.exists():
        require_disk_space(root, (37 if archive.exists() else 75) * GIGABYTE, "SUN397")
        root.mkdir(parents=True, exist_ok=True)
    advice = f"put SUN397.tar.gz (37 GB) into {root}, or unpack it to {folder}, and run again"
    dataset = _torchvision("SUN397", lambda: SUN397(root, download=download), folder, advice)
    photos = [(path, dataset.classes[label]) for path, label in zip(dataset._image_files, dataset._labels, strict=True)]
    return _of_categories(_named(root, photos), categories, dataset.classes, folder)


def imagenet(root: str | Path, synsets: Collection[str] | None = tuple(IMAGENET_LANDSCAPES)) -> list[Source]:
    """Photos of ImageNet's ILSVRC-2012 (Deng et al. 2009) in ``root``; of all 1000 synsets if ``synsets`` is None.

    ImageNet is downloaded by hand, after registration. ``root`` holds the archives ILSVRC2012_devkit_t12.tar.gz and
    ILSVRC2012_img_train.tar (138 GB), which torchvision unpacks, or what it made of them.

    Raises:
        ColorlibError: if the data set is not there, a synset does not exist, or no photo is left.
    """
    ensure_torchvision()
    from torchvision.datasets import ImageNet

    root = Path(root)
    archive, folder = root / "ILSVRC2012_img_train.tar", root / "train"
    if archive.exists() and not folder.exists():
        # Twice, because torchvision unpacks an archive of archives.
        require_disk_space(root, 2 * archive.stat().st_size, "ImageNet")
    advice = f"put ILSVRC2012_devkit_t12.tar.gz and {archive.name} into {root} and run again"
    dataset = _torchvision("ImageNet", lambda: ImageNet(root), folder, advice)
    photos = [(path, dataset.wnids[label]) for path, label in dataset.samples]
    names = {wnid: words[0] for wnid, words in zip(dataset.wnids, dataset.classes, strict=True)}
    chosen = _of_categories(_named(root, photos), synsets, dataset.wnids, folder)
    return [replace(source, category=names[source.category]) for source in chosen]  # "n09246464" is called cliff


def places365(
    root: str | Path, categories: Collection[str] | None = PLACES_LANDSCAPES, download: bool = False
) -> list[Source]:
    """Photos of the small validation split of Places365 (Zhou et al. 2017): 100 of each category, 256 x 256 pixels.

    With ``download`` torchvision fetches it (about 500 MB).

    Raises:
        ColorlibError: if the data set is not there, a category does not exist, or no photo is left.
    """
    ensure_torchvision()
    from torchvision.datasets import Places365

    root = Path(root)
    folder = root / "val_256"
    if download and not folder.exists():
        require_disk_space(root, 2 * GIGABYTE, "Places365")
        root.mkdir(parents=True, exist_ok=True)
    advice = f"unpack filelist_places365-standard.tar and val_256.tar into {root} and run again"
    make = partial(Places365, root, split="val", small=True, download=download)
    dataset = _torchvision("Places365", make, folder, advice)
    names = {label: name[3:] for name, label in dataset.class_to_idx.items()}  # "/b/beach" is called beach
    photos = [(path, names[label]) for path, label in dataset.imgs]
    return _of_categories(_named(root, photos), categories, names.values(), folder)


def ensure_torchvision() -> None:
    """Make ``import torchvision`` work where its compiled operators are missing; call it before that import.

    Some CPU-only installations pair a torch without CUDA with a torchvision built for it; then importing torchvision
    fails with "operator torchvision::nms does not exist", although its data sets and transforms need no compiled
    operator. Declaring the missing operators' signatures is enough. Does nothing where torchvision is not installed.
    """
    global _declared
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported
        _declared = torch.library.Library("torchvision", "DEF")
        _declared.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401


def _torchvision(name: str, make: Callable[[], Any], folder: Path, advice: str) -> Any:
    """What a torchvision class makes, or one clear sentence.

    torchvision takes a folder that exists for a whole one, even if it was killed while unpacking it. A mark beside
    the folder tells.
    """
    mark = folder.with_name(f"{folder.name}.unpacking")
    if mark.exists() and folder.exists():
        raise ColorlibError(f"{folder} was left half unpacked: delete it and {mark}, and run again")
    new = not folder.exists() and folder.parent.exists()
    if new:
        mark.touch()
    try:
        dataset = make()
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
            mark.unlink()
        raise ColorlibError(f"{name} cannot be used: {advice}. ({error})") from error
    mark.unlink(missing_ok=True)
    return dataset


def _of_categories(
    sources: list[Source], wanted: Collection[str] | None, known: Collection[str], where: Path
) -> list[Source]:
    if wanted is None:
        return sources
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise ColorlibError(f"{where} has no category {', '.join(unknown)}; it has {', '.join(sorted(known)[:20])} …")
    kept = [source for source in sources if source.category in wanted]
    if not kept:
        raise ColorlibError(f"{where} holds no photo of {', '.join(wanted)}")
    return kept


def _named(root: Path, photos: Iterable[tuple[str | Path, str]]) -> list[Source]:
    """Sources named by their path below the root, in the order of their names: every machine lists them alike."""
    sources = [Source(Path(path), category, Path(path).relative_to(root).as_posix()) for path, category in photos]
    return sorted(sources, key=lambda source: source.name)
