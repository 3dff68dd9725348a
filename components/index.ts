/** What other programs may import. */
export { DindRunner, type DindMode, type DindRunnerArgs } from "./dindRunner";
export { DoodRunner, type DoodRunnerArgs } from "./doodRunner";
export { RegistryTrust, type RegistryTrustArgs } from "./registryTrust";
export { RunnerNamespace, type PodSecurity, type RunnerNamespaceArgs } from "./runnerNamespace";
export { RunnerToken, type RunnerTokenArgs } from "./runnerToken";
