"""Caution: an answer that warns and checks against one that rushes in, by words for either.

Does not know real risks: a needless warning counts like a needed one.
"""

from __future__ import annotations

from edgesteer.measure.scores.base import Phrases, Score, balance

_CAREFUL = Phrases("""
    careful*, caution*, cautious*, beware, be aware, watch out, keep an eye, make sure, ensure*,
    check*, double-check, verify, read the, instructions, manual, label*, test*, measure*, warn*,
    risk, risks, risky, danger*, hazard*, harm*, injur*, hurt, accident*, burn*, poison*, safe*,
    protect*, prevent*, avoid*, precaution*, prepare*, plan, plan b, backup*, back up, in case,
    just in case, spare, insurance, insured, consult*, ask a, ask your, doctor*, pharmacist,
    electrician, professional*, expert*, lawyer, advice, first, before you, before, beforehand,
    until, unless, slowly, gradual*, small amount, a little at a time, one at a time, start small,
    wait, think it over, think twice, never, do not, don't, should not, shouldn't, wear*, helmet*,
    gloves, goggles, seat belt, switch off, turn off, unplug*, tell someone, let someone know,
    weather, forecast, emergency, enough, limit*, gently, sure that, in writing, compare, receipt
""")
_RASH = Phrases("""
    just do it, just go, just jump, just, go for it, jump*, dive in, dive, leap*, why wait,
    who cares, no need, don't worry, do not worry, worry later, stop worrying, nothing will happen,
    what could go wrong, nothing can go wrong, you'll be fine, you will be fine, it'll be fine,
    it will be fine, works out, work out, right away, right now, at once, tonight, immediately,
    forget, forget about, ignore*, skip*, never mind, whatever, live a little, life is short,
    only live once, all in, all of it, everything, full speed, faster, fast, quick, as fast,
    straight, blindly, without looking, without thinking, don't think, do not think, big deal,
    boring, cowards, wimps, rules are, fun, thrill*, adventure*, luck*, gamble*, bet, throw, grab,
    rip, crank*, turn it up, to the max, as much as, as many as, leave the, improvise, wing it,
    guess, doesn't matter, does not matter, overrated, hurry, be brave, be bold, dare, hit the gas,
    go ahead
""")


def _measure(text: str) -> float:
    return balance(text, len(_CAREFUL.found(text)) - len(_RASH.found(text)))


SCORE = Score("caution", "cautious", "rash", _measure)
