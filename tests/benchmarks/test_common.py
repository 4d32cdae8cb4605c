import json
import socket

import pytest

from benchmarks.common import default_data_folder, describe_machine, find_market, format_table, write_result


def test_table_aligns_names_left_and_numbers_right():
    assert format_table(["edit", "%"], [["a", "+1.0"], ["longer", "-10.0"]]).splitlines() == [
        "edit        %",
        "-------------",
        "a        +1.0",
        "longer  -10.0",
    ]


def test_data_folder_can_be_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("STORESIM_DATA", str(tmp_path))
    assert default_data_folder() == tmp_path


def test_absent_data_end_the_benchmark_in_a_line(tmp_path):
    with pytest.raises(SystemExit, match="--data or STORESIM_DATA"):
        find_market(tmp_path, "market-a")


def test_machine_is_described_without_its_name():
    assert socket.gethostname() not in json.dumps(describe_machine())


def test_result_keeps_versions_and_content(tmp_path):
    path = write_result("x", {"answer": 42}, out=tmp_path / "x.json")
    result = json.loads(path.read_text())
    assert result["benchmark"] == "x"
    assert result["answer"] == 42
    assert result["versions"]["numpy"]
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]
