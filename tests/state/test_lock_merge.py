"""Three versions of a lock to one, by entry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.state import lock, lock_merge
from git_spacy.state.lock import LockEntry, TrackedPath

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
    lambda some: {name: entry._replace(name=name) for name, entry in some.items()}
)


def facts(some: lock.Lock) -> dict[str, object]:
    return {name: entry.fingerprint_key for name, entry in some.items()}


@given(locks, locks)
def test_what_one_side_did_is_the_merge(base: lock.Lock, changed: lock.Lock) -> None:
    for merged in (lock_merge.merge(base, changed, base), lock_merge.merge(base, base, changed)):
        assert facts(merged.entries) == facts(changed)
        assert not merged.conflicts


@given(locks, locks)
def test_what_both_did_alike_is_no_conflict(base: lock.Lock, changed: lock.Lock) -> None:
    merged = lock_merge.merge(base, changed, changed)
    assert facts(merged.entries) == facts(changed)
    assert not merged.conflicts


@given(locks, locks, locks)
def test_the_sides_are_equal_before_the_merge_but_for_their_order(
    base: lock.Lock, ours: lock.Lock, theirs: lock.Lock
) -> None:
    one, other = lock_merge.merge(base, ours, theirs), lock_merge.merge(base, theirs, ours)
    assert facts(one.entries) == facts(other.entries)
    assert one.conflicts.keys() == other.conflicts.keys()
    for name, (mine, other_side) in one.conflicts.items():
        assert (
            base.get(name) is None
            or mine is None
            or mine.fingerprint_key != base[name].fingerprint_key
        )
        assert (
            mine is None or other_side is None
        ) or mine.fingerprint_key != other_side.fingerprint_key


@given(locks, locks, locks)
def test_the_text_says_it_all_and_its_sides_can_be_had_back(
    base: lock.Lock, ours: lock.Lock, theirs: lock.Lock
) -> None:
    merged = lock_merge.merge(base, ours, theirs)
    text = lock_merge.text(merged)
    if not merged.conflicts:
        assert facts(lock.parse(text)) == facts(merged.entries)
        return
    with pytest.raises(Exception, match="merge conflict markers"):
        lock.parse(text)
    mine, other = lock_merge.split_sides(text)
    for number, side in enumerate((mine, other)):
        found = facts(lock.parse(side)) if side.strip() else {}
        expected = facts(merged.entries)
        expected |= facts(
            {name: both[number] for name, both in merged.conflicts.items() if both[number]}
        )
        assert found == expected


def test_the_order_is_ours_and_then_what_is_theirs_alone() -> None:
    def of(*some: str) -> dict[str, LockEntry]:
        return {name: LockEntry(name, (name,), (), ()) for name in some}

    merged = lock_merge.merge({}, of("b", "a"), of("c", "a"))
    assert list(lock.parse(lock_merge.text(merged))) == ["b", "a", "c"]


def test_sides_of_a_text_with_a_base_and_windows_line_ends() -> None:
    text = b"a\r\n<<<<<<< HEAD\r\nb\r\n||||||| base\r\nc\r\n=======\r\nd\r\n>>>>>>> side\r\ne\r\n"
    assert lock_merge.split_sides(text) == (b"a\nb\ne\n", b"a\nd\ne\n")
