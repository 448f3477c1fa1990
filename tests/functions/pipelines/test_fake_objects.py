"""The fake's troubles: the tests of others count on when they come."""

import pytest

from functions.pipelines.objects import ObjectAccessError, ObjectRef, ObjectsBusyError
from tests.functions.pipelines.fake_objects import FakeObjects, Moment, ProcessDiedError

REF = ObjectRef("work/a")


def test_calls_are_counted_and_what_producers_put_is_not() -> None:
    objects = FakeObjects()

    objects.store("work/a", b"abc")
    objects.head(REF)
    list(objects.read(REF))
    objects.put("results/b", b"any")

    assert objects.count() == 3
    assert objects.count("read") == 1
    assert objects.count(prefix="results/") == 1
    assert objects.blocks == 1


def test_dying_before_a_put_leaves_nothing_and_dying_after_it_the_object() -> None:
    objects = FakeObjects()

    objects.die(nth=2, method="put")
    objects.put("a", b"any")
    with pytest.raises(ProcessDiedError):
        objects.put("b", b"any")
    objects.die(method="put", moment=Moment.AFTER)
    with pytest.raises(ProcessDiedError):
        objects.put("c", b"any")
    objects.put("d", b"any")

    assert objects.written.keys() == {"a", "c", "d"}


def test_a_call_of_any_kind_can_fail_once_or_for_good() -> None:
    objects = FakeObjects()
    objects.store("work/a", b"abc")

    objects.fail(ObjectsBusyError("busy"), nth=2)
    objects.head(REF)
    with pytest.raises(ObjectsBusyError):
        list(objects.read(REF))
    objects.head(REF)

    objects.fail(ObjectsBusyError("busy"), method="head", for_good=True)
    for _ in range(2):
        with pytest.raises(ObjectsBusyError):
            objects.head(REF)
    objects.heal()
    objects.head(REF)


def test_a_read_that_breaks_off_has_given_its_blocks() -> None:
    objects = FakeObjects(block_bytes=2)
    objects.store("work/a", b"abc")
    objects.fail(ObjectsBusyError("broken off"), method="read", moment=Moment.AFTER)
    given: list[bytes] = []

    with pytest.raises(ObjectsBusyError):
        given.extend(objects.read(REF))

    assert given == [b"ab", b"c"]


def test_a_forbidden_bucket_refuses_everything() -> None:
    objects = FakeObjects(forbidden=frozenset({"partner"}))
    objects.store("work/a", b"abc", bucket="partner")

    with pytest.raises(ObjectAccessError):
        objects.head(ObjectRef("work/a", "partner"))
    with pytest.raises(ObjectAccessError):
        list(objects.in_prefix("", "partner"))


def test_writes_of_a_key_are_counted() -> None:
    objects = FakeObjects()

    objects.put("a", b"1")
    objects.put("a", b"2", {"attempt": "2"})

    assert objects.written["a"].writes == 2
    assert objects.written["a"].metadata == {"attempt": "2"}
    assert objects.body("a") == b"2"
