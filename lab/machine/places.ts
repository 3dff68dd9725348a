/** Where the lab keeps what, and what its things are called. Two checkouts on one machine share one lab. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

const home = (variable: string, fallback: string): string =>
  resolve(process.env[variable] ?? join(homedir(), fallback), "pi-runners");

/** This checkout. */
export const checkout = resolve(__dirname, "../..");

/** What was built once: stays after `down`. */
export const cache = home("XDG_CACHE_HOME", ".cache");
export const binaries = join(cache, "bin");
export const imageFiles = join(cache, "images");
/** Data of the Docker daemon that the lab starts where the machine has none; its images make the next `up` quick. */
export const engineData = join(cache, "engine");

/** Keys, certificates, kubeconfig, Pulumi's state: gone after `down`. `.lab` in every checkout leads there. */
export const state = join(home("XDG_STATE_HOME", ".local/state"), "lab");
export const stateLink = join(checkout, ".lab");
export const inState = (...parts: string[]): string => join(state, ...parts);

/** What lives as long as the lab's own daemon. */
export const runDir = "/run/pi-lab";

/** Every container, network, volume and image of the lab carries this label. */
export const label = "pi-lab=1";

/** Control group under which all that the lab's own daemon starts is found again. */
export const controlGroup = "pi-lab";

/** This machine, as nodes, pods and jobs see it. */
export const machine = "172.30.99.1";

export const network = { name: "pi-lab", bridge: "pi-lab0", subnet: "172.30.99.0/24" } as const;

/** Control plane, registry and the stand-in for GitLab: one container. */
export const server = { container: "pi-lab-server", host: "server", address: "172.30.99.2" } as const;

export const gitlab = { host: "gitlab.lab", port: 8929, url: "http://gitlab.lab:8929" } as const;
/** The registry without login. */
export const registry = { host: "registry.lab", port: 5000, address: "registry.lab:5000" } as const;
/** The same registry as GitLab has it, with tokens: CI_REGISTRY by plain HTTP, and by HTTPS with the lab's CA. */
export const gitlabRegistry = { address: "gitlab.lab:5050", tlsAddress: "gitlab.lab:5443" } as const;
export const apiServer = { host: "kubernetes.lab", port: 6443 } as const;

export interface LabNode {
  /** Name in the cluster and host name: node1, node2, … */
  name: string;
  container: string;
  number: number;
  address: string;
}

const firstNodeAddress = 11;
export const maxNodes = 200;

export function node(number: number): LabNode {
  return {
    name: `node${number}`,
    container: `pi-lab-node${number}`,
    number,
    address: `172.30.99.${firstNodeAddress - 1 + number}`,
  };
}

/** @throws on a number of nodes that the lab's network has no room for. */
export function nodes(count: number): LabNode[] {
  if (!Number.isInteger(count) || count < 1 || count > maxNodes) {
    throw new Error(`Wrong number of nodes: ${count}. LAB_NODES and --nodes take 1 to ${maxNodes}.`);
  }
  return Array.from({ length: count }, (_, index) => node(index + 1));
}

/** Names that containers of the lab know; nobody else does, as in a LAN. */
export const lanNames: Record<string, string> = {
  [gitlab.host]: server.address,
  [registry.host]: server.address,
  [apiServer.host]: server.address,
};

/** The stacks of the lab: `dev` is deployed by `up`, `ways` has those ways that `dev` has not, for jobs that ask for one. */
export const stackNames = ["dev", "ways"] as const;

export type StackName = (typeof stackNames)[number];
