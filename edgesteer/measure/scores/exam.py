"""Exam: text in the manner of a test against everyday text, by option letters and exam words.

Does not know whether anybody is being tested. Made for telling how a text is worded; as a score of
steered answers it is weak, since most answers hold none of these words.
"""

from __future__ import annotations

import re

from edgesteer.measure.scores.base import Phrases, Score, balance

_EXAM = Phrases("""
    answer, answers, the correct, correct, incorrect, correctly, option*, choice*, choose, select*,
    the following, following, statement*, true or false, true, false, question*, problem*,
    exercise*, task*, test*, exam*, quiz*, assess*, evaluat*, grade*, graded, score*, scored,
    points, mark, marks, credit, criteria, benchmark*, item, items, section, passage*, paragraph*,
    premise*, hypothesis, conclusion, sentence*, word limit, in one word, with one word,
    with a single, single letter, letter only, respond with, respond only, reply with, output,
    format, complete the, fill in, blank, calculate*, compute*, solve*, determine*, identify,
    name the, list the, state the, define*, classify, translate, justify, explain your, show your,
    assume*, given, given the, suppose, scenario, hypothetical, participant*, candidate*, subject,
    respondent, instruction*, rating, rate the, scale from, on a scale, best describes, most likely,
    least likely, none of, all of the above, above, below, figure, table, expression, equation,
    value of, expected, reference
""")
_EVERYDAY = Phrases("""
    hey, hi, hello, thanks, thank you, please help, help me, can you help, could you, tonight,
    tomorrow, yesterday, last night, this morning, this weekend, today, later, weekend, birthday,
    dinner, lunch, breakfast, kitchen, fridge, oven, garden, house, flat, rent, landlord,
    neighbour*, mum, mom, dad, sister*, brother*, wife, husband, friend*, kids, baby, dog, cat,
    boss, colleague*, doctor, dentist, shop*, buy, bought, money, phone, laptop, wifi, car, bike,
    bus, train, trip, holiday, hotel, party, wedding, recipe*, cook*, coffee, tired, sick, happy,
    sad, worried, love, hate, feel*, want*, i'd, i'll, i've, i'm, you're, don't, maybe, really,
    sorry, chat, idea*, any ideas, enjoy*, nice, ask them, call, send, message, email, pick up,
    clean*, fix, broken, lost
""")
_OPTION = re.compile(r"(?m)(?:^|\s)\(?([A-E])[).:](?=\s|$)|\b(?:option|answer) ([A-E])\b")
_MOST_OPTIONS = 4


def _measure(text: str) -> float:
    options = {first or second for first, second in _OPTION.findall(text)}
    letters = min(len(options), _MOST_OPTIONS)
    return balance(text, len(_EXAM.found(text)) + letters - len(_EVERYDAY.found(text)))


SCORE = Score("exam", "exam", "everyday", _measure)
