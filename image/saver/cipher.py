"""Encryption of states for two recipients, by the AWS Encryption SDK
(https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/concepts.html).

Each state has a data key of its own. KMS makes it, so that operators can decrypt; it is also encrypted under a key
derived from the interview's password, so that a replaced task can. Who has the task role may have KMS make data keys,
never decrypt any.
"""

import logging
from dataclasses import dataclass
from typing import IO, Any

import aws_encryption_sdk
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError, InvalidKeyIdError
from aws_encryption_sdk.identifiers import Algorithm, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.base import MasterKeyProvider, MasterKeyProviderConfig
from aws_encryption_sdk.key_providers.kms import KMSMasterKey
from aws_encryption_sdk.key_providers.raw import RawMasterKey
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_ALGORITHM = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
"""Without a signature: who can decrypt with the password is who may encrypt."""

logging.getLogger("aws_encryption_sdk").setLevel(logging.CRITICAL)  # every error it logs, it raises too

_client = aws_encryption_sdk.EncryptionSDKClient(max_encrypted_data_keys=2)


class CipherError(Exception):
    """A state is not decrypted by this key, or is not the one that it is said to be."""


@dataclass(frozen=True)
class StateName:
    """Which state of which incarnation; every state is bound to its own."""

    incarnation: str
    number: int

    @property
    def context(self) -> dict[str, str]:
        """The encryption context."""
        return {"work": self.incarnation, "state": f"{self.number:06d}"}


def password_key(password: str, incarnation: str) -> RawMasterKey:
    """The key that the interview's password makes for one incarnation.

    The cost is OWASP's for scrypt with 16 MiB, the least memory that it lists with r=8
    (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt).
    """
    derived = Scrypt(salt=incarnation.encode(), length=32, n=2**14, r=8, p=5).derive(password.encode())
    return RawMasterKey(
        provider_id="prequel",
        key_id="password",
        wrapping_key=WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            wrapping_key=derived,
            wrapping_key_type=EncryptionKeyType.SYMMETRIC,
        ),
    )


def kms_key(client: Any, arn: str) -> KMSMasterKey:
    """The project's key in KMS, through ``client``."""
    return KMSMasterKey(key_id=arn, client=client)


def encrypt(source: IO[bytes], target: IO[bytes], name: StateName, kms: KMSMasterKey, password: RawMasterKey) -> None:
    """Writes ``source`` encrypted to ``target``; raises the SDK's errors when KMS makes no key."""
    keys = _Recipients()
    keys.kms, keys.password = kms, password
    stream = _client.stream(
        mode="e", source=source, key_provider=keys, algorithm=_ALGORITHM, encryption_context=name.context
    )
    _copy(stream, target)


def decrypt(source: IO[bytes], target: IO[bytes], name: StateName, key: KMSMasterKey | RawMasterKey) -> None:
    """Writes ``source`` decrypted to ``target``, and raises ``CipherError`` unless all of it is the state ``name``.

    What is in ``target`` after an error must not be used.
    """
    try:
        with _client.stream(mode="d", source=source, key_provider=key) as stream:
            context = stream.header.encryption_context
            if not name.context.items() <= context.items():
                raise CipherError(f"it is encrypted as {context}, expected {name.context}")
            _copy(stream, target)
    except (AWSEncryptionSDKClientError, InvalidTag, ValueError) as error:
        raise CipherError(f"it cannot be decrypted: {error or type(error).__name__}") from error


class _Recipients(MasterKeyProvider):  # type: ignore[misc]
    """KMS makes the data key, which both keys then encrypt."""

    provider_id = "prequel-recipients"
    _config_class = MasterKeyProviderConfig
    kms: KMSMasterKey
    password: RawMasterKey

    def master_keys_for_encryption(self, *_: object, **__: object) -> tuple[KMSMasterKey, list[Any]]:
        """The one that makes data keys, and all that encrypt them."""
        return self.kms, [self.kms, self.password]

    def _new_master_key(self, key_id: bytes) -> Any:
        raise InvalidKeyIdError(f"there is no key {key_id!r}")


def _copy(stream: Any, target: IO[bytes]) -> None:
    while piece := stream.read(1 << 16):
        target.write(piece)
