"""The addresses under which others on the same network reach this computer."""

import ipaddress
import socket

import psutil

# Networks that exist inside of this computer only, or that lead elsewhere, by what they are called.
VIRTUAL = (
    "docker",
    "br-",
    "veth",
    "virbr",
    "vbox",
    "vmnet",
    "vethernet",
    "utun",
    "tun",
    "tap",
    "wsl",
)
PRIVATE = ("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12")  # RFC 1918, the likeliest first


def own_addresses() -> list[str]:
    """Return the IPv4 addresses of this computer, the one that others can most likely reach first.

    It asks the operating system, and sends nothing to the network. Without a network it is empty.
    """
    up = {name for name, status in psutil.net_if_stats().items() if status.isup}
    found = {
        address.address: name
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if name in up and address.family == socket.AF_INET and _leads_anywhere(address.address)
    }
    return sorted(found, key=lambda address: (_rank(address, found[address]), address))


def is_loopback(address: str) -> bool:
    """Return whether an address is one at which a computer reaches only itself."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _leads_anywhere(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return not (ip.is_loopback or ip.is_link_local or ip.is_unspecified)


def _rank(address: str, interface: str) -> tuple[bool, int]:
    ip = ipaddress.ip_address(address)
    kinds = [number for number, net in enumerate(PRIVATE) if ip in ipaddress.ip_network(net)]
    return interface.lower().startswith(VIRTUAL), kinds[0] if kinds else len(PRIVATE)
