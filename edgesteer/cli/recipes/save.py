"""`edgesteer recipes save`: steering and settings under a name.

Does not open the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared

if TYPE_CHECKING:
    from edgesteer.cli._request import Request


@click.command()
@click.argument("name", metavar="RECIPE")
@shared.model_option
@shared.steering_options
@shared.sampling_options
@shared.force_option
@shared.output_options
def save(name: str, force: bool, **options: Any) -> None:
    """Save steering and settings under a name.

    \b
    edgesteer recipes save calm-nurse -s calm=1.2@8-16 --system "You are a nurse."
    """
    from edgesteer.cli import _request, _show

    request = _request.Request.of(options)
    _request.check_new_recipe(name, request.library, force)
    if not force:
        _check_names(request)
    _show.note(_request.save_as_recipe(name, request))


def _check_names(request: Request) -> None:
    from edgesteer.errors import NotFoundError

    try:
        request.steering.bind(request.library.load_vector)
    except NotFoundError as error:
        hint = f"{error.hint} (--force saves the recipe all the same)"
        raise NotFoundError(error.message, hint) from error
