"""The entry point of `python -m git_spacy` and of the `git-spacy` executable."""

import sys

from git_spacy import garbage


def main() -> None:
    """Run the command line and exit with its code."""

    garbage.collect_rarely()
    try:
        if sys.argv[1:2] == ["complete"]:  # before click is imported, since a shell is waiting
            from git_spacy.cli import completion

            sys.exit(completion.main(sys.argv[2:]))
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            # until our handler is installed, Ctrl-C ends the process without a traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        from git_spacy import interrupts

        interrupts.install()
        from git_spacy.cli.main import main as run

        code = run()
        interrupts.prepare_exit(code)
    except KeyboardInterrupt as interrupted:  # raised outside of `cli.main.main`
        from git_spacy import interrupts

        code = getattr(interrupted, "exit_code", 130)
        interrupts.prepare_exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
