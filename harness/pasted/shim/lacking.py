"""Calls of ``os`` that pyfakefs lacks: they would go to the real descriptor of that number."""

from __future__ import annotations

import os

# -- below this line everything goes into the test


def add_lacking(watched, instead):
    """Add the calls that pyfakefs passes on to the real system, fake descriptor and all."""

    def pread(os_, descriptor, count, offset):
        watched.strike("look")
        thing = os_.filesystem.get_open_file(descriptor).get_object()
        return (thing.byte_contents or b"")[offset : offset + count]

    def pwrite(os_, descriptor, content, offset):
        here = os_.lseek(descriptor, 0, os.SEEK_CUR)
        os_.lseek(descriptor, offset, os.SEEK_SET)
        try:
            return os_.write(descriptor, bytes(content))
        finally:
            os_.lseek(descriptor, here, os.SEEK_SET)

    def fill(buffers, content):
        left = content
        for one in buffers:
            part, left = left[: len(one)], left[len(one) :]
            memoryview(one)[: len(part)] = part
        return len(content)

    def readv(os_, descriptor, buffers):
        return fill(buffers, os_.read(descriptor, sum(map(len, buffers))))

    def preadv(os_, descriptor, buffers, offset, *_flags):
        return fill(buffers, pread(os_, descriptor, sum(map(len, buffers)), offset))

    def writev(os_, descriptor, buffers):
        return os_.write(descriptor, b"".join(map(bytes, buffers)))

    def pwritev(os_, descriptor, buffers, offset, *_flags):
        return pwrite(os_, descriptor, b"".join(map(bytes, buffers)), offset)

    def posix_fallocate(os_, descriptor, offset, length):
        watched.strike("posix_fallocate")
        if os_.fstat(descriptor).st_size < offset + length:
            os_.ftruncate(descriptor, offset + length)

    def copy_file_range(os_, src, dst, count, offset_src=None, offset_dst=None):
        try:
            watched.strike("copy_file_range")
        except OSError as error:
            if error.errno:
                raise
            count = min(count, watched.part)
        here = offset_src is None
        content = os_.read(src, count) if here else pread(os_, src, count, offset_src)
        if offset_dst is None:
            return os_.write(dst, content) if content else 0
        return pwrite(os_, dst, content, offset_dst)

    def posix_fadvise(os_, descriptor, *_what):
        os_.fstat(descriptor)

    for call in (
        pread,
        pwrite,
        readv,
        preadv,
        writev,
        pwritev,
        posix_fallocate,
        copy_file_range,
        posix_fadvise,
    ):
        instead(call.__name__, call)
