# SPDX-License-Identifier: Apache-2.0
"""What the figures are of: the machine, its system and the libraries."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

from programs import Json

PACKAGES = {
    "gRPC": "libgrpc++-dev",
    "Protocol Buffers": "libprotobuf-dev",
    "Cap'n Proto": "libcapnp-dev",
    "GNU libmicrohttpd": "libmicrohttpd-dev",
    "libcurl": "libcurl4-openssl-dev",
    "libtorch": "libtorch-dev",
    "google-benchmark": "libbenchmark-dev",
}


def output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def chosen(path: str) -> str:
    """The word in brackets, as the kernel marks a choice."""
    found = re.search(r"\[(\w+)\]", read(path))
    return found[1] if found else "unknown"


def versions() -> Json:
    found: Json = {}
    for name, package in PACKAGES.items():
        text = output("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package)
        found[name] = text.removeprefix("installed ") if text.startswith("installed ") else None
    return found


def describe() -> Json:
    cpu = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", read("/proc/meminfo"))
    system = re.search(r'PRETTY_NAME="?([^"\n]*)', read("/etc/os-release"))
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / (1 << 20)) if memory else None,
        "virtual": output("systemd-detect-virt") or "unknown",
        "page_table_isolation": "PTI" in read("/sys/devices/system/cpu/vulnerabilities/meltdown"),
        "huge_pages": chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        "kernel": platform.release(),
        "system": system[1] if system else platform.system(),
        "libc": " ".join(platform.libc_ver()),
        "compiler": output("g++", "--version").split("\n")[0],
        "load": os.getloadavg()[0],
        "versions": versions(),
    }
