import gzip

with gzip.GzipFile("file.gz", "wb", mtime=0) as file:
    file.write(bytes(range(256)) * 400)
with gzip.open("file.gz", "rb") as file:
    assert len(file.read()) == 102_400
