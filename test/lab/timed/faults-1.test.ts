import { withstandFaults } from "./faults";

describe("a site under faults", () => withstandFaults(0));
