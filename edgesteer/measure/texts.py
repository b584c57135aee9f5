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

#: As plain, for vectors that are trained to leave neutral text alone: what they cost is measured on
#: the others.
NEUTRAL_TO_LEARN: tuple[str, ...] = (
    "The ferry leaves the north pier every forty minutes and takes a quarter of an hour to cross. "
    "Bicycles travel free of charge on the lower deck; cars need a ticket from the kiosk by the "
    "barrier.",
    "Bread dough is left to rise until it has doubled. It is then pressed flat, folded in three, "
    "and put into the tin with the seam underneath. Half an hour later it can go into the oven.",
    "Copper conducts heat about five times as well as iron does. For that reason the base of a "
    "pan is often made of both: iron for the shape, copper to spread the warmth.",
    "The parish register begins in 1612. For each child it gives the day of baptism, the father's "
    "trade and the names of two witnesses; from 1740 on it also names the mother.",
    "SELECT name, price FROM goods WHERE stock > 0 ORDER BY price LIMIT 10;\n-- ten rows at most\n",
    "Q: How many sides has a hexagon?\nA: Six. If all of them are equally long, and all angles are "
    "equal, it can be cut into six triangles of one shape.",
)

#: As plain, for reports alone: no strength is chosen on these, and nothing is trained on them.
NEUTRAL_TO_REPORT: tuple[str, ...] = (
    "The bus to the harbour leaves from platform four at ten past every hour. On Sundays it starts "
    "at the hospital instead, and the last one back is at half past eight in the evening.",
    "Wool is washed at thirty degrees with little soap. Do not wring it: roll it in a towel, press "
    "the water out, and lay it flat to dry, away from the sun and from the radiator.",
    "A year on Mars has 687 days. Its axis leans by about 25 degrees, so there are seasons, and "
    "the caps of ice at the poles grow and shrink with them.",
    "Members are asked to return their keys by the end of May. The fee for the coming year is the "
    "same as before and can be paid in two parts, in June and in December.",
    "for line in open('names.txt'):\n    first, last = line.split()\n    print(last, first)\n",
    "Q: At what height does water boil sooner, by the sea or on a mountain?\nA: On a mountain. The "
    "air presses less there, so that bubbles of steam form at a lower temperature.",
)

#: Everyday questions for the same purpose.
PROMPTS_TO_REPORT: tuple[str, ...] = (
    "What is a good way to learn a new language?",
    "Describe the room that you are in.",
    "Why do leaves change their colour in autumn?",
    "My sister visits me next weekend. What could we do?",
    "How is paper made?",
    "Give me a name for a small bookshop.",
)
