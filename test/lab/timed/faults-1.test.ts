import { withstandFaults } from "./faults";

describe("a site under faults", () => withstandFaults({ boxes: 1, bgp: false }, 0));
