"""Dockershim's pod sandbox checkpoints, up to 1.23: one file a sandbox.

Source: ``pkg/kubelet/dockershim/docker_checkpoint.go``. The checksum covers ``*cp.Data``: where the
file says ``"data":null`` Go dereferences nil and the kubelet panics.
"""

from __future__ import annotations

from typing import ClassVar, Final

from harness.reference.checkpoint import CHECKSUM, StructCheckpoint, field_property
from harness.reference.errors import NilDereferenceError
from harness.reference.gojson.types import (
    BOOL,
    INT32,
    STRING,
    Field,
    Pointer,
    Slice,
    String,
    Struct,
    zero,
)
from harness.reference.spew import hash_text

__all__ = ["PodSandboxCheckpoint"]

_PORT: Final = Struct(
    "dockershim.PortMapping",
    (
        Field("Protocol", Pointer(String("dockershim.Protocol")), "protocol", omitempty=True),
        Field("ContainerPort", Pointer(INT32), "container_port", omitempty=True),
        Field("HostPort", Pointer(INT32), "host_port", omitempty=True),
        Field("HostIP", STRING, "host_ip", omitempty=True),
    ),
)
_DATA: Final = Struct(
    "dockershim.CheckpointData",
    (
        Field("PortMappings", Slice(Pointer(_PORT)), "port_mappings", omitempty=True),
        Field("HostNetwork", BOOL, "host_network", omitempty=True),
    ),
)


class PodSandboxCheckpoint(StructCheckpoint):
    """One pod sandbox."""

    kind = "sandbox"
    version = "v1"
    # Read into NewPodSandboxCheckpoint("", "", &CheckpointData{}): absent data is empty, not nil.
    constructor: ClassVar = {"Version": lambda: "v1", "Data": lambda: zero(_DATA)}
    struct = Struct(
        "dockershim.PodSandboxCheckpoint",
        (
            Field("Version", STRING, "version"),
            Field("Name", STRING, "name"),
            Field("Namespace", STRING, "namespace"),
            Field("Data", Pointer(_DATA), "data", omitempty=True),
            Field("Checksum", CHECKSUM, "checksum"),
        ),
    )

    name = field_property("Name")
    namespace = field_property("Namespace")
    data = field_property("Data")
    checksum = field_property("Checksum")

    def text(self) -> str:
        """The text that is hashed.

        Raises:
            NilDereferenceError: There is no data.
        """
        if self.value["Data"] is None:
            raise NilDereferenceError
        return hash_text(_DATA, self.value["Data"])
