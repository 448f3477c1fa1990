"""Digests of keys: the same for the same keys, whoever counted which of them."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines.digest import KeyDigest

keys = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=30)


@given(keys=keys, cut=st.integers(0, 30), random=st.randoms())
def test_parts_in_any_order_add_up_to_the_digest_of_the_whole(
    keys: list[str], cut: int, random: Random
) -> None:
    whole = KeyDigest.of(keys)
    random.shuffle(keys)

    assert KeyDigest.of(keys[cut:]) + KeyDigest.of(keys[:cut]) == whole


@given(one=keys, other=keys)
def test_other_keys_have_another_digest(one: list[str], other: list[str]) -> None:
    assert (KeyDigest.of(one) == KeyDigest.of(other)) == (Counter(one) == Counter(other))


@given(keys=keys)
def test_a_digest_is_read_from_its_text(keys: list[str]) -> None:
    digest = KeyDigest.of(keys)

    assert KeyDigest.from_text(str(digest)) == digest


def test_a_digest_is_the_same_on_every_machine_and_in_every_release() -> None:
    assert str(KeyDigest.of(["sku-1", "sku-2"])) == "2:1ad386687aca8365"


def test_the_digest_of_no_keys_changes_no_other() -> None:
    assert KeyDigest.of(["sku-1"]) + KeyDigest() == KeyDigest.of(["sku-1"])
