import json

import numpy as np
import pytest
import torch
from torch import nn

from layouts import ModelError
from models.storage import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    load_arrays,
    load_weights,
    read_config,
    save_arrays,
    save_weights,
    write_config,
)


def test_config_has_the_same_bytes_whatever_the_order_of_its_keys(tmp_path):
    write_config(tmp_path / "a", {"x": 1, "y": [1.5, "é"]})
    write_config(tmp_path / "b", {"y": [1.5, "é"], "x": 1})
    assert (tmp_path / "a" / CONFIG_FILE).read_bytes() == (tmp_path / "b" / CONFIG_FILE).read_bytes()
    assert read_config(tmp_path / "a") == {"x": 1, "y": [1.5, "é"]}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "config.json: not found; give a model folder written by `storesim train`"),
        (b"{oops", "cannot be read as JSON"),
        (b"\xff\xfe\x00", "cannot be read as JSON"),
        (b"[1, 2]", "holds no JSON object"),
    ],
)
def test_unreadable_config_is_one_line(content, complaint, tmp_path):
    if content is not None:
        (tmp_path / CONFIG_FILE).write_bytes(content)
    with pytest.raises(ModelError, match=complaint.replace(".", r"\.")) as error:
        read_config(tmp_path)
    assert "\n" not in str(error.value)


def test_weights_come_back_and_give_the_same_bytes(tmp_path):
    layer = nn.Linear(3, 2)
    for name in ("a", "b"):
        save_weights(layer, tmp_path / name, {"n": 3})
    loaded = load_weights(nn.Linear(3, 2), tmp_path / "a")
    assert torch.equal(loaded.weight, layer.weight)
    assert (tmp_path / "a" / WEIGHTS_FILE).read_bytes() == (tmp_path / "b" / WEIGHTS_FILE).read_bytes()


def test_weights_of_another_architecture_are_refused_in_one_line(tmp_path):
    save_weights(nn.Linear(3, 2), tmp_path, {})
    with pytest.raises(ModelError, match=r"does not fit config\.json") as error:
        load_weights(nn.Linear(4, 2), tmp_path)
    assert "\n" not in str(error.value)


def test_damaged_and_absent_weights_are_refused(tmp_path):
    with pytest.raises(ModelError, match="not found"):
        load_weights(nn.Linear(3, 2), tmp_path)
    (tmp_path / WEIGHTS_FILE).write_bytes(b"not weights at all")
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_weights(nn.Linear(3, 2), tmp_path)


def test_arrays_and_texts_come_back(tmp_path):
    texts = {"who": np.array(["é", "b", "b", ""], dtype=object)}
    save_arrays(tmp_path, {"n": np.array([3, 1, 2, 9]), "p": np.array([0.1, 0.2, 0.3, 1.0])}, texts)
    arrays, read = load_arrays(tmp_path)
    assert arrays["n"].tolist() == [3, 1, 2, 9]
    assert arrays["p"].dtype == np.float64
    assert read["who"].tolist() == ["é", "b", "b", ""]
    assert "who" not in json.loads((tmp_path / CONFIG_FILE).read_text())
