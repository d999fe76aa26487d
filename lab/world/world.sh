#!/bin/sh
# Runs at boot in the world machine: makes the namespaces and links around the box (docs/architecture.md, "The lab").
# Every address comes from /etc/lab/network.env, rendered from lab/network.ts.
set -eu
. /etc/lab/network.env

# The NIC with the given MAC address goes into a namespace under a new name.
take_nic() {
  for path in /sys/class/net/*; do
    if [ "$(cat "$path/address")" = "$1" ]; then
      nic=${path##*/}
      ip link set "$nic" down
      ip link set "$nic" netns "$2" name "$3"
      return
    fi
  done
  echo "no NIC has the MAC address $1" >&2
  exit 1
}

for namespace in nat1 nat2 inet cloud ecs dc; do
  ip netns add "$namespace"
done
take_nic "$UPLINK1_MAC" nat1 uplink1
take_nic "$UPLINK2_MAC" nat2 uplink2
take_nic "$LAN_MAC" dc lan

ip -batch - <<LINKS
link add nat1 netns inet type veth peer name wan netns nat1
link add nat2 netns inet type veth peer name wan netns nat2
link add cloud netns inet type veth peer name wan netns cloud
link add vpc netns cloud type veth peer name eth0 netns ecs
LINKS

for namespace in nat1 nat2 inet cloud ecs dc; do
  nsenter --net="/run/netns/$namespace" sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
    net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
done
for namespace in nat1 nat2 inet cloud; do
  nsenter --net="/run/netns/$namespace" sysctl -q -w net.ipv4.ip_forward=1
done

ip -netns nat1 -batch - <<LINKS
link set lo up
address add $UPLINK1_GATEWAY dev uplink1
link set uplink1 up
address add $UPLINK1_EGRESS dev wan
link set wan up
route add default via $NAT1_ROUTER
LINKS
ip -netns nat2 -batch - <<LINKS
link set lo up
address add $UPLINK2_GATEWAY dev uplink2
link set uplink2 up
address add $UPLINK2_EGRESS dev wan
link set wan up
route add default via $NAT2_ROUTER
LINKS
ip -netns inet -batch - <<LINKS
link set lo up
address add $NAT1_ROUTER/24 dev nat1
link set nat1 up
address add $NAT2_ROUTER/24 dev nat2
link set nat2 up
address add $CLOUD_ROUTER/24 dev cloud
link set cloud up
LINKS
ip -netns cloud -batch - <<LINKS
link set lo up
address add $CLOUD_PRIMARY/24 dev wan
link set wan up
route add default via $CLOUD_ROUTER
address add $VPC_ROUTER dev vpc
link set vpc up
LINKS
ip -netns ecs -batch - <<LINKS
link set lo up
address add $ECS_ADDRESS dev eth0
link set eth0 up
route add default via ${VPC_ROUTER%/*}
LINKS
ip -netns dc -batch - <<LINKS
link set lo up
address add $LAN_SERVER dev lan
link set lan up
route add $VPC_CIDR via $LAN_BOX
LINKS

# Each provider's NAT: the source port stays what it was, and only answers come in.
nat() {
  nsenter --net="/run/netns/$1" nft -f - <<RULES
table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "wan" snat to $2
  }
  chain forward {
    type filter hook forward priority filter; policy drop
    iifname "$3" accept
    iifname "wan" ct state established,related accept
  }
}
RULES
}
nat nat1 "${UPLINK1_EGRESS%/*}" uplink1
nat nat2 "${UPLINK2_EGRESS%/*}" uplink2
