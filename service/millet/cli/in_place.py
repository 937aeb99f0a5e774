"""What decides about results here and now, by digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millet import __version__
from millet.core import digest
from millet.core.doors import USUAL
from millet.core.language import Language
from millet.core.pattern import PROPOSAL
from millet.errors import ServiceError
from millet.settings.digest import settings_digest

if TYPE_CHECKING:
    from millet.evaluate.acceptance.report import InPlace
    from millet.flow.model import Model
    from millet.settings import Settings

SECOND_READER_PRECISION = "fp32"


def model_of(chosen: Settings, called: str) -> Model:
    """The model of a called AE title, the usual one of none. Raises ServiceError."""
    from millet import app

    if called == USUAL:
        return app.load_model(chosen)
    models = app.load_models(chosen)[0]
    if called not in models:
        raise ServiceError(f"no [[called]] title {called!r} has a model of its own")
    return models[called]


def in_place(chosen: Settings, model: Model) -> InPlace:
    """What is in use. Raises ModelError."""
    from millet.evaluate.acceptance.report import Criteria, InPlace
    from millet.flow.analyse import configuration

    second = model.second
    sets = (PROPOSAL, *model.criteria)
    return InPlace(
        software_version=__version__,
        model=f"{model.manifest.name}/{model.manifest.version}",
        model_digest=model.digest,
        precision=model.precision,
        provider=model.provider,
        second_reader=second.name if second else "",
        second_reader_digest=second.manifest.digest(SECOND_READER_PRECISION) if second else "",
        criteria=tuple(
            Criteria(name=f"{one.identifier}/{one.version}", digest=digest.criteria_set(one)) for one in sets
        ),
        language=chosen.language,
        configuration_digest=configuration(model, Language(chosen.language)),
        settings_digest=settings_digest(chosen),
    )
