/** What other programs may import: every component, and every type that their arguments and outputs name. */
export { DindRunner, type DindMode, type DindRunnerArgs } from "./runners/docker/dindRunner";
export { DoodRunner, type DoodRunnerArgs } from "./runners/docker/doodRunner";
export {
  RegistryTrust,
  type NodeFacts,
  type NodeTrust,
  type RegistryTrustArgs,
  type TrustBastion,
  type TrustEngine,
  type TrustNode,
  type TrustRollout,
  type TrustSsh,
} from "./registryTrust/registryTrust";
export { RunnerNamespace, type PodSecurity, type RunnerNamespaceArgs } from "./namespace/runnerNamespace";
export { RunnerToken, type RunnerTokenArgs } from "./token/runnerToken";

export type { Registry } from "./registryTrust/registry";
export type { Architecture } from "./runners/architecture";
export type { DockerRunnerArgs, InnerDaemonArgs } from "./runners/docker/dockerRunner";
export type { Toleration } from "./runners/docker/dockerConfig";
export type { NodeSize, Resources } from "./runners/sizes";
export type { Risk } from "./runners/docker/ways";

export { InvalidInputsError, type InputError } from "./inputErrors";

// config.toml in its own words.
export type { ConfigRest } from "./runners/configToml/rest";
export type { PullPolicy } from "./runners/configToml/settings/values";
