"""The paper's method: journeys as text of six-character cell codes, written by GPT-2 (arXiv 2407.11081)."""

from models.paper.legality import build_grammar, measure_legality
from models.paper.reading import (
    CellVisits,
    Meanings,
    decode_journeys,
    interpret_words,
    read_cell_visits,
    read_journeys,
)
from models.paper.text import JourneyTexts, fit_encoding, write_journeys
from models.paper.tokenizer import JourneyTokenizer, build_tokenizer, train_tokenizer
from models.paper.tracks import CellTracks, trace_cells
from models.paper.words import TextEncoding, take_points

__all__ = [
    "CellTracks",
    "CellVisits",
    "JourneyTexts",
    "JourneyTokenizer",
    "Meanings",
    "TextEncoding",
    "build_grammar",
    "build_tokenizer",
    "decode_journeys",
    "fit_encoding",
    "interpret_words",
    "measure_legality",
    "read_cell_visits",
    "read_journeys",
    "take_points",
    "trace_cells",
    "train_tokenizer",
    "write_journeys",
]
