/** What other programs may import. */
export { DindRunner, type DindMode, type DindRunnerArgs } from "./runners/docker/dindRunner";
export { DoodRunner, type DoodRunnerArgs } from "./runners/docker/doodRunner";
export { RegistryTrust, type RegistryTrustArgs } from "./registryTrust/registryTrust";
export { RunnerNamespace, type PodSecurity, type RunnerNamespaceArgs } from "./namespace/runnerNamespace";
export { RunnerToken, type RunnerTokenArgs } from "./token/runnerToken";
