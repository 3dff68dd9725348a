import { isIP } from "node:net";
import { certificateError } from "../../certificate";
import type { InputError } from "../../inputErrors";
import { schemaErrors } from "../../schemaErrors";
import { imageArchitectureError } from "../architecture";
import { images, releaseOf, runnerImageLacks } from "../images";
import { managerResources, quantity } from "../sizes";
import { buildModes } from "./modes/buildModes";
import { dockerRunnerSettings, ownDocker, type DockerRunnerSettings } from "./settings";
import { dindImage, jobImage, usedHelperImage } from "./usedImages";
import { usedPullPolicy } from "./dockerConfig";
import { volumeErrors } from "./volumeErrors";
import { hasService } from "./ways";

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
  return url.username === "" && url.password === ""
    ? undefined
    : "holds a user name or password; write the address alone: a runner has its token";
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

/**
 * The settings of a runner with their defaults, or everything that is wrong with them: kinds and ranges by the schema, and
 * what only shows when settings are looked at together. The one validator, of stack files and of programs.
 */
export function checkDockerRunner(given: unknown): { settings?: DockerRunnerSettings; errors: InputError[] } {
  const parsed = dockerRunnerSettings.safeParse(given);
  if (!parsed.success) {
    return { errors: schemaErrors(dockerRunnerSettings, parsed.error.issues) };
  }
  const settings = parsed.data;
  return { settings, errors: [...placeErrors(settings), ...runnerErrors(settings)] };
}

/** What is wrong with that which a stack's runners have in common. */
function placeErrors(settings: DockerRunnerSettings): InputError[] {
  return [
    ...oneError("namespace", namespaceError(settings.namespace)),
    ...oneError("url", urlError(settings.url)),
    ...hostAliasErrors(settings.hostAliases ?? {}),
    ...oneError("serverCa", settings.serverCa === undefined ? undefined : certificateError(settings.serverCa)),
  ];
}

/** What is wrong with the settings that are a runner's own. */
export function runnerErrors(settings: DockerRunnerSettings): InputError[] {
  return [
    ...nameErrors(settings.name),
    ...resourceErrors(settings),
    ...imageErrors(settings),
    ...releaseErrors(settings),
    ...policyErrors(settings),
    ...volumeErrors(settings),
    ...sectionErrors(settings),
    ...(settings.allowTlsOff === true && settings.way !== "dind-plain"
      ? oneError("allowTlsOff", `way ${settings.way} does not use it; drop it, or choose way dind-plain`)
      : []),
    ...buildModes[settings.way].errors(settings),
  ];
}

function nameErrors(name: string): InputError[] {
  // The controller adds a dash and ten characters of hash to a DaemonSet's name for its revisions.
  const tooLong = name.length > 52 ? `"${name}" is longer than 52 characters, too long for a DaemonSet` : undefined;
  return oneError("name", dnsLabelError(name) ?? tooLong);
}

/** Requests and limits that Kubernetes would refuse, so that no pod came up. */
function resourceErrors(settings: DockerRunnerSettings): InputError[] {
  const errors: InputError[] = [];
  for (const kind of ["requests", "limits"] as const) {
    for (const [resource, amount] of Object.entries(settings.resources?.[kind] ?? {})) {
      if (quantity(amount) === undefined) {
        const reason = `"${amount}" is no quantity; write as Kubernetes does, such as 512Mi or 250m`;
        errors.push({ propertyPath: `resources.${kind}.${resource}`, reason });
      }
    }
  }
  const { requests = {}, limits = {} } = managerResources(settings.size, settings.resources);
  for (const [resource, request] of Object.entries(requests)) {
    const limit = limits[resource];
    if (limit !== undefined && (quantity(request) ?? 0) > (quantity(limit) ?? Infinity)) {
      const reason = `${request} is more than the limit of ${limit}, and Kubernetes would refuse the pod; lower it, or raise resources.limits.${resource}`;
      errors.push({ propertyPath: `resources.requests.${resource}`, reason });
    }
  }
  return errors;
}

/** Every image that the runner is configured with, by the setting it comes from. */
function imagesOf(settings: DockerRunnerSettings): [propertyPath: string, image: string | undefined][] {
  const docker = ownDocker(settings);
  const own = "config.runners[0].docker";
  return [
    ["image", settings.image],
    docker.helper_image === undefined
      ? ["helperImage", settings.helperImage]
      : [`${own}.helper_image`, docker.helper_image],
    docker.image === undefined ? ["jobImage", jobImage(settings)] : [`${own}.image`, docker.image],
    ["dindImage", hasService(settings.way) ? (settings.dindImage ?? dindImage(settings)) : undefined],
    ...(docker.services ?? []).map((service, index): [string, string | undefined] => [
      `${own}.services[${index}].name`,
      service.name,
    ]),
  ];
}

function imageErrors(settings: DockerRunnerSettings): InputError[] {
  const { architecture } = settings;
  const errors = imagesOf(settings).flatMap(([propertyPath, image]) => {
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

/** Runner and helper speak with each other in words that change from release to release. */
function releaseErrors(settings: DockerRunnerSettings): InputError[] {
  const helper = usedHelperImage(settings);
  const [ofRunner, ofHelper] = [releaseOf(settings.image), helper === undefined ? undefined : releaseOf(helper)];
  if (ofRunner === undefined || ofHelper === undefined || ofRunner === ofHelper) {
    return [];
  }
  const reason = `the helper is of release ${ofHelper}, but image is of ${ofRunner}; name the helper of ${ofRunner}, or none: it is found by itself`;
  const own = ownDocker(settings).helper_image !== undefined;
  return [{ propertyPath: own ? "config.runners[0].docker.helper_image" : "helperImage", reason }];
}

/** Sections of config.toml that only other executors read. */
const otherExecutors = [
  "ssh",
  "parallels",
  "virtualbox",
  "machine",
  "kubernetes",
  "custom",
  "autoscaler",
  "instance",
] as const;

/** The runner takes the settings of another executor, and does nothing with them. */
function sectionErrors({ config }: DockerRunnerSettings): InputError[] {
  return otherExecutors
    .filter((section) => config?.runners?.[0]?.[section] !== undefined)
    .map((section) => ({
      propertyPath: `config.runners[0].${section}`,
      reason: "is for another executor, and this runner has the docker executor; drop it",
    }));
}

/** The runner refuses every job when its own pull policy is not among the allowed ones. */
function policyErrors(settings: DockerRunnerSettings): InputError[] {
  const allowed: string[] | undefined = ownDocker(settings).allowed_pull_policies;
  const missing = usedPullPolicy(settings).find((policy) => allowed?.includes(policy) === false);
  return missing === undefined
    ? []
    : oneError(
        "config.runners[0].docker.allowed_pull_policies",
        `${missing} is the runner's own pull policy and not among them, so every job would fail; add it, or change pullPolicy`,
      );
}
