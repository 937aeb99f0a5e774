"""The objects that are made of an analysis, by kind: reports, masks, pictures, messages.

Which of them a destination is sent is its own choice (`core.media`).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from millet.codec import (
    chest_cad,
    fhir,
    gsps,
    judged_sr,
    key_images,
    labelmap,
    nodule_masks,
    oru,
    presentation,
    secondary,
    seg,
    sr,
    summary_sr,
)
from millet.codec.judged_sr import Judged, Names
from millet.codec.source import Source
from millet.core.analysis import Analysis
from millet.core.labels import Labels
from millet.core.uids import object_uid
from millet.flow.surroundings import Shown


def objects_of(analysis: Analysis, labels: Labels, shown: Shown) -> Mapping[str, bytes]:
    """All objects of an exam that was analysed; those that would hold nothing are left out.

    Pictures are drawn beside the reports, which somebody waits for.

    Args:
        analysis: what is told.
        labels: the voxels of its nodules, on the grid of the source images.
        shown: the source images, and the views for pictures.
    """
    source = shown.source
    with ThreadPoolExecutor(1, "pictures") as beside:
        pictures = beside.submit(_pictures, analysis, shown)
        mask = seg.encode(analysis, labels, source)
        made = {
            **reports_of(analysis, source, masks=mask is not None),
            "seg": mask,
            "labelmap": labelmap.encode(analysis, labels, source),
            "gsps": gsps.encode(analysis, source),
            "kos": key_images.encode(analysis, source),
            nodule_masks.KIND: nodule_masks.encode(analysis, labels, source),
            **pictures.result(),
        }
    return {kind: encoded for kind, encoded in made.items() if encoded}


def _pictures(analysis: Analysis, shown: Shown) -> Mapping[str, bytes]:
    sheets = presentation.mips(shown.views, analysis)
    return {
        **secondary.encode(shown.views, analysis, shown.source),
        "mip-coronal.png": sheets["coronal"],
        "mip-axial.png": sheets["axial"],
    }


def reports_of(analysis: Analysis, source: Source, *, masks: bool) -> Mapping[str, bytes]:
    """What tells of an analysis without its pixels; of a series that was not analysed, too.

    Summary and CAD are of images: there is none of them of reports.
    """
    told = {
        "sr": sr.encode(analysis, source),
        fhir.KIND: fhir.encode(analysis, source),
        oru.KIND: oru.encode(analysis, source),
    }
    if source.is_report:
        return told
    return {
        **told,
        summary_sr.KIND: summary_sr.encode(analysis, source, masks=masks),
        chest_cad.KIND: chest_cad.encode(analysis, source),
    }


def judged_of(analysis: Analysis, judged: Judged, source: Source) -> Mapping[str, bytes]:
    """What tells of somebody else's report that was judged; `source` is that report."""
    names = Names(object_uid(analysis, "sr-series"), object_uid(analysis, "sr"))
    return {
        "sr": judged_sr.encode(judged, source, names),
        fhir.KIND: fhir.encode(analysis, source, judged),
        oru.KIND: oru.encode(analysis, source, judged),
    }
