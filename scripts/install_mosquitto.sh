#!/bin/sh
# Installs the MQTT broker that the tests of the mqtt bodies start on a free port (Debian,
# Ubuntu, Raspberry Pi OS). The broker's own service is not needed and is left switched off.
set -eu

if command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ]; then
    echo "mosquitto is installed"
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "no apt-get here: install mosquitto 2 with your system's package manager" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo -n"
fi
$as_root apt-get update
$as_root apt-get install --yes --no-install-recommends mosquitto
if command -v systemctl >/dev/null; then
    $as_root systemctl disable --now mosquitto.service >/dev/null 2>&1 || true
fi
