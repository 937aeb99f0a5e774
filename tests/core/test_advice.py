"""An advice is valid from birth."""

from __future__ import annotations

from dataclasses import replace

import pytest
from golden_advice import exam_of

from millet.core import brock, lung_rads


@pytest.mark.parametrize("more", [{"category": "2"}, {"management": "discharge"}, {"probability": 0.01}])
def test_what_does_not_apply_says_nothing(more):
    """No category, no management and no probability beside a reason why not."""
    declined = brock.judge(exam_of("60x solid 3", "level=1"))
    with pytest.raises(ValueError, match="does not apply"):
        replace(declined, **more)


def test_a_reason_is_given_exactly_where_it_does_not_apply():
    """Neither without the other."""
    given = lung_rads.judge(exam_of("solid 4", "screening=yes"))
    with pytest.raises(ValueError, match="applies exactly"):
        replace(given, why_not=("age",))
    with pytest.raises(ValueError, match="applies exactly"):
        replace(given, applies=False)
