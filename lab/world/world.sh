#!/bin/sh
# Runs at boot in the world machine: makes the namespaces and links around the box (docs/architecture.md, "The lab").
# Every address comes from /etc/lab/network.env, rendered from lab/network.ts.
set -eu
# shellcheck source=/dev/null
. /etc/lab/network.env

# New namespaces inherit these. They are written here because each process costs a tenth of a second when emulated.
for variable in ip_forward=1 conf/all/rp_filter=0 conf/default/rp_filter=0; do
  echo "${variable#*=}" >"/proc/sys/net/ipv4/${variable%=*}"
done

# The name of the NIC with a MAC address, once the kernel has found it.
nic() {
  while :; do
    for path in /sys/class/net/*; do
      if read -r mac <"$path/address" && [ "$mac" = "$1" ]; then
        echo "${path##*/}"
        return
      fi
    done
    sleep 0.2
  done
}

ip -batch - <<LINKS
netns add nat1
netns add nat2
netns add inet
netns add cloud
netns add ecs
netns add dc
link set $(nic "$UPLINK1_MAC") netns nat1 name uplink1
link set $(nic "$UPLINK2_MAC") netns nat2 name uplink2
link set $(nic "$LAN_MAC") netns dc name lan
link add nat1 netns inet type veth peer name wan netns nat1
link add nat2 netns inet type veth peer name wan netns nat2
link add cloud netns inet type veth peer name wan netns cloud
link add vpc netns cloud type veth peer name eth0 netns ecs
LINKS

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
