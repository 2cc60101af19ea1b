"""Addresses of interfaces, as settings and peers name them, and the way through the proxy."""

import ipaddress
from urllib.parse import quote


def is_loopback(host: str) -> bool:
    """Whether the address or name `host` is this machine's own interface."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def proxy_url(url: str, host: str, access_key: str, secret: str) -> str:
    """What clients are told of the proxy at `url`, of a server that listens on `host`: beyond loopback it opens tunnels only for who shows a key."""
    if is_loopback(host):
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(access_key, safe='')}:{quote(secret, safe='')}@{rest}"
