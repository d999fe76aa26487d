"""Makes RPMs that are named and laid out as EL9's, of Debian's packages, and two dnf repositories of them.

`rpms.py DEBS REPOSITORIES` runs in the tree of the box's image, with the packages in the directory DEBS and the new
directory REPOSITORIES, which becomes `base` (enabled on the box) and `epel` (which the RPM epel-release enables). What
is installed in the tree as Debian's package is not made an RPM of, nor required by one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

EL9 = {
    "strongswan": (
        *("charon-systemd", "strongswan-swanctl", "strongswan-libcharon", "strongswan-starter", "strongswan-charon"),
        *("libstrongswan", "libstrongswan-standard-plugins", "libcharon-extra-plugins"),
    ),
    "nftables": ("nftables", "libnftables1"),
    "python3-nftables": ("python3-nftables",),
    "firewalld": ("firewalld",),
    "iptables-nft": ("iptables",),
    "conntrack-tools": ("conntrack",),
    "bird": ("bird2",),
}
"""EL9's packages and the Debian packages that have their files; what these need is called as Debian calls it."""

EPEL = ("strongswan", "bird")

NOT_NEEDED = ("polkitd", "gir1.2-nm-1.0")
"""What Debian's firewalld depends on and root's does without."""

LEFT_OUT = ("usr/share/doc", "usr/share/lintian", "usr/share/man", "usr/share/locale", "etc/apparmor.d", "etc/init.d")

RUN_DIRECTORY = "/run/strongswan"
"""Where EL9's strongSwan has its sockets."""

WRAPPER = """#!/bin/sh
export STRONGSWAN_CONF=/etc/strongswan/strongswan.conf SWANCTL_DIR=/etc/strongswan/swanctl
exec /usr/libexec/strongswan/swanctl "$@"
"""

BIRD_USER = "getent passwd bird >/dev/null || useradd --system --user-group --home-dir /run/bird bird"


@dataclass
class Deb:
    """A Debian package that is not installed."""

    file: Path
    version: str
    depends: list[list[str]]
    """Of each, one must be there."""
    provides: list[str]
    summary: str


@dataclass
class Rpm:
    """An RPM in the making; its files are below `tree`."""

    name: str
    tree: Path
    version: str = "1"
    release: str = "1"
    summary: str = "Part of the lab"
    requires: set[str] = field(default_factory=set)
    provides: tuple[str, ...] = ()
    config: set[str] = field(default_factory=set)
    pre: str = ""


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def names(relation: str) -> list[list[str]]:
    """The packages' names in a field such as `a (>= 1), b:any | c`."""
    clauses = filter(None, (clause.strip() for clause in relation.split(",")))
    return [[each.split()[0].partition(":")[0] for each in clause.split("|")] for clause in clauses]


def debs_in(directory: Path) -> dict[str, Deb]:
    fields = ("Package", "Version", "Depends", "Pre-Depends", "Provides", "binary:Summary")
    found = {}
    for file in sorted(directory.glob("*.deb")):
        shown = output("dpkg-deb", "--showformat", "\t".join(f"${{{each}}}" for each in fields), "--show", file)
        name, version, depends, earlier, provides, summary = shown.split("\t")
        offered = [each for clause in names(provides) for each in clause]
        found[name] = Deb(file, version, names(depends) + names(earlier), offered, summary)
    return found


def installed_here() -> set[str]:
    """The names of packages that are installed, and what they provide."""
    found = set()
    shown = output("dpkg-query", "--show", "--showformat", "${db:Status-Status}\t${Package}\t${Provides}\n")
    for line in shown.splitlines():
        status, name, provides = line.split("\t")
        if status == "installed":
            found.update([name, *(each for clause in names(provides) for each in clause)])
    return found


def needs(deb: Deb, there: set[str], debs: dict[str, Deb]) -> set[str]:
    """The packages that it depends on and that are not there."""
    found = set()
    for clause in deb.depends:
        if there.intersection(clause) or set(NOT_NEEDED).intersection(clause):
            continue
        able = [name for name, other in debs.items() if name in clause or set(other.provides).intersection(clause)]
        if not able:
            raise SystemExit(f"rpms.py: nothing here is {' or '.join(clause)}, which {deb.file.name} depends on")
        found.add(able[0])
    return found


def versions(deb: Deb) -> tuple[str, str]:
    """Debian's version as an RPM's version and release."""
    upstream, _, revision = deb.version.partition(":")[2 if ":" in deb.version else 0].rpartition("-")
    return (upstream or revision).replace("-", "."), revision if upstream else "0"


def unpack(deb: Deb, rpm: Rpm) -> None:
    """Adds its files to the RPM's, with everything below /usr as EL9 has it."""
    subprocess.run(("dpkg-deb", "--extract", deb.file, rpm.tree), check=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        if (rpm.tree / name).is_dir():
            shutil.copytree(rpm.tree / name, rpm.tree / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(rpm.tree / name)
    for path in LEFT_OUT:
        shutil.rmtree(rpm.tree / path, ignore_errors=True)
    with tempfile.TemporaryDirectory() as control:
        subprocess.run(("dpkg-deb", "--control", deb.file, control), check=True)
        conffiles = Path(control, "conffiles")
        rpm.config.update(conffiles.read_text().split() if conffiles.exists() else ())


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    if old not in text:
        raise SystemExit(f"rpms.py: {file} does not have {old!r}")
    file.write_text(text.replace(old, new))


def lay_out_strongswan(rpm: Rpm) -> None:
    """As EPEL's package: all its files below /etc/strongswan, its sockets below /run/strongswan.

    Debian's programs are told where by their environment, since their own places are compiled in.
    """
    etc, usr = rpm.tree / "etc", rpm.tree / "usr"
    theirs = [path for path in etc.iterdir() if path.name != "logcheck"]
    (etc / "strongswan").mkdir()
    for path in theirs:
        path.rename(etc / "strongswan" / path.name)
    shutil.rmtree(etc / "logcheck", ignore_errors=True)
    settings = etc / "strongswan/strongswan.d"
    replace(settings / "charon/vici.conf", "\n}", f"\n    socket = unix://{RUN_DIRECTORY}/charon.vici\n}}")
    replace(settings / "swanctl.conf", "\n}", f"\n    socket = unix://{RUN_DIRECTORY}/charon.vici\n}}")
    rpm.config = {f"/{path.relative_to(rpm.tree)}" for path in etc.rglob("*") if path.is_file()}
    libexec = usr / "libexec/strongswan"
    libexec.mkdir(parents=True)
    (usr / "sbin/swanctl").rename(libexec / "swanctl")
    (usr / "sbin/swanctl").write_text(WRAPPER)
    (usr / "sbin/swanctl").chmod(0o755)
    (usr / "sbin/ipsec").rename(usr / "sbin/strongswan")
    (usr / "lib/systemd/system/ipsec.service").unlink()
    for unit in ("strongswan", "strongswan-starter"):
        file = usr / f"lib/systemd/system/{unit}.service"
        replace(file, "[Service]\n", "[Service]\nEnvironment=STRONGSWAN_CONF=/etc/strongswan/strongswan.conf\n")
    replace(usr / "lib/systemd/system/strongswan-starter.service", "/usr/sbin/ipsec", "/usr/sbin/strongswan")
    replace(usr / "lib/systemd/system/strongswan.service", "Alias=strongswan-swanctl.service\n", "")
    temporary = usr / "lib/tmpfiles.d/strongswan.conf"
    temporary.parent.mkdir()
    temporary.write_text(f"d {RUN_DIRECTORY} 0755 root root -\n")


def epel_release(trees: Path, repositories: Path) -> Rpm:
    rpm = Rpm("epel-release", trees / "epel-release", "9", summary="Where EPEL's packages are")
    file = rpm.tree / "etc/yum.repos.d/epel.repo"
    file.parent.mkdir(parents=True)
    file.write_text(f"[epel]\nname=EPEL\nbaseurl=file://{repositories}/epel\ngpgcheck=0\n")
    rpm.config = {"/etc/yum.repos.d/epel.repo"}
    return rpm


def release(trees: Path) -> Rpm:
    """What EL9 has by its own base, and this box by Debian's packages."""
    rpm = Rpm("el9-like-release", trees / "el9-like-release", "9", summary="The lab's box that is like EL9")
    file = rpm.tree / "etc/redhat-release"
    file.parent.mkdir(parents=True)
    file.write_text("EL9-like release 9\n")
    rpm.provides = ("system-release = 9", "system-release(releasever) = 9", "/bin/sh", "python3")
    return rpm


def all_rpms(debs: dict[str, Deb], trees: Path) -> Iterable[Rpm]:
    """EL9's, and those of what they need."""
    there = installed_here()
    called = {deb: rpm for rpm, parts in EL9.items() for deb in parts}
    wanted = list(called)
    found: dict[str, Rpm] = {}
    for name in wanted:
        deb = debs[name]
        rpm = found.setdefault(called.setdefault(name, name), Rpm(called[name], trees / called[name]))
        if name == EL9.get(rpm.name, (name,))[0]:
            (rpm.version, rpm.release), rpm.summary = versions(deb), deb.summary
        unpack(deb, rpm)
        needed = needs(deb, there, debs)
        rpm.requires |= needed
        wanted += sorted(needed.difference(wanted))
    for rpm in found.values():
        rpm.requires = {called[name] for name in rpm.requires} - {rpm.name}
    lay_out_strongswan(found["strongswan"])
    found["bird"].pre = BIRD_USER
    return found.values()


def stanza(rpm: Rpm) -> str:
    """The RPM's part of the spec. Units are read, and a daemon is started anew, as EL9's macros have it done."""
    contents = sorted(rpm.tree.rglob("*"))
    files = []
    for path in contents:
        place = f"/{path.relative_to(rpm.tree)}"
        if path.is_dir() and not path.is_symlink():
            files += [] if Path(place).is_dir() else [f'%dir "{place}"']
        else:
            files.append(f'{"%config(noreplace) " if place in rpm.config else ""}"{place}"')
    units = [path.name for path in contents if path.parent.match("*/lib/systemd/system") and path.suffix == ".service"]
    services = " ".join(name for name in units if "@" not in name)
    post, preun, postun = ["ldconfig"], [], ["ldconfig"]
    if any(path.parent.name == "tmpfiles.d" for path in contents):
        post.append("systemd-tmpfiles --create || :")
    if services:
        post.append("systemctl daemon-reload || :")
        preun.append(f"[ $1 -gt 0 ] || systemctl --no-reload disable --now {services} || :")
        postun += ["systemctl daemon-reload || :", f"[ $1 -eq 0 ] || systemctl try-restart {services} || :"]
    scripts = {"pre": [rpm.pre] if rpm.pre else [], "post": post, "preun": preun, "postun": postun}
    lines = [
        *(f"%package -n {rpm.name}", f"Version: {rpm.version}", f"Release: {rpm.release}", f"Summary: {rpm.summary}"),
        *(f"Requires: {name}" for name in sorted(rpm.requires)),
        *(f"Provides: {name}" for name in rpm.provides),
        *("AutoReqProv: no", f"%description -n {rpm.name}", "Made of Debian's binaries for the lab."),
        *(line for script, body in scripts.items() if body for line in (f"%{script} -n {rpm.name}", *body)),
        *(f"%files -n {rpm.name}", *files),
    ]
    return "\n".join(lines)


def build(rpms: list[Rpm], top: Path) -> None:
    """Makes them, in `top`/RPMS."""
    head = "Name: lab\nVersion: 1\nRelease: 1\nSummary: The lab's\nLicense: as Debian's\n%description\nThe lab's.\n"
    copies = "\n".join(f"cp -a {rpm.tree}/. %{{buildroot}}" for rpm in rpms)
    spec = top / "lab.spec"
    spec.write_text("\n".join([f"{head}%install", copies, *map(stanza, rpms), ""]))
    macros = {
        "_topdir": str(top),
        "debug_package": "%{nil}",
        "__os_install_post": "%{nil}",
        "_build_id_links": "none",
        "_binary_payload": "w1.gzdio",
    }
    defined = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    subprocess.run(("rpmbuild", "-bb", "--quiet", *defined, spec), check=True)


def main() -> None:
    directory, repositories = map(Path, sys.argv[1:])
    top = Path("/tmp/rpms")
    trees = top / "trees"
    trees.mkdir(parents=True)
    rpms = [release(trees), *all_rpms(debs_in(directory), trees), epel_release(trees, repositories)]
    build(rpms, top)
    for name in ("base", "epel"):
        (repositories / name).mkdir(parents=True)
    for rpm in rpms:
        for file in (top / "RPMS").rglob(f"{rpm.name}-{rpm.version}-{rpm.release}.*.rpm"):
            shutil.move(file, repositories / ("epel" if rpm.name in EPEL else "base"))
    for name in ("base", "epel"):
        subprocess.run(("createrepo_c", "--quiet", "--no-database", repositories / name), check=True)
    shutil.rmtree(top)


if __name__ == "__main__":
    main()
