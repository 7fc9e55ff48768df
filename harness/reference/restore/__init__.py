"""Reading a state file the way a kubelet of a given version does when it starts.

Source: ``state_checkpoint.go`` of the CPU and memory managers, ``readCheckpoint`` of the device
manager. A kubelet reads a file into the objects of several formats in turn. In kubelet mode a
failed try leaves its object filled, and 1.36 migrates the older format into that very object: pod
entries of the format that did NOT verify survive (PR 139050). In hardened mode a failed try
leaves nothing.
"""

from harness.reference.restore.cpu import CPUState, restore_cpu, validate_static
from harness.reference.restore.device import DeviceState, restore_device
from harness.reference.restore.memory import MemoryState, restore_memory

__all__ = [
    "CPUState",
    "DeviceState",
    "MemoryState",
    "restore_cpu",
    "restore_device",
    "restore_memory",
    "validate_static",
]
