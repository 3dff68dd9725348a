import { isIP } from "node:net";
import { certificateError } from "../certificate";
import type { InputError } from "../inputErrors";
import { imageArchitectureError, type Architecture } from "./architecture";
import type { ConfigRest } from "./configToml/rest";
import { images, releaseOf, runnerImageLacks } from "./images";
import { quantity, type Resources } from "./sizes";

/** A name that Kubernetes takes for an object and GitLab for a runner: RFC 1123 label. */
const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** A host name: labels with dots between. */
const dnsName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/i;

/** Says what is wrong with a name that becomes a Kubernetes object's. */
export function dnsLabelError(name: string): string | undefined {
  return dnsLabel.test(name)
    ? undefined
    : `"${name}" is no DNS label; use at most 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit`;
}

/** Says what is wrong with a namespace for runners. Beside its folder on each node is the one of RegistryTrust. */
export function namespaceError(name: string): string | undefined {
  return name === "trust"
    ? '"trust" is the folder of registry trust below /var/lib/pi-runners on the nodes, and a namespace has one there too; choose another name'
    : dnsLabelError(name);
}

/** Says what is wrong with the address of a GitLab instance. */
export function urlError(address: string): string | undefined {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return `"${address}" is no http or https address; write such as https://gitlab.lan`;
  }
  if (url.username !== "" || url.password !== "") {
    return "holds a user name or password; write the address alone: a runner has its token";
  }
  // It stands in scripts, such as that of the Job that registers a runner: no shell is to find a word of its own in it.
  return /["'`$\\\s]/.test(address)
    ? "holds a quote, a blank, $ or \\, which no address of a server has; write scheme, host, port and path alone"
    : undefined;
}

/** What is wrong with names and addresses that are to stand in hosts files. */
export function hostAliasErrors(hostAliases: Record<string, string>): InputError[] {
  return Object.entries(hostAliases).flatMap(([name, address]) => {
    const propertyPath = `hostAliases.${name}`;
    if (!dnsName.test(name)) {
      const reason = `"${name}" is no host name; write it without scheme, port and path, such as gitlab.lan`;
      return [{ propertyPath, reason }];
    }
    const reason = `"${address}" is no IP address; write the address that ${name} has on the LAN`;
    return isIP(address) === 0 ? [{ propertyPath, reason }] : [];
  });
}

/** What is wrong with one input, if anything. */
export function oneError(propertyPath: string, reason: string | undefined): InputError[] {
  return reason === undefined ? [] : [{ propertyPath, reason }];
}

/** What is wrong with that which a stack's runners have in common. */
export function placeErrors(settings: {
  namespace: string;
  url: string;
  hostAliases?: Record<string, string>;
  serverCa?: string;
}): InputError[] {
  return [
    ...oneError("namespace", namespaceError(settings.namespace)),
    ...oneError("url", urlError(settings.url)),
    ...hostAliasErrors(settings.hostAliases ?? {}),
    ...oneError("serverCa", settings.serverCa === undefined ? undefined : certificateError(settings.serverCa)),
  ];
}

/**
 * What is wrong with a runner's name.
 *
 * @param longest characters that its objects leave for it
 */
export function nameErrors(name: string, longest: number, object: string): InputError[] {
  const tooLong =
    name.length > longest ? `"${name}" is longer than ${longest} characters, too long for a ${object}` : undefined;
  return oneError("name", dnsLabelError(name) ?? tooLong);
}

/** Requests and limits that Kubernetes would refuse, so that no pod came up. */
export function resourceErrors(key: string, given: Resources | undefined, used: Resources): InputError[] {
  const errors: InputError[] = [];
  for (const kind of ["requests", "limits"] as const) {
    for (const [resource, amount] of Object.entries(given?.[kind] ?? {})) {
      if (quantity(amount) === undefined) {
        const reason = `"${amount}" is no quantity; write as Kubernetes does, such as 512Mi or 250m`;
        errors.push({ propertyPath: `${key}.${kind}.${resource}`, reason });
      }
    }
  }
  const { requests = {}, limits = {} } = used;
  for (const [resource, request] of Object.entries(requests)) {
    const limit = limits[resource];
    if (limit !== undefined && (quantity(request) ?? 0) > (quantity(limit) ?? Infinity)) {
      const reason = `${request} is more than the limit of ${limit}, and Kubernetes would refuse the pod; lower it, or raise ${key}.limits.${resource}`;
      errors.push({ propertyPath: `${key}.requests.${resource}`, reason });
    }
  }
  return errors;
}

/** An image that the runner is configured with, by the setting it comes from. */
export type UsedImage = [propertyPath: string, image: string | undefined];

/** What is wrong with the images of a runner and its jobs, and with the nodes that they are for. */
export function imageErrors(
  settings: { architecture?: Architecture; image: string; nodeSelector?: Record<string, string> },
  used: UsedImage[],
): InputError[] {
  const { architecture } = settings;
  const errors = used.flatMap(([propertyPath, image]) => {
    if (image === undefined) {
      return [];
    }
    if (image.trim() === "" || /\s/.test(image)) {
      return [{ propertyPath, reason: `"${image}" is no image reference; write such as ${images.job}` }];
    }
    return oneError(propertyPath, imageArchitectureError(image, architecture));
  });
  if (architecture !== undefined && settings.image === images.runner && runnerImageLacks.includes(architecture)) {
    const reason = `the default, ${images.runner}, is not published for ${architecture}; name an image of your own with gitlab-runner for ${architecture}`;
    errors.push({ propertyPath: "image", reason });
  }
  const selected = settings.nodeSelector?.["kubernetes.io/arch"];
  if (selected !== undefined && architecture !== undefined && selected !== architecture) {
    const reason = `kubernetes.io/arch is ${selected}, but architecture is ${architecture}; drop one of them`;
    errors.push({ propertyPath: "nodeSelector", reason });
  }
  return errors;
}

/**
 * Runner and helper speak with each other in words that change from release to release.
 *
 * @param propertyPath the setting that names the helper
 */
export function releaseErrors(image: string, helper: string | undefined, propertyPath: string): InputError[] {
  const [ofRunner, ofHelper] = [releaseOf(image), helper === undefined ? undefined : releaseOf(helper)];
  if (ofRunner === undefined || ofHelper === undefined || ofRunner === ofHelper) {
    return [];
  }
  const reason = `the helper is of release ${ofHelper}, but image is of ${ofRunner}; name the helper of ${ofRunner}, or none: it is found by itself`;
  return [{ propertyPath, reason }];
}

/** Sections of config.toml that only one executor reads, each with the executors that do. */
const sections = {
  docker: ["docker"],
  kubernetes: ["kubernetes"],
  ssh: [],
  parallels: [],
  virtualbox: [],
  machine: [],
  custom: [],
  autoscaler: [],
  instance: [],
} as const satisfies Record<string, readonly string[]>;

/** The runner takes the settings of another executor, and does nothing with them. */
export function sectionErrors({ config }: { config?: ConfigRest }, executor: string): InputError[] {
  const own = config?.runners?.[0];
  return (Object.keys(sections) as (keyof typeof sections)[])
    .filter((section) => own?.[section] !== undefined && !(sections[section] as readonly string[]).includes(executor))
    .map((section) => ({
      propertyPath: `config.runners[0].${section}`,
      reason: `is for another executor, and this runner has the ${executor} executor; drop it`,
    }));
}

/**
 * The runner refuses every job when its own pull policy is not among the allowed ones.
 *
 * @param propertyPath the setting that allows them
 */
export function policyErrors(used: string[], allowed: string[] | undefined, propertyPath: string): InputError[] {
  const missing = used.find((policy) => allowed?.includes(policy) === false);
  return missing === undefined
    ? []
    : oneError(
        propertyPath,
        `${missing} is the runner's own pull policy and not among them, so every job would fail; add it, or change pullPolicy`,
      );
}
