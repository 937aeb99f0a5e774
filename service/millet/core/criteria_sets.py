"""The sets of criteria that come with Millet, as data.

Lung: levels LMP-1 to 3 of a proposal, not a guideline. Only the first line has a cohort behind it: more
than 50 bilateral nodules under 10 mm (Thoracic Cancer 2023, miliary pulmonary metastases). The others
follow the per-image counts of the brain criteria, per 10 mm slab, so that slice thickness does not matter:
of N nodules of d mm in lungs H mm high, N (d + t) / H reach into an image t mm thick. Where fissures were
not found, the six zones stand in for the five lobes, and the condition's name says so.

Brain: Bashour et al., Br J Cancer 123:1417, 2020 (miliary metastases, 21 of 546 patients).
"""

from __future__ import annotations

from functools import partial

from millet.core.character import Lobe, Zone
from millet.core.criteria import CriteriaSet, Dominant, Level, Rule
from millet.core.judgement import Standing
from millet.core.language import phrase
from millet.core.nodule import Side

LUNG, BRAIN = "lung", "brain"
SUPRATENTORIAL, INFRATENTORIAL = "supratentorial", "infratentorial"


def zone_of(zone: Zone, side: Side | None = None) -> str:
    """The region that a zone is, of one lung or across both."""
    return f"{side.value}-{zone.value}-zone" if side else f"{zone.value}-zone"


LOBES = tuple(lobe.value for lobe in Lobe)
ZONES = tuple(zone_of(zone, side) for side in (Side.RIGHT, Side.LEFT) for zone in Zone)

_SMALL_MM = 10.0
_KNOWN = 0.9
_proposed = partial(Rule, standing=Standing.PROPOSAL)
_published = partial(Rule, standing=Standing.PUBLISHED)
_full_slab = partial(_proposed, under_mm=_SMALL_MM, slab_mm=10.0, lesions=10, each_side=3)

_POSSIBLE = Level(
    meaning=phrase("lung-miliary.1"),
    rules=(
        _published(name="small-nodules", measure="count", under_mm=_SMALL_MM, relation=">", threshold=50.0),
        _proposed(
            name="bilateral-share",
            measure="bilateral-share",
            under_mm=_SMALL_MM,
            relation=">=",
            threshold=0.1,
        ),
    ),
)

_PROBABLE = Level(
    meaning=phrase("lung-miliary.2"),
    rules=(
        _proposed(
            name="share-up-to-5-mm", measure="share-at-most-mm", limit_mm=5.0, relation=">=", threshold=0.8
        ),
        _proposed(name="median-mm", measure="median-mm", without_dominant=True, relation="<=", threshold=4.0),
        _proposed(
            name="lobes-with-nodules",
            measure="regions-with-lesions",
            under_mm=_SMALL_MM,
            regions=LOBES,
            known_share=_KNOWN,
            relation=">=",
            threshold=5.0,
            where_unknown=_proposed(
                name="zones-with-nodules-as-no-lobes",
                measure="regions-with-lesions",
                under_mm=_SMALL_MM,
                regions=ZONES,
                known_share=_KNOWN,
                relation=">=",
                threshold=6.0,
            ),
        ),
        _proposed(
            name="lobe-density-ratio",
            measure="density-ratio",
            under_mm=_SMALL_MM,
            regions=LOBES,
            known_share=_KNOWN,
            relation="<=",
            threshold=3.0,
            where_unknown=_proposed(
                name="zone-density-ratio-as-no-lobes",
                measure="density-ratio",
                under_mm=_SMALL_MM,
                regions=ZONES,
                known_share=_KNOWN,
                relation="<=",
                threshold=3.0,
            ),
        ),
        _proposed(
            name="slabs-with-5-in-each-lung",
            measure="separate-slabs-with",
            under_mm=_SMALL_MM,
            slab_mm=10.0,
            lesions=5,
            per_side=True,
            relation=">=",
            threshold=2.0,
        ),
    ),
)

NOT_CLUSTERED = _proposed(
    name="not-clustered",
    measure="clark-evans",
    relation=">=",
    threshold=0.85,
    alternative=_proposed(name="not-clustered-p", measure="clark-evans-p", relation=">=", threshold=0.05),
)
UNIFORM_OR_RANDOM = _proposed(
    name="uniform-cv",
    measure="cv",
    without_dominant=True,
    relation="<=",
    threshold=0.35,
    alternative=_proposed(name="or-random-p", measure="clark-evans-p", relation=">=", threshold=0.05),
)
"""These two are told beside the levels; they are the answer "miliary, yes" (`core.pattern.miliary`)."""

_DEFINITE = Level(
    meaning=phrase("lung-miliary.3"),
    rules=(
        _full_slab(name="slabs-with-10-apart-mm", measure="slab-distance-mm", relation=">=", threshold=30.0),
        _full_slab(
            name="zones-with-slab-of-10",
            measure="regions-with-slab",
            regions=(zone_of(Zone.UPPER), zone_of(Zone.LOWER)),
            relation=">=",
            threshold=2.0,
        ),
        _proposed(name="diameter-cv", measure="cv", without_dominant=True, relation="<=", threshold=0.35),
        _proposed(
            name="clark-evans",
            measure="clark-evans",
            relation="between",
            threshold=0.85,
            upper=1.15,
            alternative=_proposed(
                name="or-randomness-not-rejected-p", measure="clark-evans-p", relation=">=", threshold=0.05
            ),
        ),
    ),
)

STANDS_OUT = Dominant(least_mm=10.0, ratio=3.0)
"""A lesion that is looked at for itself, not as one of many."""
LUNG_MILIARY = CriteriaSet(
    identifier="lung-miliary",
    version="lmp-proposal-2",
    organ=LUNG,
    standing=Standing.PROPOSAL,
    source=phrase("lung-miliary.source"),
    below=phrase("lung-miliary.0"),
    levels=(_POSSIBLE, _PROBABLE, _DEFINITE),
    reported=(
        NOT_CLUSTERED,
        UNIFORM_OR_RANDOM,
        _full_slab(name="slabs-with-10", measure="slabs-with", relation=">=", threshold=2.0),
        _proposed(
            name="images-with-10",
            measure="separate-images-with",
            under_mm=_SMALL_MM,
            lesions=10,
            relation=">=",
            threshold=2.0,
        ),
        _proposed(
            name="most-nodules-on-an-image",
            measure="most-on-image",
            under_mm=_SMALL_MM,
            relation=">=",
            threshold=10.0,
        ),
    ),
    dominant=STANDS_OUT,
)


def _brain(modality: str, per_image: int) -> CriteriaSet:
    return CriteriaSet(
        identifier=f"brain-miliary-{modality}",
        version="bashour-2020",
        organ=BRAIN,
        modality=modality.upper(),
        standing=Standing.PUBLISHED,
        source="Bashour et al., Br J Cancer 123:1417-1423, 2020, doi 10.1038/s41416-020-1008-2",
        below=phrase("brain-miliary.0"),
        levels=(
            Level(
                meaning=phrase("brain-miliary.1"),
                rules=(
                    _published(
                        name=f"images-with-{per_image}",
                        measure="separate-images-with",
                        lesions=per_image,
                        relation=">=",
                        threshold=2.0,
                    ),
                    _published(name="bilateral", measure="sides-with-lesions", relation=">=", threshold=2.0),
                    _published(
                        name="compartments-with-lesions",
                        measure="regions-with-lesions",
                        regions=(SUPRATENTORIAL, INFRATENTORIAL),
                        relation=">=",
                        threshold=2.0,
                    ),
                ),
            ),
        ),
        reported=(
            _published(
                name="most-lesions-on-an-image",
                measure="most-on-image",
                relation=">=",
                threshold=float(per_image),
            ),
        ),
    )


BRAIN_MILIARY_MR = _brain("mr", 20)
BRAIN_MILIARY_CT = _brain("ct", 10)

BUNDLED = (LUNG_MILIARY, BRAIN_MILIARY_MR, BRAIN_MILIARY_CT)
