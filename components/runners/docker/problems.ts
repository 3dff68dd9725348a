import { isIP } from "node:net";
import { imageArchitectureProblem, type Architecture } from "../architecture";
import { dindImage, jobImage, type DockerRunnerSettings } from "./dockerConfig";
import { images, runnerImageLacks } from "../images";
import type { RunnerSettings } from "../configToml/settings/runner";
import { hasInnerDaemon } from "./ways";

/** A mistake in a runner's settings. */
export interface Problem {
  /** The setting, relative to the runner's own, such as `config.runners[0].docker.privileged`. */
  key: string;
  /** What is wrong with it, and what would be right. */
  text: string;
}

/** A name that Kubernetes takes for an object and GitLab for a runner: RFC 1123 label. */
const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** A host name: labels with dots between. */
const dnsName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/i;

/** Says what is wrong with a name that becomes a Kubernetes object's. */
export function dnsLabelProblem(name: string): string | undefined {
  return dnsLabel.test(name)
    ? undefined
    : `"${name}" is no DNS label; use at most 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit`;
}

/** Says what is wrong with a name and address that are to stand in hosts files. */
export function hostAliasProblem(name: string, address: string): string | undefined {
  if (!dnsName.test(name)) {
    return `"${name}" is no host name; write it without scheme, port and path, such as gitlab.lan`;
  }
  return isIP(address) === 0
    ? `"${address}" is no IP address; write the address that ${name} has on the LAN`
    : undefined;
}

/** Every mistake in a runner's settings that can be told from the settings alone. */
export function dockerRunnerProblems(settings: DockerRunnerSettings): Problem[] {
  return [
    ...nameProblems(settings),
    ...limitProblems(settings),
    ...hostProblems(settings),
    ...imageProblems(settings),
    ...privilegeProblems(settings),
    ...tlsProblems(settings),
    ...volumeProblems(settings),
  ];
}

/** The one `[[runners]]` section that the user adds to the preset. */
function own(settings: DockerRunnerSettings): Partial<RunnerSettings> {
  return settings.config?.runners?.[0] ?? {};
}

function nameProblems(settings: DockerRunnerSettings): Problem[] {
  const problems: Problem[] = [];
  const name = dnsLabelProblem(settings.name);
  if (name !== undefined) {
    problems.push({ key: "name", text: name });
  } else if (settings.name.length > 52) {
    // The controller adds a dash and ten characters of hash to a DaemonSet's name for its revisions.
    problems.push({ key: "name", text: `"${settings.name}" is longer than 52 characters, too long for a DaemonSet` });
  }
  const url = URL.canParse(settings.url) ? new URL(settings.url) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    problems.push({
      key: "url",
      text: `"${settings.url}" is no http or https address; write such as https://gitlab.lan`,
    });
  }
  return problems;
}

function limitProblems(settings: DockerRunnerSettings): Problem[] {
  const problems: Problem[] = [];
  const whole = (
    key: "concurrent" | "checkInterval" | "drainTimeout" | "mtu" | "metricsPort",
    min: number,
    max: number,
  ) => {
    const value = settings[key];
    if (value !== undefined && (!Number.isInteger(value) || value < min || value > max)) {
      problems.push({ key, text: `${value} is not a whole number from ${min} to ${max}` });
    }
  };
  whole("concurrent", 1, 100);
  whole("checkInterval", 1, 3600);
  whole("drainTimeout", 30, 86400);
  whole("mtu", 576, 9216);
  whole("metricsPort", 1024, 65535);
  return problems;
}

function hostProblems(settings: DockerRunnerSettings): Problem[] {
  return Object.entries(settings.hostAliases ?? {}).flatMap(([name, address]) => {
    const text = hostAliasProblem(name, address);
    return text === undefined ? [] : [{ key: `hostAliases.${name}`, text }];
  });
}

/** Every image that the runner is configured with, by the setting it comes from. */
function imagesOf(settings: DockerRunnerSettings): [key: string, image: string][] {
  const inner = hasInnerDaemon(settings.way) && settings.way !== "dind-job";
  const candidates: [string, string | undefined][] = [
    ["image", settings.image ?? images.runner],
    ["helperImage", settings.helperImage],
    ["jobImage", jobImage(settings)],
    ["dindImage", inner ? dindImage(settings) : undefined],
    ["config.runners[0].docker.image", own(settings).docker?.image],
    ["config.runners[0].docker.helper_image", own(settings).docker?.helper_image],
    ...(own(settings).docker?.services ?? []).map((service, index): [string, string | undefined] => [
      `config.runners[0].docker.services[${index}].name`,
      service.name,
    ]),
  ];
  return candidates.filter((candidate): candidate is [string, string] => candidate[1] !== undefined);
}

function imageProblems(settings: DockerRunnerSettings): Problem[] {
  const architecture: Architecture | undefined = settings.architecture;
  const problems = imagesOf(settings).flatMap(([key, image]) => {
    if (image.trim() === "" || /\s/.test(image)) {
      return [{ key, text: `"${image}" is no image reference; write such as ${images.job}` }];
    }
    const text = imageArchitectureProblem(image, architecture);
    return text === undefined ? [] : [{ key, text }];
  });
  if (architecture !== undefined && settings.image === undefined && runnerImageLacks.includes(architecture)) {
    const text = `the default, ${images.runner}, is not published for ${architecture}; name an image of your own with gitlab-runner for ${architecture}`;
    problems.push({ key: "image", text });
  }
  const selected = settings.nodeSelector?.["kubernetes.io/arch"];
  if (selected !== undefined && architecture !== undefined && selected !== architecture) {
    problems.push({
      key: "nodeSelector",
      text: `kubernetes.io/arch is ${selected}, but architecture is ${architecture}; drop one of them`,
    });
  }
  return problems;
}

function privilegeProblems(settings: DockerRunnerSettings): Problem[] {
  const docker = own(settings).docker ?? {};
  const problems: Problem[] = [];
  if (settings.way === "dood") {
    for (const key of ["privileged", "services_privileged"] as const) {
      if (docker[key] === true) {
        problems.push({
          key: `config.runners[0].docker.${key}`,
          text: "a DooD job must not be privileged: it has the node's Docker already, and needs nothing more; drop it, or choose way dind",
        });
      }
    }
  } else if (docker.privileged === false) {
    problems.push({
      key: "config.runners[0].docker.privileged",
      text: `way ${settings.way} cannot start its daemon without; drop it, or choose way dood`,
    });
  }
  if (hasInnerDaemon(settings.way) && docker.network_mode === "host") {
    problems.push({
      key: "config.runners[0].docker.network_mode",
      text: "a DinD job in the host's network would rewrite the node's own iptables rules; drop it",
    });
  }
  if (settings.way === "dood" && settings.dindImage !== undefined) {
    problems.push({ key: "dindImage", text: "way dood has no inner daemon; drop it, or choose way dind" });
  }
  return problems;
}

function tlsProblems(settings: DockerRunnerSettings): Problem[] {
  if (settings.way === "dind-plain") {
    return settings.allowTlsOff === true
      ? []
      : [
          {
            key: "allowTlsOff",
            text: "way dind-plain runs a Docker daemon that asks for no certificate; choose way dind, or say allowTlsOff: true",
          },
        ];
  }
  const problems: Problem[] = [];
  if (settings.allowTlsOff === true) {
    problems.push({
      key: "allowTlsOff",
      text: `way ${settings.way} does not use it; drop it, or choose way dind-plain`,
    });
  }
  for (const [index, variable] of (own(settings).environment ?? []).entries()) {
    const off = /^(DOCKER_TLS_CERTDIR=|DOCKER_TLS_VERIFY=|DOCKER_TLS=0|DOCKER_TLS_VERIFY=0)$/.test(variable);
    if (settings.way === "dind" && (off || /^DOCKER_HOST=tcp:\/\/[^/]*:2375\/?$/.test(variable))) {
      problems.push({
        key: `config.runners[0].environment[${index}]`,
        text: `"${variable}" would switch TLS off; drop it, or choose way dind-plain with allowTlsOff: true`,
      });
    }
  }
  return problems;
}

function volumeProblems(settings: DockerRunnerSettings): Problem[] {
  const problems: Problem[] = [];
  for (const [index, volume] of (own(settings).docker?.volumes ?? []).entries()) {
    const key = `config.runners[0].docker.volumes[${index}]`;
    const [source, target] = volume.split(":");
    if (target === undefined || !hasInnerDaemon(settings.way)) {
      continue;
    }
    if (target === "/var/lib/docker") {
      problems.push({
        key,
        text: `${source} would be shared by the daemons of jobs that run at once, and be destroyed by them; drop it, or choose way dind-job, which keeps a volume for each`,
      });
    }
    if (target === "/certs" || target === "/certs/client") {
      problems.push({
        key,
        text: `jobs that run at once would overwrite each other's certificates in ${source}; drop it`,
      });
    }
  }
  return problems;
}
