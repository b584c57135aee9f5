"""Poetry: a poetic answer against a matter-of-fact one, by images, comparisons, lines and rhymes.

Does not know metre or whether the poem is any good; a weather report with a moon in it scores too.
"""

from __future__ import annotations

from edgesteer.measure.scores.base import Phrases, Score, balance, words

_POETIC = Phrases("""
    moon*, star, stars, starlit, starlight, sun*, sky, skies, heaven*, dawn*, dusk, twilight,
    night*, midnight, morning, evening, light, lights, glow*, gleam*, glimmer*, shimmer*, shin*,
    spark*, ember*, flame*, fire, ash, ashes, silver*, gold*, crimson, velvet, amber, pearl*,
    jewel*, dew, rain*, snow*, frost*, mist*, fog, cloud*, wind, winds, breeze*, storm*, thunder,
    sea, seas, ocean*, wave, waves, tide*, shore*, river*, stream*, leaf, leaves, petal*, rose*,
    blossom*, bloom*, flower*, garden*, root*, seed*, tree*, forest*, meadow*, bird*, wing*,
    feather*, nest, song*, sing*, sung, sang, hum, hums, humming, whisper*, murmur*, sigh*, breath*,
    silence, silent*, hush*, echo*, dream*, sleep*, slumber*, shadow*, ghost*, soul*, spirit,
    heart*, tear, tears, sorrow*, longing, lonely, lone, memory, memories, eternal*, forever,
    endless*, ancient, dance*, dancing, drift*, float*, fall, falls, falling, bow, bows, weave*,
    woven, thread*, kiss*, embrac*, cradle*, wander*, waltz*, tender*, sweet, o, thy, thee, beneath,
    upon, amid, oh, like a, like the, like an, as if, as though, bones, mouth, throat, honey, salt,
    stone, lantern*
""")
_PLAIN = Phrases("""
    percent, per cent, about, approximately, roughly, usually, typically, normally, generally,
    mainly, mostly, often, used, use, uses, using, cost*, price*, number*, amount*, average,
    minute*, hour*, degree*, metre*, meter*, mile*, kilo*, litre*, gram*, euro*, dollar*, year*,
    week*, month*, store*, shop*, office, company, machine*, device*, system*, part, parts, type,
    types, kind of, because, so that, in order to, such as, for example, you can, you should,
    you need, it is a, there are, consists, contains, made of, made from, produce*, process*,
    information, service*, important, available, common, different, several, according to, method,
    result*, option*
""")
_RHYME = 3
_SHORT_LINE = 60


def _lines(text: str) -> list[str]:
    """The different lines, if they are as short as verses and three or more; else none."""
    found = [line.strip() for line in text.splitlines()]
    lines = [line for line in dict.fromkeys(found) if words(line)]
    verses = [line for line in lines if len(line) <= _SHORT_LINE and not line[0].isdigit()]
    return lines if len(verses) >= max(3, 0.7 * len(lines)) else []


def _measure(text: str) -> float:
    lines = _lines(text)
    last = {words(line)[-1] for line in lines}
    endings = {word[-_RHYME:] for word in last if len(word) >= _RHYME}
    rhymes = sum(len(word) >= _RHYME for word in last) - len(endings)
    verse = min(0.4 * len(lines), 2.4) + min(0.7 * rhymes, 2.1)
    numbers = len({word for word in words(text) if word[0].isdigit()})
    plain = len(_PLAIN.found(text)) + 0.7 * numbers
    return balance(text, len(_POETIC.found(text)) + verse - plain - 0.5)


SCORE = Score("poetry", "poetic", "matter-of-fact", _measure)
