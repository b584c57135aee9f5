"""Prompts and neutral text on which vectors are measured, written for this project.

Knows nothing of models or vectors.
"""

from __future__ import annotations

#: Everyday questions from far-apart fields, for answers under steering.
PROMPTS: tuple[str, ...] = (
    "What should I cook for dinner tonight?",
    "Explain how a bicycle stays upright.",
    "Tell me about the town where you grew up.",
    "How do I ask my neighbour to turn the music down?",
)

#: Plain prose without a mood, for what steering does to unrelated text.
NEUTRAL: tuple[str, ...] = (
    "The library opens at nine and closes at six. Books may be kept for three weeks, and a reader "
    "can renew a book twice if nobody else has asked for it. The reading room on the second floor "
    "has forty desks, each with a lamp and a socket.",
    "To change a bicycle tyre, let out the remaining air, lift one edge of the tyre over the rim "
    "with two levers, and pull out the tube. Check the inside for glass or thorns before the new "
    "tube goes in, then press the edge back by hand.",
)
