import type { PodSecurity } from "../../namespace/runnerNamespace";
import { ownKubernetes, type KubernetesRunnerSettings, type KubernetesSection } from "./settings";

type ContainerContext = NonNullable<KubernetesSection["build_container_security_context"]>;

/** Capabilities that level `baseline` lets a container add: those that container runtimes give anyway. */
const baselineCapabilities = [
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
];

/**
 * The strictest of the Pod Security Standards that a runner's pods meet. The manager meets `restricted`. Jobs build as root of
 * their container, and with setuid programs: that is `baseline`. Beyond it is only what `config` asks for, and a folder of the
 * node for layers.
 */
export function podSecurity(settings: Pick<KubernetesRunnerSettings, "config" | "buildCache">): PodSecurity {
  const meets = settings.buildCache === undefined && beyondBaseline(ownKubernetes(settings)).length === 0;
  return meets ? "baseline" : "privileged";
}

/** The settings that level `baseline` would refuse a pod for, as paths below `[runners.kubernetes]`. */
function beyondBaseline(section: KubernetesSection): string[] {
  const containers = Object.entries({
    build_container_security_context: section.build_container_security_context,
    helper_container_security_context: section.helper_container_security_context,
    init_permissions_container_security_context: section.init_permissions_container_security_context,
    service_container_security_context: section.service_container_security_context,
    pod_security_context: section.pod_security_context,
  }).filter(([, context]) => context !== undefined && isBeyond(context as ContainerContext));
  const found: [string, boolean][] = [
    ["privileged", section.privileged === true],
    ["cap_add", hasMore(section.cap_add)],
    ["volumes.host_path", (section.volumes?.host_path ?? []).length > 0],
    // May say anything; nobody can tell.
    ["pod_spec", (section.pod_spec ?? []).length > 0],
  ];
  return [...found.filter(([, is]) => is), ...containers].map(([key]) => key);
}

function isBeyond(context: ContainerContext): boolean {
  return (
    context.privileged === true ||
    hasMore(context.capabilities?.add) ||
    context.seccomp_profile?.type === "Unconfined" ||
    context.app_armor_profile?.type === "Unconfined" ||
    (context.proc_mount ?? "Default") !== "Default" ||
    !["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"].includes(
      context.selinux_type ?? "",
    )
  );
}

const hasMore = (added: string[] | undefined): boolean =>
  (added ?? []).some((name) => !baselineCapabilities.includes(name.replace(/^CAP_/, "")));
