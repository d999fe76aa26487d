#!/bin/sh
# Alibaba's how-to page, typed onto a Debian box: the rival in the failover benchmark. `how-to.sh install|remove`.
#
# The configuration is the page's in effect: one pre-shared key without identities, DPD every 10 s with strongSwan's
# default retransmission, updown scripts that add and delete routes of metric 100 and 101, XFRM interfaces of MTU 1500.
# Repaired is only what keeps the page from working at all: inconsistent addresses, the scripts' first line and `==`,
# rp_filter on the XFRM interfaces, packages that Debian names otherwise.
#
# Environment: IPSEC_1 IPSEC_2 (cloud), UPLINK_1 UPLINK_2 (box), GATEWAY_1 GATEWAY_2, EGRESS_1 EGRESS_2, VPC_CIDR,
# IKE_PROPOSAL, ESP_PROPOSAL (strongSwan's words). The pre-shared key comes by standard input.
set -eu

conf=/etc/swanctl/conf.d/how-to.conf

device_of() {
  ip -o -4 address show | awk -v address="$1" '{ split($4, a, "/") } a[1] == address { print $2 }'
}

connection() {
  cat <<CONF
  vco$1 {
    version = 2
    local_addrs = $2
    remote_addrs = $3
    dpd_delay = 10
    rekey_time = 84600
    over_time = 1800
    proposals = $IKE_PROPOSAL
    encap = yes
    local {
      auth = psk
      id = $4
    }
    remote {
      auth = psk
      id = $3
    }
    children {
      vco_child$1 {
        local_ts = 0.0.0.0/0
        remote_ts = 0.0.0.0/0
        mode = tunnel
        rekey_time = 85500
        life_time = 86400
        dpd_action = restart
        start_action = start
        close_action = start
        esp_proposals = $ESP_PROPOSAL
        if_id_out = $5
        if_id_in = $5
        updown = /root/connect_$1.sh
      }
    }
  }
CONF
}

updown() {
  cat >"/root/connect_$1.sh" <<SCRIPT
#!/bin/sh
case "\$PLUTO_VERB" in
up-client) ip route add $VPC_CIDR dev $2 metric $3 ;;
down-client) ip route del $VPC_CIDR dev $2 metric $3 ;;
esac
SCRIPT
  chmod 755 "/root/connect_$1.sh"
}

install_packages() {
  command -v swanctl >/dev/null && command -v charon-systemd >/dev/null && return
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq --yes --no-install-recommends install charon-systemd strongswan-swanctl \
    libstrongswan-standard-plugins >/dev/null
}

install() {
  psk=$(cat)
  install_packages
  sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
  for device in "$(device_of "$UPLINK_1")" "$(device_of "$UPLINK_2")"; do
    sysctl -q -w "net.ipv4.conf.$device.rp_filter=0"
  done
  ip route replace "$IPSEC_1" via "$GATEWAY_1" dev "$(device_of "$UPLINK_1")"
  ip route replace "$IPSEC_2" via "$GATEWAY_2" dev "$(device_of "$UPLINK_2")"
  ip link add ipsec0 type xfrm dev "$(device_of "$UPLINK_1")" if_id 42
  ip link add ipsec1 type xfrm dev "$(device_of "$UPLINK_2")" if_id 43
  sysctl -q -w net.ipv4.conf.ipsec0.rp_filter=0 net.ipv4.conf.ipsec1.rp_filter=0
  ip link set ipsec0 up
  ip link set ipsec1 up
  updown 1 ipsec0 100
  updown 2 ipsec1 101
  (umask 077 && {
    echo "connections {"
    connection 1 "$UPLINK_1" "$IPSEC_1" "$EGRESS_1" 42
    connection 2 "$UPLINK_2" "$IPSEC_2" "$EGRESS_2" 43
    echo "}"
    # Base64 takes any key; the page writes it as it is.
    secret=0s$(printf %s "$psk" | base64 -w 0)
    printf 'secrets {\n  ike-vco1 {\n    secret = %s\n  }\n  ike-vco2 {\n    secret = %s\n  }\n}\n' "$secret" "$secret"
  } >$conf)
  systemctl restart strongswan
  swanctl --load-all --noprompt >/dev/null
}

remove() {
  rm -f $conf /root/connect_1.sh /root/connect_2.sh
  systemctl stop strongswan
  ip link del ipsec0
  ip link del ipsec1
  ip route del "$IPSEC_1"
  ip route del "$IPSEC_2"
}

case "${1-}" in
install) install ;;
remove) remove ;;
*)
  echo "how-to.sh: say install or remove" >&2
  exit 2
  ;;
esac
