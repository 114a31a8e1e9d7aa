"""Which addresses are public. It has its own table, as the interpreter's answer differs between versions.

Sources, as of November 2025: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and what has updated
it), IANA's IPv6 address space (RFC 4291: global unicast is 2000::/3 and nothing else), RFC 1112 and RFC 3068.
"""

import ipaddress

NOT_PUBLIC_V4 = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private use
    "100.64.0.0/10",  # shared address space of carriers; some clouds have their metadata there
    "127.0.0.0/8",  # loopback
    "168.63.129.16/32",  # the host of a virtual machine on Azure, though globally assigned
    "169.254.0.0/16",  # link local, cloud metadata
    "172.16.0.0/12",  # private use
    "192.0.0.0/24",  # protocol assignments, all of it; some clouds have their metadata at 192.0.0.192
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # relays of 6to4, deprecated
    "192.168.0.0/16",  # private use
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and the broadcast address
)
_GLOBAL_UNICAST = "2000::/3"
_NOT_PUBLIC_V6 = (
    "2001::/23",  # protocol assignments, all of it: Teredo, benchmarks, ORCHID
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4, deprecated: holds an IPv4 address of any kind
    "3fff::/20",  # documentation
)
_STANDS_FOR_V4 = (
    "::ffff:0:0/96",  # mapped: the kernel connects to the IPv4 address
    "64:ff9b::/96",  # NAT64: a gateway does
)

_V4 = tuple(map(ipaddress.IPv4Network, NOT_PUBLIC_V4))
_UNICAST = ipaddress.IPv6Network(_GLOBAL_UNICAST)
_V6 = tuple(map(ipaddress.IPv6Network, _NOT_PUBLIC_V6))
_TRANSLATED = tuple(map(ipaddress.IPv6Network, _STANDS_FOR_V4))


def is_public(address: str) -> bool:
    """Whether the address belongs to the public internet. An address that stands for an IPv4 one (mapped, NAT64) is
    judged by that one. Unassigned addresses are not public. Raises `ValueError` for a text that is no address.
    """
    # A zone after `%` names an interface of this machine and is no part of the address.
    parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if not any(parsed in network for network in _TRANSLATED):
            return parsed in _UNICAST and not any(parsed in network for network in _V6)
        parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
    return not any(parsed in network for network in _V4)
