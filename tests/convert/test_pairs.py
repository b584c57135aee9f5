"""Contrast pairs: what good files give."""

from __future__ import annotations

from pathlib import Path

import pytest

from convert.pairs import ContrastPairs, Pair, Side
from convert.pairs_jsonl import parse as parse_jsonl
from convert.pairs_toml import parse as parse_toml
from convert.toml_place import place_of
from convert.traits import load_trait, trait_names
from edgesteer.errors import NotFoundError, PairsError

from .pair_texts import INLINE, TRAIT

TWO = '{"positive": "Yes", "negative": "No"}\n{"positive": "Joy", "negative": "Woe"}\n'


def test_jsonl_can_be_two_texts_a_line(tmp_path: Path) -> None:
    file = tmp_path / "mood.jsonl"
    file.write_text(TWO)
    pairs = ContrastPairs.load(file)
    assert (pairs.name, len(pairs), pairs.is_chat, pairs.has_heldout) == ("mood", 2, False, False)
    assert pairs.pairs[1] == Pair(Side("Joy"), Side("Woe"), group=2)
    assert pairs.pairs[1].where == "line 2"


def test_jsonl_skips_blank_lines_a_byte_order_mark_and_white_space(tmp_path: Path) -> None:
    file = tmp_path / "mood.jsonl"
    file.write_bytes(
        b"\xef\xbb\xbf" + TWO.replace("Yes", "  Yes ").replace("\n", "\r\n\r\n").encode()
    )
    assert [pair.positive.answer for pair in ContrastPairs.load(file).pairs] == ["Yes", "Joy"]


@pytest.mark.parametrize("key", ["prompt", "user"])
def test_jsonl_with_a_prompt_is_two_answers(key: str) -> None:
    rows = [
        f'{{"{key}": "Rain?", "positive": "Lovely", "negative": "Awful"}}',
        f'{{"{key}": "Snow?", "positive": "Lovely", "negative": "Awful", "system": "Be brief."}}',
    ]
    pairs = parse_jsonl("\n".join(rows))
    assert pairs.is_chat
    assert pairs.pairs[0].positive == Side("Lovely", user="Rain?")
    assert pairs.pairs[1].negative == Side("Awful", user="Snow?", system="Be brief.")


def test_toml_crosses_personas_and_stems_along_diagonals() -> None:
    pairs = parse_toml(TRAIT)
    assert len(pairs) == 6
    met = [(pair.positive.user, pair.positive.system) for pair in pairs.pairs]
    assert len(set(met)) == 6
    one, other = "You are calm.", "You are at ease."
    assert [persona for _, persona in met] == [one, other, one, other, one, other]
    assert pairs.groups == (0, 1, 2, 0, 1, 2)
    assert pairs.pairs[0].negative == Side("Well,", "The bus is late.", "You are furious.")
    assert pairs.pairs[1].positive.answer == ""


def test_toml_tells_names_questions_and_heldout() -> None:
    pairs = parse_toml(TRAIT)
    assert (pairs.name, pairs.positive_name, pairs.negative_name) == ("calm", "calm", "furious")
    assert pairs.description == "calm against furious"
    assert pairs.questions == ("How are you?",)
    assert [pair.positive.user for pair in pairs.heldout] == ["The shop is closed."]


def test_toml_reads_inline_tables_and_pairs() -> None:
    assert len(parse_toml(INLINE)) == 2
    assert len(parse_toml(INLINE).heldout) == 2
    written = """
    [[pairs]]
    user = "Rain?"
    positive = "Lovely"
    negative = "Awful"
    [[pairs]]
    user = "Snow?"
    positive = "Lovely"
    negative = "Awful"
    system = "Be brief."
    """
    assert parse_toml(written, name="weather").name == "weather"
    assert parse_toml(written).pairs[1].positive == Side("Lovely", "Snow?", "Be brief.")


def test_the_line_of_a_table_is_found_in_either_form() -> None:
    assert place_of(TRAIT, "stems", 3) == "[[stems]] 3 (line 19)"
    assert place_of(TRAIT, "heldout.stems", 1) == "[[heldout.stems]] 1 (line 24)"
    assert place_of(INLINE, "stems", 2) == "[[stems]] 2 (line 6)"
    assert place_of(INLINE, "heldout.stems", 2) == "[[heldout.stems]] 2 (line 11)"
    assert place_of(INLINE, "pairs", 1) == "[[pairs]] 1"


def test_digest_is_of_the_texts_alone() -> None:
    pairs = parse_jsonl(TWO)
    assert pairs.digest == ContrastPairs.of([("Yes", "No"), ("Joy", "Woe")]).digest
    assert pairs.digest != ContrastPairs.of([("No", "Yes"), ("Woe", "Joy")]).digest
    assert len(pairs.digest) == 64


def test_limited_takes_the_first_pairs() -> None:
    pairs = parse_toml(TRAIT)
    assert pairs.limited(4).pairs == pairs.pairs[:4]
    assert pairs.limited(99) is pairs
    assert pairs.limited(4).digest != pairs.digest


def test_built_in_traits_load_by_name() -> None:
    assert {"calm", "happy", "formal", "terse"} <= set(trait_names())
    for name in trait_names():
        trait = ContrastPairs.load(name)
        assert trait.name == name
        assert trait.is_chat
        assert len(set(trait.groups)) >= 20


def test_a_file_of_a_traits_name_does_not_hide_the_trait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("calm").write_text("a note")
    assert ContrastPairs.load("calm").name == "calm"
    with pytest.raises(PairsError, match=r"\.jsonl"):
        ContrastPairs.load("./calm")


def test_an_unknown_trait_suggests_a_near_name() -> None:
    with pytest.raises(NotFoundError) as caught:
        load_trait("clam")
    assert "Did you mean calm?" in caught.value.hint


def test_a_missing_file_is_not_taken_for_a_trait(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.jsonl", tmp_path / "gone"):
        with pytest.raises(NotFoundError, match="there is no file"):
            ContrastPairs.load(path)
