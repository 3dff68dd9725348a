import type { InputError } from "../../inputErrors";
import { dockerRunnerSettings, type DockerRunnerSettings } from "./settings";
import { hasInnerDaemon, hasResidentEngine, type DockerWay } from "./ways";

type Key = keyof DockerRunnerSettings;

/** Settings that only some build modes take: which do, and what to say to the others. */
const restricted = {
  dindImage: { takes: hasInnerDaemon, otherwise: "has no inner daemon; drop it, or choose way dind" },
  runtime: {
    takes: (way) => hasInnerDaemon(way) && !hasResidentEngine(way),
    otherwise: "starts no daemon for a job; drop it, or choose way dind",
  },
  layerCache: {
    takes: (way) => hasInnerDaemon(way) && !hasResidentEngine(way),
    otherwise: "keeps the layers of all jobs in one engine; drop it, or choose way dind",
  },
  dockerSocket: {
    takes: (way) => !hasResidentEngine(way),
    otherwise: "has an engine of its own, and does not use the node's; drop it, or choose way dood",
  },
  engineFolder: {
    takes: hasResidentEngine,
    otherwise: "has no engine of its own; drop it, or choose way dind-resident",
  },
  engineResources: {
    takes: hasResidentEngine,
    otherwise: "has no engine of its own; drop it, or choose way dind-resident",
  },
} satisfies Partial<Record<Key, { takes: (way: DockerWay) => boolean; otherwise: string }>>;

/** Does this way take the setting? What all runners have in common is dropped for those that do not. */
export function takesSetting(way: DockerWay, key: string): boolean {
  const found = Object.entries(restricted).find(([name]) => name === key);
  return found === undefined || found[1].takes(way);
}

/** Settings that were given to a way that does not take them. */
export function strayErrors(settings: DockerRunnerSettings): InputError[] {
  const { name, namespace, url, way } = settings;
  const unset = dockerRunnerSettings.parse({ name, namespace, url, way });
  return Object.entries(restricted).flatMap(([key, { takes, otherwise }]) =>
    takes(way) || settings[key as Key] === unset[key as Key]
      ? []
      : [{ propertyPath: key, reason: `way ${way} ${otherwise}` }],
  );
}
