"""Entries of insecure-registries as Docker understands them: one registry or network may be spelled in several ways.

Follows registry/config.go of Docker 20.10 to 29: a scheme is cut off, a network is named by its first address.
"""
import ipaddress
import re

KEY = "insecure-registries"
# What Docker trusts without being told. From 29.10 on it does so only while the key is not set.
LOOPBACK = ["127.0.0.0/8", "::1/128"]

LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
HOST = re.compile(r"%s(?:\.%s)*(?::[0-9]+)?" % (LABEL, LABEL))
SPLIT = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*)):([^:\[\]]*)")


def bare(entry):
    """The entry without the scheme that Docker cuts off, with a warning."""
    return re.sub(r"^https?://", "", entry, flags=re.I)


def name(entry):
    """What the engine calls it; two spellings of one thing have one name."""
    found = network(bare(entry))
    return bare(entry) if found is None else str(found)


def names(entries):
    return {name(entry) for entry in entries}


def network(text):
    """The network that this is, None for a host."""
    if not re.fullmatch(r"[0-9a-fA-F:.]+/[0-9]+", text):
        return None
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return None if found.version == 6 and found.network_address.ipv4_mapped else found


def accepted(entry):
    """Would Docker take it? One entry that it does not take makes a reload fail, and the next start too. `--validate`
    does not look at them."""
    text = bare(entry)
    if entry.startswith("-") or entry.endswith("-") or "://" in text:
        return False
    if network(text) is not None:
        return True
    parts = SPLIT.fullmatch(text)
    host, port = (parts.group(1) or parts.group(2) or "", parts.group(3)) if parts else (text, "")
    if not HOST.fullmatch(text) and not address(host):
        return False
    return port == "" or (re.fullmatch(r"[0-9]+", port) is not None and int(port) <= 65535)


def address(text):
    try:
        return "%" not in text and ipaddress.ip_address(text) is not None
    except ValueError:
        return False


def unique(entries):
    """One entry for each name, the first in order."""
    found = {}
    for entry in sorted(entries):
        found.setdefault(name(entry), entry)
    return sorted(found.values())
