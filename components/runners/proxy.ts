import { createHash } from "node:crypto";
import type { types } from "@pulumi/kubernetes";
import { z } from "zod";
import type { InputError } from "../inputErrors";
import { about, optional, text } from "../schema";
import type { ConfigRest } from "./configToml/rest";

/** The proxy of a runner, of its jobs, and of the daemons that are its own. */
export const proxySetting = about(
  z
    .strictObject({
      http: optional(text, {
        description:
          "Proxy for addresses `http://…`, such as `http://proxy.lan:3128`. One with a password, `http://user:password@proxy.lan:3128`, is set with `--secret`.",
        defaultText: "none",
      }),
      https: optional(text, {
        description: "Proxy for addresses `https://…`; mostly the same, with `http://` before it.",
        defaultText: "none",
      }),
      noProxy: optional(z.array(text), {
        description:
          "What is reached without it, such as `gitlab.lan`, `.lan` (all below it), `192.168.1.10`, `192.168.0.0/16`, beside what never goes by a proxy (docs/ways.md).",
        defaultText: "nothing else",
      }),
    })
    .optional(),
  {
    description:
      "Proxy by which the runner, its jobs and the Docker daemons of its own reach GitLab, registries and the rest. `{}` is none, where `runnerDefaults` has one. A change restarts the runner, after its jobs have ended.",
    defaultText: "none",
  },
);

/** A runner's proxy: addresses for `http://` and `https://`, which may hold a login, and what is reached without it. */
export type RunnerProxy = NonNullable<z.infer<typeof proxySetting>>;

/** What of a runner's settings its proxy depends on. */
export interface Proxied {
  proxy?: RunnerProxy;
  mirrors?: string[];
}

/** What never goes by a proxy: this host itself. */
const always = ["localhost", "127.0.0.1", "::1"];

/** Beside it, in the cluster: a job's own daemon, services of the cluster, and the API server. */
const inCluster = ["docker", "kubernetes.default", ".svc", ".cluster.local"];

export const httpNames = ["http", "https"] as const;

/** Is there one? */
export function hasProxy({ proxy }: Proxied): boolean {
  return httpNames.some((kind) => proxy?.[kind] !== undefined);
}

/** What is reached without the proxy, as Go, curl and Docker read it; not every program reads networks, and none looks a name up to compare it. */
function noProxy({ proxy, mirrors = [] }: Proxied, direct: string[]): string {
  return [...new Set([...direct, ...mirrors.map((url) => new URL(url).hostname), ...(proxy?.noProxy ?? [])])].join(",");
}

/** The variables by their names in capitals; curl reads `http_proxy` in small letters only, other programs the other one. */
function variables(settings: Proxied, direct: string[]): Record<string, string> {
  const { http, https } = settings.proxy ?? {};
  return {
    ...(http === undefined ? {} : { HTTP_PROXY: http }),
    ...(https === undefined ? {} : { HTTPS_PROXY: https }),
    ...(hasProxy(settings) ? { NO_PROXY: noProxy(settings, direct) } : {}),
  };
}

const bothCases = (name: string): string[] => [name, name.toLowerCase()];

function lines(settings: Proxied, direct: string[]): string[] {
  return Object.entries(variables(settings, direct)).flatMap(([name, value]) =>
    bothCases(name).map((one) => `${one}=${value}`),
  );
}

/** `environment` of `[[runners]]`: jobs, their helpers, and services, a daemon among them, get it (gitlab-runner 19.4.0, common/config.go, GetVariables). */
export function containerEnvironment(settings: Proxied): string[] {
  return lines(settings, [...always, ...inCluster]);
}

/** The same on a host; also what the service there reads. */
export function hostEnvironment(settings: Proxied): string[] {
  return lines(settings, always);
}

/** What the Secret of a pod with a proxy holds of it: an address may have a password. */
export function proxyFiles(settings: Proxied): Record<string, string> {
  return variables(settings, [...always, ...inCluster]);
}

/** What is reached without the proxy but the API server, whose address each pod has from Kubernetes. */
const listVariable = "PI_RUNNERS_NO_PROXY";

/**
 * The variables of a container in a pod, out of a Secret. (Optional: while a proxy is being taken away, a pod of before finds none.) client-go takes a proxy for the API server, too, which every pod
 * knows by its address.
 */
export function proxyEnvironment(settings: Proxied, secret: string): types.input.core.v1.EnvVar[] {
  const refers = (name: string, key: string): types.input.core.v1.EnvVar => ({
    name,
    valueFrom: { secretKeyRef: { name: secret, key, optional: true } },
  });
  return Object.keys(proxyFiles(settings)).flatMap((key) =>
    key === "NO_PROXY"
      ? [
          refers(listVariable, key),
          ...bothCases(key).map((name) => ({ name, value: `$(${listVariable}),$(KUBERNETES_SERVICE_HOST)` })),
        ]
      : bothCases(key).map((name) => refers(name, key)),
  );
}

/** The user and the password in an address. */
const login = /^(\w+:\/\/).*@/;

/** Does an address have a user, and so mostly a password? */
export function hasLogin(address: string): boolean {
  return login.test(address);
}

/** The same proxy without logins. */
export function withoutLogins(proxy: RunnerProxy | undefined): RunnerProxy | undefined {
  const known = httpNames.flatMap((kind) => {
    const address = proxy?.[kind];
    return address === undefined ? [] : [[kind, address.replace(login, "$1")]];
  });
  return proxy && { ...proxy, ...(Object.fromEntries(known) as RunnerProxy) };
}

/**
 * By it another proxy starts again what has read it. It is no secret, and a password of the kind that people make up could be
 * found by more than these 12 bits of it: one of 4096 guesses has them.
 */
export function proxyDigest(settings: Proxied): string {
  const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
  const plain = proxyFiles({ ...settings, proxy: withoutLogins(settings.proxy) });
  return digest(plain).slice(0, 8) + digest(proxyFiles(settings)).slice(0, 3);
}

/** Annotation of pods with a proxy. */
export const proxyAnnotation = "pi-runners/proxy";

const ports: Record<string, number> = { "http:": 80, "https:": 443 };

/** TCP ports of the proxies, which the network policy has to let pods reach. */
export function proxyPorts({ proxy }: Proxied): number[] {
  const addresses = httpNames.flatMap((kind) => proxy?.[kind] ?? []).filter((one) => URL.canParse(one));
  return addresses.map((address) => {
    const { port, protocol } = new URL(address);
    return port === "" ? (ports[protocol] ?? 80) : Number(port);
  });
}

/** The part of an address before its host as Go reads one (net/url, validUserinfo), with sound escapes; `/ ? #` are judged by themselves. */
const goReads = /^(\w+:\/\/)?(?:[\w.:~!&()*+,;=@/?#-]|%[0-9A-Fa-f]{2})*$/;

/** What is wrong with an address; never with the login that may be in it. */
function addressError(address: string): string | undefined {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (/[\s"'`$\\]/.test(address)) {
    return "holds a blank, a quote, $ or \\, which shells and config.toml read as something else; write such a character of a password as % and two digits, $ as %24";
  }
  if (url === undefined || url.hostname === "" || !(url.protocol in ports)) {
    return "is no address of a proxy; write such as http://proxy.lan:3128 (http or https)";
  }
  if (!goReads.test(login.exec(address)?.[0] ?? "")) {
    return "has a user or a password with a character that Go's programs refuse, and would go without a proxy for; write it as % and two digits: % as %25, ^ as %5E, { as %7B, ü as %C3%BC";
  }
  return /^\w+:\/\/[^/?#]*\/?$/.test(address)
    ? undefined
    : "has more than a host and a port; write such as http://proxy.lan:3128, and / ? # of a password as %2F %3F %23";
}

/** One address, a name, what is below a name, or a network. */
const directName = /^\.?[\w-]+(\.[\w-]+)*(:\d+)?$|^[0-9a-fA-F:]*:[0-9a-fA-F:]+(\/\d+)?$|^\d+(\.\d+){3}\/\d+$/;

/** What is wrong with a proxy, and with what `config` says beside it. */
export function proxyErrors(settings: Proxied & { config?: ConfigRest }): InputError[] {
  const { proxy, config } = settings;
  const addresses = httpNames.flatMap((kind) => {
    const reason = proxy?.[kind] === undefined ? undefined : addressError(proxy[kind]);
    return reason === undefined ? [] : [{ propertyPath: `proxy.${kind}`, reason }];
  });
  const direct = (proxy?.noProxy ?? []).flatMap((one, index) =>
    directName.test(one)
      ? []
      : [
          {
            propertyPath: `proxy.noProxy[${index}]`,
            reason: `${one.includes("@") ? "this" : `"${one}"`} is no name, address or network; write such as gitlab.lan, .lan (all below it), 192.168.1.10 or 192.168.0.0/16`,
          },
        ],
  );
  const useless = proxy?.noProxy !== undefined && !hasProxy(settings);
  const taken = hasProxy(settings) ? (config?.runners?.[0]?.environment ?? []) : [];
  return [
    ...addresses,
    ...direct,
    ...(useless
      ? [{ propertyPath: "proxy.noProxy", reason: "is for proxy.http or proxy.https; give one of them, or drop it" }]
      : []),
    ...taken.flatMap((variable, index) => {
      const name = variable.split("=", 1)[0]!;
      return /^(http|https|no)_proxy$/i.test(name)
        ? [
            {
              propertyPath: `config.runners[0].environment[${index}]`,
              reason: `${name} is set by proxy, and two would contradict; drop it here, or drop proxy`,
            },
          ]
        : [];
    }),
  ];
}

/**
 * Shell, for `pre_build_script`: docker's client takes the proxy of the containers that it has built and run from its settings
 * alone (docker/cli, ParseProxyConfig). POSIX sh; an image that has settings keeps them.
 *
 * What a job may pack or publish, its checkout, gets none; nor does, on a host, any folder but `own`.
 *
 * @param own the folder of docker's settings on a host, as shells read it. Pipelines make it anew: it says that this is done.
 * Default: any, as a container's go with it
 */
export function dockerClientScript(own?: string): string {
  return [
    "# pi-runners: docker build and docker run tell their containers of the proxy",
    `if ${own === undefined ? "" : `[ "\${DOCKER_CONFIG:-}" = "${own}" ] && `}command -v docker >/dev/null 2>&1; then`,
    "  (",
    "    umask 077",
    "    file=${DOCKER_CONFIG:-${HOME:-/root}/.docker}/config.json",
    '    case $file in "${CI_PROJECT_DIR:-/}"/*) echo "pi-runners: docker is not told of the proxy, as its settings are in the checkout: builds of this job go without" >&2; exit 0 ;; esac',
    '    [ -e "$file" ] || { mkdir -p "${file%/*}" &&',
    `    printf '{"proxies":{"default":{"httpProxy":"%s","httpsProxy":"%s","noProxy":"%s"}}}\\n' "\${HTTP_PROXY:-}" "\${HTTPS_PROXY:-}" "\${NO_PROXY:-}" >"$file"; }`,
    '  ) || echo "pi-runners: docker is not told of the proxy, as its settings cannot be written: builds of this job go without" >&2',
    ...(own === undefined ? [] : ["  PI_RUNNERS_FRESH_LOGINS=$DOCKER_CONFIG"]),
    "fi",
  ].join("\n");
}
