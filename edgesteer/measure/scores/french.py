"""French: an answer in French against one in English, by function words and accents.

Does not know other languages: Spanish scores near the middle. A single word may lie at 0.
"""

from __future__ import annotations

import re

from edgesteer.measure.scores.base import Phrases, Score, words

_FRENCH = Phrases("""
    le, la, les, l, un, une, des, du, de, d, au, aux, ce, cet, cette, ces, mon, ma, mes, ton, ta,
    tes, son, sa, ses, notre, nos, votre, vos, leur, leurs, je, j, tu, il, elle, nous, vous, ils,
    elles, m, te, t, se, s, y, en, lui, qui, que, qu, quoi, dont, où, et, ou, mais, donc, car, ni,
    si, ne, n, pas, jamais, rien, est, es, suis, sont, sommes, êtes, était, étaient, être, ai, ont,
    avons, avez, avoir, fait, faire, peut, peux, dans, par, pour, sur, sous, avec, sans, chez, vers,
    entre, très, bien, aussi, alors, puis, comme, quand, trop, peu, beaucoup, tout, toute, tous,
    toutes, oui, non, merci, bonjour, voici, voilà, parce, cela, ça, deux, trois, petit, petite,
    grand, grande, bon, bonne
""")
_ENGLISH = Phrases("""
    the, an, of, to, in, at, by, for, with, from, and, or, but, so, if, not, no, yes, is, are, was,
    were, be, been, am, i, you, he, she, it, we, they, him, her, us, them, my, your, his, its, our,
    their, this, that, these, those, who, what, which, when, where, why, how, do, does, did, has,
    have, had, can, could, will, would, shall, should, may, might, there, here, than, then, very,
    also, just, about, into, over, out, up, down, all, any, some, more, most, two, three, little,
    good, big
""")
_ACCENT = re.compile(r"[àâçéèêëîïôùûœ]", re.IGNORECASE)
_ELISION = re.compile(r"\b(?:[cdjlmnst]|qu)'(?=\w)", re.IGNORECASE)


def _measure(text: str) -> float:
    said = words(_ELISION.sub(lambda found: found.group()[:-1] + " ", text))
    french = sum(bool(_ACCENT.search(word) or _FRENCH.found(word)) for word in said)
    english = sum(bool(_ENGLISH.found(word)) for word in said)
    return (french - english) / max(french + english, 1)


SCORE = Score("french", "French", "English", _measure)
