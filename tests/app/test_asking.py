from __future__ import annotations

import threading

from instances import header

from millet.app.asking import desk
from millet.core.assembler import ArchiveSays, Arrival, Waits
from millet.flow.asking import Question

WAITS = Waits(settle_s=2.0, quiet_s=10.0, gap_wait_s=60.0)


def test_a_question_is_asked_at_once_on_a_thread_of_its_own():
    """Who receives goes on; the answer is there when it looks again, and what is missing is pulled."""
    asked_on, pulled = [], threading.Event()

    def count(named):
        asked_on.append(threading.current_thread().name)
        return 9

    made = desk(count, lambda: 105.0, lambda _named: pulled.set())
    made.loop.start()
    headers = tuple(header(n) for n in range(1, 9))
    arrival = Arrival(headers=headers, last_instance_s=100.0, open_associations=1, released_s=None)
    question = Question(series_id=1, arrival=arrival, waits=WAITS)
    made.asking.says(question, 105.0)
    assert pulled.wait(20)
    assert made.loop.stop(20)
    assert made.asking.says(question, 106.0) is ArchiveSays.MORE
    assert asked_on == ["archive"]
