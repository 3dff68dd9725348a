"""Folders that jobs have filled: removed whole, but not what somebody has mounted there."""
import os
import shutil

import files
from nodeerror import NodeError


def remove(path):
    inside = [point for point in files.mount_points() if point == path or point.startswith(path + "/")]
    if inside:
        raise NodeError("remove", "%s is mounted in a folder of jobs, %s" % (inside[0], path),
                        "Unmount it (umount %s), then run again." % inside[0])
    if os.path.isdir(path):
        shutil.rmtree(path)
