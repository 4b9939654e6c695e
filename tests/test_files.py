"""Files are whole or absent, and big data has its place."""

import shutil
from pathlib import Path

import pytest

from colorlib import ColorlibError, files
from colorlib.files import atomic_write, read_rows, require_disk_space, user_data_folder, write_rows, write_text


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path, error):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(error), atomic_write(target) as partial:
        partial.write_text("half of the n")
        raise error
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_the_partial_file_is_beside_and_of_the_same_kind(tmp_path):
    """So that Pillow and FFmpeg know what to write, and the last step is a renaming on one disk."""
    target = tmp_path / ("long" * 60 + ".webp")  # 245 letters: there is no room for more
    with atomic_write(target) as first, atomic_write(target) as second:
        assert first != second and {first.parent, second.parent} == {tmp_path}
        assert first.suffix == second.suffix == ".webp" and first.name.startswith(".")
        first.write_text("1")
        second.write_text("2")
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "nothing"):
        pass


def test_rows_and_text_come_back(tmp_path):
    rows = [{"name": 'Ås, "2"', "size": "3"}, {"name": "", "size": "4"}]
    write_rows(tmp_path / "a.csv", ["name", "size"], rows)
    assert read_rows(tmp_path / "a.csv") == rows
    write_text(tmp_path / "a.txt", "é")
    assert (tmp_path / "a.txt").read_bytes() == "é\n".encode()


def test_a_line_that_was_cut_short_is_noticed(tmp_path):
    (tmp_path / "a.csv").write_text("name,size\nlake,3\nhi")
    assert read_rows(tmp_path / "a.csv")[-1] == {"name": "hi", "size": None}


def test_room_on_the_disk_is_asked_for_before_the_folder_exists(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    require_disk_space(tmp_path / "not" / "yet", 10, "it")
    with pytest.raises(ColorlibError, match="it needs"):
        require_disk_space(tmp_path / "not" / "yet", 11, "it")


def test_where_big_data_lives(tmp_path, monkeypatch):
    """In the folder named; else in the clone; else, outside a clone, in the user's own."""
    monkeypatch.delenv("COLORLIB_DATA", raising=False)
    monkeypatch.setattr(files, "PROJECT", tmp_path / "site-packages")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    assert user_data_folder().name == "colorlib" and not user_data_folder().is_relative_to(tmp_path / "site-packages")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "pyproject.toml").touch()
    assert user_data_folder() == tmp_path / "site-packages" / "data"
    monkeypatch.setenv("COLORLIB_DATA", str(tmp_path / "named"))
    assert user_data_folder() == Path(tmp_path / "named")
