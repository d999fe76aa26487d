// The IKE phase of a tunnel: what can be chosen, and how the choice reads in Alibaba's words and in strongSwan's.
import { bag, number, optional, Shape, text } from "../guard";
import {
  Choice,
  choiceProblems,
  choiceWarnings,
  DhGroup,
  Encryption,
  IkeMode,
  IkeVersion,
  Integrity,
  STRONGSWAN_ENCRYPTION,
  STRONGSWAN_GROUP,
  STRONGSWAN_INTEGRITY,
} from "./algorithms";
import { lifetimeProblems, LONGEST_LIFETIME, rekeyTimes } from "./lifetime";

/** The IKE phase of a tunnel. */
export interface IkeOptions {
  /**
   * Which IKE protocol both ends speak.
   * @default IkeVersion.V2
   */
  readonly version?: IkeVersion;
  /**
   * Only IKEv1 has a choice.
   * @default IkeMode.MAIN
   */
  readonly mode?: IkeMode;
  /**
   * Cipher that protects the negotiation itself.
   * @default Encryption.AES_256
   */
  readonly encryption?: Encryption;
  /**
   * Hash for integrity and for deriving keys (the API's `IkeAuthAlg`).
   * @default Integrity.SHA_256
   */
  readonly integrity?: Integrity;
  /**
   * Diffie-Hellman group of the first key exchange (the API's `IkePfs`).
   * @default DhGroup.GROUP_14
   */
  readonly dhGroup?: DhGroup;
  /**
   * Lifetime of the IKE_SA in seconds, 60 to 86400; the box rekeys at 80 to 90 % of it.
   * @default 86400
   */
  readonly lifetimeSeconds?: number;
}

const IKE_SHAPE: Shape<IkeOptions> = {
  version: optional(text<IkeVersion>("ikev2")),
  mode: optional(text<IkeMode>("main")),
  encryption: optional(text<Encryption>("aes256")),
  integrity: optional(text<Integrity>("sha256")),
  dhGroup: optional(text<DhGroup>("group14")),
  lifetimeSeconds: optional(number),
};

/** The IKE phase, as an option of a tunnel. */
export const IKE = bag(IKE_SHAPE, "an object of IkeOptions");

/** The IKE phase with every choice made. */
export class IkePhase implements Required<IkeOptions> {
  readonly version: IkeVersion;
  readonly mode: IkeMode;
  readonly encryption: Encryption;
  readonly integrity: Integrity;
  readonly dhGroup: DhGroup;
  readonly lifetimeSeconds: number;

  /**
   * Chooses.
   *
   * @param own options of one tunnel
   * @param common options of both, where the tunnel has none of its own
   */
  constructor(own: IkeOptions = {}, common: IkeOptions = {}) {
    this.version = own.version ?? common.version ?? IkeVersion.V2;
    this.mode = own.mode ?? common.mode ?? IkeMode.MAIN;
    this.encryption = own.encryption ?? common.encryption ?? Encryption.AES_256;
    this.integrity = own.integrity ?? common.integrity ?? Integrity.SHA_256;
    this.dhGroup = own.dhGroup ?? common.dhGroup ?? DhGroup.GROUP_14;
    this.lifetimeSeconds = own.lifetimeSeconds ?? common.lifetimeSeconds ?? LONGEST_LIFETIME;
  }

  /** Alibaba's words: the fields of the provider's `tunnel_ike_config`. */
  get alicloud() {
    return {
      ikeVersion: this.version,
      ikeMode: this.mode,
      ikeEncAlg: this.encryption,
      ikeAuthAlg: this.integrity,
      ikePfs: this.dhGroup,
      ikeLifetime: this.lifetimeSeconds,
    };
  }

  /** strongSwan's words: settings of a swanctl connection. The PRF follows from the integrity algorithm, as at the cloud. */
  get swanctl() {
    const { rekey, margin } = rekeyTimes(this.lifetimeSeconds);
    const algorithms = [
      STRONGSWAN_ENCRYPTION[this.encryption],
      STRONGSWAN_INTEGRITY[this.integrity],
      STRONGSWAN_GROUP[this.dhGroup],
    ];
    return {
      version: this.version === IkeVersion.V1 ? 1 : 2,
      aggressive: this.version === IkeVersion.V1 && this.mode === IkeMode.AGGRESSIVE ? "yes" : undefined,
      proposals: algorithms.join("-"),
      rekey_time: `${rekey}s`,
      over_time: `${margin}s`,
      rand_time: `${margin}s`,
    };
  }

  /**
   * All that is wrong, each a sentence without its tunnel.
   *
   * @internal
   */
  get problems(): string[] {
    const misplaced = this.version === IkeVersion.V2 && this.mode === IkeMode.AGGRESSIVE;
    return [
      ...choiceProblems(this.choices),
      ...(misplaced ? ["ike.mode aggressive exists in IKEv1 only; leave ike.mode out or choose IkeVersion.V1."] : []),
      ...lifetimeProblems("ike.lifetimeSeconds", this.lifetimeSeconds),
    ];
  }

  /**
   * What is weak, each a sentence without its tunnel.
   *
   * @internal
   */
  get warnings(): string[] {
    return choiceWarnings(this.choices);
  }

  private get choices(): readonly Choice[] {
    return [
      ["ike.version", this.version, IkeVersion],
      ["ike.mode", this.mode, IkeMode],
      ["ike.encryption", this.encryption, Encryption],
      ["ike.integrity", this.integrity, Integrity],
      ["ike.dhGroup", this.dhGroup, DhGroup],
    ];
  }
}
