"""What the real BIRD takes and tells with the box's bird.conf, against another BIRD that announces anything at all.

`python3 -m bgp.filters PACKAGES SEED`: two BIRDs on addresses of the loopback interface and ports that need no
privileges. Only the sessions' ends differ from what the box has. Prints what was compared, as JSON.
"""

from __future__ import annotations

import ipaddress
import json
import pathlib
import random
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator

from box import samples
from dual_tunnel_vpn.bgp.heard import prefixes, protocols
from dual_tunnel_vpn.bgp.speaker import MOST_PREFIXES, render
from dual_tunnel_vpn.site import Bgp, Site, Tunnel

from .bird import Bird, await_that

ROUNDS = 6
ANNOUNCED = 400
"""Prefixes of the cloud's end by each session."""

Block = ipaddress.IPv4Network

SHARED = Block("100.64.0.0/10")
CLOUD_PORT, BOX_PORT = 15180, 15181
ENDS = {1: ("127.0.0.1", "127.0.0.2"), 2: ("127.0.0.3", "127.0.0.4")}
"""The box's and the cloud's address of each session."""


def ends(tunnel: Tunnel, bgp: Bgp) -> str:
    """A session's ends, as they can be here."""
    box, cloud = ENDS[tunnel.number]
    return f"""    local {box} port {BOX_PORT} as {bgp.asn};
    neighbor {cloud} port {CLOUD_PORT} as {bgp.cloud_asn};
    multihop;"""


def statics(name: str, table: str, blocks: Iterable[Block]) -> str:
    """A protocol with routes."""
    lines = "\n".join(f"    route {block} unreachable;" for block in sorted(blocks))
    return f"protocol static {name} {{\n    ipv4 {{ table {table}; }};\n{lines}\n}}\n"


def cloud(bgp: Bgp, announced: dict[int, set[Block]]) -> str:
    """The other end: it announces all that, takes all it gets, and keeps each session's routes apart."""
    parts = ["log stderr all;\nrouter id 127.0.0.2;\nprotocol device {\n}\n"]
    for number, (box, own) in ENDS.items():
        parts.append(f"ipv4 table t{number};\n" + statics(f"s{number}", f"t{number}", announced[number]))
        parts.append(f"""protocol bgp b{number} {{
    local {own} port {CLOUD_PORT} as {bgp.cloud_asn};
    neighbor {box} port {BOX_PORT} as {bgp.asn};
    multihop;
    strict bind yes;
    hold time 180;
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 2;
    ipv4 {{ table t{number}; import all; export where source = RTS_STATIC; }};
}}
""")
    return "".join(parts)


def within(rng: random.Random, block: Block) -> Block:
    """A prefix that lies in a block, or is it."""
    length = rng.randint(block.prefixlen, 32)
    base = int(block.network_address) | rng.getrandbits(32 - block.prefixlen)
    return Block((base, length), strict=False)


def around(rng: random.Random, block: Block) -> Block:
    """A prefix that contains a block, or is it."""
    return block.supernet(new_prefix=rng.randint(0, block.prefixlen))


def nearby(rng: random.Random, block: Block) -> Block:
    """A prefix as long as a block, beside it."""
    step = rng.choice((-1, 1)) << (32 - block.prefixlen)
    return Block(((int(block.network_address) + step) % 2**32, block.prefixlen), strict=False)


def anything(rng: random.Random, blocks: list[Block]) -> Block:
    """A prefix that a filter could get wrong."""
    block = rng.choice([*blocks, SHARED])
    kinds = (within, within, around, nearby, lambda rng, _: within(rng, Block("0.0.0.0/0")))
    return rng.choice(kinds)(rng, block)


def routable(block: Block) -> bool:
    """Whether BIRD takes it for a route at all: it leaves out loopback, multicast and the like by itself."""
    strange = [Block(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")]
    return not any(block.subnet_of(each) for each in strange)


def some(rng: random.Random, blocks: list[Block], count: int) -> set[Block]:
    """So many of them."""
    found: set[Block] = {Block("0.0.0.0/0"), SHARED, *blocks}
    while len(found) < count:
        each = anything(rng, blocks)
        if routable(each):
            found.add(each)
    return found


def site(rng: random.Random, number: int) -> Site:
    """A site with blocks of its own. number: of the round.

    In two of three the VPC's blocks are small, so that what lies in them is less than the limit. With 100.0.0.0/8 some
    have to do with 100.64.0.0/10: the library refuses them, and nothing may leak all the same.
    """
    private = [Block("10.0.0.0/8"), Block("11.0.0.0/8"), Block("172.16.0.0/12"), Block("192.168.0.0/16")]
    rng.shuffle(private)
    private.insert(number % 2, Block("100.0.0.0/8"))

    def of(block: Block, count: int, least: int) -> list[str]:
        found: set[str] = set()
        while len(found) < count:
            length = rng.randint(max(least, block.prefixlen + 1), 32 if rng.random() < 0.2 else 28)
            address = int(block.network_address) | rng.getrandbits(32 - block.prefixlen)
            found.add(str(Block((address, length), strict=False)))
        return sorted(found)

    vpc, data_center = of(private[0], 2, 26 if number % 3 else 9), of(private[1], rng.randint(1, 12), 9)
    return samples.bgp_site(vpcCidrs=vpc, dataCenterCidrs=data_center)


def good(found: Iterable[Block], vpc: list[Block]) -> set[Block]:
    """What the box is to take: what lies in the VPC's blocks, and has nothing to do with 100.64.0.0/10."""
    return {each for each in found if any(each.subnet_of(block) for block in vpc) and not each.overlaps(SHARED)}


def split(blocks: Iterable[Block]) -> set[Block]:
    """Blocks with their halves."""
    found = set(blocks)
    for block in list(found):
        if block.prefixlen < 32:
            found |= set(block.subnets())
    return found


def ranks(bird: Bird, number: int) -> dict[Block, tuple[int, int]]:
    """What the cloud got by a session: by prefix the length of its path and its MED."""
    found: dict[Block, tuple[int, int]] = {}
    current, path = None, 0
    for line in bird.text(f"show route table t{number} protocol b{number} all").splitlines():
        if match := re.match(r"(\d\S+/\d+)\s", line.strip()):
            current = Block(match.group(1))
        elif match := re.search(r"(?:BGP\.as_path|bgp_path): ?(.*)", line):
            path = len(match.group(1).split())
        elif (match := re.search(r"(?:BGP\.med|bgp_med): (\d+)", line)) and current is not None:
            found[current] = (path, int(match.group(1)))
    return found


def counter(bird: Bird, name: str) -> int:
    """How many updates came by a session."""
    match = re.search(r"Import updates: +(\d+)", bird.text(f"show protocols all {name}"))
    return int(match.group(1)) if match else -1


def await_offered(box: Bird, number: int, count: int) -> None:
    """Waits until the box has seen so many updates by a session."""
    await_that(lambda: counter(box, f"tunnel_{number}") >= count, box.log)


def await_got(other: Bird, number: int, expected: dict[Block, tuple[int, int]]) -> None:
    """Waits until the cloud has just that by a session."""
    await_that(
        lambda: ranks(other, number) == expected,
        lambda: f"by session {number} the cloud has {ranks(other, number)}, and not {expected}",
    )


def established(bird: Bird) -> bool:
    """Whether both sessions are."""
    states, _ = protocols(bird.ask("show protocols"), (1, 2))
    return all(state.established for state in states.values())


class Differs(Exception):
    """What BIRD did is not what was expected."""


def same(what: str, found: set[Block], expected: set[Block]) -> int:
    """Compares; how many there were."""
    if found != expected:
        leaked, missing = sorted(found - expected), sorted(expected - found)
        raise Differs(f"{what}: leaked {list(map(str, leaked))}, missing {list(map(str, missing))}")
    return len(found)


def compare(packages: pathlib.Path, rng: random.Random, number_of_round: int) -> Iterator[tuple[str, int]]:
    """One site, one cloud: what was compared, and how many prefixes."""
    mine = site(rng, number_of_round)
    assert mine.bgp is not None
    vpc, data_center = (list(map(Block, blocks)) for blocks in (mine.vpc_cidrs, mine.data_center_cidrs))
    announced = {number: some(rng, [*vpc, *data_center], ANNOUNCED) for number in ENDS}
    # In the box's own tables lie routes, too, that nobody wants told.
    stray = {number: some(rng, [*vpc, *data_center], 100) - split(data_center) for number in ENDS}
    strays = "".join(statics(f"stray_{number}", f"routes_{number}", blocks) for number, blocks in stray.items())
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        scratch.chmod(0o777)
        box = Bird(packages, scratch, "box", render(mine, "127.0.0.1", ends) + strays)
        other = Bird(packages, scratch, "cloud", cloud(mine.bgp, announced))
        try:
            await_that(lambda: established(box), lambda: box.log() + other.log() + box.text("show protocols"))
            for number in ENDS:
                await_offered(box, number, len(announced[number]))
                heard = prefixes(box.ask(f"show route table routes_{number} protocol tunnel_{number}"))
                found, right = set(map(Block, heard)), good(announced[number], vpc)
                if len(right) > MOST_PREFIXES:
                    yield "limited", same("taken beyond the limit", found - right, set())
                    assert len(found) == MOST_PREFIXES, len(found)
                else:
                    yield "taken", same("taken", found, right)
            both = (set(data_center), split(data_center))
            usual, more = ({block for block in blocks if not block.overlaps(SHARED)} for blocks in both)
            for taking_over in ((), (1,), (1, 2), (2,), ()):
                for number in ENDS:
                    box.ask(f"{'enable' if number in taking_over else 'disable'} takeover_{number}")
                for number in ENDS:
                    expected = more if number in taking_over else usual
                    exported = prefixes(box.ask(f"show route table routes_{number} export tunnel_{number}"))
                    yield "told", same("told", set(map(Block, exported)), expected)
                    rank = number - 1 if number in taking_over else number + 1
                    await_got(other, number, dict.fromkeys(expected, (rank + 1, 100 * rank)))
            assert established(box), box.text("show protocols")
        finally:
            other.close()
            box.close()


def main(packages: str, seed: str) -> None:
    """Compares for a while; ends with what differs, and by which seed."""
    rng = random.Random(int(seed))
    counts: dict[str, int] = {}
    try:
        for index in range(ROUNDS):
            for what, count in compare(pathlib.Path(packages), rng, index):
                counts[what] = counts.get(what, 0) + count
                counts[f"{what} times"] = counts.get(f"{what} times", 0) + 1
    except (Differs, AssertionError) as error:
        raise SystemExit(f"SEED={seed}: {error}") from None
    print(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
