"""Questions to nested settings, as the readers of YAML and TOML return them."""


def covers(there, ours, same):
    """Does what stands there say all of ours? Where text differs, `same(there, ours)` decides."""
    if isinstance(ours, dict):
        return isinstance(there, dict) and all(key in there and covers(there[key], ours[key], same) for key in ours)
    if isinstance(ours, list):
        return isinstance(there, list) and all(any(covers(one, mine, same) for one in there) for mine in ours)
    return there == ours or (isinstance(there, str) and isinstance(ours, str) and same(there, ours))


def texts(value):
    """All text in nested settings."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for one in inner for text in texts(one)]


def same_certificates(path, ours):
    """Does a file that somebody keeps hold the certificates that we would write?"""
    try:
        with open(path, "rb") as stream:
            return stream.read().split() == ours.split()
    except (OSError, ValueError):
        return False
