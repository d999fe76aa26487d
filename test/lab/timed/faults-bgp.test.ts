import { withstandFaults } from "./faults";

describe("a site with BGP under faults", () => withstandFaults({ boxes: 1, bgp: true }));
