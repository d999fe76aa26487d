// synth(app): what an app calls in place of `app.synth()`, so that a wrong input is told in one sentence each,
// all of them together, with no stack trace.
import { AnnotationMetadataEntryType, App } from "cdktf";
import { IConstruct } from "constructs";

/**
 * Checks every construct of the app and synthesizes it, or prints what is wrong to standard error, one line for each
 * problem, and sets the exit status to 1. Warnings are printed in both cases.
 *
 * @param app the app to synthesize
 */
export function synth(app: App): void {
  const constructs = app.node.findAll();
  for (const { path, message } of annotations(constructs, AnnotationMetadataEntryType.WARN)) {
    console.error(`Warning: ${line(path, message)}`);
  }
  const problems = [
    ...constructs.flatMap((construct) =>
      construct.node.validate().map((message) => ({ path: construct.node.path, message })),
    ),
    ...annotations(constructs, AnnotationMetadataEntryType.ERROR),
  ];
  if (problems.length === 0) {
    app.synth();
    return;
  }
  for (const { path, message } of problems) console.error(`Error: ${line(path, message)}`);
  process.exitCode = 1;
}

interface Note {
  readonly path: string;
  readonly message: string;
}

function annotations(constructs: readonly IConstruct[], level: AnnotationMetadataEntryType): Note[] {
  return constructs.flatMap((construct) =>
    construct.node.metadata
      .filter((entry) => (entry.type as AnnotationMetadataEntryType) === level)
      .map((entry) => ({ path: construct.node.path, message: String(entry.data) })),
  );
}

function line(path: string, message: string): string {
  const sentence = message.replace(/\s+/g, " ").trim();
  return path === "" ? sentence : `${path}: ${sentence}`;
}
