"""`storesim finetune`: a model goes to a store with few visits; what cannot be done is told in a line."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.e2e.conftest import Storesim, read_all

Refuses = Callable[..., str]


def arguments(corner_shop: Path, trained: Path) -> list[object]:
    return [
        "finetune",
        *("--store", corner_shop / "store"),
        *("--model", trained),
        *("--observations", corner_shop / "days"),
    ]


def test_a_fine_tuned_model_can_shop_and_comes_out_the_same_again(
    storesim: Storesim, corner_shop: Path, trained: Path, tmp_path: Path
) -> None:
    for name in ("one", "other"):
        code, out, err = storesim(
            *arguments(corner_shop, trained), "--sessions", 8, "--seed", 2, "--out", tmp_path / name
        )
        assert (code, out) == (0, f"Model written to {tmp_path / name}\n"), err
    assert read_all(tmp_path / "one") == read_all(tmp_path / "other")
    code, out, err = storesim(
        *("simulate", "--store", corner_shop / "store", "--model", tmp_path / "one"),
        *("--shoppers", 50, "--replications", 1, "--out", tmp_path / "run"),
    )
    assert code == 0, err
    assert len(pd.read_parquet(tmp_path / "run" / "pos.parquet")) > 50


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--sessions", 1], "--sessions"),
        (["--observations", "nowhere"], "nowhere"),
        (["--model", "bundled:everything"], "bundled:supermarket"),
    ],
)
def test_what_cannot_be_done_is_told(
    refuses: Refuses,
    corner_shop: Path,
    trained: Path,
    tmp_path: Path,
    options: list[object],
    complaint: str,
) -> None:
    said = refuses(*arguments(corner_shop, trained), "--out", tmp_path / "model", *options)
    assert complaint in said


def test_visits_without_receipts_teach_nothing(
    refuses: Refuses, corner_shop: Path, trained: Path, tmp_path: Path
) -> None:
    days = tmp_path / "days"
    days.mkdir()
    for name in ("tracking", "sessions", "pos"):
        table = pd.read_parquet(corner_shop / "days" / f"{name}.parquet")
        if name == "pos":
            table["session_id"] = ""
        table.to_parquet(days / f"{name}.parquet")
    said = refuses(
        *arguments(corner_shop, trained),
        "--out",
        tmp_path / "model",
        "--observations",
        days,
        "--sessions",
        20,
    )
    assert "give more --sessions" in said


def test_a_policy_that_remembers_places_cannot_go_to_another_store(
    storesim: Storesim, refuses: Refuses, corner_shop: Path, tmp_path: Path
) -> None:
    code, _, err = storesim(
        *("train", "--store", corner_shop / "store", "--observations", corner_shop / "days"),
        *("--policy", "markov-1", "--out", tmp_path / "markov"),
    )
    assert code == 0, err
    said = refuses(*arguments(corner_shop, tmp_path / "markov"), "--out", tmp_path / "model")
    assert "cannot be fine-tuned" in said
