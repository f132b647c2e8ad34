import type { ProblemResult, UnreachableResult } from "./api.js";
import { SignetError } from "./errors.js";
import { isObject } from "./jwt.js";

const MAX_TEXT_LENGTH = 300;
const MAX_FIELD_ERRORS = 3;

/** Creates the error of an operation: `failed` is what failed, such as `the license key was not activated`. */
export function requestError(failed: string, outcome: ProblemResult | UnreachableResult): SignetError {
  const code = outcome.kind === "problem" ? outcome.code : "unreachable";
  const cause = outcome.kind === "problem" ? undefined : outcome.cause;
  return new SignetError(code, `${failed}: ${explain(outcome)}`, cause && { cause });
}

/** Returns why a request did not succeed, in one line. */
export function explain(outcome: ProblemResult | UnreachableResult): string {
  if (outcome.kind === "problem") return outcome.explanation;
  return outcome.cause ? singleLine(outcome.cause.message) : outcome.reason;
}

/** Returns the detail of a problem, or its code, and the first of the fields that are not valid. */
export function explainProblem(code: string, problem: Record<string, unknown>): string {
  const detail = typeof problem.detail === "string" ? problem.detail : code;
  const errors = (Array.isArray(problem.errors) ? problem.errors : []).filter(isFieldError).slice(0, MAX_FIELD_ERRORS);
  const fields = errors.map(({ pointer, detail }) => `${singleLine(pointer)}: ${singleLine(detail)}`);
  return [singleLine(detail), ...fields].join("; ");
}

function isFieldError(value: unknown): value is { pointer: string; detail: string } {
  return isObject(value) && typeof value.pointer === "string" && typeof value.detail === "string";
}

function singleLine(text: string): string {
  return [...text.slice(0, 2 * MAX_TEXT_LENGTH)]
    .slice(0, MAX_TEXT_LENGTH)
    .join("")
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, " ");
}
