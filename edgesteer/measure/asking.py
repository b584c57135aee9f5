"""How a question becomes the text that a model reads: one rule for all measurements.

Does not know what the answers are used for.
"""

from __future__ import annotations

from edgesteer.errors import EdgesteerError
from edgesteer.model import Model

__all__ = ["question_text"]


def question_text(model: Model, prompt: str, system: str | None = None) -> str:
    """The rendered text after which an answer begins; ask with ``raw=True``.

    By the model's chat template; where it takes no system message, that opens the user's turn. A
    model without a template reads "system, blank line, prompt, newline".
    """
    if not model.has_chat_template:
        text = "\n\n".join(part for part in (system, prompt) if part)
        return f"{text}\n"
    user = {"role": "user", "content": prompt}
    if not system:
        return model.render([user])
    try:
        text = model.render([{"role": "system", "content": system}, user])
    except EdgesteerError:  # many templates refuse a system message
        text = ""
    if system in text:
        return text
    return model.render([{"role": "user", "content": f"{system}\n\n{prompt}"}])
