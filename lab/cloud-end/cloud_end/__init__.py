"""The lab's VPN gateway: real IPsec for whatever the emulated Alibaba API was asked for."""
