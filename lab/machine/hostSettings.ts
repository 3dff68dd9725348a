/** Limits of the machine's kernel that many systemd containers exceed. Raised by `up`, put back by `down`. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { inState } from "./places";

/** Lowest values that the lab needs. Each systemd takes about a dozen inotify instances, all of user root. */
const least = { "fs/inotify/max_user_instances": 4096, "fs/inotify/max_user_watches": 524_288 };

const file = (): string => inState("host-settings.json");
const path = (setting: string): string => `/proc/sys/${setting}`;

export function raiseSettings(): void {
  const before: Record<string, string> = existsSync(file()) ? JSON.parse(readFileSync(file(), "utf8")) : {};
  for (const [setting, value] of Object.entries(least)) {
    const now = readFileSync(path(setting), "utf8").trim();
    if (Number(now) >= value) {
      continue;
    }
    before[setting] ??= now;
    writeFileSync(file(), JSON.stringify(before));
    try {
      writeFileSync(path(setting), String(value));
    } catch {
      // /proc/sys is read-only in some containers: a few nodes work all the same
    }
  }
}

export function restoreSettings(): void {
  if (!existsSync(file())) {
    return;
  }
  const before = JSON.parse(readFileSync(file(), "utf8")) as Record<string, string>;
  for (const [setting, value] of Object.entries(before)) {
    try {
      writeFileSync(path(setting), value);
    } catch {
      // as above
    }
  }
}
