"""Memory that was let go goes back to the machine.

The C library of most Linux systems keeps an arena for each few threads, and in them what was let go, for
the next who asks; of the tens of megabytes that this service works in, hundreds remain so.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's `mallopt` (malloc.h)."""
LARGE_BYTES = 2**20
"""What is larger is asked of the kernel, and given back to it."""


def give_back_large() -> bool:
    """Have large blocks given back at once; false where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGE_BYTES)) and bool(mallopt(_TRIM_THRESHOLD, 16 * LARGE_BYTES))
