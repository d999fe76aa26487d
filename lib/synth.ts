// synth(app): what an app calls in place of `app.synth()`, so that a wrong input is told in one sentence each,
// all of them together, with no stack trace.
import { AnnotationMetadataEntryType, App } from "cdktf";
import { Construct, IConstruct } from "constructs";

// Set by the cdktf program for the app that it runs; after a success it shows warnings of its own accord.
const UNDER_CDKTF = process.env.CDKTF_CONTINUE_SYNTH_ON_ERROR_ANNOTATIONS !== undefined;

const OTHER_CDKTF =
  "the app is made with another copy of CDKTF than the one that this library imports as cdktf; have one only, and cdktn " +
  "under the name cdktf, as node_modules/cdktf-alicloud-dual-tunnel-vpn/docs/guides/cdktn.md says.";

/**
 * Synthesizes the app, or prints what is wrong with it, one line for each problem, and sets the exit status to 1.
 * Warnings are printed in both cases.
 *
 * @param app the app to synthesize, an `App`
 * @throws what `app.synth()` throws when no check and no annotation explains it
 */
export function synth(app: Construct & Pick<App, "synth">): void {
  let failure: { readonly error: unknown } | undefined;
  try {
    // It runs every check, and stops at the first stack with a problem.
    app.synth();
  } catch (error) {
    failure = { error };
  }
  const constructs = app.node.findAll();
  const problems = failure ? validations(constructs) : [];
  problems.push(...annotations(constructs, AnnotationMetadataEntryType.ERROR));
  if (failure && problems.length === 0) {
    if (app instanceof App) throw failure.error;
    problems.push({ path: "", message: OTHER_CDKTF });
  }

  const warnings = annotations(constructs, AnnotationMetadataEntryType.WARN).map((note) => `Warning: ${line(note)}`);
  if (problems.length > 0 || !UNDER_CDKTF) print(warnings);
  if (problems.length === 0) return;
  print(problems.map((note) => `Error: ${line(note)}`));
  process.exitCode = 1;
}

/** To standard error; the cdktf program stamps each line of that with a date and its logger, and leaves standard output as it is. */
function print(lines: readonly string[]): void {
  for (const text of lines) (UNDER_CDKTF ? console.log : console.error)(text);
}

interface Note {
  readonly path: string;
  readonly message: string;
}

function validations(constructs: readonly IConstruct[]): Note[] {
  return constructs.flatMap((construct) =>
    construct.node.validate().map((message) => ({ path: construct.node.path, message })),
  );
}

function annotations(constructs: readonly IConstruct[], level: AnnotationMetadataEntryType): Note[] {
  return constructs.flatMap((construct) =>
    construct.node.metadata
      .filter((entry) => (entry.type as AnnotationMetadataEntryType) === level)
      .map((entry) => ({ path: construct.node.path, message: String(entry.data) })),
  );
}

function line({ path, message }: Note): string {
  const sentence = message.replace(/\s+/g, " ").trim();
  return path === "" ? sentence : `${path}: ${sentence}`;
}
