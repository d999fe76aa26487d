import { withstandFaults } from "./faults";

describe("a site with BGP under faults", () => withstandFaults("bgp"));
