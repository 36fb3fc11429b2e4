"""Long work that gives way to visitors' questions."""

import os
import sys
import threading

NICENESS = 10  # about a tenth of a core's time while others want it, all of it otherwise


def give_way() -> None:
    """Lower the priority of this thread and of those it starts; on Linux only.

    Elsewhere a priority belongs to a whole process, whose visitors would wait as well.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, max(own, NICENESS))
