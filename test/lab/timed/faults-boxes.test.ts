import { withstandFaults } from "./faults";

describe("a site with two boxes under faults", () => withstandFaults({ boxes: 2, bgp: true }));
