import { certificateError } from "../../certificate";
import type { InputError } from "../../inputErrors";
import { schemaErrors } from "../../schemaErrors";
import { nameErrors, oneError, sectionErrors, urlError } from "../errors";
import { proxyErrors } from "../proxy";
import { fileError, isAddress } from "./places";
import { shellRunnerSettings, type ShellRunnerSettings } from "./settings";

/** Names of users as useradd takes them. */
const userName = /^[a-z_][a-z0-9_-]{0,30}$/;

/** The settings of a runner with their defaults, or everything that is wrong with them; of stack files and of programs. */
export function checkShellRunner(given: unknown): { settings?: ShellRunnerSettings; errors: InputError[] } {
  const parsed = shellRunnerSettings.safeParse(given);
  if (!parsed.success) {
    return { errors: schemaErrors(shellRunnerSettings, parsed.error.issues, given) };
  }
  const settings = parsed.data;
  const errors = [
    ...oneError("url", urlError(settings.url)),
    ...oneError("serverCa", settings.serverCa === undefined ? undefined : certificateError(settings.serverCa)),
    ...shellRunnerErrors(settings),
  ];
  return { settings, errors };
}

/** What is wrong with the settings that are a runner's own. */
export function shellRunnerErrors(settings: ShellRunnerSettings): InputError[] {
  return [
    ...nameErrors(settings.name, 40, "runner's service"),
    ...oneError("name", ownUnitError(settings.name)),
    ...oneError("user", userError(settings.user)),
    ...installErrors(settings),
    ...proxyErrors(settings),
    ...configErrors(settings),
    ...sectionErrors(settings, "shell"),
  ];
}

/** hosts/program/core/packages.py has units of such names. */
function ownUnitError(name: string): string | undefined {
  return /^(install|remove)-/.test(name)
    ? `"${name}" would be the service of an installation (pi-runners-install-…); give a name that does not begin with install- or remove-`
    : undefined;
}

function userError(user: string): string | undefined {
  if (user === "root") {
    return "jobs of root own the host without any way to tell them from it; give a user of their own, such as gitlab-runner";
  }
  return userName.test(user)
    ? undefined
    : `"${user}" is no user name; use lower-case letters, digits, hyphens and underscores, a letter first`;
}

function installErrors({ binary, sha256, packageVersion }: ShellRunnerSettings): InputError[] {
  const errors: InputError[] = [];
  if (binary !== undefined && isAddress(binary) && sha256 === undefined) {
    errors.push({
      propertyPath: "sha256",
      reason: "is missing; what comes from an address is only installed with its checksum (sha256sum FILE)",
    });
  }
  if (binary !== undefined && !isAddress(binary) && sha256 === undefined) {
    const reason = fileError(binary);
    errors.push(...(reason === undefined ? [] : [{ propertyPath: "binary", reason }]));
  }
  if (sha256 !== undefined && binary === undefined) {
    errors.push({
      propertyPath: "sha256",
      reason: "belongs to a binary, and none is given; give binary, or leave it out",
    });
  }
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    errors.push({
      propertyPath: "sha256",
      reason: `"${sha256}" is no SHA-256 checksum; give 64 digits of 0-9 and a-f`,
    });
  }
  if (binary !== undefined && isAddress(binary) && !binary.startsWith("https://") && !binary.startsWith("http://")) {
    errors.push({
      propertyPath: "binary",
      reason: `"${binary}" is neither http:// nor https://; give such an address, or a path`,
    });
  }
  if (packageVersion !== undefined && binary !== undefined) {
    errors.push({
      propertyPath: "packageVersion",
      reason: "belongs to the package, and a binary is given; give one of the two",
    });
  }
  if (packageVersion !== undefined && !/^[A-Za-z0-9][A-Za-z0-9.+:~-]*$/.test(packageVersion)) {
    errors.push({
      propertyPath: "packageVersion",
      reason: `"${packageVersion}" is no version; see apt-cache policy gitlab-runner`,
    });
  }
  return errors;
}

/** Words of config.toml that have one place elsewhere. */
function configErrors({ config }: ShellRunnerSettings): InputError[] {
  const own = config?.runners?.[0] ?? {};
  const folders = (["builds_dir", "cache_dir"] as const).filter((key) => own[key] !== undefined);
  return [
    ...folders.map((key) => ({
      propertyPath: `config.runners[0].${key}`,
      reason: "is a folder of the runner's own, which is removed with it; leave it out",
    })),
    ...oneError("config.user", config?.user === undefined ? undefined : "has a setting of its own: user"),
  ];
}
