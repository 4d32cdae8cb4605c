import pytest

from layouts import ConfigError
from layouts.outputs import check_output_folder, write_text, writing_folder


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_block_that_ends_well_leaves_only_the_result(tmp_path):
    out = tmp_path / "deep" / "run"
    with writing_folder(out) as folder:
        (folder / "result.json").write_text("{}")
        assert not out.exists()
    assert names(out) == ["result.json"]
    assert names(out.parent) == ["run"]


def test_a_block_that_fails_leaves_nothing(tmp_path):
    def write_half():
        with writing_folder(tmp_path / "run") as folder:
            (folder / "zones.parquet").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert names(tmp_path) == []


def test_an_earlier_result_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / "run"
    for file in ("zones.parquet", "pos.parquet"):
        with writing_folder(out) as folder:
            (folder / "result.json").write_text("{}")
            (folder / file).write_text("x")
    assert names(out) == ["pos.parquet", "result.json"]


def test_an_earlier_result_survives_a_failure(tmp_path):
    out = tmp_path / "run"
    with writing_folder(out) as folder:
        (folder / "result.json").write_text("first")
    with pytest.raises(ZeroDivisionError), writing_folder(out) as folder:
        raise ZeroDivisionError
    assert (out / "result.json").read_text() == "first"
    assert names(tmp_path) == ["run"]


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "layout.geojson").write_text("{}")
    with (
        pytest.raises(ConfigError, match=r"other files .'layout.geojson'.*name a new folder"),
        writing_folder(tmp_path),
    ):
        pytest.fail("the block must not run")
    assert names(tmp_path) == ["layout.geojson"]


def test_a_result_with_notes_beside_it_is_left_alone(tmp_path):
    for name in ("result.json", "notes.txt"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=r"other files \('notes.txt'\)"):
        check_output_folder(tmp_path)


def test_a_folder_with_parts_but_no_marker_is_left_alone(tmp_path):
    (tmp_path / "stores").mkdir()
    with pytest.raises(ConfigError, match=r"holds no result.json"):
        check_output_folder(tmp_path)


def test_parents_that_were_made_go_when_the_block_fails(tmp_path):
    with pytest.raises(KeyboardInterrupt), writing_folder(tmp_path / "deep" / "down" / "run"):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_an_empty_folder_may_be_written(tmp_path):
    check_output_folder(tmp_path)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigError, match="is not a folder"):
        check_output_folder(tmp_path / "run")
    with pytest.raises(ConfigError, match="nothing can be written in"):
        check_output_folder(tmp_path / "run" / "below")


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    page = tmp_path / "report.html"
    write_text(page, "first")
    with pytest.raises(UnicodeEncodeError):
        write_text(page, "half \ud800")
    assert page.read_text() == "first"
    assert names(tmp_path) == ["report.html"]
