import type { Looked } from "../../components/registryTrust/look";
import { settingsOfHostInput } from "../../hosts/hostProgram";
import type { Change } from "./changes";
import { consequence, type Consequence } from "./consequence";
import { inGitlab, ofShellHost } from "./runnerConsequences";

/**
 * What the changes do, and what nodes say that the next run does to them. Of runners it follows from which of their objects
 * changes: the pod template holds all that needs other pods, the Secret all that a running runner reads again by itself
 * (components/runners/docker/pod.ts); of nodes, from what their own program says.
 */
export function consequencesOf(changes: Change[], looks: Looked[]): Consequence[] {
  const components = new Map(changes.map((change) => [`${change.type} ${change.name}`, change]));
  const ofChange = (change: Change): Consequence[] =>
    change.component.type === shellType && change.type === commandType
      ? ofShellHost(change, components.get(`${shellType} ${change.component.name}`))
      : (inGitlab(change) ?? ofObject(change));
  const rolled = new Set(changes.filter(isRolled).map(componentOf));
  const found = [
    ...changes.flatMap(ofChange).filter(({ kind, subject }) => kind !== "reload" || !rolled.has(subject)),
    ...looks.flatMap(ofNode),
  ];
  const once = new Map(found.map((one) => [`${one.kind} ${one.subject} ${one.text}`, one]));
  return [...once.values()];
}

const runnerTypes = /^pi-runners:index:\w*Runner$/;
const mirrorType = "pi-runners:index:RegistryMirror";
const trustType = "pi-runners:index:RegistryTrust";
const shellType = "pi-runners:index:ShellRunner";
const commandType = "command:remote:Command";
const cleanupType = "pi-runners:index:RunnerCleanup";
const layersType = "pi-runners:index:LayersCleanup";
const workloads = /^kubernetes:apps\/v1:(DaemonSet|Deployment|StatefulSet)$/;

const componentOf = ({ component }: Change): string => component.name;

/** Is it what runs the manager? What looks after a runner's layers has another name, and no job hears of it. */
const isManager = ({ type, name, component }: Change): boolean =>
  workloads.test(type) && name === component.name && runnerTypes.test(component.type);

const hasNewPods = ({ operation, differences }: Change): boolean =>
  operation === "update" && differences.some(({ path }) => /^spec\.template\b/.test(path));

const isRolled = (change: Change): boolean => isManager(change) && hasNewPods(change);

function ofObject(change: Change): Consequence[] {
  const { type, operation, component } = change;
  if (component.type === layersType) {
    return ofLayers(change);
  }
  if (operation === "replace" && !type.startsWith("pi-runners:")) {
    const because = change.because.length === 0 ? "" : `, because of \`${change.because.join("`, `")}\``;
    return [
      consequence("replace", change.name, `\`${change.name}\` (${kindOf(type)}) is removed and made again${because}`),
    ];
  }
  if (type === commandType) {
    return ofCommand(change);
  }
  if (workloads.test(type)) {
    return component.type === mirrorType ? ofMirror(change) : isManager(change) ? ofWorkload(change) : [];
  }
  if (type === "kubernetes:core/v1:Secret" && operation === "update" && runnerTypes.test(component.type)) {
    const text = `runner \`${component.name}\` reads its config.toml again within seconds; no pod is restarted, jobs go on`;
    return [consequence("reload", component.name, text, false)];
  }
  if (operation === "delete" && !type.startsWith("pi-runners:")) {
    return [consequence("delete", change.name, `\`${change.name}\` (${kindOf(type)}) is deleted`)];
  }
  return [];
}

/** Replaced where layers are to be kept in another folder. */
function ofLayers(change: Change): Consequence[] {
  const { type, operation, component, name } = change;
  const node = name.replace(`${component.name}-layers-`, "");
  const text = `the layers that builds of runner \`${component.name}\` kept on node \`${node}\` are removed there, after the builds that have them`;
  const removed = type === commandType && (operation === "delete" || operation === "replace");
  return removed ? [consequence("delete", component.name, text)] : [];
}

function ofWorkload(change: Change): Consequence[] {
  const runner = change.component.name;
  switch (change.operation) {
    case "create":
      return [consequence("start", runner, `runner \`${runner}\` is new; it starts on its nodes`, false)];
    case "delete": {
      const text = `runner \`${runner}\` goes: it takes no more jobs, and those that run may end${drainOf(change.before)}`;
      return [consequence("stop", runner, text)];
    }
    default: {
      const text = `the pods of runner \`${runner}\` are replaced${pace(change)}, each after its jobs have ended${drainOf(change.after)}`;
      return isRolled(change) ? [consequence("roll", runner, text)] : [];
    }
  }
}

/** No job waits for it, and none fails: daemons ask Docker Hub where it does not answer. */
function ofMirror(change: Change): Consequence[] {
  const { name } = change.component;
  const mirror = `mirror \`${name}\` of Docker Hub`;
  switch (change.operation) {
    case "create":
      return [consequence("start", name, `${mirror} is new; until it answers, Docker Hub itself is asked`, false)];
    case "delete":
      return [consequence("stop", name, `${mirror} goes; Docker Hub itself is asked from then on`, false)];
    default: {
      const text = `the pod of ${mirror} is replaced; while it is away, Docker Hub itself is asked`;
      return hasNewPods(change) ? [consequence("roll", name, text, false)] : [];
    }
  }
}

type Spec = Record<string, unknown> | undefined;

const part = (value: unknown, key: string): Spec =>
  typeof value === "object" && value !== null ? ((value as Record<string, unknown>)[key] as Spec) : undefined;

/** How long pods may drain, as the object itself says it. */
function drainOf(state: Change["after"]): string {
  const spec = part(part(part(state?.inputs, "spec"), "template"), "spec");
  const seconds = spec?.["terminationGracePeriodSeconds"];
  return typeof seconds === "number" ? ` (at most ${seconds} s)` : "";
}

/** How many go at a time. */
function pace({ after }: Change): string {
  const strategy = part(part(part(after?.inputs, "spec"), "updateStrategy"), "rollingUpdate");
  return strategy?.["maxUnavailable"] === 1 ? " one node at a time" : "";
}

/** What runs on a node: trust, and what is removed there when a runner goes. */
function ofCommand(change: Change): Consequence[] {
  const { operation, component, name } = change;
  const node = nodeOf(change);
  if (component.type === cleanupType) {
    const text = `what runner \`${component.name}\` left on node \`${node}\` is removed there: its folder, and its jobs' cache volumes`;
    return operation === "delete" ? [consequence("stop", component.name, text)] : [];
  }
  if (component.type !== trustType) {
    return operation === "delete" ? [consequence("delete", name, `\`${name}\` is taken back on its host`)] : [];
  }
  if (operation === "delete") {
    return [consequence("untrust", node, `node \`${node}\` loses the trust that only this stack gave it`)];
  }
  const paths = change.differences.map(({ path }) => path);
  if (operation === "update" && !paths.some((path) => path.startsWith("settings") || path === "stdin")) {
    const what = paths.includes("program") ? "a newer program goes to" : "the login changes of";
    return [
      consequence("trust", node, `${what} node \`${node}\`; with nothing to do there, it touches nothing`, false),
    ];
  }
  return [consequence("trust", node, `registry trust is applied on node \`${node}\`${restartWord(change)}`, false)];
}

function restartWord({ after }: Change): string {
  const { stdin } = after?.inputs ?? {};
  const read = typeof stdin === "string" ? settingsOfHostInput(stdin) : undefined;
  return part(read, "settings")?.["allowRestart"] === true
    ? "; an engine may be restarted where a reload is not enough (`allowRestart`)"
    : "; engines are reloaded where that is needed, never restarted";
}

/** The node of a command is the end of its name, behind the component's. */
function nodeOf({ name, component }: Change): string {
  return name.startsWith(`${component.name}-`) ? name.slice(component.name.length + 1).replace(/^cleanup-/, "") : name;
}

function ofNode({ node, effects }: Looked): Consequence[] {
  return effects.flatMap(({ engine, effect }) => {
    const subject = `node \`${node}\``;
    switch (effect) {
      case "restart":
        return [consequence("restart", node, `${engine} on ${subject} is restarted, as \`allowRestart\` lets it`)];
      case "forbidden restart":
        return [
          consequence(
            "refused",
            node,
            `${engine} on ${subject} would need a restart: set \`allowRestart\`, or its update fails`,
          ),
        ];
      case "reload":
        return [consequence("reload", node, `${engine} on ${subject} is reloaded; its containers keep running`, false)];
      default:
        return [];
    }
  });
}

/** `kubernetes:apps/v1:DaemonSet` as people call it. */
export function kindOf(type: string): string {
  return type.split(":").at(-1)!;
}
