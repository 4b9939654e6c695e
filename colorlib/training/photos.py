"""The photos of a training run: the bundled ones, folders and caches that its configuration names (paper §3.1)."""

from collections import Counter
from pathlib import Path

from colorlib.data.cache import Cache
from colorlib.data.datasets import PaddedPhotos, Photo, bundled, has_bundled, load_padded
from colorlib.data.finding import find_photos
from colorlib.errors import ColorlibError
from colorlib.training.config import TrainingConfig


def load_photos(config: TrainingConfig) -> tuple[PaddedPhotos, PaddedPhotos, dict[str, int]]:
    """The training photos (bundled and the config's folders), the validation photos, and how many photos came whence.

    The counts are by folder and, where photos lie in its subfolders, by these categories, too. No photo of a validation
    folder is ever trained on, even if it lies in a folder named for training.
    """
    if any((Path(folder) / "cache.json").exists() for folder in config.photos):
        return load_cache(config)
    if not has_bundled() and not (config.photos and config.validation_photos):
        raise ColorlibError("outside a clone of the project there are no bundled photos: set photos, validation_photos")
    held_out = [photo.path for photo in bundled_here("validation")]
    held_out += [path for folder in config.validation_photos for path in find_photos(folder)]
    resolved = {path.resolve() for path in held_out}
    paths = [photo.path for photo in bundled_here("train") if photo.path.resolve() not in resolved]
    counts = Counter({"bundled": len(paths)})
    for folder in map(Path, config.photos):
        found = [path for path in find_photos(folder) if path.resolve() not in resolved]
        counts[folder.name] += len(found)
        counts.update(f"{folder.name}/{part}" for path in found if (part := category_of(path, folder)))
        paths += found
    training, left_out = load_padded(paths, config.image_size, drop_gray=True)
    validation, _ = load_padded(held_out, config.image_size)
    return training, validation, dict(counts) | {"left out": len(left_out), "used": len(set(paths) - set(left_out))}


def bundled_here(split: str) -> list[Photo]:
    """The bundled photos of a split; none outside a clone of the project, which is where they are."""
    return bundled(split) if has_bundled() else []


def category_of(path: Path, folder: Path) -> str:
    """The subfolder of a folder that a photo lies in, which names its category; empty if it lies in none.

    >>> category_of(Path("photos/sea/calm/1.jpg"), Path("photos")), category_of(Path("photos/2.jpg"), Path("photos"))
    ('sea', '')
    """
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else ""


def load_cache(config: TrainingConfig) -> tuple[PaddedPhotos, PaddedPhotos, dict[str, int]]:
    """The same from a cache made by `colorlib data prepare`, whose own validation photos are used."""
    if len(config.photos) > 1:
        raise ColorlibError(f"a cache trains alone: name one cache and no other folder, got {', '.join(config.photos)}")
    if config.validation_photos:
        raise ColorlibError("a cache has validation photos of its own: leave validation_photos empty")
    cache = Cache(config.photos[0])
    if cache.size != config.image_size:
        raise ColorlibError(
            f"{cache.folder} holds photos of {cache.size} pixels, image_size says {config.image_size}: set it so"
        )
    training, name = cache.photos("train"), cache.folder.name
    counts = Counter({name: len(cache.entries)})
    counts.update(f"{name}/{entry.category}" for entry in cache.entries if entry.category)
    validation = cache.photos("validation")
    return training, validation, dict(counts) | {"used": len(training), "left out": len(cache.entries) - len(training)}
