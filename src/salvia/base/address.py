"""Addresses of interfaces, as settings and peers name them."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether the address or name `host` is this machine's own interface."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
