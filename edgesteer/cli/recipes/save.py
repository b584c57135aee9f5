"""`edgesteer recipes save`: steering and settings under a name.

Does not open the model.
"""

from __future__ import annotations

from typing import Any

import click

from edgesteer.cli import _options as shared


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
    _show.note(_request.save_as_recipe(name, request))
