import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { shellRunnerSettings, type ShellRunnerInput } from "../../../components/runners/shell/settings";
import {
  shellHostSettings,
  shellProgram,
  type ShellHostSettings,
} from "../../../components/runners/shell/shellProgram";
import { hostCommand, hostInput } from "../../../hosts/hostProgram";
import { built } from "../../../lab/builds/builds";
import { machine } from "../../../lab/machine/places";
import { dood, startStandIn, type StandIn } from "../../lab/gitlab/standIn";
import type { Ended, Host } from "../trust/host";

/** What a run reports. */
export interface Report {
  how: string;
  version: string;
  differs?: string[];
  warnings: string[];
}

/** gitlab-runner as the lab has built it. */
export async function labRunner(): Promise<{ file: string; sha256: string }> {
  const file = join(await built("gitlab-runner", () => undefined), "gitlab-runner");
  return { file, sha256: checksumOf(file) };
}

export function checksumOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Serves files by HTTP to the lab's hosts. */
export async function serveFiles(files: Record<string, string>): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const file = files[request.url!.slice(1)];
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, machine, resolve));
  return { url: `http://${machine}:${(server.address() as AddressInfo).port}`, server };
}

/** A stand-in for GitLab that the lab's hosts reach. */
export function standInForHosts(): Promise<StandIn> {
  return startStandIn({ traceIntervalSeconds: 1 }, machine);
}

/** What the tests do to a runner on one host: the program as Pulumi's command runs it, but not over SSH. */
export class ShellHost {
  constructor(
    readonly host: Host,
    private readonly common: Omit<ShellRunnerInput, "name" | "way">,
  ) {}

  settings(more: Partial<ShellRunnerInput> = {}, token = dood): ShellHostSettings {
    const settings = shellRunnerSettings.parse({
      name: "shell",
      way: "shell",
      drainTimeout: 30,
      checkInterval: 1,
      ...this.common,
      ...more,
    });
    return shellHostSettings(settings, token, "n1", "p/s/shell");
  }

  run(action: string, settings: ShellHostSettings, env: Record<string, string> = {}): Promise<Ended> {
    return this.host.sh(hostCommand(shellProgram, action), hostInput(shellProgram, settings), env);
  }

  async apply(settings: ShellHostSettings, action = "apply"): Promise<Report> {
    const ended = await this.run(action, settings);
    assert.equal(ended.status, 0, ended.err);
    return JSON.parse(ended.out) as Report;
  }

  async refused(settings: ShellHostSettings, words: string[]): Promise<string> {
    const ended = await this.run("apply", settings);
    assert.equal(ended.status, 1, `not refused: ${ended.out}${ended.err}`);
    for (const word of [...words, "where: node n1", "state: ", "what to do: "]) {
      assert.ok(ended.err.includes(word), `no ${JSON.stringify(word)} in: ${ended.err}`);
    }
    assert.ok(!ended.err.includes(dood), "the token is shown");
    return ended.err;
  }

  pid(): Promise<string> {
    return this.host.ok("systemctl show -p MainPID --value pi-runners-shell.service");
  }

  /** Everything on the host that a runner could have left: two equal answers mean that nothing was. */
  traces(): Promise<string> {
    return this.host.ok(
      "cat /etc/passwd /etc/group /etc/shadow /etc/gshadow | cut -d: -f1,4; ls -d /home/*; " +
        "find /etc/systemd/system /etc/pi-runners /etc/gitlab-runner /usr/local /var/lib/pi-runners /run/pi-runners* /var/spool/mail " +
        "-printf '%p %y %m %u %g %l\\n' 2>/dev/null | sort; systemctl list-units --all --plain --no-legend 'pi-runners*' 'gitlab*'; true",
    );
  }

  /** A host as it comes. */
  async reset(): Promise<void> {
    await this.host.ok(
      "systemctl kill -s KILL 'pi-runners-*.service' 2>/dev/null; systemctl stop 'pi-runners-*.service' 2>/dev/null; " +
        "rm -rf /etc/systemd/system/pi-runners-* /etc/systemd/system/multi-user.target.wants/pi-runners-* /etc/pi-runners " +
        "/usr/local/lib/pi-runners /var/lib/pi-runners /usr/local/bin/gitlab-runner; systemctl daemon-reload; systemctl reset-failed; " +
        "for user in gitlab-runner builder; do userdel -rf $user; groupdel $user; done 2>/dev/null; true",
    );
  }
}
