"""Notes when the machine that it runs on stood still: when its own step came late.

The host gave the machine no processor then, and whatever it measured meanwhile says nothing about the product. It runs
before every other process (SCHED_FIFO), so that a busy machine does not count. A line each: when it ended, after the
machine's boot, and how long it was, in seconds.
"""

from __future__ import annotations

import sys
import time

STEP_S = 0.05
LATE_S = 0.25


def main() -> None:
    """Argument: the file to write to."""
    with open(sys.argv[1], "w", buffering=1, encoding="ascii") as noted:
        before = time.monotonic()
        while True:
            time.sleep(STEP_S)
            now = time.monotonic()
            late = now - before - STEP_S
            if late > LATE_S:
                print(f"{now:.2f} {late:.2f}", file=noted)
            before = now


if __name__ == "__main__":
    main()
