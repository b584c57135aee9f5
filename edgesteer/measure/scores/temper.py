"""Temper: a calm answer against a furious one, by words, exclamation marks and capitals.

Does not know what the anger is about. Any excitement with exclamation marks looks a little like
fury, so that great joy scores lower than it should.
"""

from __future__ import annotations

import re

from edgesteer.measure.scores.base import Phrases, Score, balance, sentences

_CALM = Phrases("""
    calm*, quiet*, peace*, serene*, slow*, gentl*, soft*, still, rest, resting, restful, relax*,
    breath*, breathe*, patient*, patience, at ease, ease, take your time, take a moment, in time,
    no hurry, no rush, unhurried, kindly, kind, mild*, smil*, pleasant*, accept*, let it, let us,
    let them, it is only, small mistake, that is all right, that is fine, all right, that happens,
    no matter, never mind, wait, a while, perhaps, enjoy*, thank you, thanks, tea, silence, steady,
    comfort*, tranquil*, sit, sat down, listen*, smooth*, step by step, one at a time, warm*, drift*
""")
_FURIOUS = Phrases("""
    furious*, fury, rage, rages, raging, enrag*, angr*, anger*, mad, madder, cross, livid, outrag*,
    disgrac*, scream*, yell*, shout*, roar*, snap*, growl*, stomp*, stamp*, storm*, slam*, smash*,
    bang*, kick*, punch*, hit, throw*, rip, tear*, wreck*, break, broke*, curs*, swear*, damn*,
    hell, idiot*, fool*, moron*, stupid*, useless*, rotten, lazy, crook*, garbage, rubbish, trash,
    insult*, ridicul*, hate*, hatred, loath*, sick of, sick to death, fed up, had enough, enough of,
    can't stand, can not stand, drives me, on my nerves, how dare, are you kidding, what the,
    shut up, stop it, stop whining, whining, get out, right now, this instant, again, never again,
    explode*, boil*, blood, teeth, fist*, demand*, unfair, unacceptable, terribl*, awful*, disaster*
""")
_CAPITALS = re.compile(r"\b[A-Z]{3,}\b")
_MOST_MARKS = 3


def _measure(text: str) -> float:
    calm, _ = _CALM.split(text)
    furious, not_furious = _FURIOUS.split(text)
    exclaimed = sum(part.endswith("!") for part in sentences(text))
    loud = min(exclaimed + len(set(_CAPITALS.findall(text))), _MOST_MARKS)
    return balance(text, len(calm | not_furious) - len(furious) - 0.7 * loud)


SCORE = Score("temper", "calm", "furious", _measure)
