"""Our own certificate authority."""

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from salvia.wire.certificates import Authority, is_aws

ENDS = "-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("host", ["sts.us-west-2.amazonaws.com", "S3.AMAZONAWS.COM", "x.amazonaws.com.cn", "a.api.aws"])
def test_hosts_of_aws(host: str) -> None:
    assert is_aws(host)


@pytest.mark.parametrize("host", ["pypi.org", "amazonaws.com.example.org", "amazonaws.com", "fakeamazonaws.com", "aws"])
def test_other_hosts(host: str) -> None:
    assert not is_aws(host)


def test_the_authority_is_made_once(tmp_path: Path) -> None:
    first = Authority(tmp_path / "ca").certificate.read_bytes()

    assert Authority(tmp_path / "ca").certificate.read_bytes() == first


def test_the_key_is_for_nobody_else(tmp_path: Path) -> None:
    Authority(tmp_path / "ca")

    assert stat.S_IMODE((tmp_path / "ca" / "ca-key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    assert b"PRIVATE" not in (tmp_path / "ca" / "ca.pem").read_bytes()
    assert {path.name for path in (tmp_path / "ca").iterdir()} == {"ca-key.pem", "ca.pem"}


def test_the_authority_speaks_for_aws_and_this_machine_only(tmp_path: Path) -> None:
    certificate = x509.load_pem_x509_certificate(Authority(tmp_path).certificate.read_bytes())
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)

    assert constraints.critical
    assert {"amazonaws.com", "localhost"} <= {n.value for n in constraints.value.permitted_subtrees or ()}


def test_the_bundle_is_what_was_trusted_before_and_ours(tmp_path: Path) -> None:
    theirs = tmp_path / "corporate.pem"
    theirs.write_text(ssl.DER_cert_to_PEM_cert(b"theirs").strip())
    authority = Authority(tmp_path / "ca")
    bundle = authority.write_bundle({"REQUESTS_CA_BUNDLE": str(theirs)})

    assert bundle.read_text() == theirs.read_text() + "\n" + authority.certificate.read_text()


def test_a_bundle_is_not_made_of_itself(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    once = authority.write_bundle({}).read_bytes()

    assert authority.write_bundle({"AWS_CA_BUNDLE": str(authority.bundle)}).read_bytes() == once
    assert ssl.create_default_context(cafile=authority.bundle).cert_store_stats()["x509_ca"] > 10


def test_a_context_is_made_once_for_each_host(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    assert authority.context("sts.amazonaws.com") is authority.context("sts.amazonaws.com")
    assert authority.context("sts.amazonaws.com") is not authority.context("s3.amazonaws.com")


@pytest.mark.parametrize(
    "host", ["", "a b.amazonaws.com", "-x.amazonaws.com", "a..amazonaws.com", "x" * 64 + ".api.aws"]
)
def test_no_certificate_for_what_is_no_host(host: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the name of a host"):
        Authority(tmp_path).context(host)
