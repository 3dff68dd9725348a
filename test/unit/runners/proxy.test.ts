import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { parse } from "yaml";
import * as components from "../../../components/index";
import { checkDockerRunner } from "../../../components/runners/docker/errors";
import { podTemplate, secretFiles } from "../../../components/runners/docker/pod";
import { dockerWays } from "../../../components/runners/docker/ways";
import * as pods from "../../../components/runners/kubernetes/pod";
import { dockerClientScript, proxyDigest, type RunnerProxy } from "../../../components/runners/proxy";
import { shellRunnerSettings } from "../../../components/runners/shell/settings";
import { shellHostSettings } from "../../../components/runners/shell/shellProgram";
import { component } from "../../../templates/component";
import { during, mockEngine, only, unwrapSecret, type Registered } from "../components/mocks";
import { hostKey } from "../config/stackFile";
import { kubernetesSettings } from "./kubernetesSettings";
import { givenSettings, settingsOf } from "./settings";
import { command, run, shells } from "./shell";

const proxy = {
  http: "http://me:marked@proxy.lan:3128",
  https: "http://me:marked@proxy.lan:3128",
  noProxy: [".lan", "192.168.0.0/16"],
};

type Container = { name: string; env?: { name: string; value?: string; valueFrom?: unknown }[] };

function variables(lines: string[]): Record<string, string> {
  return Object.fromEntries(lines.map((line) => [line.split("=", 1)[0]!, line.slice(line.indexOf("=") + 1)]));
}

/** `environment` of config.toml, by names. */
function environmentOf(files: Record<string, string>): Record<string, string> {
  const [, list = ""] = /^environment = (\[.*\])$/m.exec(files["config.toml"]!) ?? [];
  return variables(JSON.parse(list) as string[]);
}

const host = (given?: RunnerProxy) =>
  shellHostSettings(
    shellRunnerSettings.parse({ name: "pi", way: "shell", url: "https://gitlab.lan", proxy: given }),
    "glrt-t",
    "n1",
    "o",
  );

describe("a proxy", () => {
  for (const way of dockerWays) {
    it(`reaches jobs and services of way ${way}, in capitals and small letters, and never what is beside the job`, () => {
      const files = secretFiles(settingsOf(way, { proxy, mirrors: ["http://10.43.7.7:5000"] }), "t");
      const found = environmentOf(files);
      for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]) {
        assert.equal(found[name], proxy.http, name);
      }
      const direct = found["no_proxy"]!.split(",");
      assert.equal(found["NO_PROXY"], found["no_proxy"]);
      for (const one of ["localhost", "127.0.0.1", "::1", "docker", ".svc", "10.43.7.7", ".lan", "192.168.0.0/16"]) {
        assert.ok(direct.includes(one), one);
      }
      assert.match(files["config.toml"]!, /docker build and docker run tell their containers/);
    });
  }

  it("reaches the manager, and the engine beside it, out of the Secret, and not the way to the API server", () => {
    const settings = settingsOf("dind-resident", { proxy });
    const { containers, initContainers = [] } = podTemplate(settings).spec as unknown as Record<string, Container[]>;
    const all = [...(containers as Container[]), ...(initContainers as Container[])];
    for (const name of ["runner", "engine"]) {
      const env = all.find((one) => one.name === name)!.env!;
      const secretKeyRef = { name: "builder-config", key: "HTTP_PROXY", optional: true };
      assert.deepEqual(env.find((one) => one.name === "http_proxy")?.valueFrom, { secretKeyRef });
      const list = env.find((one) => one.name === "no_proxy")!.value;
      assert.equal(list, "$(PI_RUNNERS_NO_PROXY),$(KUBERNETES_SERVICE_HOST)");
      assert.ok(
        env.findIndex((one) => one.name === "PI_RUNNERS_NO_PROXY") < env.findIndex(({ value }) => value === list),
      );
    }
    assert.equal(secretFiles(settings, "t")["HTTP_PROXY"], proxy.http);
    assert.ok(!all.some((one) => one.name === "guard" && JSON.stringify(one.env).includes("PROXY")));
  });

  it("reaches jobs that are pods by a reference to the Secret, whatever a job says itself", () => {
    const settings = kubernetesSettings({ proxy, hostUsers: false });
    const files = pods.secretFiles(settings, "t");
    assert.doesNotMatch(files["config.toml"]!, /marked/);
    const patches = [...files["config.toml"]!.matchAll(/^patch = (".*")$/gm)].map(
      ([, text]) => JSON.parse(JSON.parse(text!) as string) as { containers?: Container[]; hostUsers?: boolean },
    );
    assert.equal(patches[0]!.hostUsers, false);
    const { containers = [] } = patches[1]!;
    assert.deepEqual(
      containers.map(({ name }) => name),
      ["build", "helper"],
    );
    const named = containers[0]!.env!.filter(({ name }) => name === "HTTPS_PROXY");
    assert.deepEqual(named, [
      { name: "HTTPS_PROXY", $patch: "delete" },
      { name: "HTTPS_PROXY", valueFrom: { secretKeyRef: { name: "pods-config", key: "HTTPS_PROXY", optional: true } } },
    ]);
    assert.match(files["config.toml"]!, /FF_USE_ADVANCED_POD_SPEC_CONFIGURATION = true/);
  });

  it("reaches a service on a host by a file that root alone may read, and its jobs", () => {
    const { files, unit, proxy: path } = host(proxy);
    const file = files.find((one) => one.path === path)!;
    assert.equal(file.mode, "600");
    const found = variables(file.text.trim().split("\n"));
    assert.equal(found["https_proxy"], proxy.https);
    assert.equal(found["NO_PROXY"], "localhost,127.0.0.1,::1,.lan,192.168.0.0/16");
    assert.match(unit.text, /^EnvironmentFile=\/etc\/pi-runners\/pi\/proxy\.env$/m);
    assert.doesNotMatch(unit.text, /marked/);
    const config = files.find((one) => one.path.endsWith("/config.toml"))!.text;
    assert.equal(environmentOf({ "config.toml": config })["http_proxy"], proxy.http);
  });

  it("that is none changes nothing", () => {
    for (const way of dockerWays) {
      const made = (given?: RunnerProxy): unknown => {
        const settings = settingsOf(way, { proxy: given });
        return [podTemplate(settings), secretFiles(settings, "t")];
      };
      assert.deepEqual(made({}), made(undefined));
    }
    assert.deepEqual(host({}), host(undefined));
  });

  it("that changes, if only by its password, restarts what has read it", () => {
    const other = { ...proxy, http: proxy.http.replace("marked", "another") };
    assert.notEqual(proxyDigest({ proxy }), proxyDigest({ proxy: other }));
    assert.notEqual(proxyDigest({ proxy }), proxyDigest({ proxy, mirrors: ["http://10.43.7.7:5000"] }));
    assert.notEqual(host(proxy).start, host(other).start);
  });

  it("is refused where it is none, without its password in the message", () => {
    const errors = (given: RunnerProxy, environment: string[] = []): string => {
      const config = { runners: [{ environment }] };
      const found = checkDockerRunner({ ...givenSettings("dood"), proxy: given, config }).errors;
      return found.map(({ propertyPath, reason }) => `${propertyPath}: ${reason}`).join("\n");
    };
    for (const good of [
      "http://proxy.lan:3128",
      "http://proxy.lan/",
      "https://a:b%24@10.0.0.1",
      "http://[fd00::1]:1080",
      "http://me:a%25b~c!d:e;f=g@proxy.lan",
    ]) {
      assert.equal(errors({ http: good }), "", good);
    }
    for (const wrong of [
      "proxy.lan:3128",
      "socks5://proxy.lan",
      "ftp://u:marked@proxy.lan",
      "http://",
      "http://u:marked@proxy.lan/path",
    ]) {
      assert.match(errors({ https: wrong }), /^proxy\.https: .*write such as http:\/\/proxy\.lan:3128/, wrong);
    }
    assert.match(errors({ http: "http://u:marked$1@proxy.lan" }), /^proxy\.http: .*\$ as %24/);
    // What Go cannot read it goes without, in silence.
    for (const refused of ["50%", "p%zz", "a^b", "{a}", "a|b", "<a>", "[a]", "gr\u00fcn"]) {
      assert.match(
        errors({ http: `http://me:${refused}@proxy.lan` }),
        /^proxy\.http: .*write it as % and two digits/,
        refused,
      );
    }
    const pasted = errors({ ...proxy, noProxy: ["http://me:marked@proxy.lan"] });
    assert.match(pasted, /^proxy\.noProxy\[0\]: this is no name/);
    assert.doesNotMatch(pasted, /marked/);
    assert.doesNotMatch(errors({ http: "ftp://u:marked@h", https: "http://u:marked$@h/x y" }), /marked/);
    for (const good of ["gitlab.lan", ".lan", "10.0.0.1", "10.0.0.0/8", "gitlab.lan:8443", "fd00::1", "fd00::/8"]) {
      assert.equal(errors({ http: proxy.http, noProxy: [good] }), "", good);
    }
    for (const wrong of ["*.lan", "*", "a,b", "http://gitlab.lan", "a b"]) {
      assert.match(errors({ http: proxy.http, noProxy: [wrong] }), /^proxy\.noProxy\[0\]: /, wrong);
    }
    assert.match(errors({ noProxy: [".lan"] }), /^proxy\.noProxy: is for proxy\.http or proxy\.https/);
    assert.match(
      errors(proxy, ["A=b", "https_proxy=x"]),
      /^config\.runners\[0\]\.environment\[1\]: https_proxy is set/,
    );
    assert.equal(errors({}, ["https_proxy=x"]), "");
  });
});

describe("the password of a proxy", () => {
  before(() => mockEngine());

  const common = { namespace: "ci", url: "https://gitlab.lan", token: pulumi.secret("glrt-t") };
  const nodes = [{ name: "n1", host: "192.0.2.1", hostKey: hostKey("a") }];
  type Made = (proxy: pulumi.Input<RunnerProxy>) => pulumi.Resource;
  const ways: Record<string, Made> = {
    dood: (given) => new components.DoodRunner("r", { ...common, proxy: given }),
    dind: (given) => new components.DindRunner("r", { ...common, proxy: given }),
    kubernetes: (given) => new components.KubernetesRunner("r", { ...common, proxy: given }),
    shell: (given) =>
      new components.ShellRunner("r", {
        url: common.url,
        token: common.token,
        proxy: given,
        nodes,
        packageVersion: "1",
      }),
    registered: (given) =>
      new components.RunnerToken("r", {
        registrationToken: "GR1348941abcdefghijklmnop",
        gitlab: { url: common.url },
        tags: ["pi"],
        place: { namespace: "ci", image: "gitlab-runner", proxy: given },
      }),
  };

  /** Inputs of everything that was made, without those that are secrets. */
  function plain(value: unknown): unknown {
    if (unwrapSecret(value) !== undefined) {
      return "[secret]";
    }
    if (Array.isArray(value)) {
      return value.map(plain);
    }
    return typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
      : value;
  }

  const pod = (all: Registered[]): Registered =>
    all.find(({ type }) => /:(DaemonSet|Deployment|Job)$/.test(type)) ?? only(all, "command:remote:Command");

  const password = fc.stringMatching(/^([A-Za-z0-9._~-]|%[0-9A-F]{2}){8,20}$/).map((text) => `MARK${text}`);

  for (const [way, make] of Object.entries(ways)) {
    it(`is nowhere but in secrets, given as one or not, and hides nothing else: ${way}`, async () => {
      await fc.assert(
        fc.asyncProperty(password, fc.boolean(), async (secret, isMarked) => {
          const http = `http://me:${secret}@proxy.lan:3128`;
          const given = isMarked ? { http: pulumi.secret(http), https: pulumi.secret(http) } : { http, https: http };
          const all = await during(() => make(given as RunnerProxy));
          const shown = JSON.stringify(all.map(({ inputs }) => plain(inputs)));
          const encoded = Buffer.from(secret).toString("base64").slice(4, 10);
          assert.ok(!shown.includes(secret) && !shown.includes(encoded), shown);
          const deep = JSON.stringify(all.map(({ inputs }) => inputs));
          const whole = deep.includes(secret) || deep.includes(Buffer.from(http).toString("base64"));
          assert.ok(whole, "it is somewhere, as a secret");
          if (way !== "shell") {
            const { metadata, spec } = pod(all).inputs as { metadata: { name: string }; spec: unknown };
            assert.match(metadata.name, /^r/);
            assert.equal(unwrapSecret(spec), undefined);
            assert.ok(JSON.stringify(spec).includes('"secretKeyRef":{"key":"HTTP_PROXY"'));
          }
        }),
        { numRuns: 10 },
      );
    });
  }

  it("that is another one rolls the pods", async () => {
    const annotations = async (given: string): Promise<Record<string, string>> => {
      const all = await during(() => ways["dood"]!({ http: `http://me:${given}@proxy.lan` }));
      return (pod(all).inputs as { spec: { template: { metadata: { annotations: Record<string, string> } } } }).spec
        .template.metadata.annotations;
    };
    const [one, two] = [await annotations("one"), await annotations("two")];
    assert.match(one["pi-runners/proxy"]!, /^[0-9a-f]{11}$/);
    assert.notEqual(one["pi-runners/proxy"], two["pi-runners/proxy"]);
  });
});

describe("what docker is told of the proxy in a job", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "pi-runners-proxy-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const environment = (more: Record<string, string> = {}): Record<string, string> => ({
    PATH: `${folder}:${process.env["PATH"]}`,
    HOME: folder,
    HTTP_PROXY: "http://proxy.lan:3128",
    NO_PROXY: "localhost,.lan",
    ...more,
  });
  const settings = (): string => join(folder, ".docker/config.json");

  for (const shell of shells) {
    it(`is in settings that it reads, for the job's user alone: ${shell[0]}`, () => {
      command(folder, "docker", "exit 0");
      const { status, output } = run(shell, dockerClientScript(), environment());
      assert.equal(status, 0, output);
      const { proxies } = JSON.parse(readFileSync(settings(), "utf8")) as { proxies: object };
      const noProxy = "localhost,.lan";
      assert.deepEqual(proxies, { default: { httpProxy: "http://proxy.lan:3128", httpsProxy: "", noProxy } });
      assert.equal(statSync(settings()).mode & 0o777, 0o600);
      // An image's own settings stay.
      writeFileSync(settings(), "{}");
      assert.equal(run(shell, dockerClientScript(), environment()).status, 0);
      assert.equal(readFileSync(settings(), "utf8"), "{}");
    });

    it(`is not needed: a home that cannot be written ends no job: ${shell[0]}`, () => {
      command(folder, "docker", "exit 0");
      writeFileSync(join(folder, ".docker"), "");
      const { status, output } = run(shell, `${dockerClientScript()}\necho goes on`, environment());
      assert.equal(status, 0, output);
      assert.match(output, /pi-runners: docker is not told of the proxy/);
      assert.match(output, /^goes on$/m);
    });
  }

  it("is not in the checkout, which a job may publish, and on a host in no folder but the runner's own", () => {
    command(folder, "docker", "exit 0");
    const inside = environment({ CI_PROJECT_DIR: folder });
    assert.match(run(["bash"], dockerClientScript(), inside).output, /its settings are in the checkout/);
    assert.equal(run(["bash"], dockerClientScript("$CI_PROJECT_DIR.tmp/own"), environment()).output, "");
    assert.ok(!existsSync(settings()));
  });

  it("stays where the pipeline of way shell makes a folder for its logins, and what a job before had left goes", () => {
    command(folder, "docker", "exit 0");
    const [, job = ""] = component("shell").split(/^---$/m);
    const { before_script } = Object.values(parse(job) as object)[0] as { before_script: string[] };
    const line = before_script.slice(0, 2).join("\n");
    const logins = "slot.tmp/pi-runners-docker";
    const own = { CI_PROJECT_DIR: join(folder, "slot"), DOCKER_CONFIG: join(folder, logins) };
    const file = join(folder, logins, "config.json");
    const script = `${dockerClientScript("$CI_PROJECT_DIR.tmp/pi-runners-docker")}\n${line}`;
    const with_ = run(["bash"], script, environment(own));
    assert.equal(with_.status, 0, with_.output);
    assert.match(readFileSync(file, "utf8"), /proxy\.lan/);
    assert.equal(run(["bash"], line, environment(own)).status, 0);
    assert.ok(!existsSync(file));
  });
});
