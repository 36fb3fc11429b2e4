"""``python -m artsim`` and the ``artsim`` command."""

import gc
import sys


def main() -> None:
    """Run the command line."""
    # Most objects are of imported modules and stay: looking through them for garbage as often as
    # usual is a fifth of the time in which torch is imported.
    gc.set_threshold(20_000)
    try:
        from artsim.cli import cli  # in here: Ctrl-C may come while it is imported

        cli()
    except KeyboardInterrupt:
        sys.exit(130)
    except MemoryError:  # while it is imported; the command line itself says what to do
        sys.exit("Error: not enough memory to start artsim")


if __name__ == "__main__":
    main()
