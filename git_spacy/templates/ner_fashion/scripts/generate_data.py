"""Write data/comments_train.jsonl and data/comments_dev.jsonl.

The comments are generated from sentence patterns, brands and clothes, with typical lower-case
spelling and typing errors. Most patterns and a third of the brands of the development set do not
occur in the training set, so that the score is fair.

The same seed produces the same bytes with every version of Python: only `Random.random` is used,
whose sequence is guaranteed by the standard library.

    python scripts/generate_data.py [FOLDER]
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SEED = 20
LABEL = "FASHION_BRAND"
TRAIN_SIZE, DEV_SIZE = 400, 100
PLAIN_SHARE = 0.25  # of the comments do not contain a brand
SHARED_SHARE = 0.3  # of the development set uses patterns of the training set

# Names of real brands; they belong to their owners. Those in the last line of each list are also
# everyday words, and the plain patterns below use them as such.
TRAIN_BRANDS = (
    *("Nike", "Adidas", "Puma", "Reebok", "New Balance", "Converse", "Vans", "Fila", "Umbro"),
    *("Zara", "H&M", "Uniqlo", "Primark", "Topshop", "Esprit", "Benetton", "COS", "ASOS"),
    *("Gucci", "Prada", "Burberry", "Chanel", "Dior", "Versace", "Armani", "Fendi", "YSL"),
    *("Levi's", "Wrangler", "Lacoste", "Ralph Lauren", "Tommy Hilfiger", "Calvin Klein"),
    *("Patagonia", "The North Face", "Helly Hansen", "Canada Goose", "Jack Wolfskin"),
    *("Dr. Martens", "Birkenstock", "Clarks", "Ugg", "Crocs", "Hugo Boss", "Michael Kors"),
    *("Gap", "Guess", "Mango", "Next", "Coach", "Diesel", "Supreme", "Stone Island", "Champion"),
)
DEV_BRANDS = (
    *("Asics", "Carhartt", "Timberland", "Everlane", "Arket", "Fjällräven", "Moncler", "Salomon"),
    *("Superdry", "Kate Spade", "Red Wing", "Bershka", "Napapijri", "Hermès", "Ecco", "Skechers"),
    *("C&A", "Vivienne Westwood", "Under Armour", "Brooks Brothers", "Lululemon", "Saucony"),
    *("Fossil", "Columbia", "Monki", "Reformation", "Weekday", "Element", "Theory", "Hollister"),
)

ONE = (
    *("jacket", "hoodie", "coat", "t-shirt", "dress", "sweater", "backpack", "belt", "scarf"),
    *("cap", "bag", "parka", "shirt", "cardigan", "blazer", "skirt", "raincoat", "wallet"),
)
MANY = (
    *("jeans", "sneakers", "boots", "shorts", "sandals", "trousers", "socks", "leggings"),
    *("loafers", "gloves", "chinos", "trainers", "flip-flops", "tights", "heels"),
)
COLOURS = ("black", "navy", "olive", "beige", "white", "burgundy", "grey", "mustard", "teal")
VERDICTS = (
    *("comfy", "overpriced", "well made", "too tight", "surprisingly good", "not my style"),
    *("worth it", "scratchy", "true to size", "a bit stiff", "warm", "gorgeous", "so-so"),
)
PLACES = ("the outlet", "the flea market", "my cousin", "a charity shop", "the airport", "ebay")

# {b} and {c} are brands, {one} and {many} clothes, {k} a colour, {is} a verdict, {from} a place,
# {n} a number.
TRAIN_PATTERNS = (
    "just got my {b} {one} in the mail and it is {is}",
    "{b} {many} are {is}, change my mind",
    "I've worn {b} since I was {n} and never had a bad pair",
    "does anyone know if the {b} {many} run small?",
    "honestly {b} or {c} for a first {one}?",
    "My {k} {b} {one} survived {n} winters.",
    "anybody still buying {b}? haven't been there in ages",
    "saw a guy in full {b} at the gym today lol",
    "The new {b} drop is {is}.",
    "I would take {b} over {c} any day",
    "got these at {from}, the label says {b} but they feel odd",
    "my girlfriend hates my {b} {one}",
    "Is {b} still a thing?",
    "{b} makes the only {one} that fits me",
    "looking for a {k} {one}, preferably {b} or {c}",
    "can't go wrong with {b}",
    "{n} quid for a {b} {one}?? no thanks",
    "wearing {b} head to toe, someone stop me",
    "my dad found a vintage {b} {one} at {from}",
    "why does every {b} {one} come with a giant logo",
    "the stitching on my {b} {one} is {is}",
    "Went to {b} for {many} and left with a {one}",
    "{b}, {c}, whatever, as long as it is {k}",
    "my {b} are {is}",
    "that {one} is from {b}, last season I think",
    "told my brother to stop wearing {b} socks with {many}",
    "Size M at {b} is like an XL at {c}",
    "waiting for the {b} sale so I can afford one {one}",
    "@someone pretty sure it's {b}",
    "{b}'s {many} are {is} imo",
    "selling: {k} {many}, {b}, size {n}, worn twice",
    "I love {b}!!!",
    "got a {one} from {b} for my birthday, it is {is}",
    "these {many} are {b}, right?",
    "returned my {b} order, the {one} was {is}",
    "{b} >>> {c}",
    "Best {many} ever? {b}. Not even close.",
    "anyone else think {b} sizing changed?",
    "{b} customer service replaced my {one} for free, 10/10",
    "the {k} ones by {b} or the {k} ones by {c}? help",
)
TRAIN_PLAIN_PATTERNS = (
    "this {one} is {is}, no idea who made it",
    "you have to mind the gap between the sleeve and the glove",
    "my coach told us to wear {k} {many} at the match",
    "guess who forgot a {one} in this weather",
    "the next time it rains I'm wearing {many}",
    "Next week I will finally wash my {one}",
    "diesel fumes ruined my {k} {one}",
    "dropped half a mango on my {k} {many}",
    "Champion of bad decisions: {k} {many} with a {k} {one}",
    "supreme comfort, would buy this {one} again",
    "how do you wash a {one} without shrinking it?",
    "I need a {one} that is not {is}",
    "Dress code says no {many}, what do I do",
    "sewing my own {one} this winter, wish me luck",
    "all my {many} are {k}, send help",
    "Mum bought me {many} at {from} again",
    "stop wearing {many} to interviews, people",
    "who else has {n} pairs of {many} and wears one",
    "Is {k} still in for {many}?",
    "London in November, do I need a {one}?",
    "lol my boss wears {many} on Fridays",
)
DEV_PATTERNS = (
    "can someone id this {one}? might be {b}",
    "Five years with the same {b} {one} and counting",
    "sold my {b} collection to buy one {c} {one}",
    "The {k} {one} by {b} is {is}",
    "overheard two kids arguing about {b} versus {c}",
    "if {b} made {k} {many} I'd be broke",
    "switched from {b} to {c} and my feet thank me",
    "not everything by {b} is {is} but this {one} is",
    "unpopular opinion: {b} was better in the nineties",
    "Dear {b}, please bring back the {k} {one}.",
    "ok so {b} finally restocked",
    "do {b} and {c} use the same factory for {many}?",
    "walked past {b} today, {n} people queueing for a {one}",
    "hot take, {c} copied the {one} from {b}",
    "My first pair of {b} fell apart after {n} years, fair enough",
    "Found it! It's a {b} {one} from {from}",
    "nobody: ... me: buys more {b}",
    "Thought they were {b}, turns out the {many} are {c}",
    "{b} again? you already own {n} of them",
    "need new {many} asap, {b} maybe",
)
DEV_PLAIN_PATTERNS = (
    "take a guess how much I paid for the {k} {one}",
    "what happens next with your {many} will surprise you",
    "there is a gap in my wardrobe where a {k} {one} should be",
    "the {one} in the picture is {is}",
    "In theory the {many} are {k}",
    "found a fossil on the beach in my {k} {many}",
    "every weekday the same {many}, I don't care",
    "My aunt in Leeds knits a better {one} than any shop",
    "Paris was cold, should have packed a {one}",
    "Out of my element in {many}, honestly",
)
ENDINGS = ("", "", "", "", "", "!", " :)", " tbh", " lol", " #ootd")


def main(folder: Path) -> None:
    """Write both files into `folder`."""

    writer = Writer(SEED)
    train = writer.comments(TRAIN_SIZE, TRAIN_PATTERNS, TRAIN_PLAIN_PATTERNS, TRAIN_BRANDS)
    brands = DEV_BRANDS + TRAIN_BRANDS
    shared = round(DEV_SIZE * SHARED_SHARE)
    dev = writer.comments(DEV_SIZE - shared, DEV_PATTERNS, DEV_PLAIN_PATTERNS, brands)
    dev += writer.comments(shared, TRAIN_PATTERNS, TRAIN_PLAIN_PATTERNS, brands)
    writer.shuffle(dev)
    folder.mkdir(parents=True, exist_ok=True)
    for name, comments in (("comments_train", train), ("comments_dev", dev)):
        lines = (json.dumps(comment, ensure_ascii=False) + "\n" for comment in comments)
        (folder / f"{name}.jsonl").write_bytes("".join(lines).encode("utf-8"))


class Writer:
    """Generates comments without duplicates."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random
        self._seen: set[str] = set()

    def comments(
        self, count: int, patterns: Sequence[str], plain: Sequence[str], brands: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return `count` new comments; PLAIN_SHARE of them do not contain a brand."""

        made: list[dict[str, Any]] = []
        while len(made) < count:
            comment = self._comment(
                self._pick(plain if self._chance(PLAIN_SHARE) else patterns), brands
            )
            if comment["text"].lower() not in self._seen:
                self._seen.add(comment["text"].lower())
                made.append(comment)
        return made

    def shuffle(self, comments: list[dict[str, Any]]) -> None:
        for last in range(len(comments) - 1, 0, -1):
            other = int(self._random() * (last + 1))
            comments[last], comments[other] = comments[other], comments[last]

    def _comment(self, pattern: str, brands: Sequence[str]) -> dict[str, Any]:
        first, second = self._pick(brands), self._pick(brands)
        while second == first:
            second = self._pick(brands)
        pair = {"{b}": first, "{c}": second}
        lower_all = self._chance(0.25)  # some people never use the shift key
        lower_brand = lower_all or self._chance(0.15)
        text, spans = "", []
        for piece in re.split(r"({\w+})", pattern):
            if piece in pair:
                name = pair[piece].lower() if lower_brand else pair[piece]
                spans.append({"start": len(text), "end": len(text) + len(name), "label": LABEL})
                text += name
            else:
                words = self._fill(piece) if piece.startswith("{") else self._mistype(piece)
                text += words.lower() if lower_all else words
        if text[-1] in ".?!":
            return {"text": text, "spans": spans}
        return {"text": text + self._pick(ENDINGS), "spans": spans}

    def _fill(self, slot: str) -> str:
        if slot == "{n}":
            return str(2 + int(self._random() * 40))
        choices = {"{one}": ONE, "{many}": MANY, "{k}": COLOURS, "{is}": VERDICTS, "{from}": PLACES}
        return self._pick(choices[slot])

    def _mistype(self, text: str) -> str:
        """Return the text with random typing errors: letters of longer words that are omitted,
        doubled or swapped."""

        words = text.split(" ")
        for number, word in enumerate(words):
            if len(word) > 4 and word.isalpha() and self._chance(0.05):
                index = 1 + int(self._random() * (len(word) - 2))
                start, letter, rest = word[:index], word[index], word[index + 1 :]
                mistakes = (
                    start + rest,
                    start + letter * 2 + rest,
                    start + rest[0] + letter + rest[1:],
                )
                words[number] = self._pick(mistakes)
        return " ".join(words)

    def _chance(self, probability: float) -> bool:
        return self._random() < probability

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[int(self._random() * len(choices))]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "data")
