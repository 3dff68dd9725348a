/** Previews as Pulumi prints them, made of what the product itself makes. */
import type { Preview, Step } from "../../../ci/report/preview";
import { podTemplate, secretFiles } from "../../../components/runners/docker/pod";
import type { DockerRunnerInput } from "../../../components/runners/docker/settings";
import { trustInput, type TrustSettings } from "../../../components/registryTrust/trustProgram";
import { settingsOf } from "../runners/settings";

const stack = "urn:pulumi:home::pi-runners::pulumi:pulumi:Stack::pi-runners-home";

export function urn(types: string, name: string): string {
  return `urn:pulumi:home::pi-runners::${types}::${name}`;
}

type Inputs = Record<string, unknown>;

/** A step of one resource, with its inputs before and after. */
export function step(op: string, types: string, name: string, before?: Inputs, after?: Inputs): Step {
  const [outer, inner] = types.split("$") as [string, string | undefined];
  const component = name.replace(/-(config|node\d+)$/, "");
  const parent = inner === undefined ? stack : urn(outer, component);
  const state = (inputs: Inputs): Step["newState"] => ({ type: inner ?? outer, parent, inputs });
  return {
    op,
    urn: urn(types, name),
    ...(before === undefined ? {} : { oldState: state(before) }),
    ...(after === undefined ? {} : { newState: state(after) }),
  };
}

/** What Pulumi shows when settings of runner `builder` change, by the objects that the product makes of them. */
export function runnerPreview(different: Partial<DockerRunnerInput>): Preview {
  const [before, after] = [settingsOf("dind"), settingsOf("dind", different)];
  const op = (changed: boolean): string => (changed ? "update" : "same");
  const objects = (settings: typeof before): { template: unknown; secret: string } => ({
    template: JSON.parse(JSON.stringify(podTemplate(settings))) as unknown,
    secret: JSON.stringify(secretFiles(settings, "token")),
  });
  const [old, now] = [objects(before), objects(after)];
  const set = (template: unknown): Inputs => ({
    spec: { updateStrategy: { rollingUpdate: { maxUnavailable: 1 } }, template },
  });
  const rolls = JSON.stringify(old.template) !== JSON.stringify(now.template);
  const reloads = old.secret !== now.secret;
  const type = "pi-runners:index:DindRunner";
  const blind = { data: "[secret]" };
  return {
    steps: [
      step("update", type, "builder", { ...before }, { ...after }),
      {
        ...step(op(reloads), `${type}$kubernetes:core/v1:Secret`, "builder-config", blind, blind),
        detailedDiff: reloads ? { 'data["config.toml"]': { kind: "update", inputDiff: true } } : {},
      },
      step(op(rolls), `${type}$kubernetes:apps/v1:DaemonSet`, "builder", set(old.template), set(now.template)),
    ],
  };
}

/** What Pulumi shows when what a node is to trust changes. */
export function trustPreview(before: Partial<TrustSettings>, after: Partial<TrustSettings>): Preview {
  const input = (settings: Partial<TrustSettings>): Inputs => ({
    connection: "[secret]",
    stdin: trustInput({ node: "node1", owner: "o", registries: [], ...settings }),
  });
  const types = "pi-runners:index:RegistryTrust$command:remote:Command";
  return { steps: [step("update", types, "registries-node1", input(before), input(after))] };
}
