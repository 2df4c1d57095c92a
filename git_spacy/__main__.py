"""`python -m git_spacy`, and the `git-spacy` executable."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""

    try:
        if sys.argv[1:2] == ["complete"]:  # before click is imported: a shell waits
            from git_spacy import completion

            sys.exit(completion.main(sys.argv[2:]))
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            # until the handler is ours, Ctrl-C ends the process without a traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        from git_spacy import interrupts

        interrupts.handle()
        from git_spacy import cli

        code = cli.main()
        interrupts.end(code)
    except KeyboardInterrupt as interrupted:  # outside of `cli.main`
        from git_spacy import interrupts

        code = getattr(interrupted, "exit_code", 130)
        interrupts.end(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
