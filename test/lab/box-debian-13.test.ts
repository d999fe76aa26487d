// The box's life on Debian 13, in short, in every run; `npm run test:full` runs all of test/lab there too, among it what
// installs the packages, which takes a minute.
import { shortLife } from "./short-life";

jest.setTimeout(400_000);

shortLife({ system: "debian-13", packages: true }, "grep -qx VERSION_CODENAME=trixie /etc/os-release");
