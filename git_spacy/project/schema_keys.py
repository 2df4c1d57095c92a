"""The keys of project.yml: what each may hold, in a line for people, and which must be there.

Tables and nothing else: `loader` reads by them, `generate.schema` writes them down for editors. How
a value of a kind is read is the loader's business, how it is described the schema's.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

ValueKind = Literal[
    "anything",
    "line",  # a text for people: a number will do, and so will nothing
    "text",  # and not an empty one
    "optional",  # a text, or nothing
    "source",  # a text for Git, so without environment variables
    "part",  # the same, or nothing
    "flag",
    "checksum",
    "path",
    "paths",
    "script",
    "variables",  # a mapping of anything
    "texts",  # a mapping of texts
    "workflows",  # a mapping of lists of texts
    "amount",  # a number from 0 on, a whole one above 1
    "bytes",  # a whole number from 0 on
    "amounts",  # a mapping of amounts, of things that have no key of their own
    "table",  # what `of` says
    "tables",  # a list of them
    "named",  # a mapping of them, by the names of commands
]
"""What a key may hold, variables filled in."""


class SchemaKey(NamedTuple):
    """A key: the kind of its value, what it `means`, whether it must be there; the `role` of its
    paths (one of paths.ROLES); the table that it is or lists."""

    kind: ValueKind
    meaning: str
    required: bool = False
    role: str = ""
    item: KeyTable | None = None


class KeyTable(NamedTuple):
    """The keys of a mapping, in the order in which people are told of them. An unknown key is an
    error where it is `closed`, elsewhere a warning."""

    noun: str
    keys: dict[str, SchemaKey]
    closed: bool = False

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(name for name, key in self.keys.items() if key.required)


CHECKSUM = "(md5:)?[0-9a-fA-F]{32}|sha256:[0-9a-fA-F]{64}"
"""What a checksum looks like; without a name it is an md5."""

COMMAND = KeyTable(
    "command",
    {
        "name": SchemaKey("text", "What 'run' and workflows call it.", required=True),
        "help": SchemaKey("line", "What it does, in a line."),
        "script": SchemaKey(
            "script", "Command lines to run in order; the first that fails ends it."
        ),
        "deps": SchemaKey("paths", "Files and folders that it reads.", role="dependency"),
        "outputs": SchemaKey("paths", "Files and folders that it makes.", role="output"),
        "outputs_no_cache": SchemaKey(
            "paths", "Outputs that DVC is not to keep: metrics, say.", role="output"
        ),
        "no_skip": SchemaKey("flag", "Run it even where nothing has changed."),
    },
    closed=True,
)
GIT = KeyTable(
    "git",
    {
        "repo": SchemaKey(
            "source", "The repository's address; its password is Git's.", required=True
        ),
        "path": SchemaKey("part", "A file or folder in it; '' is all of it.", required=True),
        "branch": SchemaKey("part", "A branch or tag; without it the repository's own HEAD."),
    },
)
ASSET = KeyTable(
    "asset",
    {
        "dest": SchemaKey("path", "Where it belongs in the project.", True, "asset destination"),
        "url": SchemaKey(
            "optional", "Where it comes from: http, https or a path in the repository."
        ),
        "git": SchemaKey("table", "A part of a Git repository, in place of 'url'.", item=GIT),
        "checksum": SchemaKey(
            "checksum", "An md5, or 'sha256:' and a sha256; what has another is not taken."
        ),
        "description": SchemaKey("line", "What it is."),
        "extra": SchemaKey("flag", "Fetch it with --extra only."),
    },
)
BUILT_IN = ("CPU", "GPU", "memory", "object_store_memory")
"""What cannot be the name of a resource of a cluster's own."""

RESOURCES = KeyTable(
    "resources",
    {
        "num_cpus": SchemaKey("amount", "How many processors it needs, 1 if it does not say."),
        "num_gpus": SchemaKey("amount", "How many GPUs; a part of one may be shared."),
        "memory": SchemaKey("bytes", "How much memory, in bytes."),
        "accelerator_type": SchemaKey("text", "What kind of GPU, as Ray calls it: 'A100', say."),
        "resources": SchemaKey("amounts", "How much of what the cluster has of its own, by name."),
    },
    closed=True,
)
PROJECT = KeyTable(
    "project",
    {
        "title": SchemaKey("line", "What the project is called."),
        "description": SchemaKey("line", "What it is about; Markdown."),
        "variables": SchemaKey("variables", "Values that texts name as {NAME}."),
        "vars": SchemaKey(
            "variables", "Values that texts name as ${vars.name}, or ${vars.table.name}."
        ),
        "env": SchemaKey(
            "texts", "Environment variables by the names that scripts have: ${env.NAME}."
        ),
        "directories": SchemaKey("paths", "Folders that are always there.", role="directory"),
        "assets": SchemaKey("tables", "Data to fetch, or to put there by hand.", item=ASSET),
        "commands": SchemaKey("tables", "What can be run.", item=COMMAND),
        "workflows": SchemaKey("workflows", "Lists of commands to run in order, by name."),
        "remotes": SchemaKey("texts", "Where outputs are kept for others, by name."),
        "resources": SchemaKey(
            "named", "What commands need of a machine, by their names.", item=RESOURCES
        ),
        "spacy_version": SchemaKey("anything", "The versions of spaCy that it is for; not read."),
        "check_requirements": SchemaKey(
            "anything", "Whether the reference looks at requirements.txt; not read."
        ),
    },
)
