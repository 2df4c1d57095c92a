"""`python -m git_spacy`, and the `git-spacy` executable."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""

    from git_spacy import cli

    sys.exit(cli.main())


if __name__ == "__main__":
    main()
