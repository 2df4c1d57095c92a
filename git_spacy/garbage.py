"""Keep the search for unused objects from delaying a command that ends soon."""

import atexit
import gc

_OBJECTS = 50_000  # the modules of a command create fewer


def collect_rarely() -> None:
    """Search for cycles of unused objects less often, and not at all when the process ends.

    Python searches after each 700 new objects, and again through all of them at its end: that takes
    an eighth of the time of `git spacy status`.
    """

    gc.set_threshold(_OBJECTS)
    atexit.register(gc.freeze)
