/** What other programs may import: every component, and every type that their arguments and outputs name. */
export { DindRunner, type DindMode, type DindRunnerArgs } from "./runners/docker/dindRunner";
export { DoodRunner, type DoodRunnerArgs } from "./runners/docker/doodRunner";
export {
  ShellRunner,
  shellHostErrors,
  type ShellHostReport,
  type ShellNode,
  type ShellRunnerArgs,
} from "./runners/shell/shellRunner";
export { KubernetesRunner, type KubernetesRunnerArgs } from "./runners/kubernetes/kubernetesRunner";
export { LayersCleanup, type LayersCleanupArgs } from "./runners/kubernetes/layersCleanup";
export type { CleanupNode } from "./runners/nodeCleanup";
export { RunnerCleanup, type RunnerCleanupArgs } from "./runners/docker/runnerCleanup";
export type { HostAccess, HostBastion, HostLogin, HostNode, HostSsh, LoginSecret } from "../hosts/ssh";
export type { RolloutSettings } from "../hosts/rollout";
export { registryTrustErrors, type RegistryTrustArgs, type TrustNode } from "./registryTrust/args";
export type { TrustEngine } from "./registryTrust/engines";
export { RegistryTrust } from "./registryTrust/registryTrust";
export type { NodeFacts, NodeTrust } from "./registryTrust/report";
export { RegistryMirror, type RegistryMirrorArgs } from "./mirror/registryMirror";
export { RunnerNamespace, type PodSecurity, type RunnerNamespaceArgs } from "./namespace/runnerNamespace";
export { RunnerToken, type RunnerTokenArgs } from "./token/runnerToken";
export type { GitlabAddress } from "./token/gitlab/request";
export type { RegistrationPlace } from "./token/registration";

export type { Registry } from "./registryTrust/registry";
export type { Architecture } from "./runners/architecture";
export type { DockerRunnerArgs, InnerDaemonArgs } from "./runners/docker/dockerRunner";
export type { RunnerProxy } from "./runners/proxy";
export type { Toleration } from "./runners/settings";
export type { Arguments, Inputs } from "./schema";
export type { NodeSize, Resources } from "./runners/sizes";
export type { DockerWay, InnerDaemonWay } from "./runners/docker/ways";
export type { Executor, Way } from "./runners/executors";
export type { Risk } from "./runners/risk";

export { InvalidInputsError, type InputError } from "./inputErrors";

// config.toml in its own words.
export type { ConfigRest } from "./runners/configToml/rest";
export type { PullPolicy } from "./runners/configToml/settings/values";
