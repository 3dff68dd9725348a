import {
  kubernetesRunnerSettings,
  type KubernetesRunnerInput,
  type KubernetesRunnerSettings,
} from "../../../components/runners/kubernetes/settings";
import { otherValues as othersOfDocker } from "./settings";

/** The smallest sound settings of a runner as they are given, with what a test wants to be different. */
export function givenKubernetes(different: Partial<KubernetesRunnerInput> = {}): KubernetesRunnerInput {
  return { name: "pods", namespace: "ci", way: "kubernetes", url: "https://gitlab.lan", ...different };
}

/** The same with all defaults. */
export function kubernetesSettings(different: Partial<KubernetesRunnerInput> = {}): KubernetesRunnerSettings {
  return kubernetesRunnerSettings.parse(givenKubernetes(different));
}

const {
  way: _way,
  allowTlsOff: _tls,
  serviceAccountName: _account,
  mtu: _mtu,
  dockerSocket: _socket,
  dindImage: _image,
  engineFolder: _folder,
  engineResources: _resources,
  layerCache: _cache,
  prune: _prune,
  runtime: _runtime,
  ...common
} = othersOfDocker;

/** For every setting a value that is not its default; the compiler asks for one that is missing. */
export const otherKubernetesValues: {
  [K in Exclude<keyof KubernetesRunnerInput, "way">]-?: NonNullable<KubernetesRunnerInput[K]>;
} = {
  ...common,
  replicas: 2,
  hostUsers: false,
  buildCache: { hostFolder: "/mnt/ssd" },
  deployment: { spec: { template: { spec: { schedulerName: "own" } } } },
};
