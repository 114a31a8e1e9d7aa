"""Public addresses: every range of the table, its first and last address, and those just outside."""

import ipaddress

import pytest

from stream.net.addresses import is_public

REFUSED = {  # range: whether the address before it and the one behind it are public
    "0.0.0.0/8": (None, True),
    "10.0.0.0/8": (True, True),
    "100.64.0.0/10": (True, True),
    "127.0.0.0/8": (True, True),
    "168.63.129.16/32": (True, True),
    "169.254.0.0/16": (True, True),
    "172.16.0.0/12": (True, True),
    "192.0.0.0/24": (True, True),
    "192.0.2.0/24": (True, True),
    "192.88.99.0/24": (True, True),
    "192.168.0.0/16": (True, True),
    "198.18.0.0/15": (True, True),
    "198.51.100.0/24": (True, True),
    "203.0.113.0/24": (True, True),
    "224.0.0.0/4": (True, False),
    "240.0.0.0/4": (False, None),
    "::/96": (None, False),
    "64:ff9b:1::/48": (False, False),
    "100::/64": (False, False),
    "100:0:0:1::/64": (False, False),
    "2001::/23": (True, True),
    "2001::/32": (True, False),
    "2001:2::/48": (False, False),
    "2001:10::/28": (False, False),
    "2001:db8::/32": (True, True),
    "2002::/16": (True, True),
    "3fff::/20": (True, True),
    "4000::/2": (True, False),
    "5f00::/16": (False, False),
    "fc00::/7": (False, False),
    "fe80::/10": (False, False),
    "fec0::/10": (False, False),
    "ff00::/8": (False, None),
}
V4 = [name for name in REFUSED if ":" not in name]


@pytest.mark.parametrize("name", REFUSED)
def test_a_range_ends_where_the_registry_says(name: str) -> None:
    network = ipaddress.ip_network(name)
    middle = network[network.num_addresses // 2]
    assert not any(is_public(str(address)) for address in (network[0], middle, network[-1]))
    before, behind = REFUSED[name]
    if before is not None:
        assert is_public(str(network[0] - 1)) is before
    if behind is not None:
        assert is_public(str(network[-1] + 1)) is behind


@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::"])
@pytest.mark.parametrize("name", V4)
def test_what_stands_for_an_ipv4_address_is_judged_by_it(prefix: str, name: str) -> None:
    network = ipaddress.ip_network(name)
    assert not is_public(f"{prefix}{network[0]}")
    assert not is_public(f"{prefix}{network[-1]}")
    assert is_public(f"{prefix}93.184.216.34")


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "192.0.1.0", "2606:4700::1111", "2a00::1", "2000::"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "192.0.0.192", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254"),
        *(
            "fe80::1%eth0",
            "::1",
            "::",
            "2002:5db8:d822::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "::93.184.216.34",
            "1fff:ffff::1",
        ),
    ],
)
def test_metadata_services_tunnels_and_scopes(address: str) -> None:
    assert not is_public(address)
