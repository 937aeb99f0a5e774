"""Exams of the brain made by hand, each with what the published criteria say of it."""

from __future__ import annotations

from millet.core.geometry import PointMm
from millet.core.lesion import Exam, Images, Lesion
from millet.core.nodule import Side

IMAGES = Images(thickness_mm=5.0, step_mm=5.0, first_mm=2.5, count=30)
BOTH = (Side.LEFT, Side.RIGHT)
EVERYWHERE = ("supratentorial", "infratentorial")


def brain(counts, sides=BOTH, compartments=EVERYWHERE, images=IMAGES, diameter_mm=2.0):
    """So many lesions in the middle of each numbered image, taking sides and compartments in turn."""
    lesions = [
        Lesion(
            centre_mm=PointMm(0.0, 0.0, 5.0 * image + 2.5),
            diameter_mm=diameter_mm,
            side=sides[number % len(sides)],
            regions=tuple(filter(None, [compartments[number // 2 % len(compartments)]])),
        )
        for image, count in counts.items()
        for number in range(count)
    ]
    return Exam(organ="brain", lesions=tuple(lesions), images=images)


MIDLINE = (None,)
TABLE = (
    ("twenty on two images apart", brain({3: 20, 9: 20}), True, True),
    ("one image lies between", brain({3: 20, 5: 20}), True, True),
    ("neighbours", brain({3: 20, 4: 20}), False, False),
    ("three in a row", brain({3: 20, 4: 20, 5: 20}), True, True),
    ("nineteen on the second", brain({3: 20, 9: 19}), False, True),
    ("ten on two images apart", brain({3: 10, 9: 10}), False, True),
    ("nine on the second", brain({3: 10, 9: 9}), False, False),
    ("a hundred on one image", brain({3: 100}), False, False),
    ("many, never ten on an image", brain(dict.fromkeys(range(0, 30, 2), 9)), False, False),
    ("one side", brain({3: 20, 9: 20}, sides=(Side.LEFT,)), False, False),
    ("one lesion on the other side", brain({3: 20, 9: 20, 1: 1}, sides=(Side.LEFT,)), False, False),
    ("midline only", brain({3: 20, 9: 20}, sides=MIDLINE), False, False),
    ("supratentorial only", brain({3: 20, 9: 20}, compartments=EVERYWHERE[:1]), False, False),
    ("infratentorial only", brain({3: 20, 9: 20}, compartments=EVERYWHERE[1:]), False, False),
    ("compartments not told", brain({3: 20, 9: 20}, compartments=(None,)), False, False),
    ("images not told", brain({3: 20, 9: 20}, images=None), False, False),
    ("one wide enough for three images", brain({4: 20}, diameter_mm=8.0), True, True),
    ("none", brain({}), False, False),
)
"""What it is, the exam, whether the criteria for MR are met, whether those for CT are."""
