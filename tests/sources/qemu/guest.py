"""A guest for virtual machines: Debian's kernel of the installer, its modules, busybox, and a script of the test's."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.clients.processes import missing

INSTALLER = Path("/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64")
BUSYBOX = Path("/bin/busybox")
MODULES = (
    "virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci",
    "virtio_dma_buf", "drm", "drm_kms_helper", "drm_shmem_helper", "virtio-gpu",
    "virtio_input", "virtio_console",
)  # fmt: skip
"""In the order in which they can be loaded."""
PROGRAMS = ("sh", "mount", "insmod", "cat", "echo", "sleep", "od", "stty", "beep", "clear", "seq", "yes", "head", "dd")
INIT = """\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in {modules}; do insmod /modules/$module.ko; done
{script}
exec sh
"""


@dataclass(frozen=True)
class Guest:
    """A kernel and what it starts."""

    kernel: Path
    initrd: Path

    def options(self, append: str = "") -> list[str]:
        """QEMU's options to boot it."""
        line = f"quiet console=tty0 {append}"
        return ["-kernel", str(self.kernel), "-initrd", str(self.initrd), "-append", line]


def make_guest(folder: Path, script: str) -> Guest:
    """Make a guest in a folder; the script is run once the devices are there, and then a shell."""
    for path, package in ((INSTALLER, "debian-installer-12-netboot-amd64"), (BUSYBOX, "busybox-static")):
        if not path.exists():
            missing(f"{path} is not there (Debian package {package})")
    found = {}
    for name, data in read_archive(gzip.decompress((INSTALLER / "initrd.gz").read_bytes())):
        module = Path(name).name.removesuffix(".ko")
        if module in MODULES and name.endswith(".ko"):
            found[module] = data
    order = [module for module in MODULES if module in found]
    files: list[tuple[str, int, bytes]] = [
        (name, stat.S_IFDIR | 0o755, b"") for name in ("bin", "dev", "proc", "sys", "modules")
    ]
    files += [(f"modules/{module}.ko", stat.S_IFREG | 0o644, found[module]) for module in order]
    files.append(("bin/busybox", stat.S_IFREG | 0o755, BUSYBOX.read_bytes()))
    files += [(f"bin/{program}", stat.S_IFLNK | 0o777, b"busybox") for program in PROGRAMS]
    init = INIT.format(modules=" ".join(order), script=script)
    files.append(("init", stat.S_IFREG | 0o755, init.encode()))
    initrd = folder / "initrd"
    initrd.write_bytes(b"".join(entry(number, *file) for number, file in enumerate(files)) + entry(0, "TRAILER!!!"))
    return Guest(INSTALLER / "linux", initrd)


def read_archive(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a cpio archive, of which there may be several in a row."""
    at = 0
    while at < len(data):
        if not data[at]:  # padding between archives
            at += 1
            continue
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        size, name_size = fields[6], fields[11]
        start = at + 110
        name = data[start : start + name_size - 1].decode()
        body = start + name_size + -(start + name_size) % 4
        yield name, data[body : body + size]
        at = body + size + -(body + size) % 4


def entry(number: int, name: str, mode: int = 0, data: bytes = b"") -> bytes:
    """A file of a cpio archive."""
    path = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
