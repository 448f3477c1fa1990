"""Signing by KMS, as moto plays it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from functions.callbacks.link_signer import KmsLinkSigner, LinkKeysError, link_keys

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

MESSAGE = b"a message"


@pytest.fixture
def kms() -> Iterator["KMSClient"]:
    with mock_aws():
        yield boto3.client("kms")


def new_key(kms: "KMSClient") -> str:
    return kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["Arn"]


def test_what_a_key_signed_is_its_signature(kms: "KMSClient") -> None:
    signer = KmsLinkSigner(kms, {1: new_key(kms)})

    mac = signer.sign(MESSAGE)

    assert len(mac) == 32
    assert signer.is_signature(1, MESSAGE, mac)


def test_another_message_or_another_signature_is_none(kms: "KMSClient") -> None:
    signer = KmsLinkSigner(kms, {1: new_key(kms)})
    mac = signer.sign(MESSAGE)

    assert not signer.is_signature(1, b"another message", mac)
    assert not signer.is_signature(1, MESSAGE, bytes(32))


def test_the_newest_key_signs_and_the_one_before_still_verifies(kms: "KMSClient") -> None:
    first, second = new_key(kms), new_key(kms)
    signed_before = KmsLinkSigner(kms, {1: first}).sign(MESSAGE)

    rotated = KmsLinkSigner(kms, {1: first, 2: second})

    assert rotated.generation == 2
    assert rotated.is_signature(1, MESSAGE, signed_before)
    assert rotated.is_signature(2, MESSAGE, rotated.sign(MESSAGE))
    assert not rotated.is_signature(2, MESSAGE, signed_before)


def test_the_signature_of_a_key_that_is_gone_is_none(kms: "KMSClient") -> None:
    signer = KmsLinkSigner(kms, {2: new_key(kms)})

    assert not signer.is_signature(1, MESSAGE, bytes(32))


def test_keys_are_read_by_their_generation() -> None:
    assert link_keys('{"1": "arn:one", "12": "arn:twelve"}') == {1: "arn:one", 12: "arn:twelve"}


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"one": "arn"}', "arn:aws:kms"])
def test_anything_but_keys_is_refused_with_what_it_should_be(text: str) -> None:
    with pytest.raises(LinkKeysError, match="LINK_KEYS must be JSON such as"):
        link_keys(text)
