"""Training throughput: our trainer against a plain transformers `Trainer` on the same model and journeys.

Journeys of log-normal length (median 270 tokens), whole in both; about as many tokens in a batch. The plain
`Trainer` is as its documentation has it: batches in random order padded to their longest, loss over all
positions; the better one also sorts by length and computes in bfloat16 where that is what ours does. One
thread, CPU time, taking turns; targets learned a second, medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import print_table, write_result
from models.paper.network import build_gpt2
from models.paper.training import LanguageTrainingConfig, train_language_model, uses_bfloat16

N_TOKENS, BATCH = 2000, 16
OURS, PLAIN, SORTED = "ours", "Trainer", "Trainer, sorted by length"
SIZES = {"S": "small", "M": "medium"}


def main() -> None:
    options = parse_options()
    torch.set_num_threads(1)
    rows = []
    for size in options.sizes:
        rates: dict[str, list[float]] = {OURS: [], PLAIN: [], SORTED: []}
        for repeat in range(options.repeats):
            journeys = make_journeys(options.journeys, np.random.default_rng(repeat))
            rates[OURS].append(time_ours(SIZES[size], journeys))
            rates[PLAIN].append(time_trainer(SIZES[size], journeys, is_sorted=False))
            rates[SORTED].append(time_trainer(SIZES[size], journeys, is_sorted=True))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        rows.append(
            {
                "size": size,
                "targets_per_s": medians,
                "range": {name: [min(values), max(values)] for name, values in rates.items()},
                "times_trainer": {name: rate / medians[PLAIN] for name, rate in medians.items()},
            }
        )
    print_table(
        "Targets learned a second, one thread (times the plain Trainer)",
        ["size", OURS, PLAIN, SORTED],
        [
            [
                row["size"],
                *(
                    f"{row['targets_per_s'][name]:,.0f} ({row['times_trainer'][name]:.2f}x)"
                    for name in (OURS, PLAIN, SORTED)
                ),
            ]
            for row in rows
        ],
    )
    precision = "bfloat16" if uses_bfloat16(torch.device("cpu"), LanguageTrainingConfig()) else "float32"
    settings = {"journeys": options.journeys, "repeats": options.repeats, "precision": precision}
    write_result("paper-throughput", {"settings": settings, "rows": rows}, out=options.out)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer journeys, size S alone")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--journeys", type=int, default=320, help="read by each in a repeat (default 320)")
    parser.add_argument("--repeats", type=int, default=3, help="of every measurement (default 3)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="result (default benchmarks/results/paper-throughput.json)"
    )
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.journeys, options.repeats = ["S"], 96, 3
    return options


def make_journeys(n: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Tokens without meaning in journeys of the lengths of real ones."""
    lengths = np.clip(rng.lognormal(np.log(270), 0.4, n), 100, 511).astype(int)
    return [rng.integers(1, N_TOKENS, length) for length in lengths]


def make_network(preset: str) -> Any:
    return build_gpt2(preset, vocab_size=N_TOKENS, eos_id=0, rng=np.random.default_rng(0))


def time_ours(preset: str, journeys: list[NDArray[np.int64]]) -> float:
    """Targets a second of one epoch, without the validation of one short journey."""
    config = replace(LanguageTrainingConfig(), n_epochs=1, batch_tokens=BATCH * 270)
    network = make_network(preset)
    start = time.process_time()
    train_language_model(network, journeys, [journeys[0][:4]], rng=np.random.default_rng(0), config=config)
    return sum(len(journey) - 1 for journey in journeys) / (time.process_time() - start)


def time_trainer(preset: str, journeys: list[NDArray[np.int64]], *, is_sorted: bool) -> float:
    """Targets a second of one epoch of transformers' `Trainer`, its preparation left out."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        started = ended = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.process_time()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ended = time.process_time()

    clock = Clock()
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            per_device_train_batch_size=BATCH,
            num_train_epochs=1,
            learning_rate=2e-3,
            train_sampling_strategy="group_by_length" if is_sorted else "random",
            bf16=is_sorted and uses_bfloat16(torch.device("cpu"), LanguageTrainingConfig()),
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = Trainer(
            model=make_network(preset).train(),
            args=arguments,
            train_dataset=[{"input_ids": journey.tolist()} for journey in journeys],
            data_collator=collate,
            callbacks=[clock],
        )
        trainer.train()
    return sum(len(journey) - 1 for journey in journeys) / (clock.ended - clock.started)


def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Pad to the longest, as the library's own collator does."""
    longest = max(len(row["input_ids"]) for row in rows)
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for index, row in enumerate(rows):
        tokens[index, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        mask[index, : len(row["input_ids"])] = 1
    return {"input_ids": tokens, "attention_mask": mask, "labels": tokens.masked_fill(mask == 0, -100)}


if __name__ == "__main__":
    main()
