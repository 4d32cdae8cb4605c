"""How much a category is bought on impulse, by its name: a prior from the receipts of other stores.

`models/priors/displays.json` holds, for each category of a published set of receipts, what a display does to
its sales once price is taken out, as a score of mean 0 and variance 1 (weighted by sales). A retailer's own
names are matched to the published ones by their words.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from layouts import ModelError

DISPLAYS_FILE = Path(__file__).parent / "priors" / "displays.json"

# What retailers say, as a set of words, and the published categories that it means. Longer names go first,
# and words used by one are not used again: "ice cream" is no cream.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "baby": ("BABY FOODS", "BABY HBC", "DIAPERS & DISPOSABLES", "INFANT FORMULA", "INFANT CARE PRODUCTS"),
    "baking": ("BAKING MIXES", "BAKING NEEDS", "FLOUR & MEALS", "SUGARS/SWEETNERS"),
    "beer": ("BEERS/ALES",),
    "biscuit": ("COOKIES/CONES", "COOKIES", "CRACKERS/MISC BKD FD"),
    "body care": (
        "HAIR CARE PRODUCTS",
        "HAND/BODY/FACIAL PRODUCTS",
        "ORAL HYGIENE PRODUCTS",
        "DEODORANTS",
        "SHAVING CARE PRODUCTS",
        "SOAP - LIQUID & BAR",
    ),
    "bread": ("BAKED BREAD/BUNS/ROLLS", "BREAD", "ROLLS"),
    "breakfast": ("COLD CEREAL", "HOT CEREAL", "CONVENIENT BRKFST/WHLSM SNACKS", "PNT BTR/JELLY/JAMS"),
    "cake": ("CAKES", "BAKED SWEET GOODS", "SWEET GOODS & SNACKS", "PIES", "BREAKFAST SWEETS"),
    "canned": (
        "SOUP",
        "VEGETABLES - SHELF STABLE",
        "FRUIT - SHELF STABLE",
        "MEAT - SHELF STABLE",
        "SEAFOOD - SHELF STABLE",
        "BEANS - CANNED GLASS & MW",
    ),
    "cereal": ("COLD CEREAL", "HOT CEREAL"),
    "cheese": ("CHEESE", "CHEESES"),
    "coffee": ("COFFEE",),
    "confectionery": ("CANDY - PACKAGED", "CANDY - CHECKLANE"),
    "dairy": ("FLUID MILK PRODUCTS", "MILK BY-PRODUCTS", "MISC. DAIRY", "EGGS", "BUTTER", "MARGARINES"),
    "deli": ("DELI MEATS", "CHEESES", "SALADS/DIPS", "LUNCHMEAT"),
    "egg": ("EGGS",),
    "fish": ("SEAFOOD-FRESH", "SEAFOOD - FROZEN"),
    "flower": ("FLORAL-FRESH CUT", "FLORAL-FLOWERING PLANTS", "ROSES"),
    "frozen": ("FRZN MEAT/MEAT DINNERS", "FROZEN PIZZA", "FRZN VEGETABLE/VEG DSH", "FRZN POTATOES"),
    "frozen meal": ("FRZN MEAT/MEAT DINNERS", "FROZEN PIZZA", "FRZN BREAKFAST FOODS"),
    "fruit": ("APPLES", "BERRIES", "CITRUS", "GRAPES", "MELONS", "PEARS", "STONE FRUIT", "TROPICAL FRUIT"),
    "household": (
        "HOUSEHOLD CLEANG NEEDS",
        "LAUNDRY DETERGENTS",
        "LAUNDRY ADDITIVES",
        "DISHWASH DETERGENTS",
        "BATH TISSUES",
        "PAPER TOWELS",
        "FD WRAPS/BAGS/TRSH BG",
        "BLEACH",
        "AIR CARE",
    ),
    "ice cream": ("ICE CREAM/MILK/SHERBTS", "FRZN NOVELTIES/WTR ICE"),
    "juice": ("CANNED JUICES", "REFRGRATD JUICES/DRNKS"),
    "magazine": ("MAGAZINE", "NEWSPAPER"),
    "meat": ("BEEF", "CHICKEN", "PORK", "TURKEY", "LAMB", "SMOKED MEATS"),
    "milk": ("FLUID MILK PRODUCTS",),
    "oil": ("SHORTENING/OIL",),
    "pasta": ("DRY NOODLES/PASTA",),
    "pet": ("DOG FOODS", "CAT FOOD", "CAT LITTER", "PET CARE SUPPLIES"),
    "ready": ("PREPARED FOOD", "SANDWICHES", "SUSHI", "HEAT/SERVE", "CHICKEN/POULTRY"),
    "rice": ("DRY BN/VEG/POTATO/RICE",),
    "salty snack": ("BAG SNACKS", "WAREHOUSE SNACKS", "SNACK NUTS"),
    "sauce": ("PASTA SAUCE", "CONDIMENTS/SAUCES", "DRY SAUCES/GRAVY"),
    "snack": ("BAG SNACKS", "WAREHOUSE SNACKS", "SNACK NUTS"),
    "soft drink": ("SOFT DRINKS",),
    "spice": ("SPICES & EXTRACTS",),
    "spirit": ("LIQUOR",),
    "tea": ("TEAS",),
    "tobacco": ("CIGARETTES", "TOBACCO OTHER"),
    "vegetable": (
        "CARROTS",
        "TOMATOES",
        "ONIONS",
        "PEPPERS-ALL",
        "POTATOES",
        "BROCCOLI/CAULIFLOWER",
        "MUSHROOMS",
        "SALAD MIX",
        "VEGETABLES - ALL OTHERS",
        "VEGETABLES SALAD",
    ),
    "water": ("WATER - CARBONATED/FLVRD DRINK", "WATER"),
    "wine": ("DOMESTIC WINE", "IMPORTED WINE", "MISC WINE"),
}
# Other words for the same: each is read as the second.
SAME_WORDS = {
    "bakery": "bread",
    "candy": "confectionery",
    "chips": "snack",
    "chocolate": "confectionery",
    "cleaning": "household",
    "cookie": "biscuit",
    "cracker": "biscuit",
    "crisps": "snack",
    "floral": "flower",
    "laundry": "household",
    "paper": "household",
    "pop": "soda",
    "seafood": "fish",
    "sweets": "confectionery",
    "tin": "canned",
    "tinned": "canned",
    "yoghurt": "yogurt",
    "soda": "soft drink",
    "produce": "fruit vegetable",
    "liquor": "spirit",
}
EMPTY_WORDS = {
    "all",
    "and",
    "food",
    "good",
    "item",
    "meal",
    "misc",
    "need",
    "of",
    "other",
    "product",
    "the",
    "dry",
    "frozen",
    "fresh",
}


@dataclass(frozen=True, kw_only=True)
class Match:
    """What the published receipts say of a category of this name.

    Attributes
    ----------
    name
        The name as it was given.
    matched
        Published categories it was matched with, in alphabetical order; none if no word is known.
    score
        How much a display sells, in standard deviations between categories: mean of those matched, weighted
        by their sales; 0 if there are none.
    score_sd
        Standard deviation of that belief; if there are none, the spread of all categories.
    """

    name: str
    matched: tuple[str, ...]
    score: float
    score_sd: float


def match_categories(names: Sequence[str]) -> list[Match]:
    """Find the score of each category by its name.

    Parameters
    ----------
    names
        A retailer's own category names, in English. Case, the order of words and what stands between them do
        not matter.

    Returns
    -------
    matches
        One for each name, in their order; each depends on its own name alone.
    """
    priors = load_display_priors()
    return [_match(name, priors) for name in names]


@cache
def load_display_priors() -> dict[str, Any]:
    """Read `displays.json`, which is to be read and not changed.

    Raises
    ------
    ModelError
        If the file is missing or has not the parts that are needed.
    """
    try:
        priors: dict[str, Any] = json.loads(DISPLAYS_FILE.read_text(encoding="utf-8"))
        missing = {"categories", "departments", "kinds", "overall"} - set(priors)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{DISPLAYS_FILE.name}: cannot be read ({error}); install the package again"
        ) from None
    if missing:
        raise ModelError(
            f"{DISPLAYS_FILE.name}: has no {', '.join(sorted(missing))}; make it with make category-priors"
        )
    return priors


def _match(name: str, priors: Mapping[str, Any]) -> Match:
    categories = priors["categories"]
    matched = sorted(find_published(name, categories))
    if not matched:
        return Match(name=name, matched=(), score=0.0, score_sd=float(priors["overall"]["score_spread"]))
    sales = np.array([categories[each]["sales"] for each in matched], dtype=np.float64)
    share = (sales + 1.0) / (sales + 1.0).sum()
    score = np.array([categories[each]["score"] for each in matched])
    sd = np.array([categories[each]["score_sd"] for each in matched])
    # What is matched may differ from what is meant: the spread of those matched is part of the doubt.
    variance = float((share * sd) @ (share * sd) + share @ (score - share @ score) ** 2)
    return Match(
        name=name, matched=tuple(matched), score=float(share @ score), score_sd=float(np.sqrt(variance))
    )


def find_published(name: str, published: Iterable[str]) -> set[str]:
    """Find which published categories a name means: by synonyms, then by words that both have."""
    published = list(published)
    left = {part for word in _split(name) for part in _split(_SAME.get(word, word))}
    found: set[str] = set()
    by_length = sorted(SYNONYMS, key=lambda phrase: (-len(_split(phrase)), phrase))
    for phrase in by_length:
        words = set(_split(phrase))
        if words <= left:
            left -= words
            found |= set(SYNONYMS[phrase]) & set(published)
    left -= EMPTY_WORDS
    return found | {category for category in published if left & set(_split(category))}


def _split(text: str) -> list[str]:
    """Lower-case words of a name in the singular; what is no letter parts them."""
    return [_singular(word) for word in re.findall(r"[a-z]+", text.lower())]


def _singular(word: str) -> str:
    """Cut the English plural off, roughly, and alike for all names."""
    if word.endswith(("sses", "ches", "shes", "xes", "toes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        word = word[:-1]
    return f"{word[:-2]}y" if word.endswith("ie") and len(word) > 4 else word


_SAME = {_singular(word): other for word, other in SAME_WORDS.items()}
