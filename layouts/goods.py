"""Categories of a generated assortment: plausible names, prices, margins and velocities.

The figures are assumptions about a small European grocer, made for variety; none was fitted to data.
"""

from dataclasses import dataclass
from enum import StrEnum


class Home(StrEnum):
    """Where a category stands."""

    FRESH = "fresh"  # wall shelves, rather near the door
    COLD = "cold"
    FROZEN = "frozen"
    SHELF = "shelf"
    DRINK = "drink"  # on a shelf or in a cooler


@dataclass(frozen=True, kw_only=True)
class CategoryProfile:
    """What the products of a category are like.

    Attributes
    ----------
    name, code, home
        Name, prefix of its SKUs, where it stands.
    weight
        Share of the assortment, relative to others.
    price, margin_share, velocity
        Median price, margin as a share of the price, median units a week of one SKU.
    is_impulse, is_everyday
        Sold on racks at the tills; carried by small shops too.
    products
        What there is; brands are put before.
    """

    name: str
    code: str
    home: Home
    weight: float
    price: float
    margin_share: float
    velocity: float
    products: tuple[str, ...]
    is_impulse: bool = False
    is_everyday: bool = True


# name | code | home | weight | price | margin share | velocity | flags | products
_TABLE = """
fruit|FRU|fresh|1.1|1.9|0.32|75||apples, bananas, oranges, grapes, pears, lemons, berries, kiwis
vegetables|VEG|fresh|1.2|1.6|0.31|80||tomatoes, potatoes, onions, carrots, peppers, cucumber, salad
bread|BRE|fresh|1.0|2.1|0.36|85||rye bread, white bread, rolls, baguette, toast, wraps, bagels
flowers|FLO|fresh|0.3|5.9|0.40|14|large|tulips, roses, mixed bouquet, pot plant
dairy|DAI|cold|1.2|1.4|0.19|110||whole milk, skimmed milk, butter, cream, eggs, quark, kefir
cheese|CHE|cold|1.0|2.9|0.28|60||gouda, brie, cheddar, feta, mozzarella, cream cheese
yogurt|YOG|cold|0.9|0.9|0.27|95||plain yogurt, fruit yogurt, drinking yogurt, pudding, skyr
meat|MEA|cold|0.9|5.4|0.22|55|large|minced beef, chicken breast, pork chops, sausages, steak
fish|FIS|cold|0.5|6.2|0.25|26|large|salmon, smoked trout, herring, shrimps, tuna steak
deli|DEL|cold|0.7|2.6|0.33|62||ham, salami, hummus, olives, potato salad, turkey slices
ready meals|REA|cold|0.6|3.9|0.35|48||lasagne, curry, soup, sandwich, sushi, pasta salad
frozen meals|FRM|frozen|1.0|3.2|0.30|50||pizza, fish fingers, chips, spinach, peas, vegetable mix
ice cream|ICE|frozen|0.6|3.6|0.37|42||vanilla tub, chocolate tub, cones, ice lollies, sorbet
breakfast|BKF|shelf|0.9|2.9|0.31|40||muesli, corn flakes, oats, jam, honey, hazelnut spread
coffee and tea|COF|shelf|0.9|4.6|0.24|38||ground coffee, beans, capsules, black tea, herbal tea
pasta and rice|PAS|shelf|1.0|1.5|0.27|60||spaghetti, penne, fusilli, basmati rice, risotto rice
sauces|SAU|shelf|0.8|2.3|0.32|42||tomato sauce, pesto, ketchup, mayonnaise, mustard, soy sauce
canned food|CAN|shelf|1.0|1.4|0.26|48||tomatoes, beans, sweetcorn, tuna, chickpeas, soup, peaches
baking|BAK|shelf|0.7|1.7|0.25|34|large|flour, sugar, yeast, baking powder, vanilla, almonds
oil and spices|OIL|shelf|0.7|3.4|0.33|24||olive oil, sunflower oil, vinegar, salt, pepper, paprika
salty snacks|SNA|shelf|0.9|2.1|0.36|66|impulse|crisps, tortilla chips, peanuts, crackers, pretzels
confectionery|CON|shelf|0.9|1.8|0.41|80|impulse|milk chocolate, bar, gummy bears, mints, pralines, gum
biscuits|BIS|shelf|0.7|2.0|0.38|50|impulse|butter biscuits, wafers, cookies, cake, rusks
soft drinks|SOF|drink|1.0|1.5|0.29|85|impulse|cola, lemonade, iced tea, energy drink, tonic
juice and water|JUI|drink|0.9|1.4|0.28|75||still water, sparkling water, orange juice, apple juice
beer|BEE|drink|0.8|4.9|0.23|58||lager, wheat beer, pale ale, alcohol-free beer, cider
wine and spirits|WIN|shelf|0.8|7.4|0.27|22||red wine, white wine, rose, sparkling wine, gin, rum
household|HOU|shelf|1.0|3.1|0.26|26||washing powder, dish soap, bin bags, paper towels, cleaner
body care|BOD|shelf|0.9|3.0|0.31|24||shampoo, shower gel, toothpaste, soap, deodorant, razors
baby|BAB|shelf|0.5|5.2|0.21|16|large|nappies, wipes, formula, fruit puree, porridge
pet food|PET|shelf|0.6|2.2|0.27|36|large|cat food, dog food, cat litter, treats, bird seed
magazines|MAG|shelf|0.4|3.8|0.25|20|impulse large|newspaper, weekly, puzzle book, comic, greeting card
"""


def _parse(line: str) -> CategoryProfile:
    name, code, home, weight, price, margin_share, velocity, flags, products = line.split("|")
    return CategoryProfile(
        name=name.strip(),
        code=code.strip(),
        home=Home(home.strip()),
        weight=float(weight),
        price=float(price),
        margin_share=float(margin_share),
        velocity=float(velocity),
        is_impulse="impulse" in flags,
        is_everyday="large" not in flags,
        products=tuple(product.strip() for product in products.split(",")),
    )


CATEGORIES: tuple[CategoryProfile, ...] = tuple(_parse(line) for line in _TABLE.strip().splitlines())

BRANDS = ("Alba", "Borea", "Corvo", "Delta", "Elmwood", "Fjord", "Giro", "Halden", "Isar", "Jura", "Lumen")
