import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  trustCommand,
  trustInput,
  type TrustAction,
  type TrustSettings,
} from "../../../components/registryTrust/trustProgram";

/** How a command on a node ended. */
export interface Ended {
  status: number | null;
  out: string;
  err: string;
}

/** What a run on a node prints. */
export interface Report {
  engines: {
    engine: string;
    unit?: string;
    config: string;
    how: string;
    trusted: string[];
    version: string;
    differs?: string[];
  }[];
  facts: Record<string, unknown>;
  warnings: string[];
}

/** Docker's settings file where nothing else is said. */
export const daemonJson = "/etc/docker/daemon.json";

/** A node with systemd and Docker, and what the tests do to it. Everything runs as root. */
export class Host {
  /** @param prefix command that runs another one as root on the node, keeping stdin */
  constructor(
    private readonly prefix: string[],
    private readonly env: NodeJS.ProcessEnv = process.env,
  ) {}

  /** Runs shell text. */
  sh(script: string, input = "", env: Record<string, string> = {}): Promise<Ended> {
    const assignments = Object.entries(env).map(([key, value]) => `${key}=${value}`);
    return this.run(["env", ...assignments, "sh", "-c", script], input);
  }

  /** Runs shell text that must succeed; its output. */
  async ok(script: string, input = ""): Promise<string> {
    const ended = await this.sh(script, input);
    assert.equal(ended.status, 0, `${script}\n${ended.out}${ended.err}`);
    return ended.out.trim();
  }

  run(command: string[], input: string): Promise<Ended> {
    const [file, ...args] = [...this.prefix, ...command];
    return new Promise((resolve, reject) => {
      const child = spawn(file!, args, { stdio: ["pipe", "pipe", "pipe"], env: this.env });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
      child.on("error", reject);
      child.stdin.on("error", () => undefined);
      child.on("close", (status) => {
        resolve({ status, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() });
      });
      child.stdin.end(input);
    });
  }

  /** One run of the program, as Pulumi's command does it, but over this prefix rather than SSH. */
  trust(
    action: TrustAction,
    settings: Partial<TrustSettings>,
    env: Record<string, string> = {},
    sudoPassword = "",
  ): Promise<Ended> {
    const full: TrustSettings = { node: "n1", owner: "one", registries: [], ...settings };
    return this.sh(trustCommand(action), trustInput(full, sudoPassword), env);
  }

  /** A run that must succeed; its report. */
  async apply(settings: Partial<TrustSettings>, action: TrustAction = "apply"): Promise<Report> {
    const ended = await this.trust(action, settings);
    assert.equal(ended.status, 0, ended.err);
    return JSON.parse(ended.out) as Report;
  }

  remove(owner = "one"): Promise<Report> {
    return this.apply({ owner }, "remove");
  }

  /** A run that must be refused with a message of three parts that holds all of the given words. */
  async refused(settings: Partial<TrustSettings>, words: string[], action: TrustAction = "apply"): Promise<string> {
    const ended = await this.trust(action, settings);
    assert.equal(ended.status, 1, `not refused: ${ended.out}${ended.err}`);
    for (const word of [...words, "where: node n1", "state: ", "what to do: "]) {
      assert.ok(ended.err.includes(word), `no ${JSON.stringify(word)} in: ${ended.err}`);
    }
    return ended.err;
  }

  /** What the running engine itself treats as insecure, loopback aside. */
  async insecure(): Promise<string[]> {
    const text = await this.ok("timeout 20 docker info --format '{{json .RegistryConfig}}'");
    const config = JSON.parse(text) as {
      IndexConfigs: Record<string, { Secure: boolean }>;
      InsecureRegistryCIDRs: string[];
    };
    const hosts = Object.entries(config.IndexConfigs).filter(([, value]) => !value.Secure);
    const networks = config.InsecureRegistryCIDRs.filter((network) => !/^(127\.0\.0\.0\/8|::1\/128)$/.test(network));
    return [...hosts.map(([name]) => name), ...networks].sort();
  }

  /** The process that systemd runs as Docker. */
  pid(): Promise<string> {
    return this.ok("systemctl show -p MainPID --value docker.service");
  }

  /** Proves that Docker comes up again with the settings that it has now. */
  async starts(): Promise<void> {
    await this.ok("systemctl reset-failed docker.service; systemctl restart docker.service && timeout 20 docker info");
  }

  /** Does this Docker start with an empty file? From 23.0 on it does. */
  async readsEmptyFiles(): Promise<boolean> {
    return Number((await this.ok("docker version -f '{{.Server.Version}}'")).split(".")[0]) >= 23;
  }

  /** Content of the settings file; undefined when it is missing. */
  async file(path = daemonJson): Promise<string | undefined> {
    const ended = await this.sh(`cat ${path}`);
    return ended.status === 0 ? ended.out : undefined;
  }

  async write(text: string, path = daemonJson): Promise<void> {
    await this.ok(`mkdir -p $(dirname ${path}); cat > ${path}`, text);
  }

  /** Bytes, mode, owner and times of all that a run could write to: two equal answers mean that nothing was written. */
  traces(): Promise<string> {
    const places = "/etc/docker /etc/containerd /var/lib/pi-runners /var/snap/docker";
    return this.ok(`find ${places} -printf '%p %y %m %u %g %s %C@ %i %l\\n' 2>/dev/null | sort; true`);
  }

  /** How often the engine was told to reload since it started. */
  async reloads(): Promise<number> {
    const text = await this.ok("journalctl -u docker.service _PID=$(systemctl show -p MainPID --value docker) -o cat");
    return text.split("\n").filter((line) => /Got signal to reload configuration/.test(line)).length;
  }

  /** A node as it comes: no settings file, no ledger, an engine that trusts nothing. */
  async reset(): Promise<void> {
    await this.ok(
      "umount -q /etc/docker/daemon.json /etc/docker /var/lib/pi-runners 2>/dev/null; chattr -i /etc/docker/daemon.json 2>/dev/null; " +
        "rm -rf /etc/docker/daemon.json /etc/docker/certs.d /etc/docker/.daemon.json* /etc/containerd/certs.d /var/lib/pi-runners /var/snap/docker " +
        "/etc/systemd/system/docker.service.d /data-of-test; true",
    );
    const active = await this.sh("systemctl is-active -q docker.service && timeout 5 docker info >/dev/null 2>&1");
    if (active.status !== 0 || (await this.insecure()).length > 0 || this.restartNeeded) {
      await this.ok(
        "systemctl daemon-reload; systemctl stop docker.service docker.socket; systemctl reset-failed docker.service docker.socket; systemctl start docker.socket docker.service",
      );
      this.restartNeeded = false;
    }
  }

  /** Set by a test that changes what the engine was started with. */
  restartNeeded = false;
}

/** An insecure registry of the tests. */
export const plain = { address: "registry.lab:5000", insecure: true } as const;
