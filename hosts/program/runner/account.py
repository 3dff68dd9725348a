"""The user whose shell runs the jobs, and its membership of the group docker."""
import grp
import os
import pwd
import shutil
import signal
import time

import host
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


def make(name, record):
    """A system user as GitLab's own package makes it: no files from /etc/skel, whose .bash_logout ends jobs of a shell."""
    thing = "user:" + name
    if found(name) is None:
        record.will_make(thing)
        host.run(["useradd", "--system", "--create-home", "--skel", "/dev/null", "--shell", "/bin/bash", "--comment",
                  "GitLab Runner", name], 60, STEP)
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
    host.run(["userdel", name], 60, STEP)
    if has_group(name) and not grp.getgrnam(name).gr_mem:
        host.run(["groupdel", name], 60)
    if os.path.isdir(entry.pw_dir) and os.stat(entry.pw_dir).st_uid == entry.pw_uid:
        shutil.rmtree(entry.pw_dir)


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


def processes(uid):
    pids = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            lines = [line.split() for line in host.read_lines("/proc/%s/status" % name) if line.startswith(("Uid:", "State:"))]
            values = {line[0]: line[1] for line in lines if len(line) > 1}
            if values.get("Uid:") == str(uid) and values.get("State:") != "Z":
                pids.append(int(name))
    return pids
