"""``python -m artsim`` and the ``artsim`` command."""

from artsim.cli import cli


def main() -> None:
    """Run the command line."""
    cli()


if __name__ == "__main__":
    main()
