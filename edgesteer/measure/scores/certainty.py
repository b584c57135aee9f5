"""Certainty: a sure answer against a doubtful one, by boosters and hedges.

Does not know whether the answer is true. A sure tone without boosters ("It rains.") is told from a
doubtful one only by the missing hedges.
"""

from __future__ import annotations

from edgesteer.measure.scores.base import Phrases, Score, balance

_SURE = Phrases("""
    certain, certainly, certainty, definitely, absolutely, surely, i am sure, i'm sure, be sure,
    for sure, sure of, of course, clearly, obviously, plainly, undoubtedly, no doubt,
    without a doubt, without question, without fail, no question, beyond question, exactly,
    precisely, always, never, must, will, i know, we know, know for a fact, a fact, in fact, proven,
    proof, guarantee*, mark my words, trust me, confident*, completely, entirely, totally, simply,
    every time, every single, the best, the only, by far, easily, easy, period, full stop,
    i promise, count on, convinced, right answer, the answer is, no other, i have no doubt,
    take my word, bound to
""")
_UNSURE = Phrases("""
    maybe, perhaps, possibly, probably, presumably, apparently, supposedly, might, may, could,
    seems, seem, seemed, appears, appear, i think, i guess, i suppose, i believe, i imagine,
    i assume, i wonder, i feel like, not sure, unsure, not certain, uncertain*, not entirely,
    not quite sure, don't know, do not know, can't say, can not say, cannot say, hard to say,
    hard to tell, difficult to say, who knows, no idea, doubt, doubts, doubtful, depends, depending,
    somewhat, sort of, kind of, a bit, rather, fairly, roughly, about, around, likely, unlikely,
    tend, tends, sometimes, usually, often, in some, some people, as far as i know, if i remember,
    could be wrong, may be wrong, might be wrong, i could be, don't quote me, or so, or maybe,
    or something, um, uh, hmm, well, ask someone, i'm afraid, i hesitate, at least i, not really,
    i would not swear, i hope
""")


def _measure(text: str) -> float:
    return balance(text, 1.0 + len(_SURE.found(text)) - len(_UNSURE.found(text)), gain=1.3)


SCORE = Score("certainty", "sure", "doubtful", _measure)
