"""Whether this thread still computes with numbers below the normal ones.

An engine that sets "flush to zero" in the caller's thread and leaves it set breaks others: SciPy's k-d tree
divides at the number after zero, and recurses until the stack ends.
"""

import numpy as np


def count() -> bool:
    """Whether the number after zero is not zero."""
    return bool((np.nextafter(np.zeros(1), 1.0) * 1.0 > 0)[0])
