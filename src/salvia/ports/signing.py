"""Signatures under messages: proof for whoever receives them that this installation has sent them."""

from typing import Protocol


class Signing(Protocol):
    """What `world.parts["signing"]` holds. The key outlives the server: what was signed once verifies for good."""

    async def sign(self, text: bytes, digest: str) -> bytes:
        """The signature of `text` as PKCS #1 v1.5 has it, with RSA and `digest` ("SHA1", "SHA256")."""
        ...

    async def certificate(self) -> bytes:
        """PEM: the key's, for sns.amazonaws.com, issued by the installation's authority."""
        ...
