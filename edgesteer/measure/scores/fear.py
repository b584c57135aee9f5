"""Fear: an afraid answer against a brave one, by words for either; "not afraid" counts as brave.

Does not know whom the fear belongs to: a calm tale about a frightened child scores as fear.
"""

from __future__ import annotations

from edgesteer.measure.scores.base import Phrases, Score, balance

_AFRAID = Phrases("""
    afraid, scared, scary, fear, fears, fearful, frighten*, terrif*, terror*, dread*, panic*,
    nervous*, anxious*, anxiety, worr*, tremb*, shak*, shiver*, horrif*, horror*, nightmare*, alone,
    dark, darkness, shadow*, danger*, threat*, hide, hiding, hid, escape, flee, run away, scream*,
    help me, heart pounds, pounding, heart is racing, racing, cold sweat, sweat*, creep*, creak*,
    ghost*, monster*, death, die, dying, something terrible, something awful, something bad,
    go wrong, wrong, what if, lock, locked, locks, can not breathe, can't breathe, can't sleep,
    can not sleep, watching me, following me, footsteps, uneasy, unsafe, not safe, freeze, froze,
    frozen, whisper*, don't want to go, dare not, never dare, too risky, hurt, crash, faint*
""")
_BRAVE = Phrases("""
    brave*, bravery, courage*, bold*, fearless*, unafraid, confident*, strong*, strength, ready,
    steady, calm*, firm*, step forward, step right, stepped, walk straight, walk right, walked,
    stand tall, stood up, stand up, face it, face them, face the, faced, head on, bring it on,
    come on, dare, dared, adventure*, challenge*, excit*, thrill*, fun, laugh*, grin*, smile*,
    hero*, look it in the eye, in the eye, nothing to lose, no problem, easy, love it, loved it,
    gladly, go first, went first, at once, win, won, conquer*, defend*, protect*, lead, safe, bite
""")


def _measure(text: str) -> float:
    afraid, not_afraid = _AFRAID.split(text)
    brave, not_brave = _BRAVE.split(text)
    return balance(text, len(afraid | not_brave) - len(brave | not_afraid))


SCORE = Score("fear", "afraid", "brave", _measure)
