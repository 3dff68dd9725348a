import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";

/** What a setting says about itself beyond its type; the reference, Pulumi.yaml and the JSON Schema are made of it. */
interface SettingMeta {
  /** What it means, its unit included. Markdown. */
  description: string;
  /** The default in words, where it is no literal that `.default()` could hold: `by size`. */
  defaultText?: string;
  /** True: never to stand in a stack file in plain text. */
  secret?: boolean;
}

/** Says what a setting means. What is said of the setting itself wins over what is said of its type. */
export function about<T extends z.ZodType>(setting: T, meta: SettingMeta | string): T {
  return setting.meta({ ...(typeof meta === "string" ? { description: meta } : meta) });
}

/** What a setting, or a type below its `optional()` and `default()`, says about itself. */
export function metaOf(schema: z.ZodType): Partial<SettingMeta> {
  const own = (schema.meta() ?? {}) as Partial<SettingMeta>;
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault
    ? { ...metaOf(schema.unwrap() as z.ZodType), ...own }
    : own;
}

/** The type of a setting without `optional()` and `default()`. */
export function bare(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodOptional || at instanceof z.ZodDefault) {
    at = at.unwrap();
  }
  return at;
}

/** A kind of object where there may be one of several. */
export interface UnionKind {
  /** The words of the discriminating key by which it is known. */
  words: string[];
  object: z.ZodObject;
}

/** The kinds of object of a union; each has an enum for its discriminating key. */
export function unionKinds({ def, options }: z.ZodDiscriminatedUnion): UnionKind[] {
  return (options as z.ZodObject[]).map((object) => {
    const words = object.shape[def.discriminator] as z.ZodEnum;
    return { object, words: words.options.map(String) };
  });
}

type WithoutDefaults<S extends z.ZodRawShape> = {
  [K in keyof S]: S[K] extends z.ZodDefault<infer T> ? z.ZodOptional<T> : S[K];
};

/** The same settings with nothing filled in, for a place where what is left out may still be said elsewhere. */
export function withoutDefaults<S extends z.ZodRawShape>(shape: S): WithoutDefaults<S> {
  const entries = Object.entries(shape).map(([key, setting]) => [
    key,
    setting instanceof z.ZodDefault
      ? (setting.unwrap() as z.ZodType).optional().meta({ defaultText: defaultInWords(setting), ...setting.meta() })
      : setting,
  ]);
  return Object.fromEntries(entries) as WithoutDefaults<S>;
}

/** The default that a setting itself holds, as Markdown. */
export function defaultInWords(setting: z.ZodDefault): string {
  const value = setting.parse(undefined) as unknown;
  const isEmpty = typeof value === "object" && value !== null && Object.keys(value).length === 0;
  return isEmpty ? "none" : `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

/** The same settings where others stand for what is left out: `defaultText` says which. */
export function inherited<S extends z.ZodRawShape>(shape: S, defaultText: string): S {
  const entries = Object.entries(shape).map(([key, setting]) => {
    const type = setting as z.ZodType;
    // Not a copy of the setting itself: the JSON Schema would refer to that, and editors show its description.
    const own = type instanceof z.ZodOptional ? (type.unwrap() as z.ZodType).optional() : type;
    return [key, own.meta({ ...metaOf(type), defaultText })];
  });
  return Object.fromEntries(entries) as S;
}

/** The same value where each part of it may be known only later, as arguments of a component may be. */
export type Inputs<T> = T extends Date
  ? T
  : T extends readonly (infer E)[]
    ? pulumi.Input<Inputs<E>>[]
    : T extends object
      ? { [K in keyof T]: pulumi.Input<Inputs<T[K]>> }
      : T;

/**
 * Settings of a component as its arguments: what need not be known when the program runs may also be an output of another
 * resource.
 */
export type Arguments<S extends z.ZodRawShape, Late extends keyof z.infer<z.ZodObject<S>> = never> = Omit<
  z.infer<z.ZodObject<S>>,
  Late
> & {
  [K in keyof Pick<z.infer<z.ZodObject<S>>, Late>]: pulumi.Input<NonNullable<z.infer<z.ZodObject<S>>[K]>>;
};

/** A text that is not empty. */
export const text = z.string().min(1);

/** Texts by name. */
export const table = z.record(z.string(), z.string());

/** A TCP port. */
export const port = z.int().min(1).max(65535);

/** A setting that may be left out. */
export function optional<T extends z.ZodType>(type: T, meta: SettingMeta): z.ZodOptional<T> {
  return about(type.optional(), meta);
}

/** A text that must be encrypted in the stack file, and is a secret in the state. */
export function secret(description: string, defaultText = "none"): z.ZodOptional<z.ZodString> {
  return about(text.optional(), { description, defaultText, secret: true });
}
