// Where a box gets the packages that the connection needs.
import { Precondition } from "cdktf";
import { matches, tokenized } from "../expressions";
import { Findings } from "../findings";
import { having, isStandIn } from "../guard";
import { isLiteral } from "../structural";

/** Of the directory's path; install.sh refuses any other too. */
const DIRECTORY_FORM = "^/[A-Za-z0-9._/-]+$";

/**
 * Where a box gets the packages that it lacks: strongSwan (`charon-systemd`, `strongswan-swanctl` and
 * `libstrongswan-standard-plugins`, on EL9 `strongswan`), `nftables` and `python3`, with BGP `bird2` (on EL9 `bird`) and
 * with two boxes `keepalived`. Nothing is ever downloaded from anywhere but the box's own package sources.
 */
export class BoxPackages {
  /** By apt or dnf from the sources that the box has. */
  static fromRepositories(): BoxPackages {
    return new BoxPackages(true);
  }

  /**
   * From files on the box, by apt or dnf without any other source: for boxes that reach no mirror. It holds the packages
   * and what they depend on, beyond what the box has; apt takes what is needed, dnf all of it.
   *
   * @param path absolute path of a directory on the box. Nobody but root may be able to change it, the directories
   *   above it, or a package in it
   */
  static fromDirectory(path: string): BoxPackages {
    return new BoxPackages(true, typeof path === "string" ? tokenized(path) : path);
  }

  /** By you, before the first deploy: nothing is installed, and a box that lacks one is refused. */
  static provided(): BoxPackages {
    return new BoxPackages(false);
  }

  private constructor(
    /** Whether packages that are missing are installed. */
    readonly install: boolean,
    /** Where they come from; undefined for the box's own sources. */
    readonly directory?: string,
  ) {}
}

/** As install.sh reads it; undefined where that goes without saying. */
export function packageSource({ install, directory }: BoxPackages): string | undefined {
  return install ? directory : "none";
}

/** A BoxPackages, as a construct's option. */
export const PACKAGES = having<BoxPackages>(
  "a BoxPackages, for example BoxPackages.fromRepositories()",
  ["install"],
  () => BoxPackages.fromRepositories(),
);

/** Checks the directory's path. */
export function checkPackages(packages: BoxPackages | undefined, findings: Findings): void {
  const directory = packages?.directory;
  if (directory !== undefined && isLiteral(directory) && !new RegExp(DIRECTORY_FORM).test(directory)) {
    findings.error(
      `packages: "${directory}" is not an absolute path of letters, digits and . _ - /; write it as /root/packages.`,
    );
  }
}

/** What of the path only Terraform can check. */
export function packagesPreconditions(packages: BoxPackages | undefined, name: string): Precondition[] {
  const directory = packages?.directory;
  if (directory === undefined || isLiteral(directory) || isStandIn(directory)) return [];
  return [
    {
      condition: matches(DIRECTORY_FORM, directory),
      errorMessage: `packages of ${name} is not an absolute path of letters, digits and . _ - /; write it as /root/packages.`,
    },
  ];
}
