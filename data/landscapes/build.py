"""Build the bundled photographs, their manifest and their attribution from a folder of licensed photos.

    python data/landscapes/build.py SOURCE          photos, manifest.csv and ATTRIBUTION.md
    python data/landscapes/build.py --attribution   only ATTRIBUTION.md, from the manifest beside this file

SOURCE holds photos and a ``manifest.csv`` with the columns file, kind, source_width, source_height, licence,
author, debian_package, debian_version and source_path (the size and path of the original in its package).
The photos are already part of the project, so only somebody who changes the set needs SOURCE; everybody else
can correct ``manifest.csv`` and write the attribution again.

Every photo becomes a JPEG of at most 512 pixels on its longer side, never enlarged. Quality 78 keeps the whole
set under 4 MB and costs little: seen at the network's 256 pixels, the chrominance is off by 0.011 (root mean
square), where quality 88 would be off by 0.009. The same source and the same Pillow give the same bytes.
"""

import argparse
import csv
import hashlib
import random
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from PIL import Image

HERE = Path(__file__).parent
LONGEST = 512
JPEG = dict(format="JPEG", quality=78, subsampling="4:2:0", optimize=True, progressive=True)
SEED = 2023
VALIDATION = {"landscape": 0.48, "nature": 0.30}  # share of the photos of each kind
COLUMNS = "file kind split group width height licence author title source_url package version source_path changes"
COLUMNS += " sha256"

EXCLUDED = {  # photos of SOURCE that are not bundled, and why
    "breeze-breeze-next.jpg": "toned to a single teal: its colours are a designer's, not the scene's",
}

GROUPS = {  # photos of one place or one series stay on one side of the split (no two are the same photo)
    "great-wall": ["gcompris-greatwall.jpg", "gcompris-greatwallofchina.jpg"],
    "baia": ["gcompris-sea1.jpg", "gcompris-sea2.jpg"],
    "train-tracks": ["scratch-train-tracks1.jpg", "scratch-train-tracks2.jpg"],
    "tuscan-hills": ["lxqt-fog.jpg", "lxqt-this-is-not-windows.jpg"],
    "berasategi": [
        "lomiri-aitzgorri-by-aitzol-berasategi.jpg",
        "lomiri-life-by-aitzol-berasategi.jpg",
        "lomiri-picosdeeuropa-by-aitzol-berasategi.jpg",
        "lomiri-sunset-by-aitzol-berasategi.jpg",
    ],
}

FIXED = {  # everything else is drawn by lot
    "berasategi": "validation",  # also used large, for full-resolution demonstrations and panning shots
    "tuscan-hills": "validation",  # likewise
    "gcompris-swans": "train",  # almost black and white: as a reference it would flatter a network that adds nothing
}

ADAPTED = "; adapted by Bruno Coudoin and others for GCompris"
FLICKR = "https://www.flickr.com/photos/"
CREDITS = {  # what SOURCE's manifest says in other words, or not at all
    "blender-forest-tonemapped.jpg": dict(title="Forest (panorama)", source_path="studiolights/world/forest.exr"),
    "blender-sunrise-tonemapped.jpg": dict(title="Sunrise (panorama)", source_path="studiolights/world/sunrise.exr"),
    "blender-sunset-tonemapped.jpg": dict(title="Sunset (panorama)", source_path="studiolights/world/sunset.exr"),
    "gcompris-eilandonancastle-background.jpg": dict(
        author="Guillaume Piolle (photograph, CC BY 3.0, https://creativecommons.org/licenses/by/3.0/)" + ADAPTED,
        source_url="https://commons.wikimedia.org/wiki/File:Eilean_Donan_castle_-_95mm.jpg",
    ),
    "gcompris-gizahpyramids-background.jpg": dict(
        author="Ricardo Liberato (photograph, CC BY-SA 2.0, https://creativecommons.org/licenses/by-sa/2.0/)" + ADAPTED,
        source_url="https://commons.wikimedia.org/wiki/File:Pyramids_at_Gizah.jpg",
    ),
    "lomiri-picosdeeuropa-by-aitzol-berasategi.jpg": dict(title="Picos de Europa"),
    "lxqt-butterfly-kenneth-wimer.jpg": dict(title="Butterfly"),
    "maldives-background.jpg": dict(title="Maldives"),
    "scratch-beach-malibu.jpg": dict(title="Malibu beach"),
    "scratch-flower-bed.jpg": dict(author="MIT Media Lab (Scratch Media library)"),
    "scratch-grand-canyon.jpg": dict(title="Grand Canyon"),
    "sklearn-china.jpg": dict(source_url=FLICKR + "danielbuechele/6061409035/"),
    "sklearn-flower.jpg": dict(source_url=FLICKR + "vultilion/6056698931/"),
}

LICENCES = {  # by the name in our manifest: name in full, address of the text
    "public-domain": ("Public domain", ""),
    "CC0-1.0": ("Creative Commons Zero 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "CC-BY-2.0": ("Creative Commons Attribution 2.0", "https://creativecommons.org/licenses/by/2.0/"),
    "CC-BY-3.0": ("Creative Commons Attribution 3.0", "https://creativecommons.org/licenses/by/3.0/"),
    "CC-BY-4.0": ("Creative Commons Attribution 4.0", "https://creativecommons.org/licenses/by/4.0/"),
    "CC-BY-SA-3.0": ("Creative Commons Attribution-ShareAlike 3.0", "https://creativecommons.org/licenses/by-sa/3.0/"),
    "CC-BY-SA-4.0": ("Creative Commons Attribution-ShareAlike 4.0", "https://creativecommons.org/licenses/by-sa/4.0/"),
}
SAME_LICENCE = {"PD": "public-domain", "CC0": "CC0-1.0"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, help="folder with photos and their manifest.csv")
    parser.add_argument("--attribution", action="store_true", help="only write ATTRIBUTION.md again")
    args = parser.parse_args()
    if args.attribution == bool(args.source):
        parser.error("give either SOURCE or --attribution")
    if args.source:
        write_manifest(build(args.source))
    (HERE / "ATTRIBUTION.md").write_text(attribution(read_manifest()), encoding="utf-8", newline="\n")


def build(source: Path) -> list[dict[str, str]]:
    """Write every photo of ``source`` that is not excluded; returns the rows of our manifest."""
    with open(source / "manifest.csv", newline="", encoding="utf-8") as file:
        originals = [row for row in csv.DictReader(file) if row["file"] not in EXCLUDED]
    for photo in HERE.glob("*.jpg"):
        photo.unlink()
    rows = [_bundle(source, row) for row in sorted(originals, key=lambda row: row["file"])]
    sides = split([(row["file"], row["kind"]) for row in rows])
    return [row | {"split": sides[row["file"]], "group": group_of(row["file"])} for row in rows]


def split(photos: list[tuple[str, str]]) -> dict[str, str]:
    """Draw the side of each (file, kind): whole groups, by lot, until each kind has its share of validation."""
    sides = {}
    for kind, share in VALIDATION.items():
        groups: dict[str, list[str]] = {}
        for name in sorted(name for name, its_kind in photos if its_kind == kind):
            groups.setdefault(group_of(name), []).append(name)
        drawn = [group for group in groups if group not in FIXED]
        random.Random(SEED).shuffle(drawn)
        wanted = round(share * sum(map(len, groups.values())))
        for group in [group for group in groups if group in FIXED] + drawn:
            side = FIXED.get(group) or ("validation" if len(groups[group]) <= wanted else "train")
            wanted -= len(groups[group]) * (side == "validation")
            sides |= dict.fromkeys(groups[group], side)
    return sides


def group_of(name: str) -> str:
    """The group of a photo; most photos are a group of their own."""
    return next((group for group, names in GROUPS.items() if name in names), Path(name).stem)


def attribution(rows: list[dict[str, str]]) -> str:
    """The text of ATTRIBUTION.md: one table for each licence."""
    parts = [
        "# Who made these photographs",
        "<!-- written by build.py from manifest.csv: change those, then run `build.py --attribution` -->",
        f"{len(rows)} photographs, each under the licence that its author chose. The MIT licence of this project "
        "covers its code, not these photographs. Those under CC BY ask for credit. Those under CC BY-SA ask for "
        "credit, and a picture made from one, such as a coloured version, is shared under the same licence. All were "
        "in packages of Debian, which name authors and licences; *changes* says what was done to the photograph as "
        "found in its package.",
    ]
    for licence, (name, address) in LICENCES.items():
        mine = [row for row in rows if row["licence"] == licence]
        if not mine:
            continue
        parts.append(f"## {name} ({len(mine)})")
        parts.append(f"Text of the licence: <{address}>" if address else "No licence is needed.")
        table = ["| file | title | author | from | changes |", "|---|---|---|---|---|"]
        parts.append("\n".join(table + [_table_row(row) for row in mine]))
    return "\n\n".join(parts) + "\n"


def read_manifest() -> list[dict[str, str]]:
    with open(HERE / "manifest.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_manifest(rows: list[dict[str, str]]) -> None:
    with open(HERE / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS.split(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _bundle(source: Path, original: dict[str, str]) -> dict[str, str]:
    """Shrink one photo into this folder; returns its row, still without its side of the split."""
    name = original["file"]
    with Image.open(source / name) as image:
        photo = image.convert("RGB")
    scale = min(1, LONGEST / max(photo.size))
    if scale < 1:
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)
    photo.save(HERE / name, **JPEG)

    licence = SAME_LICENCE.get(original["licence"], original["licence"])
    if licence not in LICENCES:
        raise SystemExit(f"{name}: unknown licence {licence!r}; add it to LICENCES")
    author, source_url = re.fullmatch(r"(.*?)(?: \[(https?://\S+)\])?", original["author"]).groups("")
    row = {
        "file": name,
        "kind": original["kind"],
        "width": str(photo.width),
        "height": str(photo.height),
        "licence": licence,
        "author": author,
        "source_url": source_url,
        "package": original["debian_package"],
        "version": original["debian_version"],
        "source_path": original["source_path"],
        "sha256": hashlib.sha256((HERE / name).read_bytes()).hexdigest(),
    } | CREDITS.get(name, {})
    before = f"{original['source_width']}x{original['source_height']}"
    return {"title": _title(row), "changes": _changes(row, before)} | row


def _title(row: dict[str, str]) -> str:
    """The title under which the author published the photo, as far as a file name tells."""
    address = row["source_url"]
    name = unquote(address.split("File:")[1]) if "File:" in address else PurePosixPath(row["source_path"]).name
    title = re.sub(r"[_ ]+", " ", name.rsplit(".", 1)[0]).strip()
    if "File:" not in address:
        title = re.sub(r" by .*", "", re.sub(r"(?<=[a-z])-(?=[a-z])", " ", title, flags=re.I))
        title = re.sub(r"(?<=[a-z])(?=\d)", " ", title)
    return title[:1].upper() + title[1:]


def _changes(row: dict[str, str], before: str) -> str:
    after, suffix = f"{row['width']}x{row['height']}", PurePosixPath(row["source_path"]).suffix.lower()
    size = f"unchanged in size ({after})" if before == after else f"resized from {before} to {after}"
    form = {".webp": "converted from WebP to JPEG", ".png": "converted from PNG to JPEG", ".exr": "tone-mapped to JPEG"}
    return f"{size}, {form.get(suffix, 'saved again as JPEG')}"


def _table_row(row: dict[str, str]) -> str:
    title = f"[{_plain(row['title'])}](<{row['source_url']}>)" if row["source_url"] else _plain(row["title"])
    origin = f"{row['package']} {row['version']}: `{row['source_path']}`"
    return f"| {row['file']} | {title} | {_plain(row['author'])} | {origin} | {row['changes']} |"


def _plain(text: str) -> str:
    """Text in which Markdown finds nothing to format."""
    return re.sub(r"([\\|\[\]*_`<>])", r"\\\1", text)


if __name__ == "__main__":
    main()
