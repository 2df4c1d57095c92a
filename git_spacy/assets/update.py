"""Fetch assets as their sources have them now, and write their checksums into project.yml."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from git_spacy.assets.events import FetchEvent
from git_spacy.assets.fetch import FetchFailure, FetchOutcome, fetch
from git_spacy.assets.planner import select_assets
from git_spacy.errors import InvalidInput
from git_spacy.files import write_beneath
from git_spacy.git.settings import Settings
from git_spacy.project import loader
from git_spacy.project.edit_yaml import with_checksum
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.model import Asset, Checksum, Project
from git_spacy.state.stat_cache import StatCache

_PLACEHOLDER = {"md5": "0123456789abcdef" * 2, "sha256": "0123456789abcdef" * 4}


class ChecksumChange(NamedTuple):
    """An asset whose source has another checksum than project.yml; `new` is that of the source."""

    asset: Asset
    new: Checksum


class UpdateOutcome(NamedTuple):
    """The result of the fetch, the assets whose checksums were changed, and the number of those
    that have the right one."""

    fetched: FetchOutcome
    changes: tuple[ChecksumChange, ...]
    unchanged: int


def update_checksums(
    project: Project,
    root: Path,
    *,
    index: StatCache,
    settings: Settings,
    environ: Mapping[str, str],
    report: Callable[[FetchEvent], None],
    names: Sequence[str] = (),
    extra: bool = False,
    force: bool = False,
    dry_run: bool = False,
    jobs: int,
) -> UpdateOutcome:
    """Fetch the assets that `names` select, whatever exists, and write their checksums.

    A private asset is not fetched: the checksum of the existing file is written, if it is named.
    With `dry_run`, nothing is replaced or written. Otherwise, raises InvalidInput before anything
    is fetched if a checksum in project.yml cannot be changed.
    """

    wanted = select_assets(project.assets, names, extra=extra)
    if not names:
        wanted = tuple(asset for asset in wanted if asset.has_source)
    if not dry_run:
        _check_changeable(root, wanted)
    if not wanted:
        return UpdateOutcome(FetchOutcome((), (), (), ()), (), 0)
    assets = (a._replace(checksum=None) if a in wanted else a for a in project.assets)
    outcome = fetch(
        project._replace(assets=tuple(assets)), root, index=index, settings=settings,
        environ=environ, report=report, names=[asset.dest.normal for asset in wanted], force=force,
        refresh=True, dry_run=dry_run, jobs=jobs,
    )  # fmt: skip
    found = [
        ChecksumChange(asset, Checksum(algorithm, digest))
        for asset in wanted
        if (algorithm := asset.checksum.algorithm if asset.checksum else "md5")
        and (digest := _digest(asset, algorithm, outcome, index))
    ]
    changes = tuple(change for change in found if change.new != change.asset.checksum)
    unchanged = len(found) - len(changes)
    if changes and not dry_run:
        failed = _write(root, changes)
        outcome = outcome._replace(failed=(*outcome.failed, *failed.values()))
        changes = tuple(change for change in changes if change.asset.dest.normal not in failed)
    return UpdateOutcome(outcome, changes, unchanged)


def _digest(asset: Asset, algorithm: str, outcome: FetchOutcome, index: StatCache) -> str:
    """Return the digest of what the source of an asset sent, or of a private asset; "" if there is
    none."""

    if asset.has_source:
        content = outcome.contents.get(asset.dest.normal)
        return content.source_digests[algorithm] if content else ""
    existing = index.fingerprint(asset.dest.normal, algorithm)
    return existing.digest if existing else ""


def _check_changeable(root: Path, wanted: Sequence[Asset]) -> None:
    """Raise InvalidInput with all assets in `wanted` whose checksum cannot be changed."""

    data, problems = loader.read_bytes(root), []
    project = _parse(data)
    for asset in wanted:
        algorithm = asset.checksum.algorithm if asset.checksum else "md5"
        try:
            placeholder = Checksum(algorithm, _PLACEHOLDER[algorithm])
            with_checksum(data, _number(project, asset), placeholder)
        except InvalidInput as error:
            show = f"git spacy assets --update --dry-run {quote(asset.dest.text)}"
            problems += [
                problem._replace(
                    message=f"asset '{asset.dest}': {problem.message}",
                    hint=f"change it by hand; to see the new checksum: {show}",
                )
                for problem in error.problems
            ]
    if problems:
        raise InvalidInput.from_problems(problems)


def _write(root: Path, changes: Sequence[ChecksumChange]) -> dict[str, FetchFailure]:
    """Write the new checksums. Return, by destination, the assets whose checksum does not belong
    into project.yml any more: it may have been edited during the fetch."""

    data, failed = bytes(loader.read_bytes(root)), {}
    project = _parse(data)
    for asset, new in changes:
        try:
            data = with_checksum(data, _number(project, asset), new)
        except InvalidInput as error:  # `line` is where the asset was
            failed[asset.dest.normal] = FetchFailure(asset._replace(line=0), error)
    if len(failed) < len(changes):
        write_beneath(root, PROJECT_FILE, data)
    return failed


def _parse(data: bytes) -> Project:
    """Return the project with all of its assets. Raises InvalidInput if one has no destination."""

    project = loader.parse(data).project
    if project.unset:
        raise InvalidInput.from_problems(project.unset)
    return project


def _number(project: Project, asset: Asset) -> int:
    """Return the index in project.yml, from 0, of an asset that was fetched.

    Raises InvalidInput if it is not there, or has another source there.
    """

    for number, other in enumerate(project.assets):
        if other.dest.normal != asset.dest.normal:
            continue
        if (other.url, other.git, other.extract) == (asset.url, asset.git, asset.extract):
            return number
        raise InvalidInput(
            "project.yml has another source since the fetch began; the checksum was not written",
            hint=f"git spacy assets --update {quote(asset.dest.text)}",
        )
    raise InvalidInput(
        "project.yml does not have it any more since the fetch began; no checksum was written",
        hint="fetch what project.yml has now: git spacy assets",
    )
