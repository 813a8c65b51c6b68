/** The building blocks of the generated parser: each check reads its value no deeper than its type. */
import type { EdgeToClient } from "./protocol.gen";

export type Check = (value: unknown) => boolean;
/** A check of every field, including optional ones. */
export type Shape<T> = { readonly [K in keyof T]-?: Check };
export type Frames = { readonly [M in EdgeToClient as M["type"]]: Shape<Omit<M, "type">> };

export const text: Check = (value) => typeof value === "string";
export const number: Check = (value) => typeof value === "number";
export const flag: Check = (value) => typeof value === "boolean";
export const orNull = (check: Check): Check => (value) => value === null || check(value);
export const orAbsent = (check: Check): Check => (value) => value === undefined || check(value);
export const list = (check: Check): Check => (value) => Array.isArray(value) && value.every(check);
export const map = (check: Check): Check => (value) => isObject(value) && Object.values(value).every(check);
export const object = <T>(shape: Shape<T>): Check => {
  const checks = Object.entries<Check>(shape);
  return (value) => isObject(value) && checks.every(([key, check]) => check(value[key]));
};

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
