// Whether Terraform can use a private key's file: looked at where it is on this machine, which may not be the one that
// runs Terraform.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

/** How much of a file is read, in bytes: more than any private key has. */
const ENOUGH = 32768;

const AGENT = "leave it out and use the SSH agent";
const FILE = `give the private key's file, or ${AGENT}`;

/** What is wrong with a private key's file, as the end of a sentence; undefined when nothing is seen. */
export function keyFileProblem(file: string): string | undefined {
  if (file.endsWith(".pub")) return `is a public key; ${FILE}`;
  const content = readable(localPath(file));
  if (content === undefined) return undefined;
  if (content === DIRECTORY) return `is a directory; ${FILE}`;
  if (/^(ssh|ecdsa|sk)-[\w@.-]+ AAAA/.test(content) || /^-----BEGIN [A-Z0-9 ]*PUBLIC KEY-----/m.test(content)) {
    return `is a public key; ${FILE}`;
  }
  const pem = /(?:^|\n)-----BEGIN ([A-Z ]*)PRIVATE KEY-----([^]*)/.exec(content);
  if (!pem) return `is not a private key that Terraform reads; ${FILE}`;
  return isLocked(pem[1].trim(), pem[2]) ? `has a passphrase, which Terraform cannot ask for; ${AGENT}` : undefined;
}

/** The path with the home directory in the place of `~`. */
export function localPath(file: string): string {
  return file.replace(/^~(?=\/)/, os.homedir());
}

function isLocked(kind: string, body: string): boolean {
  if (kind === "ENCRYPTED" || /^Proc-Type:.*ENCRYPTED/m.test(body)) return true;
  if (kind !== "OPENSSH") return false;
  // "openssh-key-v1", a zero byte, and the cipher's name with its length.
  const blob = Buffer.from(body, "base64");
  return (
    blob.subarray(0, 14).toString("latin1") === "openssh-key-v1" &&
    blob.subarray(15, 23).toString("latin1") !== "\0\0\0\x04none"
  );
}

const DIRECTORY = Symbol("directory");

/** A file's beginning as text; undefined where this machine has no such file, or does not show it. */
function readable(file: string): string | typeof DIRECTORY | undefined {
  try {
    const is = fs.statSync(path.normalize(file));
    if (is.isDirectory()) return DIRECTORY;
    if (!is.isFile()) return undefined;
    const descriptor = fs.openSync(file, "r");
    try {
      const bytes = Buffer.alloc(Math.min(is.size, ENOUGH));
      return bytes.subarray(0, fs.readSync(descriptor, bytes)).toString("latin1");
    } finally {
      fs.closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
}
