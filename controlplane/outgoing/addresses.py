"""Which network addresses nobody outside may make us talk to (pure).

Our own list, after IANA's registries of special-purpose addresses: what ``ipaddress`` calls global differs between
Python releases, and lets translated forms through (NAT64, 6to4, Teredo), which end inside.
"""

from __future__ import annotations

import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_V4 = ipaddress.IPv4Network
_V6 = ipaddress.IPv6Network

# Not even for a host that the operator lists: cloud metadata, the own segment, nobody in particular, everybody.
_NEVER_4: Final = tuple(
    _V4(text)
    for text in (
        "0.0.0.0/8",  # this network
        "169.254.0.0/16",  # link-local, and the clouds' metadata
        "168.63.129.16/32",  # Azure's wire server
        "100.100.100.200/32",  # Alibaba's metadata
        "192.0.0.192/32",  # Oracle's metadata
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_NEVER_6: Final = tuple(
    _V6(text)
    for text in (
        "::/128",  # nobody
        "fe80::/10",  # link-local
        "ff00::/8",  # multicast
        "fd00:ec2::/32",  # Amazon's metadata
        "fd20:ce::/32",  # Google's metadata
        "fd00:c1::/32",  # Oracle's metadata
    )
)
_INTERNAL_4: Final = tuple(
    _V4(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
    )
)
# Of IPv6 only global unicast is outside at all: mapped, compatible, translated, local forms lie elsewhere.
_GLOBAL_6: Final = _V6("2000::/3")
_INTERNAL_6: Final = tuple(
    _V6(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
# Interface ids that carry an IPv4 address through a site (ISATAP, RFC 5214).
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})


def is_admitted(address: Address, *, internal: bool) -> bool:
    """Say whether a connection may go to an address.

    Args:
        address: what a name resolved to, or what the URL says.
        internal: the operator lists the host as an internal one.
    """
    if isinstance(address, ipaddress.IPv4Address):
        if any(address in network for network in _NEVER_4):
            return False
        return internal or not any(address in network for network in _INTERNAL_4)
    if address.scope_id is not None or any(address in network for network in _NEVER_6):
        return False
    if address.ipv4_mapped is not None:
        return internal and is_admitted(address.ipv4_mapped, internal=True)
    if internal:
        return address in _GLOBAL_6 or address in _V6("fc00::/7") or address == ipaddress.IPv6Address("::1")
    return (
        address in _GLOBAL_6
        and not any(address in network for network in _INTERNAL_6)
        and (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP
    )
