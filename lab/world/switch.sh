#!/bin/sh
# Appended to world.sh where there are two boxes: a switch joins their LAN NICs and the server's. It is a namespace of its
# own, so that each of its ports can be disturbed alone.
ip netns add switch
ip -netns dc link set lan netns switch
ip link set "$(nic "$LAN2_MAC")" netns switch name lan2
ip -netns switch -batch - <<LINKS
link add segment type bridge mcast_snooping 0
link add server type veth peer name lan netns dc
link set lan master segment
link set lan2 master segment
link set server master segment
link set lan up
link set lan2 up
link set server up
link set segment up
LINKS
ip -netns dc -batch - <<LINKS
address add $LAN_SERVER dev lan
link set lan up
route add $VPC_CIDR via $LAN_BOX
LINKS
