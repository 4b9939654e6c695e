"""Which files of a folder are photos: all that can be read, in linked folders too, and none that are hidden."""

import os
from pathlib import Path

import corpus
import pytest

from colorlib.data import SUFFIXES, find_photos, look_through


def names(folder: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def touch(folder: Path, *paths: str) -> None:
    for name in paths:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_every_format_that_is_read_is_found(tmp_path: Path) -> None:
    for suffix in corpus.SUFFIXES:
        corpus.plain(suffix)(tmp_path)
    assert len(find_photos(tmp_path)) == len(corpus.SUFFIXES)
    assert {".jpe", ".jfif", ".jp2", ".avif", ".mpo"} <= SUFFIXES
    assert not {".eps", ".ps", ".pdf", ".wmf", ".psd", ".ico"} & SUFFIXES


def test_what_is_passed_over_is_named_and_hidden_files_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.psd", "notes.txt", "sub/c.JFIF", ".DS_Store", "sub/._c.JFIF", "dangling.jpg")
    (tmp_path / "dangling.jpg").unlink()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    found = look_through(tmp_path)
    assert names(tmp_path, found.photos) == ["a.jpg", "sub/c.JFIF"]
    assert names(tmp_path, found.skipped) == ["b.psd", "dangling.jpg", "notes.txt"]


@pytest.mark.parametrize("hidden", [".picasaoriginals", ".thumbnails", "@eaDir", "__MACOSX", "$RECYCLE.BIN"])
def test_hidden_folders_hold_no_photos(tmp_path: Path, hidden: str) -> None:
    touch(tmp_path, "a.jpg", f"{hidden}/a.jpg", f"sub/{hidden}/deep/b.jpg", "sub/b.jpg")
    found = look_through(tmp_path)
    assert names(tmp_path, found.photos) == ["a.jpg", "sub/b.jpg"]
    assert names(tmp_path, found.skipped) == sorted([hidden, f"sub/{hidden}"])


def test_a_hidden_folder_that_is_named_itself_is_looked_through(tmp_path: Path) -> None:
    touch(tmp_path, ".private/a.jpg")
    assert names(tmp_path, find_photos(tmp_path / ".private")) == [".private/a.jpg"]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "far/sea/a.jpg", "set/lake/b.jpg")
    (tmp_path / "set" / "sea").symlink_to(tmp_path / "far" / "sea")
    (tmp_path / "set" / "again").symlink_to(tmp_path / "set" / "lake")  # whose real name is kept
    (tmp_path / "set" / "lake" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "far" / "sea" / "home").symlink_to(tmp_path)
    found = names(tmp_path / "set", find_photos(tmp_path / "set"))
    assert found == ["lake/b.jpg", "sea/a.jpg"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "closed/b.jpg")
    (tmp_path / "closed").chmod(0)
    found = look_through(tmp_path)
    (tmp_path / "closed").chmod(0o700)
    assert names(tmp_path, found.skipped) == ["closed"] and names(tmp_path, found.photos) == ["a.jpg"]
