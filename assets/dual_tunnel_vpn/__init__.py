"""What runs on the box: dual-tunnel IPsec-VPN connections to Alibaba Cloud, installed and kept alive."""
