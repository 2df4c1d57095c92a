"""`git spacy report`: write what a team looks at as a page, or as a comment on a pull request."""

from __future__ import annotations

import click

from git_spacy.cli import command_line, generated, output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext

EXAMPLES = (
    ("git spacy report", "Write report.html, and open it in a browser."),
    ("git spacy report --compare main", "Show what differs from the branch main."),
    ("git spacy report --compare main --format md", "Write the comment on a pull request."),
)
SEE_ALSO = ("git-spacy-log(1)", "git-spacy-diff(1)", "git-spacy-graph(1)")

_FILE = "report.html"
_HEAD = 80  # bytes at the start of a report, which have its marker


@click.command(cls=SpacyCommand)
@click.argument("revisions", nargs=-1, metavar="[REV]...")
@click.option("--compare", metavar="REV", help="Compare with this commit, branch or run.")
@click.option(
    "-f", "--format", "style", type=click.Choice(("html", "md")), default="html",
    show_default=True, help="Write a page, or Markdown.",
)  # fmt: skip
@click.option("-o", "--output", "to", metavar="FILE", help="Write to FILE; '-' is stdout.")
@click.option("-F", "--force", is_flag=True, help="Overwrite a file that is not a report.")
@click.pass_obj
def report(
    context: CommandContext, revisions: tuple[str, ...], compare: str | None, style: str,
    to: str | None, force: bool,
) -> None:  # fmt: skip
    """Show the graph with its states, metrics over commits and experiments, all runs, scores by
    label, what changed, and what each output was made from, as one HTML file that needs no network,
    by default report.html. --format md prints a shorter form for a comment on a pull request.

    REV is a commit or a range, as for 'git log'. Without --compare, the last two commits that
    brought results are compared.
    """

    from git_spacy.cli.report import content as core

    is_page = style == "html"
    if to is None and not is_page:
        to = "-"
    content = core.read_content(context, revisions, compare)
    if is_page:
        from git_spacy.cli.report import html

        text = html.page(content)
    else:
        from git_spacy.cli.report import comment

        text = comment.comment(content)
    if to == "-":
        output.raw(text)
        return
    file = generated.output_file(context.root, context.cwd, to, _FILE)
    _write(file, text, force=force)
    output.message(f"wrote {file.name}")


def _write(file: generated.OutputFile, text: str, *, force: bool) -> None:
    """Write a report; only replace one, unless forced to."""

    from git_spacy.cli.report.content import MARKER
    from git_spacy.errors import Refused
    from git_spacy.files import open_beneath, write_beneath

    try:
        with open_beneath(file.base, str(file.where)) as stream:
            first = stream.read(_HEAD)
    except FileNotFoundError:
        first = b""
    if first.strip() and MARKER.encode() not in first and not force:
        again = f"{command_line.typed()} --force"
        raise Refused(f"'{file.name}' is not a report", hint=f"to overwrite it: {again}")
    write_beneath(file.base, str(file.where), text.encode())
