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
    "A glacier forms where more snow falls in winter than melts in summer. Under its own weight "
    "the snow turns into ice, and the ice flows downhill by a few metres a year.",
    "The committee met on the fourth of March. It approved the minutes, elected a treasurer, and "
    "put off the question of the car park until the surveyor's report is there.",
    "def area(width, height):\n    return width * height\n\nprint(area(3, 4))  # prints 12\n",
    "Q: Which planet is the largest in the solar system?\nA: Jupiter. Its mass is more than twice "
    "that of all the other planets together.",
)
