import type { types } from "@pulumi/kubernetes";
import { apiServerPorts } from "../../namespace/network";
import { selectorLabels } from "../manager/pod";
import { jobLabel } from "./kubernetesConfig";

type PolicySpec = types.input.networking.v1.NetworkPolicySpec;

/** What a manager needs beside what the namespace lets every pod do. */
export function managerPolicy(name: string): PolicySpec {
  return {
    podSelector: { matchLabels: selectorLabels(name) },
    policyTypes: ["Egress"],
    egress: [{ ports: apiServerPorts.map((port) => ({ protocol: "TCP", port })) }],
  };
}

/** Jobs may reach whatever they name, as containers of a Docker may; nobody may reach them. */
export function jobsPolicy(name: string): PolicySpec {
  return { podSelector: { matchLabels: { [jobLabel]: name } }, policyTypes: ["Egress"], egress: [{}] };
}
