"""Formality: an official answer against a chatty one, by contractions, slang and long words.

Does not know grammar. The length of words counts too, so that a plain factual answer lies a little
above the middle.
"""

from __future__ import annotations

import re

from edgesteer.measure.scores.base import Phrases, Score, balance, sentences, words

_FORMAL = Phrases("""
    shall, may i, if i may, whom, upon, hence, thus, therefore, furthermore, moreover, however,
    nevertheless, accordingly, regarding, concerning, prior to, in order to, in due course,
    with respect, respect*, sincer*, kindly, certainly, indeed, by all means, permit, please,
    accept, apolog*, regret*, inform*, assur*, advis*, advisable, oblig*, require*, request*,
    recommend*, propose*, provid*, receiv*, possess*, consider*, opinion, honour*, honor*,
    privilege, pleasure, delighted, gratified, grateful*, gratitude, appreciat*, esteem*,
    distinguish*, gentlem*, sir, madam, dear, should you, would be, without delay, convenien*,
    enquir*, inquir*, commenc*, conclud*, depart*, attend*, ensur*, facilitat*, examin*, submit*,
    approval, proceed*, present, essential, necessary, individual*, numerous, additional*,
    subsequent*, participants, eloquent*
""")
_CASUAL = Phrases("""
    yeah, yep, yup, nope, nah, hey, hi there, wow, oh, ooh, ugh, aw, oops, haha, lol, omg, btw, huh,
    dude, buddy, pal, mate, bro, guys, folks, gang, man, kid, kids, gonna, wanna, gotta, kinda,
    sorta, lemme, gimme, dunno, ain't, y'all, cuz, cool, awesome, neat, sweet, stoked, wild, crazy,
    nuts, totally, super, pretty, really, like, basically, literally, stuff, thing, things, thingy,
    bunch, tons, loads, lots, a lot, a bit, couple, bit, kind of, sort of, sure thing, no prob*,
    no worries, worries, my bad, bummer, sucks, gross, yum, blast, chill, hang, hang out, hanging,
    grab, swing by, hook you up, mess*, guess, real quick, right?, okay, ok, yay, whatever, get,
    got, fun, funny, silly, honest, anyway, so yeah, good to go, go for it, no can do, heck, plop,
    dig, dug, nailed, broke, see ya, catch you, see you, big deal, check it out, in a sec, sec
""")
_CONTRACTION = re.compile(r"\b\w+'(?:s|m|re|ve|ll|d|t)\b", re.IGNORECASE)
_EVEN_LENGTH = 4.5
_MOST_MARKS = 3


def _measure(text: str) -> float:
    short = len({found.casefold() for found in _CONTRACTION.findall(text)})
    exclaimed = min(sum(part.endswith("!") for part in sentences(text)), _MOST_MARKS)
    casual = len(_CASUAL.found(text)) + 0.8 * short + 0.4 * exclaimed
    different = set(words(text))
    longer = sum(map(len, different)) / len(different) - _EVEN_LENGTH
    return balance(text, len(_FORMAL.found(text)) - casual + 0.7 * longer)


SCORE = Score("formality", "formal", "casual", _measure)
