// The ESP phase of a tunnel: what can be chosen, and how the choice reads in Alibaba's words and in strongSwan's.
import { bag, number, optional, Shape, text } from "../guard";
import {
  Choice,
  choiceProblems,
  choiceWarnings,
  DhGroup,
  Encryption,
  Integrity,
  Pfs,
  STRONGSWAN_ENCRYPTION,
  STRONGSWAN_GROUP,
  STRONGSWAN_INTEGRITY,
} from "./algorithms";
import { lifetimeProblems, LONGEST_LIFETIME, rekeyTimes } from "./lifetime";

/** The ESP phase of a tunnel. */
export interface EspOptions {
  /**
   * Cipher that protects the traffic.
   * @default Encryption.AES_256
   */
  readonly encryption?: Encryption;
  /**
   * Hash that protects the traffic from changes (the API's `IpsecAuthAlg`).
   * @default Integrity.SHA_256
   */
  readonly integrity?: Integrity;
  /**
   * Diffie-Hellman group of each rekeying, so that one key's loss gives away no other's traffic (the API's `IpsecPfs`).
   * @default Pfs.GROUP_14
   */
  readonly pfs?: Pfs;
  /**
   * Lifetime of the CHILD_SA in seconds, 60 to 86400, at most the IKE lifetime; the box rekeys at 80 to 90 % of it.
   * @default 86400
   */
  readonly lifetimeSeconds?: number;
}

const ESP_SHAPE: Shape<EspOptions> = {
  encryption: optional(text<Encryption>("aes256")),
  integrity: optional(text<Integrity>("sha256")),
  pfs: optional(text<Pfs>("group14")),
  lifetimeSeconds: optional(number),
};

/** The ESP phase, as an option of a tunnel. */
export const ESP = bag(ESP_SHAPE, "an object of EspOptions");

/** The ESP phase with every choice made. */
export class EspPhase implements Required<EspOptions> {
  readonly encryption: Encryption;
  readonly integrity: Integrity;
  readonly pfs: Pfs;
  readonly lifetimeSeconds: number;

  /**
   * Chooses.
   *
   * @param own options of one tunnel
   * @param common options of both, where the tunnel has none of its own
   */
  constructor(own: EspOptions = {}, common: EspOptions = {}) {
    this.encryption = own.encryption ?? common.encryption ?? Encryption.AES_256;
    this.integrity = own.integrity ?? common.integrity ?? Integrity.SHA_256;
    this.pfs = own.pfs ?? common.pfs ?? Pfs.GROUP_14;
    this.lifetimeSeconds = own.lifetimeSeconds ?? common.lifetimeSeconds ?? LONGEST_LIFETIME;
  }

  /** Alibaba's words: the fields of the provider's `tunnel_ipsec_config`. */
  get alicloud() {
    return {
      ipsecEncAlg: this.encryption,
      ipsecAuthAlg: this.integrity,
      ipsecPfs: this.pfs,
      ipsecLifetime: this.lifetimeSeconds,
    };
  }

  /** strongSwan's words: settings of a swanctl child. Without PFS there is no group in the proposal. */
  get swanctl() {
    const { rekey, margin } = rekeyTimes(this.lifetimeSeconds);
    const algorithms = [
      STRONGSWAN_ENCRYPTION[this.encryption],
      STRONGSWAN_INTEGRITY[this.integrity],
      ...(this.pfs === Pfs.DISABLED ? [] : [STRONGSWAN_GROUP[this.pfs as string as DhGroup]]),
    ];
    return {
      esp_proposals: algorithms.join("-"),
      rekey_time: `${rekey}s`,
      life_time: `${this.lifetimeSeconds}s`,
      rand_time: `${margin}s`,
    };
  }

  /**
   * All that is wrong, each a sentence without its tunnel.
   *
   * @internal
   */
  get problems(): string[] {
    return [...choiceProblems(this.choices), ...lifetimeProblems("esp.lifetimeSeconds", this.lifetimeSeconds)];
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
      ["esp.encryption", this.encryption, Encryption],
      ["esp.integrity", this.integrity, Integrity],
      ["esp.pfs", this.pfs, Pfs],
    ];
  }
}
