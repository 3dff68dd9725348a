import { z } from "zod";
import { secret } from "./values";

const cacheS3 = z
  .strictObject({
    ServerAddress: z.string(),
    AccessKey: z.string(),
    SecretKey: secret,
    SessionToken: secret,
    BucketName: z.string(),
    BucketLocation: z.string(),
    Insecure: z.boolean(),
    AuthenticationType: z.string(),
    ServerSideEncryption: z.string(),
    ServerSideEncryptionKeyID: z.string(),
    DualStack: z.boolean(),
    PathStyle: z.boolean(),
    Accelerate: z.boolean(),
    RoleARN: z.string(),
    UploadRoleARN: z.string(),
    AssumeRoleMaxConcurrency: z.int(),
    DisableAssumeRoleCredentialsCaching: z.boolean(),
  })
  .partial();

const cacheGCS = z
  .strictObject({
    AccessID: z.string(),
    PrivateKey: secret,
    CredentialsFile: z.string(),
    BucketName: z.string(),
    UniverseDomain: z.string(),
  })
  .partial();

const cacheAzure = z
  .strictObject({
    AccountName: z.string(),
    AccountKey: secret,
    ContainerName: z.string(),
    StorageDomain: z.string(),
  })
  .partial();

/** `[runners.cache]`. */
export const cache = z
  .strictObject({
    Type: z.string(),
    Path: z.string(),
    Shared: z.boolean(),
    MaxUploadedArchiveSize: z.int(),
    s3: cacheS3,
    gcs: cacheGCS,
    azure: cacheAzure,
  })
  .partial();
