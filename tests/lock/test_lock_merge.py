"""Locks are merged entry by entry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.lock import lock_format, lock_merge
from git_spacy.lock.lock_format import LockEntry, TrackedPath

names = st.sampled_from(["prepare", "train", "evaluate", "package"])
entries = st.builds(
    LockEntry,
    name=st.just(""),
    script=st.lists(st.sampled_from(["one", "two words", "x: y", "# three"]), max_size=2).map(tuple),
    deps=st.lists(st.builds(TrackedPath, st.sampled_from(["a", "b"]), st.none() | st.just("0" * 32)), max_size=2).map(tuple),
    outs=st.just(()), extra=st.just(()),
    cmd=st.sampled_from(["python -m weasel run x", "python -m spacy project run x"]),
)  # fmt: skip
locks = st.dictionaries(names, entries, max_size=4).map(
    lambda by_name: {name: entry._replace(name=name) for name, entry in by_name.items()}
)


def keys(entries: lock_format.Lock) -> dict[str, object]:
    return {name: entry.fingerprint_key for name, entry in entries.items()}


@given(locks, locks)
def test_the_changes_of_a_single_side_are_the_merge(
    base: lock_format.Lock, changed: lock_format.Lock
) -> None:
    for merged in (lock_merge.merge(base, changed, base), lock_merge.merge(base, base, changed)):
        assert keys(merged.entries) == keys(changed)
        assert not merged.conflicts


@given(locks, locks)
def test_equal_changes_of_both_sides_do_not_conflict(
    base: lock_format.Lock, changed: lock_format.Lock
) -> None:
    merged = lock_merge.merge(base, changed, changed)
    assert keys(merged.entries) == keys(changed)
    assert not merged.conflicts


@given(locks, locks, locks)
def test_swapped_sides_give_the_same_merge(
    base: lock_format.Lock, ours: lock_format.Lock, theirs: lock_format.Lock
) -> None:
    merged, swapped = lock_merge.merge(base, ours, theirs), lock_merge.merge(base, theirs, ours)
    assert keys(merged.entries) == keys(swapped.entries)
    assert merged.conflicts.keys() == swapped.conflicts.keys()
    for name, (our_entry, their_entry) in merged.conflicts.items():
        assert (
            base.get(name) is None
            or our_entry is None
            or our_entry.fingerprint_key != base[name].fingerprint_key
        )
        assert (
            our_entry is None or their_entry is None
        ) or our_entry.fingerprint_key != their_entry.fingerprint_key


@given(locks, locks, locks)
def test_the_sides_of_a_conflict_can_be_read_back_from_the_text(
    base: lock_format.Lock, ours: lock_format.Lock, theirs: lock_format.Lock
) -> None:
    merged = lock_merge.merge(base, ours, theirs)
    text = lock_merge.text(merged)
    if not merged.conflicts:
        assert keys(lock_format.parse(text)) == keys(merged.entries)
        return
    with pytest.raises(Exception, match="merge conflict markers"):
        lock_format.parse(text)
    for position, side in enumerate(lock_merge.split_sides(text)):
        entries = keys(lock_format.parse(side)) if side.strip() else {}
        expected = keys(merged.entries)
        expected |= keys(
            {name: entry for name, sides in merged.conflicts.items() if (entry := sides[position])}
        )
        assert entries == expected


def test_entries_only_theirs_has_come_last() -> None:
    def lock_with(*names: str) -> dict[str, LockEntry]:
        return {name: LockEntry(name, (name,), (), ()) for name in names}

    merged = lock_merge.merge({}, lock_with("b", "a"), lock_with("c", "a"))
    assert list(lock_format.parse(lock_merge.text(merged))) == ["b", "a", "c"]


def test_a_text_with_a_base_and_crlf_is_split_into_its_sides() -> None:
    text = b"a\r\n<<<<<<< HEAD\r\nb\r\n||||||| base\r\nc\r\n=======\r\nd\r\n>>>>>>> side\r\ne\r\n"
    assert lock_merge.split_sides(text) == (b"a\nb\ne\n", b"a\nd\ne\n")
