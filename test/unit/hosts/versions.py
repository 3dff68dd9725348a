"""What is known of Docker's versions, asked as the program on nodes asks it; see versions.test.ts."""
import docker
import jsontext
import pending


class Plan:
    def __init__(self, info, want, warned):
        self.info, self.want, self.final = info, want, "{}"
        self.context = type("Context", (), {"warn": lambda _, text: warned.append(text)})()


def may_reload(version, mirrored, restart_allowed):
    """Whether a reload does; an error where nothing may be done."""
    text = '{"registry-mirrors": []}' if mirrored else "{}"
    return pending.check_version(jsontext.scan(text), {"ServerVersion": version}, restart_allowed)


def warnings(version, how, want, driver_type):
    warned = []
    info = {"ServerVersion": version, "DriverStatus": [["driver-type", driver_type]] if driver_type else []}
    docker.hints(Plan(info, want, warned), how)
    return warned
