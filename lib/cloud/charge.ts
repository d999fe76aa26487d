// How a VPN gateway is paid for.
import { Findings } from "../findings";
import { described, having } from "../guard";
import { isLiteral } from "../structural";

/** Lengths of a subscription that are sold, in months (CreateVpnGateway, `Period`). */
const PERIODS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36];

/** How a VPN gateway is paid for. */
export class Charge {
  /** By data transfer; destroy ends it. */
  static payAsYouGo(): Charge {
    return new Charge("PayAsYouGo");
  }

  /**
   * By subscription. Destroy leaves the gateway running and billed: the provider only forgets it, and
   * the rest of the subscription is to be returned in the console. It keeps its vSwitches in use, so that a stack that
   * owns them too cannot be destroyed whole. Another number of months later changes nothing: renew in the console.
   *
   * @param months 1 to 9, 12, 24 or 36
   * @param autoPay false leaves the order unpaid, and the gateway unmade, until someone pays it in the console
   */
  static subscription(months: number, autoPay = true): Charge {
    return new Charge("Subscription", months, autoPay);
  }

  private constructor(
    /** The provider's `payment_type`. */
    readonly paymentType: "PayAsYouGo" | "Subscription",
    /** Length of a subscription; undefined when it is none. */
    readonly months?: number,
    /** Whether a subscription's order is paid at once; undefined when it is none. */
    readonly autoPay?: boolean,
  ) {}
}

/** A Charge, as a construct's option. */
export const CHARGE = having<Charge>("a Charge, for example Charge.payAsYouGo()", ["paymentType"], () =>
  Charge.payAsYouGo(),
);

/** Checks that a subscription is sold, and warns of what its destroy leaves. */
export function checkCharge(charge: Charge | undefined, findings: Findings): void {
  const months = charge?.months;
  if (months !== undefined && isLiteral(months) && !PERIODS.includes(months)) {
    findings.error(
      `charge: a subscription of ${typeof months === "number" ? months : described(months)} months is not sold; choose one of ${PERIODS.join(", ")}.`,
    );
  }
  if (charge?.paymentType === "Subscription") {
    findings.warning(
      "charge: destroy leaves a subscription gateway running and billed; end the subscription in the console.",
    );
  }
}
