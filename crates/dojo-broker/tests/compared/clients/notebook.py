"""What a script saw: one JSON object a line on standard output, `name` and `seen`."""

import json
import time

PATIENCE = 30


def note(name, seen):
    print(json.dumps({"name": name, "seen": seen}, default=sorted), flush=True)


def attempt(name, action, failure):
    """Notes what `action` gives, or what `failure` makes of its exception."""
    try:
        seen = action()
    except Exception as error:
        seen = failure(error)
    note(name, seen)
    return seen


def wait_until(condition, patience=PATIENCE):
    """Looks again and again; gives what `condition` found, or what it found last."""
    until = time.monotonic() + patience
    while True:
        found = condition()
        if found or time.monotonic() > until:
            return found
        time.sleep(0.02)
