import type { ProblemResult, UnreachableResult } from "./api.js";
import { SignetError } from "./errors.js";
import { isObject } from "./jwt.js";
import type { RacedRefusal } from "./refusals.js";

const MAX_TEXT_LENGTH = 300;
const MAX_PRODUCT_LENGTH = 100;
/** A shorter text that a user typed in place of a license key may be a part of a word. */
const MIN_SECRET_LENGTH = 8;
export const UNSIGNED_KEY_SET = "key set is not signed by a root key of the configuration";
const MAX_FIELD_ERRORS = 3;

/** Creates the error of an operation: `failed` is what failed, such as `the license key was not activated`. */
export function requestError(failed: string, outcome: ProblemResult | UnreachableResult | RacedRefusal): SignetError {
  if (outcome.kind === "raced") return refusedError(failed, outcome.code);
  const code = outcome.kind === "problem" ? outcome.code : "unreachable";
  const cause = outcome.kind === "problem" ? undefined : outcome.cause;
  return new SignetError(code, `${failed}: ${explain(outcome)}`, cause && { cause });
}

/** Creates the error of an operation that a stored refusal prevents. */
export function refusedError(failed: string, code: string): SignetError {
  return new SignetError(code, `${failed}: the license was refused with ${code}`);
}

/** Returns why a request did not succeed, in one line for the message of an error. */
function explain(outcome: ProblemResult | UnreachableResult): string {
  if (outcome.kind === "problem") return outcome.explanation;
  return outcome.cause ? singleLine(outcome.cause.message) : explainReason(outcome);
}

/** Returns why a request did not succeed, in one line for `diagnose`. */
export function explainFailure(outcome: ProblemResult | UnreachableResult, redact: Redact): string {
  if (outcome.kind === "problem") return singleLine(redact(outcome.code));
  return outcome.cause ? `network: ${singleLine(outcome.cause.message)}` : explainReason(outcome);
}

function explainReason({ reason, isUnsigned }: UnreachableResult): string {
  return isUnsigned ? `${reason}: the ${UNSIGNED_KEY_SET}` : reason;
}

/** Returns the detail of a problem, or its code, and the first of the fields that are not valid. */
export function explainProblem(code: string, problem: Record<string, unknown>, redact: Redact): string {
  const show = (text: string) => singleLine(redact(text));
  const detail = typeof problem.detail === "string" ? problem.detail : code;
  const errors = (Array.isArray(problem.errors) ? problem.errors : []).filter(isFieldError).slice(0, MAX_FIELD_ERRORS);
  const fields = errors.map(({ pointer, detail }) => `${show(pointer)}: ${show(detail)}`);
  return [show(detail), ...fields].join("; ");
}

/** Replaces secrets in a text. */
export type Redact = (text: string) => string;

/** Returns a function that replaces each of the texts that is not null, and long enough to be a secret. */
export function redactor(texts: (string | null)[]): Redact {
  const secrets = texts.filter((text): text is string => text !== null && text.length >= MIN_SECRET_LENGTH);
  return (text) => secrets.reduce((shown, secret) => shown.replaceAll(secret, "…"), text);
}

/** Returns the code of a product for a message. It can be any text. */
export function quoteProduct(code: string): string {
  return `"${singleLine(code, MAX_PRODUCT_LENGTH)}"`;
}

function isFieldError(value: unknown): value is { pointer: string; detail: string } {
  return isObject(value) && typeof value.pointer === "string" && typeof value.detail === "string";
}

function singleLine(text: string, maxLength = MAX_TEXT_LENGTH): string {
  return [...text.slice(0, 2 * maxLength)]
    .slice(0, maxLength)
    .join("")
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, " ");
}
