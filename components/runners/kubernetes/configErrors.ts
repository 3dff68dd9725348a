import { oneError } from "../errors";
import type { InputError } from "../../inputErrors";
import { images } from "../images";
import { ownRunner } from "../settings";
import { quantity } from "../sizes";
import { jobImage, kubernetesRunnerConfig, patchesPods, podSpecFlag } from "./kubernetesConfig";
import { objectNames } from "./names";
import { ownKubernetes, type KubernetesRunnerSettings, type KubernetesSection } from "./settings";

/** The `[runners.kubernetes]` section, as paths of settings write it. */
export const own = "config.runners[0].kubernetes";

/** What in `config` would keep every job of this runner from running, or let jobs take the manager's rights. */
export function configErrors(settings: KubernetesRunnerSettings): InputError[] {
  return [
    ...placeErrors(settings),
    ...rightsErrors(settings),
    ...accountErrors(settings),
    ...podSpecErrors(settings),
    ...amountErrors(settings),
    ...jobImageErrors(settings),
  ];
}

/** Jobs run where the manager's Role holds, and nowhere else. */
function placeErrors(settings: KubernetesRunnerSettings): InputError[] {
  const { namespace, namespace_overwrite_allowed, namespace_per_job } = ownKubernetes(settings);
  const elsewhere = "the manager may make pods in its own namespace only";
  return [
    ...(namespace === undefined || namespace === settings.namespace
      ? []
      : oneError(`${own}.namespace`, `${elsewhere}, ${settings.namespace}; drop it, or give that namespace a runner`)),
    ...((namespace_overwrite_allowed ?? "") === ""
      ? []
      : oneError(
          `${own}.namespace_overwrite_allowed`,
          `${elsewhere}, so a job that chose another would fail; drop it`,
        )),
    ...(namespace_per_job === true
      ? oneError(`${own}.namespace_per_job`, `${elsewhere}, and no namespaces; drop it`)
      : []),
  ];
}

/** Features that need rights which the manager's Role does not have. */
function rightsErrors(settings: KubernetesRunnerSettings): InputError[] {
  const flags = ownRunner(settings).feature_flags;
  return [
    ...(ownKubernetes(settings).autoscaler === undefined
      ? []
      : oneError(`${own}.autoscaler`, "it makes PriorityClasses, which belong to the whole cluster; drop it")),
    ...(flags?.FF_SUSPENDABLE_ENVIRONMENTS === true
      ? oneError(
          "config.runners[0].feature_flags.FF_SUSPENDABLE_ENVIRONMENTS",
          "it makes volume claims and ConfigMaps, which the manager may not; drop it",
        )
      : []),
  ];
}

/** A job with the manager's account could do all that the manager may: read no Secret, but make pods that mount any. */
function accountErrors(settings: KubernetesRunnerSettings): InputError[] {
  const { service_account, service_account_overwrite_allowed = "" } = ownKubernetes(settings);
  const { manager } = objectNames(settings.name);
  const reason = `a job as ${manager} could make pods of its own and read every Secret of the namespace with them`;
  return [
    ...(service_account === manager ? oneError(`${own}.service_account`, `${reason}; name another account`) : []),
    ...(matches(service_account_overwrite_allowed, manager)
      ? oneError(`${own}.service_account_overwrite_allowed`, `it matches ${manager}: ${reason}; match less`)
      : []),
  ];
}

function matches(pattern: string, name: string): boolean {
  try {
    return pattern !== "" && new RegExp(pattern).test(name);
  } catch {
    return false; // Go's own words; the runner says what is wrong with it.
  }
}

/** A pod of a job as if nothing had been said of it, such as with root of the node where it was to be nobody. */
function podSpecErrors(settings: KubernetesRunnerSettings): InputError[] {
  return patchesPods(settings) && ownRunner(settings).feature_flags?.[podSpecFlag] === false
    ? oneError(
        `config.runners[0].feature_flags.${podSpecFlag}`,
        "without it gitlab-runner leaves out hostUsers, pod_spec, and tolerations that config.toml has no word for; drop it",
      )
    : [];
}

/** Amounts that Kubernetes would refuse every pod of a job for. */
function amountErrors(settings: KubernetesRunnerSettings): InputError[] {
  const section = kubernetesRunnerConfig(settings, "").runners![0]!.kubernetes! as Record<string, unknown>;
  const given = ownKubernetes(settings);
  const keys = Object.keys(section).filter((key) =>
    /^(\w+_)?(cpu|memory|ephemeral_storage)_(request|limit)$/.test(key),
  );
  const amount = (key: string): number | undefined => {
    const text = section[key];
    return typeof text === "string" && text !== "" ? quantity(text) : undefined;
  };
  return keys.flatMap((key) => {
    const text = section[key];
    if (typeof text === "string" && text !== "" && quantity(text) === undefined) {
      return oneError(`${own}.${key}`, `"${text}" is no quantity; write as Kubernetes does, such as 512Mi or 250m`);
    }
    const limit = key.replace(/_request$/, "_limit");
    if (limit === key || (amount(key) ?? 0) <= (amount(limit) ?? Infinity)) {
      return [];
    }
    const wrong = given[key as keyof KubernetesSection] === undefined ? limit : key;
    const reason = `the request of ${String(section[key])} is more than the limit of ${String(section[limit])}, and Kubernetes would refuse every job's pod; change ${key} or ${limit}`;
    return oneError(`${own}.${wrong}`, reason);
  });
}

function jobImageErrors(settings: KubernetesRunnerSettings): InputError[] {
  return settings.architecture === "arm" && jobImage(settings) === images.buildah
    ? oneError(
        "jobImage",
        `the default, ${images.buildah}, is not published for arm; name an image of your own with buildah`,
      )
    : [];
}
