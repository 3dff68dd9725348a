/**
 * To import where Pulumi's programs run in the process of the tests: gRPC keeps connections by address for the whole of a
 * process, so that, where an engine has the port of one that has ended, a call may fail without an attempt, by "No connection
 * established. Last error: null". With this, each program has its own.
 */
import * as settings from "@pulumi/pulumi/runtime/settings.js";

const { grpcClientOptions } = settings as unknown as { grpcClientOptions: Record<string, unknown> };
grpcClientOptions["grpc.use_local_subchannel_pool"] = 1;
