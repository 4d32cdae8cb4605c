"""Two forms of the text, written by a tiny network: a fix every 5 s, or words for how long a cell lasts."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from benchmarks.common import print_table, write_result
from benchmarks.paper.as_written import N_WRITINGS, WRITTEN, compare_several
from benchmarks.paper.setting import Setting, format_ratio, parse_options, prepare
from benchmarks.paper.written import count_written
from models.paper.fitting import fit_paper_policy
from models.paper.reading import interpret_words
from models.paper.text import write_journeys
from models.paper.training import LanguageTrainingConfig
from models.paper.words import TextEncoding

# Kind and epochs; with time words a journey is three times as long.
FORMS: dict[str, tuple[Literal["fix", "time"], int]] = {
    "a fix every 5 s": ("fix", 6),
    "time words, as many tokens": ("time", 2),
    "time words, as many journeys": ("time", 6),
}


def main() -> None:
    options = parse_options(__doc__)
    forms = run_forms(prepare(options))
    print_forms(forms)
    settings = {key: getattr(options, key) for key in ("seed", "quick")}
    write_result("paper-forms", {"settings": settings, "forms": forms}, out=options.out)


def run_forms(setting: Setting) -> dict[str, Any]:
    """Train a tiny network on each form of the text and compare what it writes."""
    store, days = setting.store, setting.held_out
    results: dict[str, Any] = {}
    for name, (kind, n_epochs) in FORMS.items():
        policy, history = fit_paper_policy(
            setting.training.positions,
            setting.training.journeys,
            store,
            rng=np.random.default_rng(setting.options.seed),
            preset="tiny",
            encoding=TextEncoding(kind=kind),
            training=LanguageTrainingConfig(n_epochs=n_epochs),
        )
        sequences = policy.tokenizer.encode(
            write_journeys(days.positions, days.journeys, store, policy.encoding).lines
        )
        meanings = interpret_words(policy.tokenizer.words, store, policy.encoding)
        observed = count_written(sequences, meanings, store, policy.encoding)
        door = [sequence[: 1 + len(policy.encoding.attributes)] for sequence in sequences]
        rng = np.random.default_rng(setting.options.seed + 3)
        journeys = [
            policy.sample(door, rng.random((len(door), policy.n_tokens)), store) for _ in range(N_WRITINGS)
        ]
        counts = [count_written(of_one, meanings, store, policy.encoding) for of_one in journeys]
        results[name] = {
            **compare_several(observed, counts, setting),
            "n_epochs": len(history),
            "mean_tokens": float(np.mean([len(sequence) for sequence in sequences])),
        }
    return results


def print_forms(forms: dict[str, Any]) -> None:
    rows = [
        [name, f"{result['mean_tokens']:.0f}", *(format_ratio(result[figure]) for figure in WRITTEN)]
        for name, result in forms.items()
    ]
    print_table("Two forms of the text, tiny network", ["form", "tokens", *WRITTEN], rows)


if __name__ == "__main__":
    main()
