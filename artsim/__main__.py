"""``python -m artsim`` and the ``artsim`` command."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from artsim.cli import cli  # in here: Ctrl-C may come while it is imported

        cli()
    except KeyboardInterrupt:
        sys.exit(130)
    except MemoryError:  # while it is imported; the command line itself says what to do
        sys.exit("Error: not enough memory to start artsim")


if __name__ == "__main__":
    main()
