"""The user whose shell runs the jobs, and its membership of the group docker."""
import grp
import os
import pwd
import signal
import time

import host
import trees
from nodeerror import NodeError, reached

STEP = "user"


def found(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def is_member(name, group):
    try:
        return name in grp.getgrnam(group).gr_mem
    except KeyError:
        return False


def has_group(group):
    try:
        return grp.getgrnam(group) is not None
    except KeyError:
        return False


def home_of(name):
    return "/home/" + name


def check(name, record):
    """Refuses a user that would not be one, and a home with somebody's files, which would become the new user's: system users
    get the ids of those that were removed before."""
    entry = found(name)
    if entry is not None and entry.pw_uid == 0:
        raise NodeError("preflight", "the user %s is root by its id" % name, "Give a user of its own for jobs.")
    if entry is None and os.path.lexists(home_of(name)) and not record.made("user:" + name):
        raise NodeError("preflight", "%s is there, but no user %s: the new user would get it" % (home_of(name), name),
                        "Move it away, or give another `user`.")


def make(name, record):
    """A system user as GitLab's own package makes it: no files from /etc/skel, whose .bash_logout ends jobs of a shell."""
    thing = "user:" + name
    if found(name) is None:
        record.will_make(thing)
        host.run(["useradd", "--system", "--create-home", "--home-dir", home_of(name), "--skel", "/dev/null", "--shell",
                  "/bin/bash", "--comment", "GitLab Runner", name], 60, STEP)
        reached(STEP)


def join(name, group, record):
    if not is_member(name, group):
        record.will_make("member:%s:%s" % (name, group))
        host.run(["gpasswd", "--add", name, group], 60, STEP)
        reached("group")


def leave(name, group):
    if is_member(name, group):
        host.run(["gpasswd", "--delete", name, group], 60, STEP)


def remove(name):
    """Removes a user that was made for runners, its home included: what is in there came from their jobs."""
    entry = found(name)
    if entry is None:
        return
    end_processes(entry.pw_uid)
    # Before the user: after a power cut in between it would be nobody's, and stay.
    if os.path.isdir(entry.pw_dir) and os.stat(entry.pw_dir).st_uid == entry.pw_uid:
        trees.remove(entry.pw_dir)
    host.run(["userdel", name], 60, STEP)
    if has_group(name) and not grp.getgrnam(name).gr_mem:
        host.run(["groupdel", name], 60)


def end_processes(uid, seconds=10):
    """Kills what a job has left running as this user."""
    give_up = time.monotonic() + seconds
    left = processes(uid)
    while left and time.monotonic() < give_up:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.1)
        left = processes(uid)
    if left:
        raise NodeError(STEP, "processes of the user do not end: %s" % ", ".join(map(str, left)),
                        "End them, then run again.")


def processes(uid, proc="/proc"):
    pids = []
    for name in os.listdir(proc):
        if name.isdigit():
            folder = os.path.join(proc, name)
            lines = [line.split() for line in host.read_lines(folder + "/status") if line.startswith(("Uid:", "State:"))]
            values = {line[0]: line[1] for line in lines if len(line) > 1}
            if values.get("Uid:") == str(uid) and values.get("State:") != "Z" and not contained(folder, proc):
                pids.append(int(name))
    return pids


def contained(folder, proc):
    """Is it a process of a container that root's engine has started? It may have the same number for a user of its own: 999,
    which system users get first, is that of many databases. A container of the user's own is in a user namespace."""
    def same(what):
        return os.path.samestat(os.stat("%s/%s" % (folder, what)), os.stat("%s/self/%s" % (proc, what)))
    try:
        return same("ns/user") and not same("root")
    except OSError:
        return False
