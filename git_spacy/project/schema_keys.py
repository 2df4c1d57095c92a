"""The keys of project.yml: the types of their values, their descriptions, and which are required.

`loader` validates against these tables, and `generate.schema` makes a JSON Schema of them.
"""

from __future__ import annotations

from git_spacy.light_typing import Literal, NamedTuple

ValueKind = Literal[
    "anything",
    "line",  # a string that is only displayed; numbers and null are accepted
    "text",  # a non-empty string
    "optional",  # a string or null
    "source",  # a non-empty string that is passed to Git; no environment variables
    "part",  # the same, but optional
    "flag",
    "checksum",
    "path",
    "paths",
    "script",
    "variables",  # a mapping to any values
    "texts",  # a mapping to strings
    "workflows",  # a mapping to lists of strings
    "amount",  # 0 or a number from LEAST_AMOUNT; whole if above 1
    "bytes",  # a non-negative whole number
    "duration",  # a number of seconds, or a text such as 90s, 30m or 1h30m
    "count",  # a whole number from 0 to 100
    "amounts",  # a mapping of a cluster's custom resources to amounts
    "table",  # a mapping with the keys of `item`
    "tables",  # a list of such mappings
    "names",  # a list of command names
    "named",  # a mapping of command names to such mappings
]
"""The type of a key's value after variables have been substituted."""


class SchemaKey(NamedTuple):
    """A key of a mapping, the type of its value and a description for users.

    `role` is that of the key's paths (one of `paths.ROLES`), and `item` has the keys of nested
    mappings.
    """

    kind: ValueKind
    meaning: str
    required: bool = False
    role: str = ""
    item: KeyTable | None = None


class KeyTable(NamedTuple):
    """The keys of a mapping, in the order in which they are documented.

    An unknown key is an error if the table is `closed`, and a warning otherwise.
    """

    noun: str
    keys: dict[str, SchemaKey]
    closed: bool = False

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the required keys."""

        return tuple(name for name, key in self.keys.items() if key.required)


CHECKSUM = "(md5:)?[0-9a-fA-F]{32}|sha256:[0-9a-fA-F]{64}"
"""The pattern of a checksum; without an algorithm it is an MD5."""

COMMAND = KeyTable(
    "command",
    {
        "name": SchemaKey(
            "text", "Name of the command, for 'git spacy run' and workflows.", required=True
        ),
        "help": SchemaKey("line", "One-line description."),
        "script": SchemaKey("script", "Command lines, run in order until one fails."),
        "deps": SchemaKey(
            "paths", "Files and folders that the command depends on.", role="dependency"
        ),
        "outputs": SchemaKey(
            "paths", "Files and folders that the command produces.", role="output"
        ),
        "outputs_no_cache": SchemaKey(
            "paths",
            "Outputs that are not cached, e.g. metrics that are committed to Git.",
            role="output",
        ),
        "no_skip": SchemaKey("flag", "Always run the command, even if it is up to date."),
    },
    closed=True,
)
GIT = KeyTable(
    "git",
    {
        "repo": SchemaKey(
            "source",
            "URL of the repository. Keep passwords in Git's credential helper.",
            required=True,
        ),
        "path": SchemaKey(
            "part", "A file or folder in the repository; '' is the whole repository.", required=True
        ),
        "branch": SchemaKey("part", "Branch or tag; by default, the repository's HEAD."),
    },
)
ASSET = KeyTable(
    "asset",
    {
        "dest": SchemaKey(
            "path", "Destination of the asset in the project.", True, "asset destination"
        ),
        "url": SchemaKey("optional", "Source of the asset: an http or https URL, or a path."),
        "git": SchemaKey("table", "Source in a Git repository; replaces 'url'.", item=GIT),
        "checksum": SchemaKey(
            "checksum",
            "Expected MD5, or 'sha256:' and the SHA-256; downloads that differ are rejected.",
        ),
        "description": SchemaKey("line", "Description of the asset."),
        "license": SchemaKey("anything", "License of the data, e.g. 'CC-BY-4.0' (an SPDX id)."),
        "extra": SchemaKey("flag", "Fetch the asset only with --extra."),
        "extract": SchemaKey(
            "flag", "Extract the archive: 'dest' is the folder, or the decompressed file."
        ),
    },
)
BUILT_IN = ("CPU", "GPU", "memory", "object_store_memory")
"""Ray's own resource names, which custom resources cannot use."""

LEAST_AMOUNT = 0.0001
"""The precision with which Ray counts resources."""

DURATION = r"[ ]*([0-9]{1,9}(\.[0-9]{1,9})?[ ]*[smhd][ ]*)+"
"""The pattern of a duration with units, as in `timeout(1)`; units can be combined: `1h30m`."""

MAX_COUNT = 100

RESOURCES = KeyTable(
    "resources",
    {
        "num_cpus": SchemaKey("amount", "Number of CPU cores; 1 by default."),
        "num_gpus": SchemaKey("amount", "Number of GPUs; a fraction lets commands share a GPU."),
        "memory": SchemaKey("bytes", "Memory, in bytes."),
        "accelerator_type": SchemaKey("text", "Type of GPU, by Ray's name, e.g. 'A100'."),
        "resources": SchemaKey("amounts", "Amounts of the cluster's custom resources, by name."),
        "timeout": SchemaKey(
            "duration",
            "Time after which the command is ended and fails: seconds, or e.g. 90s, 30m or 1h30m.",
        ),
        "retries": SchemaKey("count", "Number of times that the command is repeated if it fails."),
    },
    closed=True,
)
PROJECT = KeyTable(
    "project",
    {
        "title": SchemaKey("line", "Title of the project."),
        "description": SchemaKey("line", "Description of the project, in Markdown."),
        "license": SchemaKey(
            "anything", "License of the project and its results, e.g. 'MIT' (an SPDX id)."
        ),
        "variables": SchemaKey("variables", "Variables, used in other values as {NAME}."),
        "vars": SchemaKey(
            "variables", "Variables, used in other values as ${vars.name} or ${vars.table.name}."
        ),
        "env": SchemaKey(
            "texts", "Environment variables, by the names used in scripts: ${env.NAME}."
        ),
        "directories": SchemaKey(
            "paths", "Folders to create if they are missing.", role="directory"
        ),
        "assets": SchemaKey(
            "tables", "Data to fetch, or to copy into the project by hand.", item=ASSET
        ),
        "commands": SchemaKey("tables", "Commands that can be run.", item=COMMAND),
        "workflows": SchemaKey("workflows", "Named sequences of commands."),
        "remotes": SchemaKey(
            "texts", "Storage that outputs are pushed to and pulled from, by name."
        ),
        "resources": SchemaKey(
            "named", "Machine resources and limits of commands, by command name.", item=RESOURCES
        ),
        "keep_outputs": SchemaKey(
            "names", "Commands that find the outputs of their last run, e.g. to resume training."
        ),
        "spacy_version": SchemaKey(
            "anything", "Compatible versions of spaCy; 'run' warns of any other."
        ),
        "check_requirements": SchemaKey(
            "anything", "Whether 'run' warns if requirements.txt is not met; true by default."
        ),
    },
)
