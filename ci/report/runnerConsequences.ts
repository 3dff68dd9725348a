/** What changes do to runners on hosts (components/runners/shell) and in GitLab (components/token/gitlab). */
import { startSettings } from "../../components/runners/shell/unit";
import type { Change } from "./changes";
import { consequence, type Consequence } from "./consequence";

/** The same as inputs of the component. Of `binary`, a path that changed may be the same file. */
const startedWith = startSettings
  .filter((key) => key !== "binary")
  .map((key): string => (key === "name" ? "runnerName" : key));

/**
 * What happens on one host of a runner.
 *
 * @param own what changes of the runner's component, where anything does that it shows; its host's settings hold the token, and are blinded
 */
export function ofShellHost({ operation, component, name }: Change, own: Change | undefined): Consequence[] {
  const runner = component.name;
  const host = name.startsWith(`${runner}-`) ? name.slice(runner.length + 1) : name;
  switch (operation) {
    case "create":
      return [consequence("start", host, `runner \`${runner}\` is installed and started on host \`${host}\``, false)];
    case "delete": {
      const text = `runner \`${runner}\` goes from host \`${host}\`: its service stops once its jobs have ended, and what was made for it is removed`;
      return [consequence("stop", host, text)];
    }
    default: {
      const changed = (own?.differences ?? []).map(({ path }) => path.split(/[.[]/)[0]!);
      const service = `the service of runner \`${runner}\` on host \`${host}\``;
      return changed.some((key) => startedWith.includes(key)) || turnsToPackage(own)
        ? [consequence("roll", host, `${service} restarts, once its jobs have ended`)]
        : [
            consequence(
              "reload",
              host,
              `${service} reads its files again where one of them differs; jobs go on${unless(own)}`,
              false,
            ),
          ];
    }
  }
}

/** From a binary to the package's program or back: another path of the program, whatever is in the two. */
function turnsToPackage(own: Change | undefined): boolean {
  const [before, after] = [own?.before, own?.after].map((side) => side?.inputs?.["binary"] !== undefined);
  return before !== after;
}

/** Of a file on the machine that runs Pulumi, and of a login, a preview does not say whether it is another one. */
function unless(own: Change | undefined): string {
  const { binary, sha256, proxy } = own?.after?.inputs ?? {};
  const others = [
    ...(own === undefined || (binary !== undefined && sha256 === undefined) ? ["`binary` is another file"] : []),
    ...(own === undefined || proxy !== undefined ? ["`proxy` has another login"] : []),
  ];
  return others.length > 0 ? `; where ${others.join(" or ")}, it restarts once its jobs have ended` : "";
}

const dynamic = "pulumi-nodejs:dynamic/pi-runners:";

/** What GitLab shows of runners afterwards; undefined for resources of another kind. */
export function inGitlab({ type, operation, name, before }: Change): Consequence[] | undefined {
  const runner = `\`${name}\``;
  switch (type) {
    case `${dynamic}GitlabRunner`: {
      const taken = before?.inputs?.["adopt"] !== undefined;
      if (operation === "create") {
        return [consequence("register", name, `runner ${runner} is created in GitLab, or taken over there`, false)];
      }
      const ends = taken
        ? `runner ${runner} stays in GitLab, as it was there before this stack`
        : `runner ${runner} is deleted in GitLab, once its jobs have ended${operation === "replace" ? ", and another one is created" : ""}`;
      return operation === "update" ? [] : [consequence("unregister", name, ends, !taken)];
    }
    case `${dynamic}RegisteredRunner`:
      return operation === "delete" || operation === "replace"
        ? [
            consequence(
              "unregister",
              name,
              `runner ${runner} is unregistered in GitLab${operation === "replace" ? ", as another one has taken its place" : ""}`,
            ),
          ]
        : operation === "create"
          ? [consequence("register", name, `runner ${runner} is registered in GitLab`, false)]
          : [];
    case `${dynamic}GitlabToken`:
      return operation === "replace" || operation === "update"
        ? [consequence("reload", name, `runner ${runner} gets a new token from GitLab; jobs go on`, false)]
        : [];
    case `${dynamic}VerifiedToken`:
      return [];
    default:
      return undefined;
  }
}
