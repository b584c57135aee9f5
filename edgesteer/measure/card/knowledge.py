"""Two-option questions of general knowledge, written for this project: what steering must not cost.

Knows nothing of how they are asked. Both answers to a question are of one kind and close in length,
so that a model without the fact is at chance.
"""

from __future__ import annotations

from edgesteer.measure.questions import Item

__all__ = ["KNOWLEDGE"]

# question | right | wrong
_ROWS = """
What is the capital of France?|Paris|Lyon
What is the capital of Japan?|Tokyo|Osaka
What is the capital of Egypt?|Cairo|Luxor
On which continent is Brazil?|South America|Southern Africa
Which ocean lies between Europe and North America?|The Atlantic|The Pacific
In which country is the city of Rome?|Italy|Spain
Which language is spoken in Mexico?|Spanish|Portuguese
Which is the largest country by area?|Russia|Canada
Which planet is closest to the Sun?|Mercury|Saturn
Which planet do we live on?|Earth|Venus
What travels around the Earth once a month?|The Moon|The Sun
What is water made of?|Hydrogen and oxygen|Nitrogen and helium
At which temperature does water freeze, in degrees Celsius?|0|50
Which gas do we need to breathe?|Oxygen|Methane
What do plants need to make their food?|Sunlight|Moonlight
Which metal is attracted by a magnet?|Iron|Gold
How many legs does a spider have?|Eight|Five
How many legs does a horse have?|Four|Six
Which animal barks?|A dog|A cat
Which animal gives us wool?|A sheep|A goose
What do bees make?|Honey|Butter
What does a caterpillar turn into?|A butterfly|A beetle
Which bird can not fly?|The penguin|The swallow
Where do fish live?|In water|In trees
What is two plus three?|Five|Seven
What is ten minus four?|Six|Nine
What is half of twelve?|Six|Five
How many minutes are in an hour?|Sixty|Forty
How many days are in a week?|Seven|Eight
How many months are in a year?|Twelve|Fifteen
Which month comes after March?|April|August
Which day comes after Monday?|Tuesday|Friday
Which season is the coldest in Europe?|Winter|Summer
What is the opposite of hot?|Cold|Dry
What is the opposite of early?|Late|Soon
Which word means the same as begin?|Start|Finish
What is the plural of mouse?|Mice|Meese
Which colour do you get from blue and yellow?|Green|Purple
What colour is the sky on a clear day?|Blue|Red
What do you use to cut paper?|Scissors|A spoon
What do you use to unlock a door?|A key|A comb
Where do you borrow books?|At a library|At a bakery
Who flies an aeroplane?|A pilot|A farmer
Who looks after sick people?|A doctor|A plumber
What do you wear on your feet?|Shoes|Gloves
Which organ pumps the blood?|The heart|The stomach
What do we see with?|The eyes|The ears
Which meal do people eat in the morning?|Breakfast|Supper
"""

KNOWLEDGE: tuple[Item, ...] = tuple(
    Item(question, right, wrong)
    for question, right, wrong in (line.split("|") for line in _ROWS.strip().splitlines())
)
"""48 questions; `positive` is the right answer, `negative` the wrong one."""
