"""Parts of the shell runner's program on scratch folders; users, packages and systemd are stand-ins."""
import hashlib
import os
import shutil
import tempfile
import threading

import account
import binary
import files
import host
import ledger
import packages
import runnerledger
import service
import shellrunner
from nodeerror import NodeError


def scratch(work):
    home = tempfile.mkdtemp()
    try:
        return work(home)
    finally:
        shutil.rmtree(home)


def patched(changes, work):
    """Does something while names of modules mean something else."""
    kept = [(module, name, getattr(module, name)) for module, name, _ in changes]
    for module, name, value in changes:
        setattr(module, name, value)
    try:
        return work()
    finally:
        for module, name, value in kept:
            setattr(module, name, value)


def process(proc, name, uid, namespace, root):
    folder = os.path.join(proc, name)
    os.makedirs(folder + "/ns")
    with open(folder + "/status", "w") as stream:
        stream.write("State:\tS (sleeping)\nUid:\t%d\t%d\t%d\t%d\n" % (uid, uid, uid, uid))
    os.symlink(os.path.join(proc, namespace), folder + "/ns/user")
    os.symlink(os.path.join(proc, root), folder + "/root")


def who_is_killed():
    """Processes of user 999: a job's, a database's in a container of root's engine, a job's in a container of its own, and one
    of somebody else."""
    def work(proc):
        for name in ("init-users", "other-users", "host-root", "image"):
            os.makedirs(os.path.join(proc, name))
        process(proc, "self", 0, "init-users", "host-root")
        process(proc, "10", 999, "init-users", "host-root")
        process(proc, "11", 999, "init-users", "image")
        process(proc, "12", 999, "other-users", "image")
        process(proc, "13", 1000, "init-users", "host-root")
        return sorted(account.processes(999, proc))
    return scratch(work)


def two_at_once():
    """Two runners of one host get their files at the same time; a third one's was cut off before."""
    def work(folder):
        left = os.path.join(folder, ".left" + binary.PART)
        open(left, "w").close()
        begun, go_on = threading.Event(), threading.Event()
        result = {}

        def send(name, wait):
            data = [name.encode("utf-8")]

            def read(_):
                if wait and data:
                    begun.set()
                    go_on.wait(10)
                return data.pop() if data else b""
            path = os.path.join(folder, name)
            try:
                binary.keep(read, {"path": path, "sha256": hashlib.sha256(name.encode("utf-8")).hexdigest()})
                result[name] = "kept"
            except Exception as error:
                result[name] = str(error)
        first = threading.Thread(target=send, args=("one", True))
        first.start()
        begun.wait(10)
        send("two", False)
        shellrunner.undo("dir:" + folder)
        go_on.set()
        first.join()
        return {"result": result, "there": sorted(os.listdir(folder))}
    return patched([(files, "check_writable", lambda *_: None)], lambda: scratch(work))


def user_refused(entry_uid, home_there, made):
    """What is said of a user: its id, None where there is none; is there a folder where its home would be; is it ours."""
    def work(folder):
        record = runnerledger.Record("r", folder)
        if made:
            record.data["made"].append("user:ci")
        if home_there:
            os.makedirs(folder + "/home/ci")
        entry = None if entry_uid is None else type("Entry", (), {"pw_uid": entry_uid})()
        try:
            patched([(account, "found", lambda _: entry), (account, "home_of", lambda name: folder + "/home/" + name)],
                    lambda: account.check("ci", record))
            return None
        except NodeError as error:
            return error.what.replace(folder, "")
    return scratch(work)


def removed_user():
    """The order in which a user goes: a power cut in between must leave what the next run still finds."""
    done = []

    def work(home):
        entry = type("Entry", (), {"pw_uid": os.getuid(), "pw_dir": home + "/ci"})()
        os.makedirs(entry.pw_dir + "/job")

        def run(command, *_):
            done.append([command[0], os.path.exists(entry.pw_dir)])
            return 0, ""
        patched([(account, "found", lambda _: entry), (account, "end_processes", lambda *_: None), (host, "run", run),
                 (account, "has_group", lambda _: False)], lambda: account.remove("ci"))
        return done
    return scratch(work)


def mounted_in_home():
    """Somebody has mounted a disk in the home of the user that goes."""
    def work(home):
        entry = type("Entry", (), {"pw_uid": os.getuid(), "pw_dir": home})()
        os.makedirs(home + "/disk")
        try:
            patched([(account, "found", lambda _: entry), (account, "end_processes", lambda *_: None),
                     (host, "run", lambda *_: (0, "")), (files, "mount_points", lambda: {"/": "ext4", home + "/disk": "ext4"})],
                    lambda: account.remove("ci"))
            said = None
        except NodeError as error:
            said = error.what.replace(home, "HOME")
        return {"said": said, "there": os.path.isdir(home + "/disk")}
    return scratch(work)


def installed(version, known):
    """What apt-get is told; `known` are the versions that apt knows of the helper images."""
    told = []
    patched([(packages, "apt_get", lambda _, words, *__: told.append(words)), (binary, "in_use", lambda: True),
             (binary, "candidates", lambda _: known)], lambda: binary.install(version))
    return told


def purge_while_installing():
    """The installation goes on by itself after a run gave up; taking it back must not run into it."""
    ran = []
    active = type("Unit", (), {"state": "active"})()
    idle = type("Unit", (), {"state": "inactive"})()
    try:
        patched([(host, "units_now", lambda names: {name: active if "install" in name else idle for name in names}),
                 (host, "run", lambda *command: ran.append(command) or (0, ""))], lambda: packages.apt_purge("gitlab-runner"))
        return {"ran": len(ran)}
    except NodeError as error:
        return {"ran": len(ran), "said": error.what}


def registered_since():
    """Somebody registers a runner of their own with the package that was installed for us; then ours goes."""
    undone = []

    def work(folder):
        with open(folder + "/config.toml", "w") as stream:
            stream.write("[[runners]]\n")
        patched([(binary, "CONFIG", folder), (packages, "apt_purge", undone.append), (account, "remove", undone.append),
                 (shellrunner.trees, "remove", undone.append)],
                lambda: [shellrunner.undo(thing) for thing in binary.OF_PACKAGE])
        return undone
    return scratch(work)


def put_back(state, enabled):
    """What systemd is asked to do when an update fails, where the service was in a state before and ran anew meanwhile."""
    asked = []
    now = {"state": state, "enabled": enabled}

    def run(command, *_):
        if command[:2] == ["systemctl", "is-enabled"]:
            return (0 if now["enabled"] else 1), ""
        if command[0] == "systemctl" and command[1] in ("stop", "disable", "enable", "restart", "reload"):
            asked.append(command[1])
            now["enabled"] = {"disable": False, "enable": True}.get(command[1], now["enabled"])
        return 0, ""

    def unit(names):
        return {name: host.Unit(name, {"LoadState": "loaded", "ActiveState": now["state"], "MainPID": "1"}) for name in names}

    def work():
        settings = {"unit": {"name": "u.service", "path": "/nonexistent/u"}, "files": [], "binary": {}, "drain": 1}
        before = shellrunner.Before(settings)
        now.update(state="active", enabled=True)
        before.put_back(settings)
        return {"asked": asked, "enabled": now["enabled"]}
    markers = iter(["old", "new", "new"])
    return patched([(host, "run", run), (host, "units_now", unit), (service, "marker", lambda _: next(markers))], work)


def kept(was_ours, edited):
    """What a run asks for, where a host has an identity already."""
    def work(folder):
        path = os.path.join(folder, "id")
        record = runnerledger.Record("r", os.path.join(folder, "home"))
        if was_ours:
            record.data["made"].append("file:" + path)
            record.data["written"][path] = ledger.digest(b"r_before")
        with open(path, "w") as stream:
            stream.write("r_edited" if edited else "r_before")
        one = {"path": path, "text": "r_new", "keep": True}
        other = {"path": path, "text": "r_new"}
        shellrunner.keep({"files": [one, other, {"path": path + "2", "text": "r_new", "keep": True}]}, record)
        return [one["text"], other["text"]]
    return scratch(work)
