import { z } from "zod";
import { service } from "./docker";
import { kubernetesAffinity } from "./kubernetesAffinity";
import { kubernetesVolumes } from "./kubernetesVolumes";
import { autoscalerPolicy } from "./machines";
import { duration, pullPolicies, pullPolicy, secret } from "./values";

const kubernetesSeccompProfile = z
  .strictObject({
    type: z.string(),
    localhost_profile: z.string(),
  })
  .partial();

const kubernetesAppArmorProfile = z
  .strictObject({
    type: z.string(),
    localhost_profile: z.string(),
  })
  .partial();

const kubernetesPodSecurityContext = z
  .strictObject({
    fs_group: z.int(),
    run_as_group: z.int(),
    run_as_non_root: z.boolean(),
    run_as_user: z.int(),
    supplemental_groups: z.array(z.int()),
    selinux_type: z.string(),
    seccomp_profile: kubernetesSeccompProfile,
    app_armor_profile: kubernetesAppArmorProfile,
  })
  .partial();

const kubernetesContainerCapabilities = z
  .strictObject({
    add: z.array(z.string()),
    drop: z.array(z.string()),
  })
  .partial();

const kubernetesContainerSecurityContext = z
  .strictObject({
    capabilities: kubernetesContainerCapabilities,
    privileged: z.boolean(),
    run_as_user: z.int(),
    run_as_group: z.int(),
    run_as_non_root: z.boolean(),
    read_only_root_filesystem: z.boolean(),
    allow_privilege_escalation: z.boolean(),
    selinux_type: z.string(),
    proc_mount: z.string(),
    seccomp_profile: kubernetesSeccompProfile,
    app_armor_profile: kubernetesAppArmorProfile,
  })
  .partial();

const kubernetesHostAliases = z
  .strictObject({
    ip: z.string(),
    hostnames: z.array(z.string()),
  })
  .partial();

const kubernetesDNSConfigOption = z
  .strictObject({
    name: z.string(),
    value: z.string(),
  })
  .partial();

const kubernetesDNS = z
  .strictObject({
    nameservers: z.array(z.string()),
    options: z.array(kubernetesDNSConfigOption),
    searches: z.array(z.string()),
  })
  .partial();

const kubernetesLifecycleExecAction = z
  .strictObject({
    command: z.array(z.string()),
  })
  .partial();

const kubernetesLifecycleHTTPGetHeader = z
  .strictObject({
    name: z.string(),
    value: z.string(),
  })
  .partial();

const kubernetesLifecycleHTTPGet = z
  .strictObject({
    host: z.string(),
    http_headers: z.array(kubernetesLifecycleHTTPGetHeader),
    path: z.string(),
    port: z.int(),
    scheme: z.string(),
  })
  .partial();

const kubernetesLifecycleTCPSocket = z
  .strictObject({
    host: z.string(),
    port: z.int(),
  })
  .partial();

const kubernetesLifecycleHandler = z
  .strictObject({
    exec: kubernetesLifecycleExecAction,
    http_get: kubernetesLifecycleHTTPGet,
    tcp_socket: kubernetesLifecycleTCPSocket,
  })
  .partial();

const kubernetesContainerLifecycle = z
  .strictObject({
    post_start: kubernetesLifecycleHandler,
    pre_stop: kubernetesLifecycleHandler,
  })
  .partial();

const kubernetesPodSpec = z
  .strictObject({
    name: z.string(),
    patch_path: z.string(),
    patch: z.string(),
    patch_type: z.enum(["json", "merge", "strategic"]),
  })
  .partial();

const kubernetesAutoscaler = z
  .strictObject({
    max_pause_pods: z.int(),
    pause_pod_image: z.string(),
    pause_pod_priority_class_name: z.string(),
    policy: z.array(autoscalerPolicy),
    pause_pod_image_pull_secrets: z.array(z.string()),
  })
  .partial();

/** `[runners.kubernetes]`. */
export const kubernetes = z
  .strictObject({
    host: z.string(),
    context: z.string(),
    cert_file: z.string(),
    key_file: z.string(),
    ca_file: z.string(),
    bearer_token_overwrite_allowed: z.boolean(),
    bearer_token: secret,
    image: z.string(),
    namespace: z.string(),
    namespace_overwrite_allowed: z.string(),
    namespace_per_job: z.boolean(),
    privileged: z.boolean(),
    runtime_class_name: z.string(),
    allow_privilege_escalation: z.boolean(),
    cpu_limit: z.string(),
    cpu_limit_overwrite_max_allowed: z.string(),
    cpu_request: z.string(),
    cpu_request_overwrite_max_allowed: z.string(),
    memory_limit: z.string(),
    memory_limit_overwrite_max_allowed: z.string(),
    memory_request: z.string(),
    memory_request_overwrite_max_allowed: z.string(),
    ephemeral_storage_limit: z.string(),
    ephemeral_storage_limit_overwrite_max_allowed: z.string(),
    ephemeral_storage_request: z.string(),
    ephemeral_storage_request_overwrite_max_allowed: z.string(),
    service_cpu_limit: z.string(),
    service_cpu_limit_overwrite_max_allowed: z.string(),
    service_cpu_request: z.string(),
    service_cpu_request_overwrite_max_allowed: z.string(),
    service_memory_limit: z.string(),
    service_memory_limit_overwrite_max_allowed: z.string(),
    service_memory_request: z.string(),
    service_memory_request_overwrite_max_allowed: z.string(),
    service_ephemeral_storage_limit: z.string(),
    service_ephemeral_storage_limit_overwrite_max_allowed: z.string(),
    service_ephemeral_storage_request: z.string(),
    service_ephemeral_storage_request_overwrite_max_allowed: z.string(),
    helper_cpu_limit: z.string(),
    helper_cpu_limit_overwrite_max_allowed: z.string(),
    helper_cpu_request: z.string(),
    helper_cpu_request_overwrite_max_allowed: z.string(),
    helper_memory_limit: z.string(),
    helper_memory_limit_overwrite_max_allowed: z.string(),
    helper_memory_request: z.string(),
    helper_memory_request_overwrite_max_allowed: z.string(),
    helper_ephemeral_storage_limit: z.string(),
    helper_ephemeral_storage_limit_overwrite_max_allowed: z.string(),
    helper_ephemeral_storage_request: z.string(),
    helper_ephemeral_storage_request_overwrite_max_allowed: z.string(),
    pod_cpu_limit: z.string(),
    pod_cpu_limit_overwrite_max_allowed: z.string(),
    pod_cpu_request: z.string(),
    pod_cpu_request_overwrite_max_allowed: z.string(),
    pod_memory_limit: z.string(),
    pod_memory_limit_overwrite_max_allowed: z.string(),
    pod_memory_request: z.string(),
    pod_memory_request_overwrite_max_allowed: z.string(),
    allowed_images: z.array(z.string()),
    allowed_pull_policies: z.array(pullPolicy),
    allowed_services: z.array(z.string()),
    allowed_users: z.array(z.string()),
    allowed_groups: z.array(z.string()),
    pull_policy: pullPolicies,
    node_selector: z.record(z.string(), z.string()),
    node_selector_overwrite_allowed: z.string(),
    node_tolerations: z.record(z.string(), z.string()),
    node_tolerations_overwrite_allowed: z.string(),
    affinity: kubernetesAffinity,
    image_pull_secrets: z.array(z.string()),
    use_service_account_image_pull_secrets: z.boolean(),
    helper_image: z.string(),
    helper_image_flavor: z.string(),
    helper_image_autoset_arch_and_os: z.boolean(),
    pod_termination_grace_period_seconds: z.int(),
    cleanup_grace_period_seconds: z.int(),
    cleanup_resources_timeout: duration,
    poll_interval: z.int(),
    poll_timeout: z.int(),
    resource_availability_check_max_attempts: z.int(),
    retry_limit: z.int(),
    retry_backoff_max: z.int(),
    retry_limits: z.record(z.string(), z.int()),
    pod_labels: z.record(z.string(), z.string()),
    pod_labels_overwrite_allowed: z.string(),
    scheduler_name: z.string(),
    service_account: z.string(),
    service_account_overwrite_allowed: z.string(),
    automount_service_account_token: z.boolean(),
    pod_annotations: z.record(z.string(), z.string()),
    pod_annotations_overwrite_allowed: z.string(),
    pod_security_context: kubernetesPodSecurityContext,
    init_permissions_container_security_context: kubernetesContainerSecurityContext,
    build_container_security_context: kubernetesContainerSecurityContext,
    helper_container_security_context: kubernetesContainerSecurityContext,
    service_container_security_context: kubernetesContainerSecurityContext,
    volumes: kubernetesVolumes,
    host_aliases: z.array(kubernetesHostAliases),
    services: z.array(service),
    cap_add: z.array(z.string()),
    cap_drop: z.array(z.string()),
    suspend_pvc_size: z.string(),
    suspend_pvc_storage_class: z.string(),
    dns_policy: z.string(),
    dns_config: kubernetesDNS,
    container_lifecycle: kubernetesContainerLifecycle,
    priority_class_name: z.string(),
    pod_spec: z.array(kubernetesPodSpec),
    logs_base_dir: z.string(),
    scripts_base_dir: z.string(),
    print_pod_warning_events: z.boolean(),
    pod_disruption_budget: z.boolean(),
    autoscaler: kubernetesAutoscaler,
  })
  .partial();
