"""Reads and replaces files so that at every instant, power cuts included, the old or the new one is there, whole."""
import errno
import fcntl
import os
import re
import stat
import sys

from nodeerror import NodeError, reached

MARK = ".pi-runners-"
NEEDED = 1 << 20
# FS_IOC_GETFLAGS, _IOR('f', 1, long), and two of the flags (linux/fs.h).
GET_FLAGS = 2 << 30 | (8 if sys.maxsize > 1 << 32 else 4) << 16 | ord("f") << 8 | 1
IMMUTABLE, APPEND_ONLY = 0x10, 0x20


class MovedError(Exception):
    """Somebody else changed the file between reading and writing."""


class Seen:
    """A file as it was read: where it really is, its bytes (None when it is missing), and its status."""

    def __init__(self, path, real, data, status):
        self.path = path
        self.real = real
        self.data = data
        self.status = status


def look(path, step):
    """Reads a file through its links, and refuses what could not be replaced safely afterwards."""
    real = resolve(path, step)
    try:
        with open(real, "rb", opener=at_once) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise not_a_file(real, step)
            data = stream.read()
    except IsADirectoryError:
        raise not_a_file(real, step)
    except FileNotFoundError:
        return Seen(path, real, None, None)
    except OSError as error:
        raise NodeError(step, "%s cannot be read (%s)" % (real, error.strerror), "Check the file and its disk.")
    if status.st_nlink > 1:
        raise NodeError(step, "%s has %d hard links, and replacing it would part them" % (real, status.st_nlink),
                        "Make it a file of its own or a symbolic link.")
    return Seen(path, real, data, status)


def at_once(path, flags):
    """Opens without waiting: a FIFO would keep its reader until somebody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def not_a_file(real, step):
    return NodeError(step, "%s is not a regular file" % real, "Replace it by a file, then run again.")


def resolve(path, step):
    """The path behind all links; a link that leads nowhere is refused, as its disk may not be mounted."""
    real = os.path.realpath(path)
    if os.path.islink(path) and not os.path.exists(path):
        raise NodeError(step, "%s is a link to %s, which does not exist" % (path, os.readlink(path)),
                        "Mount or create what it points to, or remove the link.")
    return real


def check_writable(real, step):
    """Refuses a place that cannot take a new file for good: mount point, read-only, full, or gone at the next boot."""
    mounts = mount_points()
    if real in mounts:
        raise NodeError(step, "%s is a mount point, and cannot be replaced in one step" % real,
                        "Change the file at its source, or mount its directory instead.")
    directory = os.path.dirname(real)
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    check_kept(directory, mounts, step)
    check_flags(real, step)
    check_flags(directory, step)
    free = os.statvfs(directory)
    if free.f_flag & os.ST_RDONLY:
        raise NodeError(step, "%s is on a read-only file system" % directory, "Mount it read-write, then run again.")
    if free.f_bavail * free.f_frsize < NEEDED or (free.f_files and not free.f_favail):
        raise NodeError(step, "no space is left for %s" % real, "Free at least 1 MiB there, then run again.")


def check_kept(directory, mounts, step):
    """Refuses file systems that forget: tmpfs, and the overlay that protects an SD card from writes."""
    point = directory
    while point not in mounts and point != "/":
        point = os.path.dirname(point)
    kind = mounts.get(point, "")
    if kind in ("tmpfs", "ramfs"):
        raise NodeError(step, "%s is on a %s, so a change would not survive a reboot" % (directory, kind),
                        "Put it on a disk, then run again.")
    if kind == "overlay" and point == "/" and not in_container():
        raise NodeError(step, "the root file system is an overlay, so a change would not survive a reboot",
                        "Switch it off (raspi-config, Performance, Overlay File System), reboot, run again, switch it on.")


def check_flags(path, step):
    """Refuses what chattr has made immutable, root or not. Where a file system has no such flags, nothing is said."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        flags = int.from_bytes(fcntl.ioctl(descriptor, GET_FLAGS, bytes(8))[:4], sys.byteorder)
    except OSError:
        return
    finally:
        os.close(descriptor)
    for flag, letter, word in ((IMMUTABLE, "i", "immutable"), (APPEND_ONLY, "a", "append-only")):
        if flags & flag:
            raise NodeError(step, "%s is %s (chattr +%s), so changing it is not permitted" % (path, word, letter),
                            "`chattr -%s %s`, then run again." % (letter, path))


def in_container():
    """systemd notes here that it runs in a container, whose root is an overlay for another reason."""
    try:
        with open("/run/systemd/container") as stream:
            return stream.read().strip() != ""
    except OSError:
        return False


def mount_points():
    """Mount point to type of file system, the last mount of each place winning."""
    mounts = {}
    with open("/proc/self/mountinfo", "rb") as stream:
        for line in stream:
            left, right = line.split(b" - ", 1)
            point = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found.group(1), 8)]), left.split(b" ")[4])
            mounts[os.fsdecode(point)] = os.fsdecode(right.split(b" ")[0])
    return mounts


def replace(seen, data, step, mode=0o644):
    """Puts data in the file's place, if the file still is as it was seen; raises MovedError otherwise. `mode` is that of a
    file which was not there.

    The old and the new file are swapped in one system call where the kernel can, so that an edit which slipped in
    at the last moment is noticed and put back.
    """
    check_same(seen)
    temporary = write_temporary(seen, data, step, mode)
    try:
        reached(step + " temporary")
        check_same(seen)
        if seen.data is None:
            create(temporary, seen.real)
        elif not exchange(temporary, seen.real):
            os.rename(temporary, seen.real)
        elif read(temporary) != seen.data:
            exchange(temporary, seen.real)
            raise MovedError()
    except OSError as error:
        raise unwritable(seen.real, error, step)
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)
    sync_directory(os.path.dirname(seen.real))
    reached(step + " renamed")
    return look(seen.path, step)


def write_temporary(seen, data, step, mode):
    """A file beside the real one, with its mode, owner and attributes, whole on disk."""
    directory, name = os.path.split(seen.real)
    temporary = os.path.join(directory, ".%s%s%d.tmp" % (name, MARK, os.getpid()))
    descriptor = None
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        write_all(descriptor, data)
        if seen.status is None:
            os.fchmod(descriptor, mode)
        else:
            os.fchown(descriptor, seen.status.st_uid, seen.status.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(seen.status.st_mode))
            if seen.data is not None:
                copy_attributes(seen.real, temporary)
        os.fsync(descriptor)
        return temporary
    except OSError as error:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise unwritable(seen.real, error, step)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def unwritable(real, error, step):
    return NodeError(step, "%s cannot be written (%s)" % (real, error.strerror),
                     "Check space, permissions and attributes (lsattr) of %s." % os.path.dirname(real))


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


def copy_attributes(source, target):
    try:
        for name in os.listxattr(source):
            os.setxattr(target, name, os.getxattr(source, name))
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise


def check_same(seen):
    if read(seen.real) != seen.data:
        raise MovedError()


def read(path):
    """A file's bytes, None when it is missing."""
    try:
        with open(path, "rb", opener=at_once) as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def create(temporary, real):
    """Gives the file its name only if nobody else made one."""
    try:
        os.link(temporary, real)
    except FileExistsError:
        raise MovedError()
    except OSError:
        if os.path.lexists(real):
            raise MovedError()
        os.rename(temporary, real)


def exchange(one, other):
    """Swaps two files in one step (renameat2, Linux 3.15, glibc 2.28); False where that is not to be had."""
    try:
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        here, swap = -100, 2
        return libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), swap) == 0
    except (AttributeError, ImportError, OSError):
        return False


def delete(seen, step):
    """Removes the file, if it still is as it was seen."""
    check_same(seen)
    if seen.data is not None:
        try:
            os.unlink(seen.real)
            sync_directory(os.path.dirname(seen.real))
        except OSError as error:
            raise unwritable(seen.real, error, step)
    reached(step + " deleted")


def missing_directories(path):
    """What is missing of a directory, outermost first."""
    missing = []
    while not os.path.isdir(path):
        missing.insert(0, path)
        path = os.path.dirname(path)
    return missing


def make_directories(missing):
    for directory in missing:
        os.makedirs(directory, 0o755, exist_ok=True)
        os.chmod(directory, 0o755)
        sync_directory(os.path.dirname(directory))


def remove_directories(made):
    """Removes directories that this tool made, as far as they are empty, innermost first."""
    for directory in reversed(made):
        try:
            os.rmdir(directory)
        except OSError:
            return


def sweep(directory):
    """Removes what a killed run left beside the real files."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        if MARK in name and name.startswith(".") and name.endswith(".tmp"):
            os.unlink(os.path.join(directory, name))


def sync_directory(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
