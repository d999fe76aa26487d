import { withstandFaults } from "./faults";

describe("a site with two boxes and static routes under faults", () => withstandFaults({ boxes: 2, bgp: false }));
