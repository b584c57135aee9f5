"""Rendering: pairs to the exact texts, and what happens when a template has no place for them."""

from __future__ import annotations

from convert.pairs import ContrastPairs
from convert.pairs_jsonl import parse as parse_jsonl
from convert.pairs_toml import parse as parse_toml
from edgesteer.errors import InputError

from .pair_texts import TRAIT


def template(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    text = "".join(f"<{m['role']}>{m['content']}</>" for m in messages)
    return text + "<assistant>" * add_generation_prompt


def refusing(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    if any(m["role"] == "system" for m in messages):
        raise InputError("no system message here")
    return template(messages, add_generation_prompt)


def dropping(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    kept = [m for m in messages if m["role"] != "system"]
    return template(kept, add_generation_prompt)


def test_the_persona_is_the_system_message() -> None:
    rendered = parse_toml(TRAIT).render(template)
    assert (rendered.style, rendered.note, len(rendered)) == ("chat", "", 6)
    positive, negative = rendered[0]
    assert positive == "<system>You are calm.</><user>The bus is late.</><assistant>Well,"
    assert negative == positive.replace("calm", "furious")


def test_the_answer_is_marked() -> None:
    rendered = parse_toml(TRAIT).render(template)
    passages = rendered.passages
    assert [p.text for p in passages[:2]] == list(rendered[0])
    assert passages[0].text[passages[0].answer_at :] == "Well,"
    assert passages[2].answer_at == len(passages[2].text)


def test_heldout_pairs_are_rendered_apart() -> None:
    heldout = parse_toml(TRAIT).render(template, heldout=True)
    assert [positive for positive, _ in heldout] == [
        "<system>You are calm.</><user>The shop is closed.</><assistant>So"
    ]


def test_a_template_without_system_messages_gets_the_persona_in_the_user_turn() -> None:
    for render in (refusing, dropping):
        rendered = parse_toml(TRAIT).render(render)
        assert rendered.style == "user turn"
        assert "takes no system message" in rendered.note
        assert rendered[0].positive == (
            "<user>You are calm.\n\nThe bus is late.</><assistant>Well,"
        )


def test_a_model_without_a_template_gets_plain_text() -> None:
    rendered = parse_toml(TRAIT).render(None)
    assert (rendered.style, rendered[0].positive) == (
        "plain",
        "You are calm.\n\nThe bus is late.\nWell,",
    )
    assert "no chat template" in rendered.note


def test_plain_texts_are_read_as_they_stand() -> None:
    for render in (template, None):
        rendered = ContrastPairs.of([("Yes", "No"), ("Joy", "Woe")]).render(render)
        assert (rendered.style, rendered.note) == ("text", "")
        assert [tuple(pair) for pair in rendered] == [("Yes", "No"), ("Joy", "Woe")]
        assert rendered.passages[0].answer_at == 0


def test_answers_without_a_persona_need_no_system_message() -> None:
    rows = [
        '{"prompt": "Rain?", "positive": "Lovely", "negative": "Awful"}',
        '{"prompt": "Snow?", "positive": "Lovely", "negative": "Awful"}',
    ]
    pairs = parse_jsonl("\n".join(rows))
    assert pairs.render(refusing).style == "chat"
    assert pairs.render(refusing)[0].positive == "<user>Rain?</><assistant>Lovely"
    assert pairs.render(None)[0].negative == "Rain?\nAwful"
