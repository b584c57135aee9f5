"""Concreteness: things, places, numbers and names against notions, by word lists and endings.

Does not know the world: what is not on the list counts neither way, so that only the difference
between two sets of answers says something.
"""

from __future__ import annotations

import re

from edgesteer.measure.scores.base import Phrases, Score, balance, words

_THINGS = Phrases("""
    table*, chair*, bench*, desk*, door*, window*, wall*, roof*, floor*, stair*, step, steps, room*,
    kitchen*, bed, beds, lamp*, shelf, drawer*, box*, bag*, basket*, bottle*, cup*, glass*, plate*,
    bowl*, pot, pan, pans, spoon*, fork*, knife, knives, jar*, tin, tray*, towel*, cloth*, blanket*,
    coat*, shoe*, boot*, shirt*, hat*, sock*, pocket*, button*, glove*, key, keys, coin*, letter*,
    paper*, pencil*, pen, book*, newspaper*, photo*, phone*, bell*, clock*, radio*, bicycle*, bike*,
    wheel*, car, cars, truck*, bus, train*, tram*, boat*, ship*, engine*, bridge*, street*, road*,
    corner*, square, station*, market*, bakery, baker, shop*, school*, church*, farm*, barn*,
    field*, fence*, gate*, garden*, tree*, branch*, leaf, leaves, grass, mud, sand, stone*, rock*,
    brick*, wood*, oak, pine, iron, steel, copper, rubber, rope*, nail*, hammer*, saw, screw*,
    wire*, bread*, butter, cheese, egg, eggs, milk, soup*, apple*, onion*, potato*, tomato*, rice,
    salt, sugar, coffee, tea, cake*, fish, chicken, dog*, cat, cats, horse*, cow*, hen*, bird*,
    bee*, hand, hands, finger*, arm, arms, knee*, foot, feet, face*, eye, eyes, ear, ears, nose,
    hair, mouth, teeth, back, shoulder*, river*, lake*, hill*, beach, snow, rain*, red, blue, green,
    yellow, white, black, brown, grey, wet, cold, hot, warm, soft, sharp, rough, heavy, small, two,
    three, four, five, six, seven, eight, nine, ten, dozen, twenty, thirty, hundred, inch*, metre*,
    mile*, minute*, o'clock, monday, tuesday, wednesday, thursday, friday, saturday, sunday,
    morning, neighbour*, uncle, aunt, grandmother*, smell*, sound*, taste*, cut, cuts, pour*, stir*,
    push*, pull*, lift*, wash*, walk*, ran, run, sat, sit, hold*, held, knock*, carr*, drop*, ball*,
    hose, bucket*, broom, water
""")
_NOTIONS = Phrases("""
    concept*, notion*, idea, ideas, essence*, nature of, meaning*, sense, principle*, value, values,
    virtue*, quality, qualities, aspect*, factor*, element*, dimension*, process*, structure*,
    system*, framework*, context*, condition*, state, form, forms, role, function*, purpose*, goal*,
    potential, growth, development, progress, change, balance, harmony, order, freedom, justice,
    truth, beauty, love, hope, faith, trust, wisdom, knowledge, understanding, belief*, thought*,
    mind*, reality, existence, being, identity, self, society, culture*, community, communities,
    humanity, human, world, life, experience*, perspective*, approach*, relation*, connection*,
    influence*, impact*, effect*, cause*, reason*, importan*, significan*, fundamental*, essential*,
    general*, overall, various, certain, broad*, abstract, universal*, deep, deeper, profound*,
    complex*, diverse, inherent, something, anything, everything, matter*, issue*, way, ways,
    kind of, represent*, reflect*, embod*, signif*, relate*, involve*, contribut*, foster*, enhanc*
""")
_ENDING = re.compile(r"\w{3,}(?:tion|sion|ness|ity|ism|ment|ance|ence|ship|hood|ology)s?")


def _measure(text: str) -> float:
    different = set(words(text))
    abstract = sum(bool(_ENDING.fullmatch(word)) for word in different)
    numbers = sum(word[0].isdigit() for word in different)
    things = len(_THINGS.found(text)) + 0.7 * numbers
    return balance(text, things - len(_NOTIONS.found(text)) - 0.6 * abstract)


SCORE = Score("concreteness", "concrete", "abstract", _measure)
