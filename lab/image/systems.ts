// The systems that the lab's box can be. The world around it is always the same one.

/** A distribution's release as a guest. */
export interface System {
  /** As people say it. */
  readonly name: string;
  /** The release's suite in Debian's archive; `-updates` and `-security` are appended to it. */
  readonly codename: string;
  /** What installs packages on it. */
  readonly manager: "apt" | "dnf";
  /** What its kernel is told besides what every machine's is. @default nothing */
  readonly kernelArguments?: string;
}

export const SYSTEMS = {
  "debian-12": { name: "Debian 12", codename: "bookworm", manager: "apt" },
  "debian-13": { name: "Debian 13", codename: "trixie", manager: "apt" },
  // Debian 12 that an installer finds to be as EL9 (el9-like.sh).
  "el9-like": { name: "EL9-like", codename: "bookworm", manager: "dnf", kernelArguments: "security=selinux" },
} as const satisfies Record<string, System>;

export type SystemId = keyof typeof SYSTEMS;

/** What the world runs, and a box of which nothing else is said. */
export const USUAL_SYSTEM: SystemId = "debian-12";

const EITHER = new Intl.ListFormat("en-GB", { type: "disjunction" });

/** Names the system of all labs of a process that do not name one in code. */
export const SYSTEM_VARIABLE = "DUAL_TUNNEL_VPN_LAB_SYSTEM";

/**
 * The box's system of labs that name none.
 * @throws when the environment variable names a system that there is not
 */
export function systemOfEnvironment(value = process.env[SYSTEM_VARIABLE]): SystemId {
  if (!value) return USUAL_SYSTEM;
  if (Object.hasOwn(SYSTEMS, value)) return value as SystemId;
  throw new Error(
    `${SYSTEM_VARIABLE} is "${value}", which the lab has no box of: set it to ${EITHER.format(systemIds())}.`,
  );
}

export const systemIds = (): SystemId[] => Object.keys(SYSTEMS) as SystemId[];
