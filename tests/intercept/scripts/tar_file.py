import io
import tarfile

with tarfile.open("file.tar", "w") as archive:
    member = tarfile.TarInfo("member")
    member.size = 5000
    archive.addfile(member, io.BytesIO(b"x" * 5000))
with tarfile.open("file.tar") as archive:
    archive.extractall("out", filter="data")
