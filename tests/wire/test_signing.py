"""The key that signs messages: its certificate is the authority's, and outlives the server."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from salvia.wire.certificates import Authority
from salvia.wire.signing import AuthoritySigning


@pytest.mark.parametrize(("digest", "algorithm"), [("SHA1", hashes.SHA1()), ("SHA256", hashes.SHA256())])
async def test_what_is_signed_verifies_with_the_certificate_also_after_a_restart(
    tmp_path: Path, digest: str, algorithm: hashes.HashAlgorithm
) -> None:
    signature = await AuthoritySigning(Authority(tmp_path)).sign(b"text", digest)
    certificate = x509.load_pem_x509_certificate(await AuthoritySigning(Authority(tmp_path)).certificate())

    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature, b"text", padding.PKCS1v15(), algorithm)


async def test_the_certificate_names_sns_and_is_issued_by_the_authority_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    certificate = x509.load_pem_x509_certificate(await AuthoritySigning(authority).certificate())

    certificate.verify_directly_issued_by(issuer)
    assert certificate.subject.rfc4514_string() == "CN=sns.amazonaws.com"
    assert certificate.not_valid_after_utc == issuer.not_valid_after_utc
    assert (tmp_path / "messages-key.pem").stat().st_mode & 0o777 == 0o600
