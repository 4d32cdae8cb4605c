"""Sampling token sequences from a language model, many at once, under a grammar.

`native` is C that the machine's own compiler builds at first use; `torch` does without a compiler and knows
the LSTM too; `transformers` asks the library itself and is what the others are tested against.
"""

from models.decoding.engines import Engine, open_grammar
from models.decoding.loop import LoopEngine
from models.decoding.native import NativeEngine, is_native_available
from models.decoding.sampling import ENGINES, make_engine, sample_sequences

__all__ = [
    "ENGINES",
    "Engine",
    "LoopEngine",
    "NativeEngine",
    "is_native_available",
    "make_engine",
    "open_grammar",
    "sample_sequences",
]
