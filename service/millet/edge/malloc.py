"""Memory that was let go goes back to the machine.

The C library of most Linux systems keeps an arena for each few threads, and in them what was let go, for
the next who asks; of the tens of megabytes that this service works in, hundreds remain so.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Numbers of glibc's `mallopt` (malloc.h)."""
LARGE_BYTES = 2**20
"""What is larger is asked of the kernel, and given back to it."""


ARENAS = 2
"""Python's own lock lets few threads allocate at once, whatever the number of processors."""


def give_back_large() -> bool:
    """Have large blocks given back at once, and few arenas; false where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    wanted = {_MMAP_THRESHOLD: LARGE_BYTES, _TRIM_THRESHOLD: 16 * LARGE_BYTES, _ARENA_MAX: ARENAS}
    return all(mallopt(number, value) for number, value in wanted.items())
