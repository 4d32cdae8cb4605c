"""Byte-level byte pair encoding of journeys: every cell code becomes one token.

The vocabulary is learned from the words of the training journeys together with a universe of codes: all 4,096
of a 64 x 64 frame, so that the cells of every store of that size are tokens already, or the walkable cells of
the store itself where the frame is larger. Pairs are merged within words only, so a token never spans two
cells. Attributes, purchases, waits, door and exit are added tokens. Nothing is pickled: transformers reads
`tokenizer.json` as it is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layouts import CellCodes, CodeFrame, ModelError, Store
from models.paper.words import DOOR, EXIT, PAD, TextEncoding, attribute_word, buy_word, split_words
from models.vocabulary import UNKNOWN

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"
MAX_TOKENS = 50_000
N_BYTES = 256


@dataclass(frozen=True, eq=False)
class JourneyTokenizer:
    """Lines of text to token ids and back.

    Attributes
    ----------
    backend
        The `tokenizers.Tokenizer` that does it.
    """

    backend: Tokenizer

    @property
    def n_tokens(self) -> int:
        """Size of the vocabulary."""
        return int(self.backend.get_vocab_size())

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Word that each token id stands for; pieces of words and single bytes are empty."""
        words = [""] * self.n_tokens
        for token, index in self.backend.get_vocab().items():
            is_tag = token.startswith("<") and token.endswith(">")
            words[index] = token if is_tag else token[1:] if token.startswith("Ġ") else ""
        return tuple(words)

    @cached_property
    def _id_of(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.words) if word}

    @property
    def pad_id(self) -> int:
        """Token that fills up batches."""
        return self._id_of[PAD]

    @property
    def door_id(self) -> int:
        """Token after which the journey begins."""
        return self._id_of[DOOR]

    @property
    def eos_id(self) -> int:
        """Token that ends a journey."""
        return self._id_of[EXIT]

    def find_id(self, word: str) -> int:
        """Token id of a word; -1 if it is not one token."""
        return self._id_of.get(word, -1)

    def encode(self, lines: Sequence[str]) -> list[NDArray[np.int64]]:
        """Token ids of each line."""
        return [np.array(found.ids, dtype=np.int64) for found in self.backend.encode_batch_fast(list(lines))]

    def decode(self, sequences: Iterable[NDArray[np.integer[Any]]]) -> list[str]:
        """Line of each sequence, words separated by spaces."""
        texts = self.backend.decode_batch([[int(t) for t in s] for s in sequences], skip_special_tokens=False)
        return [" ".join(split_words(text)) for text in texts]

    def extend(self, words: Iterable[str]) -> JourneyTokenizer:
        """Add tags (purchases, attribute levels) that are missing; known tokens keep their ids."""
        from tokenizers import Tokenizer

        backend = Tokenizer.from_str(self.backend.to_str())
        backend.add_special_tokens(_as_tags(word for word in words if self.find_id(word) < 0))
        return JourneyTokenizer(backend)

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`, which transformers reads as they are."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TOKENIZER_FILE).write_text(self.backend.to_str(pretty=True) + "\n", encoding="utf-8")
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": DOOR,
            "eos_token": EXIT,
            "pad_token": PAD,
            "clean_up_tokenization_spaces": False,
        }
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> JourneyTokenizer:
        """Read `tokenizer.json`.

        Raises
        ------
        ModelError
            If it is absent or damaged.
        """
        from tokenizers import Tokenizer

        path = Path(folder) / TOKENIZER_FILE
        try:
            tokenizer = cls(Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise ModelError(f"{path}: not found; give a folder written by `storesim train`") from None
        except Exception as error:  # tokenizers raises plain exceptions for every malformed file
            raise ModelError(f"{path}: not a tokenizer ({error}); train the model again") from None
        missing = [word for word in (PAD, DOOR, EXIT) if tokenizer.find_id(word) < 0]
        if missing:
            raise ModelError(f"{path}: has no token {missing[0]}; train the model again")
        return tokenizer


def train_tokenizer(
    lines: Iterable[str],
    tags: Sequence[str] = (),
    *,
    universe: Iterable[str] = (),
    max_tokens: int = MAX_TOKENS,
) -> JourneyTokenizer:
    """Learn a byte-level BPE from the words of journeys.

    Parameters
    ----------
    lines
        Journeys as text. Their tags become added tokens too.
    tags
        Further tags, such as purchases of all categories of the store.
    universe
        Words that are to be tokens though they may not occur.
    max_tokens
        Size of the vocabulary at most, tags and the 256 bytes included. With no room beyond those the
        encoding is by characters.

    Raises
    ------
    ModelError
        If the tags and bytes alone are more.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    counts = Counter(word for line in lines for word in split_words(line))
    found = sorted(word for word in counts if word.startswith("<"))
    specials = list(dict.fromkeys([PAD, DOOR, EXIT, *tags, *found]))
    if max_tokens < N_BYTES + len(specials):
        raise ModelError(f"max_tokens must be at least {N_BYTES + len(specials)}, got {max_tokens}")
    codes = {word: count for word, count in counts.items() if not word.startswith("<")}
    for word in universe:
        codes[word] = codes.get(word, 0) + 1
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s*\S+"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max_tokens,
        min_frequency=1,
        show_progress=False,
        special_tokens=_as_tags(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    often = (" ".join([word] * count) for word, count in sorted(codes.items()))
    backend.train_from_iterator(often, trainer)
    return JourneyTokenizer(backend)


def build_tokenizer(
    lines: Sequence[str], store: Store, encoding: TextEncoding, *, max_tokens: int = MAX_TOKENS
) -> JourneyTokenizer:
    """Learn the tokenizer of a store's journeys, in which every cell that anybody can stand in is one token.

    The codes of a 64 x 64 frame are all in it; of a larger store only its own cells are, so that journeys of
    another such store need a tokenizer of their own.
    """
    tags = [*encoding.wait_words, *(attribute_word(name, UNKNOWN) for name in encoding.attributes)]
    tags += [buy_word(category) for category in store.categories]
    return train_tokenizer(lines, tags, universe=list_codes(store), max_tokens=max_tokens)


def list_codes(store: Store) -> list[str]:
    """Codes of the frame that all stores of up to 64 x 64 cells share, or of a larger store's own cells."""
    codes = CellCodes.of(store.grid)
    if codes.frame.split > CodeFrame().split:
        return [str(code) for code in codes.all_codes]
    n = codes.frame.n_side
    cells = np.stack(np.divmod(np.arange(n * n), n), axis=1)
    return [str(code) for code in codes.frame.encode_rows_cols(cells)]


def _as_tags(words: Iterable[str]) -> list[Any]:
    """Added tokens that swallow the space before them."""
    from tokenizers import AddedToken

    return [AddedToken(word, lstrip=True, normalized=False, special=True) for word in words]
