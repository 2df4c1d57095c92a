"""Write data/comments_train.jsonl and data/comments_dev.jsonl.

The comments are not anybody's: they are put together here from sentence patterns, brand names and
garments, with the lower case and the typing errors that people make. The same seed gives the same
bytes. The development set has patterns and brands of its own, so that its score is honest.

    python scripts/generate_data.py [FOLDER]
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

SEED = 2026
LABEL = "FASHION_BRAND"
TRAIN_SIZE, DEV_SIZE = 420, 110

# Names of real brands; they belong to their owners. Some are everyday words, too.
BRANDS = (
    "Nike",
    "Adidas",
    "Puma",
    "Reebok",
    "New Balance",
    "Converse",
    "Vans",
    "Zara",
    "H&M",
    "Uniqlo",
    "Gucci",
    "Prada",
    "Burberry",
    "Hermes",
    "Chanel",
    "Dior",
    "Versace",
    "Armani",
    "Balenciaga",
    "Levi's",
    "Wrangler",
    "Diesel",
    "Gap",
    "Guess",
    "Mango",
    "Next",
    "Coach",
    "Fossil",
    "Supreme",
    "Patagonia",
    "The North Face",
    "Columbia",
    "Fila",
    "Lacoste",
    "Ralph Lauren",
    "Tommy Hilfiger",
    "Calvin Klein",
    "Dr. Martens",
    "Birkenstock",
    "Clarks",
    "Ugg",
    "Primark",
    "Topshop",
    "Esprit",
    "Benetton",
    "Stone Island",
    "Off-White",
    "Canada Goose",
    "Hugo Boss",
    "Michael Kors",
)
DEV_BRANDS = (
    "Asics",
    "Carhartt",
    "Timberland",
    "Everlane",
    "Arket",
    "Fjallraven",
    "Moncler",
    "Valentino",
    "Salomon",
    "Superdry",
    "Kate Spade",
    "Red Wing",
    "Bershka",
    "Napapijri",
)
ITEMS = (
    "jacket",
    "hoodie",
    "jeans",
    "sneakers",
    "boots",
    "coat",
    "t-shirt",
    "dress",
    "sweater",
    "backpack",
    "belt",
    "scarf",
    "shorts",
    "sandals",
    "cap",
    "bag",
    "trousers",
    "parka",
    "shirt",
)
QUALITIES = (
    "comfy",
    "overpriced",
    "well made",
    "too tight",
    "surprisingly good",
    "ugly",
    "worth it",
    "scratchy",
    "true to size",
    "a bit stiff",
    "warm",
    "gorgeous",
    "falling apart already",
)
COLOURS = ("black", "navy", "olive", "beige", "white", "burgundy", "grey", "mustard")

# {b} and {c} are brands; the other names are filled from the lists above.
PATTERNS = (
    "just got my {b} {i} in the mail and they are {q}",
    "{b} {i} are {q}, change my mind",
    "I've worn {b} since I was twelve and never had a bad pair",
    "does anyone know if the {b} {i} run small?",
    "honestly {b} or {c} for a first {i}?",
    "My {k} {b} {i} survived three winters.",
    "who still buys {b}? the quality went downhill",
    "saw a guy in full {b} at the gym today lol",
    "The new {b} drop is {q}.",
    "I would take {b} over {c} any day",
    "got these at an outlet, the label says {b} but they feel fake",
    "my girlfriend hates my {b} {i}",
    "{b} makes the only {i} that fit me",
    "return policy at {b} is a nightmare",
    "thrifted a vintage {b} {i} for five bucks!!",
    "Is {b} still a thing in 2020?",
    "those look like {b} to me, check the tag",
    "paid way too much for this {b} {i} but it is {q}",
    "can't go wrong with {b}",
    "{b} > {c}",
    "wearing my {k} {i} from {b} to the wedding, too casual?",
    "the stitching on my {b} came loose after a week",
    "anyone else think {b} and {c} look exactly the same now",
    "Looking for a {k} {i}, preferably {b} or similar",
    "i only wear {b} because of the wide toe box",
    "{b} customer service replaced my {i} for free, 10/10",
    "that {i} is from {b}, last season I think",
    "told my brother to stop wearing {b} socks with sandals",
    "Size M at {b} is like an XL at {c}",
    "waiting for the {b} sale so I can afford one {i}",
)
PLAIN_PATTERNS = (
    "this {i} is {q}, no idea who made it",
    "you have to mind the gap between the sleeve and the glove",
    "my coach told us to wear {k} {i} at the match",
    "guess who forgot a {i} in this weather",
    "the next time it rains I'm wearing {i}",
    "found a fossil on the beach in my {k} {i}",
    "diesel fumes ruined my {k} {i}",
    "ate a mango and ruined my {k} {i}",
    "nice fit, the {k} {i} goes well with the {i}",
    "how do you wash a {i} without shrinking it?",
    "supreme comfort, would buy this {i} again",
    "I need a {i} that is not {q}",
    "dress code says no {i}, what do I do",
    "sewing my own {i} this winter, wish me luck",
    "all my {i} are {k}, send help",
    "stop wearing {i} to interviews people",
)
DEV_PATTERNS = (
    "can someone id this {i}? might be {b}",
    "Five years with the same {b} {i} and counting",
    "sold my {b} collection to buy one {c} {i}",
    "The {k} {i} by {b} is {q}",
    "overheard two kids arguing about {b} versus {c}",
    "if {b} made a {k} {i} I'd be broke",
    "switched from {b} to {c} and my feet thank me",
    "not everything by {b} is {q} but this {i} is",
)
DEV_PLAIN_PATTERNS = (
    "take a guess how much I paid for the {k} {i}",
    "what happens next with your {i} will surprise you",
    "there is a gap in my wardrobe where a {k} {i} should be",
    "the {i} in the picture is {q}",
)


def main(folder: Path) -> None:
    """Write both files into `folder`."""

    rng = random.Random(SEED)
    seen: set[str] = set()
    train = comments(rng, TRAIN_SIZE, PATTERNS, PLAIN_PATTERNS, BRANDS, seen)
    # a third of the brands in the development set have never been seen
    brands = DEV_BRANDS + BRANDS[::2]
    patterns = DEV_PATTERNS + PATTERNS[::3]
    plain = DEV_PLAIN_PATTERNS + PLAIN_PATTERNS[::4]
    dev = comments(rng, DEV_SIZE, patterns, plain, brands, seen)
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("comments_train", train), ("comments_dev", dev)):
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def comments(
    rng: random.Random,
    count: int,
    patterns: tuple[str, ...],
    plain: tuple[str, ...],
    brands: tuple[str, ...],
    seen: set[str],
) -> list[str]:
    """`count` lines of JSON, none of whose texts is in `seen`, which grows."""

    lines: list[str] = []
    while len(lines) < count:
        pattern = rng.choice(plain if rng.random() < 0.22 else patterns)
        text, spans = comment(rng, pattern, brands)
        if text.lower() not in seen:
            seen.add(text.lower())
            lines.append(json.dumps({"text": text, "spans": spans}, ensure_ascii=False) + "\n")
    return lines


def comment(
    rng: random.Random, pattern: str, brands: tuple[str, ...]
) -> tuple[str, list[dict[str, int | str]]]:
    """One comment, and the brands in it by character offset."""

    pair = dict(zip("bc", rng.sample(brands, 2), strict=True))
    lowered = rng.random() < 0.3  # some people never use the shift key
    text, spans = "", []
    for piece in pattern.replace("{", "\0{").replace("}", "}\0").split("\0"):
        name = piece[1:-1] if piece.startswith("{") else ""
        if name in pair:
            brand = pair[name].lower() if lowered else pair[name]
            spans.append({"start": len(text), "end": len(text) + len(brand), "label": LABEL})
            text += brand
        elif name:
            text += rng.choice({"i": ITEMS, "q": QUALITIES, "k": COLOURS}[name])
        else:
            text += typo(rng, piece.lower() if lowered else piece)
    return text + rng.choice(("", "", "", ".", "!", " :)", " tbh")), spans


def typo(rng: random.Random, text: str) -> str:
    """Now and then two letters of a longer word swapped."""

    words = text.split(" ")
    for number, word in enumerate(words):
        if len(word) > 5 and word.isalpha() and rng.random() < 0.03:
            at = rng.randrange(1, len(word) - 2)
            words[number] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "data")
